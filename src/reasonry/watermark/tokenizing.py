"""From text to token ids: which tokenizer it is, a whole text at once, and a text that comes in pieces.

A text is marked over the ids that a model drew and detected over the ids that its tokenizer cuts out of the text, so
the tokenizer is part of a watermark: `tokenizer_hash_of` names it, whatever folder or hub it came from.

`IncrementalTokenizer` cuts a text that is not all there yet. Its ids are those of the whole text:

    word cut      before a single space that stands between a visible character and a letter or digit. Tokenizers that
                  split words before they merge (byte-level BPE, WordPiece), and SentencePiece vocabularies without a
                  piece across such a space, cut the two sides apart: each can be encoded by itself. Tokenizers that put
                  a space before every text get the last word once more, and its ids are dropped.
    window cut    where no such space comes for a while (Chinese, a long line of code) or where pieces do cross spaces:
                  the last characters are held back, the ones before them are encoded again, and offsets tell which ids
                  are new. Merges look a few characters far, so the ids come out the same once the overlap does; where
                  the overlap comes out otherwise, ids may differ, and `IncrementalTokenizer.num_out_of_step` counts it.

Measured on prose, code, Russian, Chinese, Japanese, the same without any white space, random characters and runs of
one character, cut at random into pieces of 3 to 8,000 characters: no id differs for the tokenizers of SmolLM2 and
Gemma 3. With others, ids can differ after some hundred characters without a space: digits that are cut in threes, runs
of one character under a unigram model, words too long for WordPiece.

Importing this module imports no transformers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from reasonry.errors import DataError
from reasonry.watermark.profile import tokenizer_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_WORD_CUT = re.compile(r"(?<=\S) (?=[^\W_])")
_CROSSES = re.compile(r"[^\sĠ▁Ċĉč][Ġ▁ ](?=[^\W_ĠĊĉč])")  # in a vocabulary: a space within, before a letter
_PROBES = (("One", " two three"), ("One, (", " 2 three."), ("so:\n\n  One.", " Two's 34"))
_PATIENCE_CHARS = 192  # without a word cut for so long, cut elsewhere
_HELD_CHARS = 64  # farther than the longest token later text has no say
_OVERLAP_CHARS = 48
_TAIL_TOK = 4  # so many ids of the overlap have to come out again


def tokenizer_hash_of(tokenizer: PreTrainedTokenizerBase) -> str:
    """Identity of a tokenizer, 32 hex digits; see `reasonry.watermark.profile.tokenizer_hash`.

    It covers the vocabulary, and of a fast tokenizer all that decides how text is cut: merges or scores, normaliser,
    pre-tokeniser and added tokens. Padding, truncation, chat template and the special tokens that are put around a text
    have no part in it. Of a slow tokenizer (one without a Rust backend) only the vocabulary is known.
    """
    vocab = cast("dict[str, int]", tokenizer.get_vocab())
    if not tokenizer.is_fast:
        return tokenizer_hash(vocab)
    backend: dict[str, Any] = json.loads(cast("Any", tokenizer).backend_tokenizer.to_str())
    model: dict[str, Any] = backend.get("model") or {}
    if isinstance(model.get("vocab"), dict):  # unigram models keep scores there; others repeat the vocabulary
        del model["vocab"]
    if "merges" in model:  # pairs, or in old files pairs joined by a space
        model["merges"] = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    cutting = {name: backend.get(name) for name in ("added_tokens", "normalizer", "pre_tokenizer")}
    text = json.dumps(_without_defaults({**cutting, "model": model}), sort_keys=True, separators=(",", ":"))
    return tokenizer_hash(vocab, text.encode())


def _without_defaults(value: Any) -> Any:
    """Without entries that are off: a newer library writes switches that an older one does not know."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {k: _without_defaults(v) for k, v in items if v not in (None, False, "", [], {})}
    if isinstance(value, list) and any(isinstance(v, dict) for v in cast("list[Any]", value)):
        return [_without_defaults(v) for v in cast("list[Any]", value)]
    return value


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text; no special tokens are added, nothing is truncated.

    Raises:
        DataError: The text holds half of a surrogate pair, which is no Unicode character.
    """
    return _encoding(tokenizer, text, offsets=False)["input_ids"]


def _encoding(tokenizer: PreTrainedTokenizerBase, text: str, *, offsets: bool) -> Any:
    if not text:
        return {"input_ids": [], "offset_mapping": []}
    try:
        return tokenizer(
            text,
            add_special_tokens=False,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=offsets,
            verbose=False,
        )
    except (TypeError, UnicodeEncodeError) as e:  # the Rust backend says only that it is no text
        at = next((i for i, c in enumerate(text) if "\ud800" <= c <= "\udfff"), None)
        if at is None:
            raise
        raise DataError(
            f"lone surrogate U+{ord(text[at]):04X} at character {at + 1} is not Unicode text",
            remedy="Was it cut between two halves of a character, or read as Latin-1 or with surrogateescape?",
        ) from e


class _Done(NamedTuple):
    """The end of the text that is done, from the beginning of a token on: its ids are known."""

    text: str
    ids: list[int]


class _Window(NamedTuple):
    """An encoding of the end of what is done and of text that is not.

    Attributes:
        text: What was encoded.
        ids: Its ids.
        spans: Where in ``text`` each begins and ends; empty when nobody asked, or the tokenizer does not know.
        first: Index of the first new one.
    """

    text: str
    ids: list[int]
    spans: list[tuple[int, int]]
    first: int


_NOTHING = _Done("", [])


class IncrementalTokenizer:
    """Token ids of a text that comes in pieces. Each id is given once, as soon as later text cannot change it.

    Memory does not grow with the text, unless a single token does, or a slow tokenizer waits for a space: it knows no
    offsets. After `finish` another text can begin.

    Args:
        tokenizer: Whose ids.

    Attributes:
        num_out_of_step: Times that an overlap came out with other ids than before. Ids around that place may differ
            from those of the whole text; zero for text with spaces.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.num_out_of_step = 0
        self._tokenizer = tokenizer
        self._awkward = _awkward_tokens(tokenizer)
        self._has_words = _splits_at_words(tokenizer)
        self._needs_overlap = any(
            encode(tokenizer, a + b) != encode(tokenizer, a) + encode(tokenizer, b) for a, b in _PROBES
        )
        self._done = _NOTHING
        self._pending = ""
        self._window_at = _PATIENCE_CHARS

    def feed(self, text: str) -> list[int]:
        """Take the next piece, of any length; the ids that are certain now."""
        self._pending += text
        cut = self._last_word_cut() if self._has_words else 0
        ids = self._take(cut) if cut else []
        if len(self._pending) > self._window_at and self._tokenizer.is_fast:
            more = self._take_window()
            # Where no token ends, the next try waits: trying at every piece would take quadratic time.
            self._window_at = _PATIENCE_CHARS if more else 2 * len(self._pending)
            ids += more
        return ids

    def finish(self) -> list[int]:
        """The text is at its end: the ids that were held back."""
        ids = self._take(len(self._pending)) if self._pending else []
        self._done, self._window_at = _NOTHING, _PATIENCE_CHARS
        return ids

    def _last_word_cut(self) -> int:
        """Index in the pending text of the last space to cut before; 0 when there is none."""
        reach = 256  # from the end in growing steps: a long text is not searched from its first word on
        while True:
            start = max(0, len(self._pending) - reach)
            for found in reversed(list(_WORD_CUT.finditer(self._pending, start))):
                if self._is_apart(found.start()):
                    return found.start()
            if start == 0:
                return 0
            reach *= 8

    def _is_apart(self, cut: int) -> bool:
        """False where an added token may lie across the cut, or swallow its space."""
        for token in self._awkward:
            end = cut + 1 + len(token)
            if end > len(self._pending) or 0 <= self._pending.find(token, max(0, cut - len(token)), end) <= cut + 1:
                return False
        return True

    def _take(self, cut: int) -> list[int]:
        """New ids of the pending text up to a word cut, or to its end."""
        piece, self._pending = self._pending[:cut], self._pending[cut:]
        window = self._encoded(piece, spans=False)
        self._done = _NOTHING
        if self._needs_overlap:
            # From the last word on, without the space before it: the tokenizer puts one there.
            begin = max((m.end() for m in _WORD_CUT.finditer(piece, max(0, len(piece) - 256))), default=-1)
            text = piece[begin:] if begin >= 0 else piece[-_OVERLAP_CHARS:]
            self._done = _Done(text, encode(self._tokenizer, text))
        return window.ids[window.first :]

    def _take_window(self) -> list[int]:
        """New ids of the pending text but for its last characters, up to where a token begins."""
        window = self._encoded(self._pending, spans=True)
        limit = len(window.text) - _HELD_CHARS
        starts = [i for i in range(1, len(window.ids)) if _is_boundary(window.spans, i)]
        last = max((i for i in starts if i > window.first and window.spans[i][0] <= limit), default=0)
        if not last:
            return []
        end = window.spans[last][0]
        # The overlap begins where a token does: a run of digits or of dashes is then cut in the same phase again.
        begins = (i for i in starts if i < last and window.spans[i][0] <= end - _OVERLAP_CHARS)
        begin = max(begins, default=0)
        self._done = _Done(window.text[window.spans[begin][0] if begin else 0 : end], window.ids[begin:last])
        self._pending = window.text[end:]
        return window.ids[window.first : last]

    def _encoded(self, piece: str, *, spans: bool) -> _Window:
        """The end of what is done encoded together with a piece."""
        done, base = self._done, len(self._done.text)
        is_fast = bool(self._tokenizer.is_fast)
        found = _encoding(self._tokenizer, done.text + piece, offsets=is_fast and (spans or base > 0))
        ids = list(found["input_ids"])
        if not base:
            return _Window(piece, ids, list(found["offset_mapping"]) if spans else [], 0)
        span_list: list[tuple[int, int]] = list(found["offset_mapping"]) if is_fast else []
        first = next((i for i, span in enumerate(span_list) if span[0] >= base), len(ids))
        first = first if is_fast else len(done.ids)
        tail = done.ids[-_TAIL_TOK:]
        if ids[first - len(tail) : first] == tail:
            return _Window(done.text + piece, ids, span_list, first)
        self.num_out_of_step += 1
        if is_fast and (first == 0 or span_list[first - 1][1] <= base):
            return _Window(done.text + piece, ids, span_list, first)
        self._done = _NOTHING  # a token lies across the place: the piece has to stand by itself
        return self._encoded(piece, spans=spans)


def _is_boundary(spans: Sequence[tuple[int, int]], i: int) -> bool:
    """Whether tokens i - 1 and i share no character, and either stands for some."""
    before, after = spans[i - 1], spans[i]
    return before[0] < before[1] <= after[0] < after[1]


def _awkward_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Added tokens that hold a space between words, or swallow those beside them."""
    added = tokenizer.added_tokens_decoder.values()
    return [t.content for t in added if t.lstrip or t.rstrip or len(t.content.split()) > 1]


def _splits_at_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether no token holds the end of one word and the beginning of the next."""
    if tokenizer.is_fast:
        backend = cast("Any", tokenizer).backend_tokenizer
        if backend.pre_tokenizer is not None:
            texts = ("one two", "One. two", "(one) 2wo", "One: Two")
            normalised = [backend.normalizer.normalize_str(t) if backend.normalizer else t for t in texts]
            pieces = [p for t in normalised for p, _ in backend.pre_tokenizer.pre_tokenize_str(t)]
            if not any("ne" in piece and "wo" in piece for piece in pieces):
                return True
    return not any(_CROSSES.search(piece) for piece in tokenizer.get_vocab())
