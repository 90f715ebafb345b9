"""Human text for calibration, cut into windows of equal length that never cross a document's end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.core.models.tokenizer import load_tokenizer
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.calibration.python_docs import NAME as BUILT_IN
from reasonry.watermark.calibration.python_docs import python_docs
from reasonry.watermark.config import CalibrateConfig
from reasonry.watermark.detection.read import ROW_SUFFIXES, TEXT_SUFFIXES, Document, read_documents
from reasonry.watermark.profile import Profile, check_match
from reasonry.watermark.tokenizing import IncrementalTokenizer, tokenizer_hash_of

_PIECE_CHARS = 1 << 16
_UNKNOWN_TOKENIZER = "0" * 32  # ids alone do not say whose they are


@dataclass(frozen=True)
class Corpus:
    """Windows of human text.

    Attributes:
        name: What was read.
        windows_NT: Token ids, N windows of T tokens, in reading order.
        profile: How text would be marked.
        num_documents: Documents read.
        num_short: Documents that hold no whole window.
        is_cut: Reading stopped at the most windows allowed.
        tokenizer: What cut the text; None for token ids.
    """

    name: str
    windows_NT: NDArray[np.int64]
    profile: Profile
    num_documents: int
    num_short: int
    is_cut: bool
    tokenizer: Any


class _Tokenizer:
    """The tokenizer, loaded when the first text comes: token ids need none."""

    def __init__(self, config: CalibrateConfig, given: Profile | None) -> None:
        self._config, self._given = config, given
        self.loaded: Any = None
        self.name = (given.tokenizer if given else "") or config.model
        self.hash = ""

    def get(self) -> Any:
        if self.loaded is None:
            loaded = load_tokenizer(self.name, self._config.model_options).tokenizer
            self.hash = tokenizer_hash_of(loaded)
            if self._given is not None:
                check_match(self._given, tokenizer_hash=self.hash)
            self.loaded = loaded
        return self.loaded


def read_corpus(config: CalibrateConfig, given: Profile | None = None) -> Corpus:
    """Read the corpus that a config names, up to its most windows.

    Args:
        config: The resolved config.
        given: The profile it names; None makes one from the config and the tokenizer.

    Raises:
        ConfigError: A window holds no token with a whole context.
        ProfileMismatchError: The tokenizer is not the profile's.
        DataError: The corpus cannot be read, is empty, or holds no document as long as a window.
    """
    context_tok = given.context_tok if given else config.context_tok
    if config.window_tok <= context_tok:
        raise ConfigError(
            f"a window of {config.window_tok} tokens with a context of {context_tok} has nothing to score",
            place="window_tok",
            remedy=f"Use at least {context_tok + 1}.",
        )
    tokenizer = _Tokenizer(config, given)
    windows: list[NDArray[np.int64]] = []
    num_documents = num_short = longest = 0
    is_cut = False
    name, documents = _documents(config.corpus)
    for document in documents:
        num_documents += 1
        before, num_tok = len(windows), 0
        left = np.empty(0, dtype=np.int64)
        for ids in _pieces(document, tokenizer):
            _check_ids(ids, given, document, num_tok)
            num_tok += len(ids)
            left = np.concatenate([left, ids])
            num_whole = min(len(left) // config.window_tok, config.max_windows - len(windows))
            cut = num_whole * config.window_tok
            windows += list(left[:cut].reshape(num_whole, config.window_tok))
            left = left[cut:]
            if is_cut := len(windows) == config.max_windows:
                break
        longest = max(longest, num_tok)
        num_short += len(windows) == before
        if is_cut:
            break
    if not windows:
        raise DataError(
            f"no document of {num_documents} has {config.window_tok} tokens; the longest has {longest}",
            place=name,
            remedy="Lower --window-tok, or take longer texts.",
        )
    stacked = np.stack(windows)
    profile = given or _profile(config, tokenizer, stacked)
    return Corpus(name, stacked, profile, num_documents, num_short, is_cut, tokenizer.loaded)


def _profile(config: CalibrateConfig, tokenizer: _Tokenizer, windows_NT: NDArray[np.int64]) -> Profile:
    """A uniform anchor with the settings of the config. Ids without a tokenizer tell the width of their vocabulary."""
    if tokenizer.loaded is not None:
        vocab_size = max(len(tokenizer.loaded), max(tokenizer.loaded.get_vocab().values()) + 1)
    else:
        vocab_size = max(int(windows_NT.max()) + 1, config.num_bins, 2)
    return Profile(
        num_bins=config.num_bins,
        context_tok=config.context_tok,
        tokenizer=tokenizer.name if tokenizer.loaded is not None else "",
        tokenizer_hash=tokenizer.hash or _UNKNOWN_TOKENIZER,
        vocab_size=vocab_size,
    )


def _documents(corpus: str) -> tuple[str, Iterator[Document]]:
    if not corpus:
        return BUILT_IN, python_docs()
    path = Path(corpus)
    if not path.is_dir():
        return str(path), read_documents(path)
    files = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in (*TEXT_SUFFIXES, *ROW_SUFFIXES) and p.is_file()]
    if not files:
        known = ", ".join((*TEXT_SUFFIXES, *ROW_SUFFIXES))
        raise DataError("the folder holds no texts", place=str(path), remedy=f"Files are taken by their ends: {known}.")
    return str(path), (document for file in files for document in read_documents(file))


def _pieces(document: Document, tokenizer: _Tokenizer) -> Iterator[NDArray[np.int64]]:
    """Token ids of a document, a piece at a time."""
    if document.ids is not None:
        yield document.ids
        return
    assert document.text is not None
    incremental = IncrementalTokenizer(tokenizer.get())
    while piece := document.text.read(_PIECE_CHARS):
        yield np.array(incremental.feed(piece), dtype=np.int64)
    yield np.array(incremental.finish(), dtype=np.int64)


def _check_ids(ids: NDArray[np.int64], given: Profile | None, document: Document, num_before: int) -> None:
    size = given.vocab_size if given else np.iinfo(np.int64).max
    wrong = (ids < 0) | (ids >= size)
    if wrong.any():
        at = int(wrong.argmax())
        raise DataError(
            f"token id {int(ids[at])} is outside the vocabulary" + (f" of {size} tokens" if given else ""),
            place=f"{document.place}, token {num_before + at + 1}",
            remedy="Give the ids of the profile's tokenizer, without padding or placeholder ids.",
        )
