"""The copy-or-reverse task: repeat a string when a 3-SAT formula is satisfiable, reverse it when it is not.

    tokens    0-3 x1..x4, 4-7 not x1..x4, 8 SEP, 9 a, 10 b, 11 EQ, 12 OK, 13 BAD
    prompt    3 C literals, SEP, string (n), EQ
    two turns prompt, attempt 1 (n), verdict (OK | BAD), attempt 2 (n)
    one turn  prompt, answer (n)

A clause has 3 of the 4 variables, in random order and with random signs: 32 clauses up to order, each false in 2 of the
16 assignments. C uniform clauses are unsatisfiable when their false assignments cover all 16, so by inclusion-exclusion

    P(sat) = 1 - sum_{S subset of the 16} (-1)^|S| ( #{clauses not false anywhere in S} / 32 )^C      0.708 for C = 20

Formulas are drawn by rejection to the wanted share of satisfiable ones. In training traces attempt 1 copies with
probability ``first_copy_share`` and reverses otherwise, whatever the formula; the verdict is true; attempt 2 is right.
Loss falls on the attempts only. Copying everything is right on a share 1/2 + 2^-floor(n/2) / 2 of a test with as many
satisfiable as unsatisfiable formulas, since palindromes are right either way: 0.625 for n = 4 and 5.

After the synthetic experiment of Huang et al. 2025 (arXiv 2506.05295): 4 variables, 20 clauses, 9:1 in training, 1:1 in
the test. Reconstructed, because the text does not fix it: tokens, string length, what training traces hold.

Shapes: B batch, C clauses, T tokens, n string length.
"""

# pyright: strict
from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError

NUM_VARIABLES = 4
SEP, A, B, EQ, OK, BAD = range(2 * NUM_VARIABLES, 2 * NUM_VARIABLES + 6)
VOCAB_SIZE = BAD + 1

_ALL = 0xFFFF  # the 16 assignments; assignment a gives variable v the value of its bit v
_RAREST = 1e-3  # formulas rarer than this are not worth waiting for

Tokens = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Prompts(NamedTuple):
    """Prompts of one string length with their answers.

    Attributes:
        tokens_BT: Formula, SEP, string, EQ; T = 3 C + n + 2.
        string_Bn: The string.
        is_sat_B: Whether the formula is satisfiable.
    """

    tokens_BT: Tokens
    string_Bn: Tokens
    is_sat_B: Flags

    @property
    def answer_Bn(self) -> Tokens:
        """The string, or its reverse where the formula is not satisfiable."""
        return np.where(self.is_sat_B[:, None], self.string_Bn, self.string_Bn[:, ::-1])


def _false_masks() -> NDArray[np.uint16]:
    """For each of the 8 literals the set of assignments in which it is false, as 16 bits."""
    masks = np.zeros(2 * NUM_VARIABLES, dtype=np.uint16)
    for variable in range(NUM_VARIABLES):
        true = sum(1 << a for a in range(16) if a >> variable & 1)
        masks[variable], masks[variable + NUM_VARIABLES] = _ALL ^ true, true
    return masks


_FALSE = _false_masks()


def draw_clauses(rng: np.random.Generator, num: int, *, num_clauses: int) -> Tokens:
    """Uniform formulas, shape (num, C, 3), of literal tokens."""
    every = np.broadcast_to(np.arange(NUM_VARIABLES), (num, num_clauses, NUM_VARIABLES))
    variables = rng.permuted(every, axis=-1)[..., :3]
    return variables + NUM_VARIABLES * rng.integers(0, 2, variables.shape)


def satisfiable(literals_BC3: Tokens) -> Flags:
    """Whether each formula has a satisfying assignment, by all 16 at once."""
    false_in_BC = np.bitwise_and.reduce(_FALSE[literals_BC3], axis=-1)
    return np.bitwise_or.reduce(false_in_BC, axis=-1) != _ALL


