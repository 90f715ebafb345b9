"""What a codec is trained on: all chunks of examples, on a grid that begins with the reasoning.

    .. p p|p p p p|c c c c|c c s s|s          L = 4:  P from its end backwards, C and S from the first token of C on

So the whole chunks of C are cut in training as they are when they become codes. A head of P and a tail of S shorter
than a chunk are left out. RECONSTRUCTED: the paper trains on P, C and S and does not say how they are cut.

With a causal context the chunks before one are those of P for P, and those of C (and S) for C and S: a code may not
hang on the question, which is not read when the reasoning becomes codes.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from reasonry.training.latent_tokens.codes.chunks import Int32, chunks_of

Ids = tuple[int, ...]


class Example(Protocol):
    """An example as token ids."""

    @property
    def prompt(self) -> Ids:
        """P."""
        ...

    @property
    def cot(self) -> Ids:
        """C."""
        ...

    @property
    def answer(self) -> Ids:
        """S."""
        ...


class Corpus(NamedTuple):
    """Chunks of examples.

    Attributes:
        ids_NM: Tokens, those before each chunk first.
        example_N: Whose each chunk is.
        is_cot_N: Whether it is of the reasoning alone, so that it may become codes.
        prompts: Questions, by example.
        num_left_out_tok: Tokens of heads and tails that are in no chunk.
    """

    ids_NM: Int32
    example_N: NDArray[np.int64]
    is_cot_N: NDArray[np.bool_]
    prompts: list[Int32]
    num_left_out_tok: int

    @property
    def num_chunks(self) -> int:
        """N."""
        return len(self.ids_NM)

    def reasoning(self) -> Corpus:
        """Without the chunks that hold anything else."""
        kept = self.is_cot_N
        return self._replace(ids_NM=self.ids_NM[kept], example_N=self.example_N[kept], is_cot_N=kept[kept])

    def own(self, chunk_tok: int) -> Int32:
        """The chunks without what stands before them (N, L)."""
        return self.ids_NM[:, -chunk_tok:]

    def prompts_of(self, indices: NDArray[np.int64]) -> list[Int32]:
        """The questions of chunks."""
        return [self.prompts[at] for at in self.example_N[indices].tolist()]


def make_corpus(examples: Sequence[Example], *, chunk_tok: int, before_chunks: int = 0) -> Corpus:
    """The chunks of examples.

    Args:
        examples: As token ids.
        chunk_tok: L.
        before_chunks: How many chunks before each stand in front of it.
    """
    parts: list[Ids] = []
    for example in examples:
        parts += [example.prompt[len(example.prompt) % chunk_tok :], (*example.cot, *example.answer)]
    chunks = chunks_of(parts, chunk_tok=chunk_tok, before_chunks=before_chunks)
    num_of_part = chunks.num_of_text
    first_N = np.repeat(np.cumsum(num_of_part) - num_of_part, num_of_part)
    number_N = np.arange(len(chunks.ids_NM)) - first_N
    num_cot = np.array([len(example.cot) // chunk_tok for example in examples], dtype=np.int64)
    example_N = chunks.text_N // 2
    is_cot_N = (chunks.text_N % 2 == 1) & (number_N < num_cot[example_N]) if len(example_N) else example_N == 1
    total = sum(len(example.prompt) + len(example.cot) + len(example.answer) for example in examples)
    prompts = [np.array(example.prompt, dtype=np.int32) for example in examples]
    return Corpus(chunks.ids_NM, example_N, is_cot_N, prompts, total - len(chunks.ids_NM) * chunk_tok)
