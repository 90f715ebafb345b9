"""A codec's training: a step of Adam on chunks drawn from a corpus, and what keeps its codebook in use.

    L = mean -log p(token | codes of its chunk, question)  +  beta commitment  (+ the codebook's own loss)

The codebook begins as k-means centres of the untrained encoder's vectors. After each step it follows the step's vectors
(`quantizer`); every few steps codes that are hardly used are put onto vectors of the step, until the last part of the
training, when codes shall keep what they stand for. Adam's moments of a moved code are forgotten with it.

Every draw hangs on seed, purpose and number of the step: a step is a function of weights, seed and its number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reasonry.core import seeds
from reasonry.core.checkpoint import Checkpoint
from reasonry.core.learning import Trainee, cosine_lr, say_nothing
from reasonry.core.rows import Row
from reasonry.core.work import Say
from reasonry.errors import CheckFailed
from reasonry.training.latent_tokens.codes.chunks import num_distinct
from reasonry.training.latent_tokens.codes.codebook import Codebook
from reasonry.training.latent_tokens.codes.codec import BLOCK, TextCodec
from reasonry.training.latent_tokens.codes.config import FitConfig
from reasonry.training.latent_tokens.codes.corpus import Corpus
from reasonry.training.latent_tokens.codes.measuring import Ints, code_counts, drawn, reconstruction
from reasonry.training.latent_tokens.codes.quantizer import usage

_ROOM = "latent tokens"
_CODEC = "codec"


class CodecLearner:
    """Trains a codec.

    Args:
        config: Of the run.
        codec: Changed in place.
        corpus: What it is trained on.
        held_out: What it is looked at on.
        say: Told of a collapse.
    """

    def __init__(
        self, config: FitConfig, codec: TextCodec, corpus: Corpus, held_out: Corpus, *, say: Say = say_nothing
    ) -> None:
        self.config, self.codec, self.corpus, self.held_out, self._say = config, codec, corpus, held_out, say
        self._epochs: dict[int, Ints] = {}
        self.trainee = Trainee(
            {_CODEC: codec},
            torch.optim.Adam(codec.parameters(), lr=config.lr),
            max_grad_norm=config.max_grad_norm,
            lr=partial(cosine_lr, config.lr, num_steps=config.steps, warmup_steps=config.warmup_steps),
        )
        rng = partial(seeds.stream, config.seed, _ROOM, "look")
        cot = np.flatnonzero(held_out.is_cot_N)
        # Data without whole chunks of reasoning is still data: then all held-out chunks are looked at.
        cot = cot if len(cot) else np.arange(held_out.num_chunks)
        self.looked = cot[drawn(len(cot), config.look_chunks, rng("held out"))]
        self._sample = drawn(corpus.num_chunks, config.look_chunks, rng("training"))
        self._num_distinct = num_distinct(corpus.own(codec.config.chunk_tok)[self._sample])
        self.ended = ""
        self.costs = {"chunks": 0.0, "tokens": 0.0}

    # ------------------------------------------------------------ one step

    def step(self, at: int) -> Row:
        """One optimiser step."""
        config, codec = self.config, self.codec
        codec.train()
        begins = self._begins
        if at == begins:
            self._start()
        indices = self.chunks(at)
        ids_NM = torch.from_numpy(self.corpus.ids_NM[indices]).to(codec.device)
        made = codec(ids_NM, codec.prompts(self.corpus.prompts_of(indices)), free=at < begins)
        targets = made.targets_NL.flatten()
        nll = F.cross_entropy(made.logits_NLV.flatten(0, 1), targets, ignore_index=-1)
        loss = nll + config.codebook.beta * made.quantised.commitment + made.quantised.codebook
        norm = self.trainee.descend(loss, at)
        if not (math.isfinite(norm) and math.isfinite(float(loss.detach()))):
            raise CheckFailed(
                f"the loss is {float(loss.detach())} and its gradient's norm {norm} at step {at + 1}",
                place="fit-codes",
                remedy="Give a lower --lr and another --run; the last checkpoint of this one is kept.",
            )
        self.costs["chunks"] += len(indices)
        self.costs["tokens"] += targets.numel()
        row: Row = {
            "loss": float(loss.detach()),
            "nll": float(nll.detach()),
            "accuracy": float((made.logits_NLV.detach().argmax(-1).flatten() == targets).float().mean()),
            "commitment": float(made.quantised.commitment.detach()),
            "grad_norm": norm,
        }
        if isinstance(codec.quantizer, Codebook) and at >= begins:
            row["revived"] = self._follow(at, made.vectors_ND.detach(), made.quantised.codes_N)
        if at >= begins and ((at + 1) % config.look_every == 0 or at + 1 == config.steps):
            row |= self._look(at)
        return row

    def chunks(self, at: int) -> Ints:
        """Numbers of the chunks of a step: permutations of all of them, one after the other without a gap."""
        num, size = self.corpus.num_chunks, self.config.batch_size
        places = np.arange(at * size, (at + 1) * size)
        epochs = places // num
        wanted = range(int(epochs[0]), int(epochs[-1]) + 1)
        self._epochs = {
            epoch: self._epochs[epoch]
            if epoch in self._epochs
            else seeds.stream(self.config.seed, _ROOM, "epoch", epoch).permutation(num)
            for epoch in wanted
        }
        return np.concatenate([self._epochs[epoch][places[epochs == epoch] % num] for epoch in wanted])

    @property
    def _begins(self) -> int:
        """The step before which the codebook begins; a grid has no beginning."""
        if not isinstance(self.codec.quantizer, Codebook):
            return 0
        return min(int(self.config.codebook.free * self.config.steps), self.config.steps - 1)

    @torch.no_grad()
    def _start(self) -> None:
        """The codebook's first vectors."""
        book = self.codec.quantizer
        if not isinstance(book, Codebook):
            return
        rng = seeds.stream(self.config.seed, _ROOM, "start")
        most = max(1, self.config.codebook.start_vectors // self.codec.config.codes_per_chunk)
        ids = torch.from_numpy(self.corpus.ids_NM[drawn(self.corpus.num_chunks, most, rng)])
        vectors_ND = torch.cat([self.codec.vectors(block.to(self.codec.device)) for block in ids.split(BLOCK)])
        book.start(vectors_ND, rng=rng, batch_size=self.config.batch_size * self.codec.config.codes_per_chunk)

    def _follow(self, at: int, vectors_ND: Tensor, codes_N: Tensor) -> int:
        """The codebook follows the step; how many codes were revived."""
        book, settings = self.codec.quantizer, self.config.codebook
        assert isinstance(book, Codebook)
        book.learn(vectors_ND, codes_N)
        if not self._may_revive(at) or (at + 1) % settings.revive_every:
            return 0
        return self._revive(vectors_ND, settings.revive_below, "revive", at)

    def _may_revive(self, at: int) -> bool:
        settings = self.config.codebook
        return settings.revive and at < settings.revive_until * self.config.steps

    def _revive(self, vectors_ND: Tensor, share: float, purpose: str, at: int) -> int:
        book = self.codec.quantizer
        assert isinstance(book, Codebook)
        moved = book.revive(vectors_ND, share=share, rng=seeds.stream(self.config.seed, _ROOM, purpose, at))
        if book.kind == "gradient" and len(moved):
            moments: dict[str, Tensor] = self.trainee.optimizer.state[book.vectors_KD]
            for name in ("exp_avg", "exp_avg_sq"):
                moments[name][moved] = 0.0
        return len(moved)

    # ------------------------------------------------------------ looks

    @torch.no_grad()
    def _look(self, at: int) -> Row:
        """Held-out reconstruction, and use of the codebook on training chunks."""
        codec, book = self.codec.eval(), self.codec.quantizer
        ids = torch.from_numpy(self.held_out.ids_NM[self.looked])
        found = reconstruction(codec, self.held_out, self.looked, codec.encode_chunks(ids))
        sample_NM = torch.from_numpy(self.corpus.ids_NM[self._sample])
        counts_K = code_counts(codec, codec.encode_chunks(sample_NM))
        used = usage(counts_K)
        if used.is_collapsed(self._num_distinct):
            self._say(
                f"warning: the codebook has collapsed at step {at + 1}: {used.num_used} of {used.num_codes} codes are "
                f"used for {self._num_distinct} different chunks"
            )
            if isinstance(book, Codebook) and self._may_revive(at):
                # Below the mean of a collapsed codebook lies everything but the few codes that took it all.
                vectors_ND = codec.vectors(sample_NM[: 4 * BLOCK].to(codec.device))
                self._revive(vectors_ND, 1.0, "collapse", at)
        return {
            "eval/accuracy": found.accuracy,
            "eval/nll": found.nll_nats,
            "eval/whole": found.whole,
            "usage": used.share,
            "perplexity": used.perplexity,
        }

    # ------------------------------------------------------------ checkpoints

    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Weights, codebook and moments."""
        return self.trainee.tensors()

    def state(self) -> Mapping[str, Any]:
        """Nothing besides."""
        return {}

    def restore(self, found: Checkpoint) -> None:
        """Weights, codebook and moments."""
        self.trainee.restore(found)