@functools.cache
def satisfiable_probability(num_clauses: int) -> float:
    """Exact probability that ``num_clauses`` uniform clauses are satisfiable together."""
    triples = [t for t in np.ndindex(*[2 * NUM_VARIABLES] * 3) if t[0] % 4 < t[1] % 4 < t[2] % 4]
    false_in = np.array([np.bitwise_and.reduce(_FALSE[list(t)]) for t in triples], dtype=np.uint16)
    subsets = np.arange(_ALL + 1, dtype=np.uint16)
    num_apart = sum((subsets & clause) == 0 for clause in false_in)
    signs = 1 - 2 * (np.bitwise_count(subsets).astype(np.int64) % 2)
    return 1.0 - float((signs * (num_apart / len(false_in)) ** num_clauses).sum())


def copy_accuracy(length: int, *, sat_share: float = 0.5) -> float:
    """Accuracy of copying every string, among formulas of which ``sat_share`` are satisfiable."""
    return sat_share + (1 - sat_share) * 2.0 ** -(length // 2)


def draw_prompts(rng: np.random.Generator, num: int, *, num_clauses: int, length: int, sat_share: float) -> Prompts:
    """Prompts whose formulas are satisfiable with probability ``sat_share``, independently.

    Raises:
        ConfigError: Formulas of the wanted kind are too rare to be drawn by rejection.
    """
    p_sat = satisfiable_probability(num_clauses)
    if (sat_share > 0 and p_sat < _RAREST) or (sat_share < 1 and 1 - p_sat < _RAREST):
        raise ConfigError(
            f"num_clauses = {num_clauses}: a formula is satisfiable with probability {p_sat:.4g}",
            remedy="Use 12 to 80 clauses, so that both kinds are found.",
        )
    is_sat_B = rng.random(num) < sat_share
    literals_BC3 = np.empty((num, num_clauses, 3), dtype=np.int64)
    todo = {kind: np.flatnonzero(is_sat_B == kind) for kind in (True, False)}
    while todo[True].size or todo[False].size:
        drawn = draw_clauses(rng, 2 * num, num_clauses=num_clauses)
        found = satisfiable(drawn)
        for kind, rows in todo.items():
            usable = drawn[found == kind][: rows.size]
            literals_BC3[rows[: len(usable)]] = usable
            todo[kind] = rows[len(usable) :]
    string_Bn = rng.integers(A, B + 1, (num, length))
    sep_B1, eq_B1 = np.full((num, 1), SEP), np.full((num, 1), EQ)
    tokens_BT = np.concatenate([literals_BC3.reshape(num, -1), sep_B1, string_Bn, eq_B1], axis=1)
    return Prompts(tokens_BT, string_Bn, is_sat_B)


class Traces(NamedTuple):
    """Training sequences of one string length.

    Attributes:
        tokens_BT: Prompt and what follows it.
        targets: Columns of ``tokens_BT`` that the loss falls on, each predicted from the tokens before it.
    """

    tokens_BT: Tokens
    targets: NDArray[np.int64]


def one_turn(prompts: Prompts) -> Traces:
    """Prompt and right answer."""
    start, length = prompts.tokens_BT.shape[1], prompts.string_Bn.shape[1]
    tokens_BT = np.concatenate([prompts.tokens_BT, prompts.answer_Bn], axis=1)
    return Traces(tokens_BT, np.arange(start, start + length))


def two_turns(rng: np.random.Generator, prompts: Prompts, *, first_copy_share: float) -> Traces:
    """Prompt, an attempt that knows nothing of the formula, its verdict, and the right answer."""
    start, (num, length) = prompts.tokens_BT.shape[1], prompts.string_Bn.shape
    copies_B1 = rng.random((num, 1)) < first_copy_share
    first_Bn = np.where(copies_B1, prompts.string_Bn, prompts.string_Bn[:, ::-1])
    verdict_B1 = verdict(first_Bn, prompts)[:, None]
    tokens_BT = np.concatenate([prompts.tokens_BT, first_Bn, verdict_B1, prompts.answer_Bn], axis=1)
    said = start + length
    return Traces(tokens_BT, np.array([*range(start, said), *range(said + 1, said + 1 + length)]))


def verdict(attempt_Bn: Tokens, prompts: Prompts) -> Tokens:
    """The exact verifier's token for each attempt: OK or BAD, shape (B,)."""
    return np.where((attempt_Bn == prompts.answer_Bn).all(1), OK, BAD)
