"""Keyed drafts, and what takes the place of one that is rejected.

    p(v) = P[label v] p0(v) / sum of p0 over the bin,     D = a token of bin S,     P(D = v) = p(v) over keys

P is the anchor's law over symbols with its floor and S the keyed symbol, as in `coupling`. A draft D is kept with
probability min(1, q(D) / p(D)), q the law of the text. What q and p have left over is coupled maximally between bins:

    Q'[b] = sum of (q - p)_+ over bin b,     P'[b] = sum of (p - q)_+ over bin b
    the bin stays that of D with probability min(1, Q'[S] / P'[S]), else it is drawn from (Q' - P')_+
    within the bin the token is drawn from (q - p)_+

Then the text has law q, as many drafts are kept as any coupling of tokens can keep (sum over v of min(q, p)), and text
and key agree as often as any coupling of bins can (sum over b of min(Q, P)): the leftovers add min(Q, P)[b] minus the
sum of min(q, p) over bin b.

Legend: N symbols, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from reasonry.watermark.anchors.model import ModelAnchor
from reasonry.watermark.generation.coupling import coupled_ratio, keyed_symbol, symbol_mass, with_floor
from reasonry.watermark.generation.rewinding import AnchorLaws, normalised
from reasonry.watermark.prf import Prf, contexts_of_rows, uniforms
from reasonry.watermark.prf.torch_labels import VocabularyLabels
from reasonry.watermark.profile import Profile


class Draft(NamedTuple):
    """One drafted token.

    Attributes:
        token: The token.
        law_V: Its law p, float64.
        context: Hash of the context that the step uses up; None when it is not marked.
        label_V: Symbol of each token; None when the step is not marked or every token is its own.
    """

    token: int
    law_V: Tensor
    context: int | None
    label_V: Tensor | None


class Randomness:
    """Ordinary randomness, one number at a time.

    Args:
        generator: Where from; None for torch's own.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self._generator = generator

    def uniform(self) -> float:
        """A number in [0, 1), of 53 bits."""
        device = self._generator.device if self._generator is not None else None
        return float(torch.rand((), dtype=torch.float64, generator=self._generator, device=device))

    def sample(self, weight_V: Tensor) -> int:
        """A token, by weights that need not sum to one."""
        cdf_V = weight_V.cumsum(-1)
        token = int(torch.searchsorted(cdf_V, self.uniform() * cdf_V[-1], right=True))
        return token if token < len(weight_V) else int(weight_V.nonzero()[-1])


class Drafts:
    """Drafts for one text.

    Args:
        profile: How to mark.
        prf: Its keyed function.
        anchor: Whose law drafts follow.
        vocab_size: Width of the marked model's logits.
        device: Where the laws are wanted.
        randomness: For the token within a bin, and for steps that are not marked.
    """

    def __init__(
        self,
        profile: Profile,
        prf: Prf,
        anchor: ModelAnchor,
        *,
        vocab_size: int,
        device: torch.device,
        randomness: Randomness,
    ) -> None:
        self._profile = profile
        self._prf = prf
        self._laws = AnchorLaws(anchor)
        self._floor = anchor.floor
        self._num_symbols = profile.num_bins or profile.vocab_size
        self._label_of = VocabularyLabels(vocab_size, profile.num_bins, device) if profile.num_bins else None
        self._width = vocab_size
        self._device = device
        self._random = randomness
        self._seen: set[int] = set()

    def use_up(self, context: int) -> None:
        """A step with this context was taken: it carries evidence once."""
        self._seen.add(context)

    def after(self, output: Sequence[int], num_most: int) -> list[Draft]:
        """Up to so many drafts, each after those before; none for an empty text, after which an anchor has no law."""
        drafts: list[Draft] = []
        tokens, used = list(output), set[int]()
        while tokens and len(drafts) < num_most:
            draft = self._next(tokens, used)
            if draft.context is not None:
                used.add(draft.context)
            drafts.append(draft)
            tokens.append(draft.token)
        return drafts

    def _next(self, tokens: Sequence[int], used: set[int]) -> Draft:
        law_1V = self._laws.after(tokens).to(self._device)
        law_1V = torch.nn.functional.pad(law_1V, (0, max(0, self._width - law_1V.shape[-1])))[:, : self._width]
        h = self._profile.context_tok
        contexts = contexts_of_rows(np.array([tokens[-h:]], dtype=np.int64)) if len(tokens) >= h else None
        context = int(contexts.hash_N[0]) if contexts is not None else None
        is_old = context in self._seen or context in used
        if contexts is None or (is_old and self._profile.dedup != "none"):
            law_V = normalised(law_1V[0].double())
            return Draft(self._random.sample(law_V), law_V, None, None)
        words = self._prf.words(contexts)
        label_1V = self._label_of(words.label_N) if self._label_of is not None else None
        mass_1N = symbol_mass(law_1V, label_1V, self._num_symbols)
        p_1N = with_floor(mass_1N, self._floor)
        keyed = int(keyed_symbol(p_1N, torch.from_numpy(uniforms(words.draw_N)).to(self._device)))
        if label_1V is None:
            p_V = torch.nn.functional.pad(p_1N[0], (0, max(0, self._width - self._num_symbols)))
            return Draft(keyed, p_V, context, None)
        label_V = label_1V[0].long()
        factor_N = torch.where(mass_1N[0] > 0, p_1N[0] / mass_1N[0], 0.0)
        law_V = normalised(law_1V[0].double() * factor_N[label_V])
        inside_V = torch.where(label_V == keyed, law_V, 0.0)
        # The floor may choose a bin in which the anchor has nothing; drawn from all others then, D still has law p.
        return Draft(self._random.sample(inside_V if bool(inside_V.any()) else law_V), law_V, context, label_V)

    def instead_of(self, draft: Draft, q_V: Tensor) -> int:
        """The token that takes the place of a rejected draft, where the text has law ``q_V``."""
        excess_V = (q_V - draft.law_V).clamp(min=0.0)
        if not bool(excess_V.any()):  # the laws agree but for rounding
            return self._random.sample(q_V)
        if draft.label_V is None:
            return self._random.sample(excess_V)
        label_1V, lack_V = draft.label_V[None], (draft.law_V - q_V).clamp(min=0.0)
        q_1N = symbol_mass(excess_V[None], label_1V, self._num_symbols)
        p_1N = normalised(symbol_mass(lack_V[None], label_1V, self._num_symbols))
        ratio_N = coupled_ratio(q_1N, p_1N, draft.label_V[draft.token][None])[0]
        return self._random.sample(excess_V * ratio_N[draft.label_V])
