"""The law of m: how many of the first reasoning tokens of an example are replaced by codes.

    two_stage   m_max ~ U(S),  m ~ U{0, L, 2 L, .. <= m_max}         S = {0, 72, 128, 160, 192, 224, 256}, L = 16
    set         m ~ U(S), rounded down to a multiple of L            72 becomes 64
    all         m = L floor(t_c / L)
    fixed:k     m = k, a multiple of L

    always      m = min(m, L floor(t_c / L))                         t_c tokens of reasoning, in chunks of L

Token Assorted (arXiv 2502.03275) trains with random m; `two_stage` is how several public re-implementations read it,
`set` is how others do. Probabilities here are exact fractions: with S and L as published and t_c >= 256, `two_stage`
has E[m] = 512/7 and P(m > 0) = 0.770795, `set` has E[m] = 1024/7.

The published set fits reasoning of 256 tokens and more. Of an example with t_c = 48 it replaces everything with
probability 0.60 (`two_stage`), so that little of its text is learnt. RECONSTRUCTED: `scaled` is `two_stage` with every
value of S times (longest reasoning of the data) / 256. Any other set can be given too.

Degenerate: reasoning shorter than a chunk, and a set of zeros, have m = 0 always.
"""

# pyright: strict
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Literal, NamedTuple, cast

from reasonry.errors import ConfigError, nearest

CHUNK_TOK = 16
PUBLISHED_M_MAX_TOK = (0, 72, 128, 160, 192, 224, 256)
LAWS = ("two_stage", "set", "scaled", "all", "fixed:K")

Kind = Literal["two_stage", "set", "all", "fixed"]


class Law(NamedTuple):
    """A law of m, for reasoning of any length.

    Attributes:
        kind: Which.
        chunk_tok: L, tokens.
        m_max_tok: S, tokens; of `two_stage` and `set`.
        fixed_tok: Of `fixed`.
    """

    kind: Kind = "two_stage"
    chunk_tok: int = CHUNK_TOK
    m_max_tok: tuple[int, ...] = PUBLISHED_M_MAX_TOK
    fixed_tok: int = 0

    def num_chunks(self, cot_tok: int) -> int:
        """Full chunks in reasoning of so many tokens."""
        return cot_tok // self.chunk_tok

    def distribution(self, cot_tok: int) -> Distribution:
        """The law for reasoning of ``cot_tok`` tokens."""
        num = self.num_chunks(cot_tok)
        if self.kind != "all":
            num = min(num, max((*self.m_max_tok, self.fixed_tok), default=0) // self.chunk_tok)
        return _distribution(self, num)


class Distribution(NamedTuple):
    """Exact probabilities of the values of m.

    Attributes:
        m_tok: The values, ascending; multiples of the chunk.
        probability: Of each, above 0; they add up to 1.
        cumulative: Sums of the probabilities, rounded once; the last one is 1.
    """

    m_tok: tuple[int, ...]
    probability: tuple[Fraction, ...]
    cumulative: tuple[float, ...]

    @property
    def mean_tok(self) -> Fraction:
        """E[m]."""
        return sum((m * p for m, p in zip(self.m_tok, self.probability, strict=True)), Fraction(0))

    @property
    def positive(self) -> Fraction:
        """P(m > 0)."""
        return sum((p for m, p in zip(self.m_tok, self.probability, strict=True) if m), Fraction(0))

    def quantile(self, uniform: float) -> int:
        """The value of a uniform number in [0, 1): a draw of m.

        Several numbers are never needed, so that an example takes one whatever its law is.
        """
        return self.m_tok[bisect_right(self.cumulative, uniform)]


def make_law(
    name: str = "two_stage",
    *,
    chunk_tok: int = CHUNK_TOK,
    m_max_tok: Sequence[int] = PUBLISHED_M_MAX_TOK,
    longest_tok: int = 0,
) -> Law:
    """The law of a name.

    Args:
        name: One of `LAWS`; ``fixed:48`` for k = 48.
        chunk_tok: L.
        m_max_tok: S.
        longest_tok: Tokens of the longest reasoning, for `scaled` alone.

    Raises:
        ConfigError: No such law, or numbers that fit none.
    """
    if chunk_tok < 1:
        raise ConfigError(f"a chunk of {chunk_tok} tokens", place="chunk_tok", remedy="Give 1 or more.")
    if not m_max_tok or min(m_max_tok) < 0:
        raise ConfigError(
            f"m_max {tuple(m_max_tok)}", place="m_max_tok", remedy="Give one or more numbers of tokens from 0 on."
        )
    found = tuple(m_max_tok)
    if name == "scaled":
        if longest_tok < 1:
            raise ConfigError(
                "the longest reasoning is not known", place="law", remedy="`scaled` needs data with reasoning."
            )
        name, found = "two_stage", tuple(value * longest_tok // PUBLISHED_M_MAX_TOK[-1] for value in m_max_tok)
    if name in ("two_stage", "set", "all"):
        return Law(cast("Kind", name), chunk_tok, found)
    kind, _, text = name.partition(":")
    if kind != "fixed":
        remedy = " ".join(filter(None, (nearest(name, LAWS), f"Laws: {', '.join(LAWS)}.")))
        raise ConfigError(f"unknown law {name!r}", place="law", remedy=remedy)
    if not text.isascii() or not text.isdigit() or int(text) % chunk_tok:
        raise ConfigError(
            f"law {name!r}",
            place="law",
            remedy=f"Give a number of tokens that is a multiple of the chunk, such as fixed:{4 * chunk_tok}.",
        )
    return Law("fixed", chunk_tok, (), int(text))


@lru_cache(maxsize=4096)
def _distribution(law: Law, num_chunks: int) -> Distribution:
    """The law for reasoning of ``num_chunks`` full chunks."""
    weights = [Fraction(0)] * (num_chunks + 1)
    for chunks, weight in _uncapped(law, num_chunks):
        weights[min(chunks, num_chunks)] += weight
    found = [(chunks * law.chunk_tok, weight) for chunks, weight in enumerate(weights) if weight]
    sums = accumulate(weight for _, weight in found)
    return Distribution(tuple(m for m, _ in found), tuple(p for _, p in found), tuple(map(float, sums)))


def _uncapped(law: Law, num_chunks: int) -> list[tuple[int, Fraction]]:
    """(chunks, probability), as if reasoning were long enough."""
    if law.kind == "all":
        return [(num_chunks, Fraction(1))]
    if law.kind == "fixed":
        return [(law.fixed_tok // law.chunk_tok, Fraction(1))]
    most = [value // law.chunk_tok for value in law.m_max_tok]
    if law.kind == "set":
        return [(chunks, Fraction(1, len(most))) for chunks in most]
    return [(chunks, Fraction(1, len(most) * (top + 1))) for top in most for chunks in range(top + 1)]
