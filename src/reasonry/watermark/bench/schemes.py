"""The schemes of the benchmark behind one face: what marks a text, and what reads it.

    anchored    the e-watermark; bets are the mixture, or bet=paper:0.3 (Huang et al. 2026, arXiv 2602.17608)
    seal        the same text, read by SEAL's exact test of the number of matches; no e-process
    none        no mark: the reference of quality, and the text of false alarms
    and every row of `reasonry.watermark.baselines.SCHEMES`

Schemes that differ in how they read alone (``anchored``, ``anchored:bet=paper:0.3``, ``seal``) have one `Scheme.mark`:
the texts of a mark are sampled once and read by all of them, which makes their comparison a paired one.

A reading (`reasonry.watermark.baselines.Reading`) carries two paths over the scored tokens: a p-value for a length that
was fixed beforehand, and log e. For the anchored scheme the former is SEAL's: the exact Poisson-binomial tail of the
number of matches.

Every text has a key of its own, a function of the seed, the mark and the text: sizes are then over keys as well, and a
scheme is not judged by one lucky green list. Keys are for the measurement only and are written nowhere.

Legend: S scored tokens, K keys.
"""

# pyright: strict
from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest
from reasonry.watermark import baselines
from reasonry.watermark.baselines import SCHEMES, Reading
from reasonry.watermark.baselines.base import Scheme as Baseline
from reasonry.watermark.baselines.parsing import read_parameters
from reasonry.watermark.baselines.seal import poisson_binomial_p_path
from reasonry.watermark.bench.reader import AnchoredMark, Ids, Reader
from reasonry.watermark.bets import make_bets
from reasonry.watermark.e_process import log_e_path
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import PRFS

UNMARKED = "none"

_KEPT = 32  # schemes at hand: a text is read after one attack after the other
_PROBE_VOCAB = 64
_PERMUTED = ("inverse-transform", "exp", "exp-edit")  # a reading takes a hundred others, under reference keys


class Scheme(ABC):
    """A row of the benchmark.

    Attributes:
        name: As the user wrote it.
        mark: What decides the text; schemes of one mark share their texts.
        has_e_process: Whether its readings carry one.
        num_alarm_keys: Keys under which an unmarked text is read. Given the texts, alarms under different keys are
            independent.
    """

    name: str
    mark: str
    has_e_process: bool = True
    num_alarm_keys: int = 50

    @abstractmethod
    def read(self, ids: Ids, keys: Sequence[SecretKey], reader: Reader) -> list[Reading]:
        """Test a text under each of several keys.

        Raises:
            DataError: The ids are not those of the vocabulary.
        """


class Unmarked(Scheme):
    """Text without a mark."""

    has_e_process = False

    def __init__(self) -> None:
        self.name = self.mark = UNMARKED

    def read(self, ids: Ids, keys: Sequence[SecretKey], reader: Reader) -> list[Reading]:
        """Nothing: there is no mark to look for."""
        return []


class BaselineScheme(Scheme):
    """A watermark of `reasonry.watermark.baselines`."""

    def __init__(self, text: str) -> None:
        self.name = self.mark = text
        if text.partition(":")[0] in _PERMUTED:
            self.num_alarm_keys = 10
        self._made: OrderedDict[tuple[SecretKey, int], Baseline] = OrderedDict()
        self.under(SecretKey(bytes(32)), vocab_size=_PROBE_VOCAB)  # a slip in a parameter shows now, not in an hour
        self._made.clear()

    def under(self, key: SecretKey, *, vocab_size: int) -> Baseline:
        """The scheme under a key."""
        found = self._made.get((key, vocab_size))
        if found is None:
            found = self._made[key, vocab_size] = baselines.make_scheme(self.name, key, vocab_size=vocab_size)
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return found

    def read(self, ids: Ids, keys: Sequence[SecretKey], reader: Reader) -> list[Reading]:
        """See `Scheme.read`."""
        return [self.under(key, vocab_size=reader.vocab_size).read(ids) for key in keys]


