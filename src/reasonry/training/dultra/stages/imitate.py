"""A planner that imitates, before it learns from its own decodings or in place of that.

    state      a window [s, e) of at least 32 positions of an answer; ceil((e - s) t) of them masked, t uniform in
               (0, 1); everything behind e masked; eligible are the masked positions of the window
    rule       y_i = 1 where the rule (the factor rule of Fast-dLLM, as in dUltra, arXiv 2512.21446) would reveal i
    margin     y_i = 1 where p(true token) - max p(other) >= m, and at the largest of these: what the denoiser would get
               right; with m = 0 the Bernoulli form of Gt-Margin (arXiv 2602.09501), reconstructed
    loss       binary cross entropy over eligible positions; ``balanced``: that of y = 1 times (#0 / #1), as the release

The denoiser is frozen. Imitated to the end, a planner is as sure as the rule and explores no more: training stops
before the mean entropy of its coins on a fixed set of states falls below a bound, with the weights of the last look
above it. That bound is reconstructed.

Shapes: B rows, L answer, N canvas, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from reasonry.core import atomic, seeds
from reasonry.core.checkpoint import Checkpoint
from reasonry.core.learning import (
    OpenRun,
    Trainee,
    cosine_lr,
    device_of,
    learn,
    open_nothing,
    say_nothing,
    threads_for,
)
from reasonry.core.made_with import MadeWith
from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say
from reasonry.errors import DataError
from reasonry.training.dultra.checkpoints import open_denoiser
from reasonry.training.dultra.config import VERB, ImitateConfig
from reasonry.training.dultra.data import Rows, Source, open_source
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.plan_likelihood import mean_q, plan_entropy
from reasonry.training.dultra.policies.base import StepContext
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.proposals import propose
from reasonry.training.dultra.stages.heads import new_head, save_planner
from reasonry.training.dultra.stages.targets import (
    Masks,
    draw_masks,
    imitation_loss,
    lead_target,
    rule_target,
    true_lead,
)

PLANNER, _KEPT = "planner", "kept"
_PROBE = 64  # states on which entropy is watched


class States(NamedTuple):
    """States to learn from, and what should be revealed there.

    Attributes:
        context: What a planner sees.
        target_BL: True where it should reveal; False where nothing is eligible.
    """

    context: StepContext
    target_BL: Tensor


class Imitated(NamedTuple):
    """A planner that was trained.

    Attributes:
        config: Of the run.
        folder: Run directory.
        planner: Folder of the planner.
        entropy_nats: Mean entropy of its coins on the states watched.
        ended: Why it ended before the last step; empty when it did not.
        rows: Of the log.
    """

    config: ImitateConfig
    folder: Path
    planner: Path
    entropy_nats: float
    ended: str
    rows: list[Row]

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        last = self.rows[-1]
        names = ("bce_nats", "agreement", "mean_q", "target_share")
        found = {name: last[name] for name in names}
        return plain({"steps": len(self.rows), "entropy_nats": self.entropy_nats, "ended": self.ended, **found})


def imitate(config: ImitateConfig, *, say: Say = say_nothing, open_run: OpenRun = open_nothing) -> Imitated:
    """Train a planner to imitate, or go on with it.

    Args:
        config: Denoiser, data, target, sizes, seed, run directory.
        say: Told what a user should know.
        open_run: Told of the open run.

    Raises:
        ConfigError: A denoiser, task or rule that cannot be used together.
        DataError: No denoiser, prompts that cannot be used, or none with a text to imitate on.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    loaded = open_denoiser(config.denoiser, config.model_options, task=config.data.task)
    source = open_source(config.data, loaded.denoiser, loaded.tokenizer, seed=config.seed)
    trainer = ImitationTrainer(config, loaded.denoiser, source)
    folder = config.run or default_folder("train-dultra-imitate", config, Path(config.denoiser).name)
    with Run(f"{VERB} imitate", config, folder=folder, seed=config.seed, warn=say) as run:
        made = MadeWith(run.folder)
        made.check("denoiser", loaded.identity)
        made.check("data", source.identity)
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        with threads_for(loaded.denoiser):
            rows = learn(
                run, trainer, num_steps=config.num_steps, save_every=config.save_every, label="imitation", say=say
            )
            entropy = trainer.entropy()
        target = run.path(PLANNER)
        save_planner(trainer.head, target)
        done = Imitated(config, folder, target, entropy, trainer.ended, rows)
        atomic.write_json(run.path("results.json"), done.to_json())
    return done


