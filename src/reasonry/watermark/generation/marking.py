"""Marks the laws of a batch of rows: contexts, keyed symbols, coupled laws. The same for every way to generate.

A step is marked when the row has h tokens of output and its context is new to the row; otherwise the law stays as it
is. Of the key nothing is kept but the keyed function.

Legend: B rows, M marked rows, V vocabulary, N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from reasonry.errors import ConfigError
from reasonry.watermark.anchors import UniformAnchor
from reasonry.watermark.anchors.uniform import keyed_symbol as uniform_symbol
from reasonry.watermark.generation.coupling import coupled_ratio, keyed_symbol, symbol_mass, with_floor
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import Words, contexts_of_rows, make_prf, uniforms
from reasonry.watermark.prf.torch_labels import VocabularyLabels
from reasonry.watermark.profile import Profile


class GeneratingAnchor(Protocol):
    """A model as anchor, on the side of generation."""

    vocab_size: int
    floor: float

    def next_laws(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """p0 after each text, shape (B, V)."""
        ...


@dataclass
class RowState:
    """What marking remembers of a row.

    Attributes:
        seen: Hashes of the contexts so far.
        num_marked: Steps that were coupled.
        num_short_context: Steps with too little output before them.
        num_duplicate: Steps whose context occurred before in the row.
    """

    seen: set[int] = field(default_factory=set[int])
    num_marked: int = 0
    num_short_context: int = 0
    num_duplicate: int = 0


class Step(NamedTuple):
    """Rows to mark, and what the key makes of their contexts."""

    rows: list[int]
    words: Words


class Coupled(NamedTuple):
    """The coupled laws of the marked rows.

    Attributes:
        rows: Which rows.
        ratio_MN: Factor for each symbol.
        label_MV: Symbol of each token, int64; None when every token is its own.
    """

    rows: list[int]
    ratio_MN: Tensor
    label_MV: Tensor | None

    def add_log_to(self, scores_MV: Tensor) -> Tensor:
        """Scores whose softmax is the coupled law, when that of ``scores_MV`` is the law; one pass less."""
        log_MN = self.ratio_MN.log().to(scores_MV.dtype)
        if self.label_MV is not None:
            return scores_MV + log_MN.gather(-1, self.label_MV)
        width = log_MN.shape[-1]
        return torch.cat([scores_MV[:, :width] + log_MN, scores_MV[:, width:]], -1)

    def factor(self, vocab_size: int) -> Tensor:
        """Factor for each token of the marked rows, float32, shape (M, V); 1 for ids that are no symbol."""
        ratio_MN = self.ratio_MN.float()
        if self.label_MV is not None:
            return ratio_MN.gather(-1, self.label_MV)
        return torch.nn.functional.pad(ratio_MN, (0, vocab_size - ratio_MN.shape[-1]), value=1.0)


class Marking:
    """Couples laws with a key.

    Args:
        profile: How to mark.
        key: With what.
        anchor: A model as anchor; None for the uniform one.
        vocab_size: Width of the laws.
        device: Where the laws are.

    Raises:
        ConfigError: The profile names a model and none is given, or a scheme other than anchored.
    """

    def __init__(
        self,
        profile: Profile,
        key: SecretKey,
        *,
        vocab_size: int,
        anchor: GeneratingAnchor | UniformAnchor | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if profile.scheme != "anchored":
            raise ConfigError(f"cannot generate with scheme {profile.scheme!r}", place="profile.scheme")
        if profile.anchor.kind != "uniform" and (anchor is None or isinstance(anchor, UniformAnchor)):
            raise ConfigError(
                f"the profile's anchor is a model ({profile.anchor.model})",
                place="anchor",
                remedy="Load it with reasonry.watermark.anchors.model.load_anchor(profile), and pass it.",
            )
        self.profile = profile
        self.num_symbols = profile.num_bins or profile.vocab_size
        self._prf = make_prf(profile.prf, key)
        self._anchor = None if isinstance(anchor, UniformAnchor) else anchor
        self._label_of = VocabularyLabels(vocab_size, profile.num_bins, device) if profile.num_bins else None
        self._device = torch.device(device)

    def plan(self, histories: Sequence[Sequence[int]], states: Sequence[RowState]) -> Step | None:
        """The rows to mark at this step; contexts and counts are noted. None when there is none."""
        h = self.profile.context_tok
        rows: list[int] = []
        for i, (history, state) in enumerate(zip(histories, states, strict=True)):
            if len(history) < h:
                state.num_short_context += 1
            else:
                rows.append(i)
        if not rows:
            return None
        contexts = contexts_of_rows(np.array([list(histories[i][-h:]) for i in rows], dtype=np.int64))
        fresh: list[int] = []
        for m, (i, value) in enumerate(zip(rows, contexts.hash_N.tolist(), strict=True)):
            if self.profile.dedup != "none" and value in states[i].seen:
                states[i].num_duplicate += 1
                continue
            states[i].seen.add(value)
            states[i].num_marked += 1
            fresh.append(m)
        if not fresh:
            return None
        contexts = type(contexts)(contexts.hash_N[fresh], contexts.ids_NH[fresh])
        return Step([rows[m] for m in fresh], self._prf.words(contexts))

    def couple(self, step: Step, law_MV: Tensor, histories: Sequence[Sequence[int]]) -> Coupled:
        """Factors that turn the laws of the marked rows into coupled ones.

        Args:
            step: From `plan`.
            law_MV: Final laws of those rows, each summing to one.
            histories: Output so far of those rows.
        """
        label_MV = self._label_of(step.words.label_N).long() if self._label_of is not None else None
        q_MN = symbol_mass(law_MV, label_MV, self.num_symbols)
        p_MN, keyed_M = self.keyed(step, label_MV, histories)
        return Coupled(step.rows, coupled_ratio(q_MN, p_MN, keyed_M), label_MV)

    def keyed(self, step: Step, label_MV: Tensor | None, histories: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """The anchor's law over symbols and the symbol that the key draws from it."""
        if self._anchor is None:
            p_MN = torch.full((len(step.rows), self.num_symbols), 1 / self.num_symbols, dtype=torch.float64)
            keyed_M = torch.from_numpy(uniform_symbol(step.words.draw_N, self.num_symbols))
            return p_MN.to(self._device), keyed_M.to(self._device)
        law_MV = self._anchor.next_laws(histories)
        p_MN = with_floor(symbol_mass(law_MV, label_MV, self.num_symbols), self._anchor.floor)
        return p_MN, keyed_symbol(p_MN, torch.from_numpy(uniforms(step.words.draw_N)).to(self._device))

    def mark(self, law_BV: Tensor, histories: Sequence[Sequence[int]], states: Sequence[RowState]) -> Tensor:
        """The laws with the marked rows coupled; a new tensor, or ``law_BV`` itself when no row is marked."""
        step = self.plan(histories, states)
        if step is None:
            return law_BV
        if len(step.rows) == len(law_BV):
            return law_BV * self.couple(step, law_BV, histories).factor(law_BV.shape[-1])
        at = torch.tensor(step.rows, device=law_BV.device)
        law_MV = law_BV[at]
        coupled = self.couple(step, law_MV, [histories[i] for i in step.rows])
        return law_BV.index_copy(0, at, law_MV * coupled.factor(law_BV.shape[-1]))
