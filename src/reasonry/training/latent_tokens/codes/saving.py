"""The folder of a codec.

    codec.safetensors      its weights, codebook and known tokens
    latent_config.json     sizes, the tokenizer's fingerprint, a hash of the weights
    tokenizer/             whose ids it reads

Loading refuses weights with another hash, and a tokenizer with another fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from reasonry.core.atomic import write_json
from reasonry.core.config import from_dict
from reasonry.core.models.tokenizer import load_tokenizer
from reasonry.core.whole_folder import whole_folder
from reasonry.errors import ConfigError, DataError
from reasonry.training.latent_tokens.codes.codec import TextCodec
from reasonry.training.latent_tokens.codes.config import CodecConfig
from reasonry.training.latent_tokens.fingerprint import check_fingerprint, tokenizer_fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WEIGHTS, SETTINGS, TOKENIZER, CODES = "codec.safetensors", "latent_config.json", "tokenizer", "codes"
_FORMAT = 1


@dataclass(frozen=True)
class CodesInfo:
    """What is known of a codec without loading it.

    Attributes:
        config: Sizes.
        tokenizer_fingerprint: Whose ids it reads.
        vocab_size: Ids of that tokenizer.
        hash: Of its weights.
        folder: Where it is.
    """

    config: CodecConfig
    tokenizer_fingerprint: str
    vocab_size: int
    hash: str
    folder: Path

    @property
    def chunk_tok(self) -> int:
        """Tokens of a chunk, L."""
        return self.config.chunk_tok

    @property
    def codes_per_chunk(self) -> int:
        """Codes of a chunk."""
        return self.config.codes_per_chunk

    @property
    def num_codes(self) -> int:
        """K."""
        return self.config.size

    def vectors(self) -> Tensor:
        """Vectors (K, D) of all codes, to begin embeddings with; loads the codec."""
        return _load_codec(self).quantizer.table()


@dataclass(frozen=True)
class Codes:
    """A codec with its tokenizer.

    Attributes:
        codec: In eval mode, on the CPU.
        tokenizer: Whose ids it reads.
        info: What it was saved with.
    """

    codec: TextCodec
    tokenizer: PreTrainedTokenizerBase
    info: CodesInfo

    def check_tokenizer(self, tokenizer: PreTrainedTokenizerBase, *, place: str) -> None:
        """Refuse another tokenizer.

        Raises:
            ConfigError: It is another.
        """
        check_fingerprint(tokenizer, self.info.tokenizer_fingerprint, place=place)

    def encode(self, ids: list[int] | tuple[int, ...]) -> tuple[int, ...]:
        """Codes of the whole chunks of token ids."""
        return self.codec.encode(ids)

    def decode_text(self, codes: list[int] | tuple[int, ...], question: str = "") -> str:
        """Approximate text of codes.

        Args:
            codes: As `encode` gives them.
            question: In words.
        """
        loose: Any = self.tokenizer
        prompt = list(loose(question, add_special_tokens=False)["input_ids"]) if question else []
        ids = list(self.codec.decode(codes, prompt))
        return str(loose.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def codec_hash(codec: TextCodec) -> str:
    """64 hex digits over names, shapes and bytes of all tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(codec.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def save_codes(codec: TextCodec, tokenizer: PreTrainedTokenizerBase, folder: Path) -> CodesInfo:
    """Write a codec's folder; it appears whole or not at all.

    Raises:
        ConfigError: The folder exists and holds something else.
        ResourceError: The disk is full or not writable.
    """
    if folder.exists() and not (folder / SETTINGS).is_file() and any(folder.iterdir()):
        raise ConfigError("the folder holds something else", place=str(folder), remedy="Give a new one.")
    from safetensors.torch import save_file

    info = CodesInfo(codec.config, tokenizer_fingerprint(tokenizer), codec.known.vocab_size, codec_hash(codec), folder)
    with whole_folder(folder, "the codes") as tmp:
        save_file({name: value.cpu().contiguous() for name, value in codec.state_dict().items()}, tmp / WEIGHTS)
        tokenizer.save_pretrained(tmp / TOKENIZER)
        write_json(tmp / SETTINGS, _settings(info))
    return info


def find_codes(path: Path | str) -> Path:
    """The folder of codes that a path means: itself, or ``codes`` in a run directory.

    Raises:
        DataError: Neither is one.
    """
    path = Path(path)
    for folder in (path, path / CODES):
        if (folder / SETTINGS).is_file():
            return folder
    unfinished = (path / "run.json").is_file()
    raise DataError(
        "its codes have not been finished" if unfinished else "no codes here",
        place=str(path),
        remedy="Run reasonry train latent-tokens fit-codes (again), and name its run directory.",
    )


def read_codes_info(path: Path | str) -> CodesInfo:
    """What is known of codes without loading them.

    Args:
        path: Folder of codes, or run directory of fit-codes.

    Raises:
        DataError: There are none, or their settings are damaged.
    """
    folder = find_codes(path)
    place = folder / SETTINGS
    try:
        found = json.loads(place.read_text("utf-8"))
        if not isinstance(found, dict) or found["format"] != _FORMAT:
            raise ValueError(f"not of format {_FORMAT}")
        config = from_dict(CodecConfig, found["codec"], place=str(place))
        return CodesInfo(config, found["tokenizer_fingerprint"], int(found["vocab_size"]), found["hash"], folder)
    except ConfigError as e:
        raise DataError(e.problem, place=str(place), remedy="Was it written by a newer version?") from e
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as e:
        raise DataError(f"cannot be read: {e}", place=str(place), remedy="Copy the folder once more.") from e


def load_codes(path: Path | str) -> Codes:
    """Load a codec with its tokenizer.

    Args:
        path: Folder of codes, or run directory of fit-codes.

    Raises:
        DataError: There is none, it is damaged, or its weights are not those that were saved.
        ConfigError: The tokenizer beside it is another one.
    """
    info = read_codes_info(path)
    codec = _load_codec(info)
    tokenizer = load_tokenizer(str(info.folder / TOKENIZER)).tokenizer
    check_fingerprint(tokenizer, info.tokenizer_fingerprint, place=str(info.folder / TOKENIZER))
    return Codes(codec, tokenizer, info)


def _load_codec(info: CodesInfo) -> TextCodec:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    place = info.folder / WEIGHTS
    try:
        tensors: Mapping[str, Tensor] = load_file(place)
        codec = TextCodec(info.config, tensors["known.ids_V"], vocab_size=info.vocab_size)
        codec.load_state_dict(dict(tensors))
    except (OSError, KeyError, RuntimeError, AssertionError, SafetensorError) as e:
        raise DataError(f"cannot be read: {e}"[:300], place=str(place), remedy="Copy the folder once more.") from e
    if codec_hash(codec) != info.hash:
        raise DataError(
            "these weights are not those that were saved: their hash is another",
            place=str(place),
            remedy="Restore the file; codes of other weights mean other things.",
        )
    return codec.eval().requires_grad_(False)


def _settings(info: CodesInfo) -> dict[str, Any]:
    config = info.config
    return {
        "format": _FORMAT,
        "chunk_tok": config.chunk_tok,
        "codes_per_chunk": config.codes_per_chunk,
        "num_codes": config.size,
        "codec": config.model_dump(),
        "tokenizer_fingerprint": info.tokenizer_fingerprint,
        "vocab_size": info.vocab_size,
        "hash": info.hash,
    }


def cpu_or(device: str) -> torch.device:
    """A device by name; auto is the best that there is.

    Raises:
        ResourceError: There is no such device.
    """
    from reasonry.core.models.device import best_device, device_error

    name = best_device() if device == "auto" else device
    try:
        torch.zeros(1, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as e:  # AssertionError: torch was built without that kind of device
        raise device_error(name, e) from e
