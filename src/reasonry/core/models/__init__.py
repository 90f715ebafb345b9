"""Models: a hub id, a local path, or the alias of a small packaged model, loaded safely.

Packaged models come from the Python package registry, so that everything runs without an account or a hub. A GGUF file
is dequantised once and kept as safetensors in the user's cache directory; later loads read that.

Safety: ``use_safetensors`` is always on (nothing unpickles), remote code is refused unless the caller opts in with a
pinned 40-digit commit, and a ``config.json`` that tries to smuggle code in is refused before anything is loaded.

Importing this package imports no torch.
"""

from reasonry.core.models.config import Dtype, ModelConfig
from reasonry.core.models.device import best_device, fast_dtype
from reasonry.core.models.encoder import SentenceEncoder
from reasonry.core.models.find import find_causal_lm, find_model, local_folder
from reasonry.core.models.gguf import CACHE_FORMAT, cache_dir
from reasonry.core.models.load import AutoClass, LoadedModel, adapted, content_hash, load_causal_lm, load_pretrained
from reasonry.core.models.packaged import PACKAGED, PackagedModel, is_installed, packaged_path
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.models.safety import check_config
from reasonry.core.models.tokenizer import LoadedTokenizer, load_tokenizer

__all__ = [
    "CACHE_FORMAT",
    "PACKAGED",
    "AutoClass",
    "Dtype",
    "LoadedModel",
    "LoadedTokenizer",
    "ModelConfig",
    "PackagedModel",
    "SentenceEncoder",
    "adapted",
    "best_device",
    "cache_dir",
    "check_config",
    "content_hash",
    "fast_dtype",
    "find_causal_lm",
    "find_model",
    "is_installed",
    "load_causal_lm",
    "load_pretrained",
    "load_tokenizer",
    "local_folder",
    "packaged_path",
    "quiet_transformers",
]