class Anchored(Scheme):
    """The anchored e-watermark, read by an e-process or by SEAL's test."""

    def __init__(self, name: str, mark: AnchoredMark, *, bet: str | None, is_released_base: bool = False) -> None:
        self.name = name
        self.marking = mark
        self.mark = mark.text
        self.has_e_process = bet is not None
        self._bet = bet
        self._is_released_base = is_released_base

    def read(self, ids: Ids, keys: Sequence[SecretKey], reader: Reader) -> list[Reading]:
        """See `Scheme.read`."""
        found = reader.compare(self.marking, ids, keys)
        match_SK, p_SK = found.match_SK, found.p_SK
        log_e_SK = np.full(p_SK.shape, np.nan)
        if self._bet is not None:
            bets = make_bets(self._bet, n=self.marking.num_bins or reader.vocab_size)
            log_e_SK = log_e_path(match_SK, p_SK, bets)
        # With two symbols the probability of the keyed one follows from that of the text's.
        tested_SK = np.where(match_SK, p_SK, 1 - p_SK) if self._is_released_base else p_SK
        path_SK = poisson_binomial_p_path(match_SK, tested_SK)
        return [
            Reading(
                found.position_S,
                path_SK[:, k],
                log_e_SK[:, k],
                num_tok=found.num_tok,
                num_short_context=found.num_short_context,
                num_duplicate=found.num_tok - found.num_short_context - len(found.position_S),
            )
            for k in range(len(keys))
        ]


def make_anchored(*, num_bins: int = 16, context_tok: int = 4, prf: str = "mix64-v1", bet: str = "mixture") -> Anchored:
    """The e-watermark: by default the mixture of bets, with ``paper:0.3`` the paper's e-value with delta 0.3."""
    mark = _checked_mark(num_bins, context_tok, prf)
    make_bets(bet, n=num_bins or _PROBE_VOCAB)  # refuses what is no bet
    return Anchored("", mark, bet=bet)


def make_seal(
    *,
    num_bins: int = 16,
    context_tok: int = 4,
    prf: str = "mix64-v1",
    version: Literal["correct", "released-base"] = "correct",
) -> Anchored:
    """SEAL's test on the text of the anchored scheme; see `reasonry.watermark.baselines.seal` for its versions."""
    mark = _checked_mark(num_bins, context_tok, prf)
    if version == "released-base" and num_bins != 2:
        raise ConfigError(
            f"version=released-base with num_bins={num_bins}",
            remedy="SEAL's base version has two symbols: write seal:num_bins=2,version=released-base.",
        )
    return Anchored("", mark, bet=None, is_released_base=version == "released-base")


def _checked_mark(num_bins: int, context_tok: int, prf: str) -> AnchoredMark:
    if num_bins < 0 or num_bins == 1 or context_tok < 1:
        raise ConfigError(
            f"num_bins={num_bins}, context_tok={context_tok}",
            remedy="Use 0 or at least 2 bins, and a context of at least 1 token.",
        )
    if prf not in PRFS:
        raise ConfigError(f"unknown prf={prf!r}", remedy=nearest(prf, PRFS) or f"There are {', '.join(PRFS)}.")
    return AnchoredMark(num_bins, context_tok, prf)


_ANCHORED = {"anchored": make_anchored, "seal": make_seal}


def make_bench_scheme(text: str) -> Scheme:
    """Read a row of the benchmark, e.g. ``anchored``, ``anchored:bet=paper:0.3``, ``seal:num_bins=2``, ``kgw``.

    Raises:
        ConfigError: Unknown scheme or parameter, or a value that is unreadable or out of range.
    """
    name, _, rest = (part.strip() for part in text.partition(":"))
    if text == UNMARKED:
        return Unmarked()
    if name in SCHEMES:
        return BaselineScheme(text)
    if name not in _ANCHORED:
        known = [*_ANCHORED, *SCHEMES, UNMARKED]
        remedy = nearest(name, known) or f"Schemes: {', '.join(known)}."
        raise ConfigError(f"unknown scheme {name!r}", place="schemes", remedy=remedy)
    maker: Any = _ANCHORED[name]
    made: Anchored = maker(**read_parameters(rest.split(",") if rest else [], maker, place=f"scheme {text!r}"))
    made.name = text
    return made


def make_bench_schemes(texts: Sequence[str]) -> list[Scheme]:
    """The rows of the benchmark.

    Raises:
        ConfigError: As `make_bench_scheme`; a row twice; or none that marks.
    """
    twice = sorted({text for text in texts if list(texts).count(text) > 1})
    if twice:
        raise ConfigError(f"{twice[0]!r} is given twice", place="schemes", remedy="Give every scheme once.")
    made = [make_bench_scheme(text) for text in texts]
    if all(isinstance(scheme, Unmarked) for scheme in made):
        raise ConfigError("no scheme that marks", place="schemes", remedy="Add one, such as anchored.")
    return made


def bench_key(seed: int, *names: str | int) -> SecretKey:
    """The key of a measurement: a function of the seed and of what it is for. Never use it to sign."""
    words = [seeds.derive(seed, "watermark bench key", *names, word) for word in range(4)]
    return SecretKey(b"".join(word.to_bytes(8, "little") for word in words))