class ImitationTrainer:
    """Trains a planner to imitate, step by step.

    Args:
        config: Target, sizes, seed.
        denoiser: Frozen.
        source: Where answers come from.

    Raises:
        ConfigError: An unknown rule, or a denoiser without hidden states where they are to be read.
        DataError: The source has no answers to make states of.
    """

    def __init__(self, config: ImitateConfig, denoiser: Denoiser, source: Source) -> None:
        self.config, self.denoiser, self.source = config, denoiser, source
        self.rule = make_policy(config.rule)
        self.head = new_head(
            config.head,
            denoiser,
            answer_len=source.answer_len,
            block_len=source.answer_len,
            seed=seeds.derive(config.seed, "dultra", "planner"),
        )
        self.head.to(device=device_of(denoiser))  # pyright: ignore[reportCallIssue]
        self.trainee = Trainee(
            {PLANNER: self.head},
            torch.optim.AdamW(self.head.parameters(), lr=config.lr, weight_decay=config.weight_decay),
            max_grad_norm=config.max_grad_norm,
            lr=partial(cosine_lr, config.lr, num_steps=config.num_steps),
        )
        self.ended = ""
        self.costs = {"passes": 0.0, "states": 0.0}
        self._probe = self.states(source.train(0, _PROBE), "probe")
        self._kept = self._copy()

    def step(self, at: int) -> Row:
        """One optimiser step on fresh states."""
        config = self.config
        states = self.states(self.source.train((at + 1) * config.batch_size, config.batch_size), at)
        eligible_BL = states.context.eligible_BL
        logit_BL = self.head.plan(states.context)
        loss = imitation_loss(logit_BL, states.target_BL, eligible_BL=eligible_BL, balanced=config.balanced)
        norm = self.trainee.descend(loss, at)
        target_M = states.target_BL[eligible_BL]
        row: Row = {
            "bce_nats": float(loss.detach()),
            "agreement": float(((logit_BL.detach()[eligible_BL] > 0) == target_M).float().mean()),
            "mean_q": mean_q(logit_BL, eligible_BL),
            "target_share": float(target_M.float().mean()),
            "grad_norm": norm,
        }
        if (at + 1) % config.look_every == 0 or at + 1 == config.num_steps:
            row["entropy_nats"] = entropy = self.entropy()
            if entropy < config.min_entropy_nats:
                self.head.load_state_dict(self._kept)
                self.ended = (
                    f"the planner grew too sure after {at + 1} steps: its coins have {entropy:.3f} nats, the bound is "
                    f"{config.min_entropy_nats:g}; it is that of the look before"
                )
            else:
                self._kept = self._copy()
        return row

    def states(self, rows: Rows, *purpose: str | int) -> States:
        """States of some answers, and their targets.

        Raises:
            DataError: The rows have no answers.
        """
        if rows.answer_BL is None:
            raise DataError(
                f"a prompt has no completion of at most {self.source.answer_len} tokens",
                place=self.source.name,
                remedy="Give completion (or completion_ids) in every row, or a larger --data.answer-len.",
            )
        rng = seeds.stream(self.config.seed, "dultra", "states", *purpose)
        masks = draw_masks(rng, *rows.answer_BL.shape, min_window=self.config.min_window)
        self.costs["passes"] += 1
        self.costs["states"] += len(rows.answer_BL)
        with torch.no_grad():
            return self._observe(rows, masks, rng)

    def _observe(self, rows: Rows, masks: Masks, rng: np.random.Generator) -> States:
        device = device_of(self.denoiser)
        assert rows.answer_BL is not None
        answer_BL = rows.answer_BL.to(device)
        eligible_BL, masked_BL = masks.eligible_BL.to(device), masks.masked_BL.to(device)
        attend_BN = torch.cat([rows.attend_BP, torch.ones_like(masks.masked_BL)], 1).to(device)
        shown_BL = answer_BL.masked_fill(masked_BL, self.denoiser.mask_id)
        tokens_BN = torch.cat([rows.prompt_BP.to(device), shown_BL], 1)
        needs_hidden = "hidden" in self.head.config.features
        said = self.denoiser.denoise(tokens_BN, attend_BN, with_hidden=needs_hidden)
        L = answer_BL.shape[1]
        logits_BLV = said.logits_BNV[:, -L:]
        at = eligible_BL.nonzero(as_tuple=True)
        proposed = propose(logits_BLV[at], mask_id=self.denoiser.mask_id)

        def table(values_M: Tensor) -> Tensor:
            return values_M.new_zeros(eligible_BL.shape).index_put(at, values_M)

        context = StepContext(
            eligible_BL=eligible_BL,
            masked_BL=masked_BL,
            confidence_BL=table(proposed.confidence_M),
            entropy_BL=table(proposed.entropy_M),
            margin_BL=table(proposed.margin_M),
            uniform_BL=torch.as_tensor(rng.random(tuple(eligible_BL.shape)), device=device),
            step_B=torch.zeros(len(answer_BL), dtype=torch.int64, device=device),
            num_block_masks_B=eligible_BL.sum(1),
            known_share_B=1 - masked_BL.sum(1).double() / attend_BN.sum(1),
            block_len=L,
            hidden_BLD=None if said.hidden_BND is None else said.hidden_BND[:, -L:],
        )
        if self.config.target == "margin":
            lead_M = true_lead(logits_BLV[at], answer_BL[at], mask_id=self.denoiser.mask_id)
            return States(context, lead_target(table(lead_M), eligible_BL, least=self.config.margin))
        return States(context, rule_target(self.rule, context))

    @torch.no_grad()
    def entropy(self) -> float:
        """Mean entropy of coins on the states watched, nats."""
        context = self._probe.context
        logit_BL = self.head.plan(context)
        return float(plan_entropy(logit_BL, context.eligible_BL)[context.eligible_BL.any(1)].mean())

    def _copy(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self.head.state_dict().items()}

    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Weights now and at the last look, and moments."""
        return {**self.trainee.tensors(), _KEPT: self._kept}

    def state(self) -> Mapping[str, Any]:
        """Whether it ended."""
        return {"ended": self.ended}

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.trainee.restore(found)
        device = device_of(self.head)
        self._kept = {name: weight.to(device) for name, weight in found.load_tensors(_KEPT, "torch").items()}
        self.ended = str(found.state["ended"])
