"""The vocabulary of graph questions, and how rows of them look.

RECONSTRUCTED: vocabularies of the graphs' own size; the published one has 40 symbols, for 31 vertices.
"""

# pyright: strict
from __future__ import annotations

from typing import Literal, NamedTuple

from reasonry.training.continuous_cot.latent.tokens import LatentTokens

Layout = Literal["packed", "paper"]
QUESTION_TOK = 5
"""[Q] a b [R] r"""
ANSWER_TOK = 3
"""[A] target <eos>"""


class Symbols(NamedTuple):
    """The vocabulary: vertices are 0 to ``num_nodes`` - 1, then six symbols.

    Attributes:
        num_nodes: N.
    """

    num_nodes: int

    @property
    def latent_id(self) -> int:
        """In latent slots."""
        return self.num_nodes

    @property
    def edge_id(self) -> int:
        """Between edges, or at each packed one."""
        return self.num_nodes + 1

    @property
    def question_id(self) -> int:
        """Before the candidates."""
        return self.num_nodes + 2

    @property
    def root_id(self) -> int:
        """Before the root."""
        return self.num_nodes + 3

    @property
    def answer_id(self) -> int:
        """Before the answer."""
        return self.num_nodes + 4

    @property
    def end_id(self) -> int:
        """Begins a row and ends what is written; fills up."""
        return self.num_nodes + 5

    @property
    def size(self) -> int:
        """Number of symbols."""
        return self.num_nodes + 6

    @property
    def tokens(self) -> LatentTokens:
        """Those with a meaning to the model: no markers around slots."""
        return LatentTokens(self.latent_id, pad_id=self.end_id)

    def text(self, token_id: int) -> str:
        """How a symbol is shown."""
        names = ("<latent>", "|", "[Q]", "[R]", "[A]", "<eos>")
        return str(token_id) if token_id < self.num_nodes else names[token_id - self.num_nodes]


class Format(NamedTuple):
    """How rows look.

    Attributes:
        symbols: The vocabulary.
        layout: How an edge is told.
        per_step: Slots for each step, c.
        pad_to_max: As many slots for every graph as the stage has.
        label_set: What is right for breadth-first search with sets: the frontier, or whatever is no further away.
    """

    symbols: Symbols
    layout: Layout = "packed"
    per_step: int = 1
    pad_to_max: bool = False
    label_set: Literal["frontier", "reachable"] = "frontier"

    def context_tok(self, max_hops: int) -> int:
        """Tokens of the longest row there may be: the context that a model needs.

        Vertices have 1.5 parents on the average, and the largest graphs a little over twice as many edges as vertices.
        """
        num_edges = 3 * self.symbols.num_nodes + 16
        edges_tok = num_edges if self.layout == "packed" else 3 * num_edges - 1
        return 1 + edges_tok + QUESTION_TOK + self.per_step * max_hops + most_written_tok(max_hops)


def most_written_tok(max_hops: int) -> int:
    """Tokens that a model may write: steps, [A], answer and end, and as many steps once more that lead nowhere."""
    return 2 * max_hops + ANSWER_TOK
