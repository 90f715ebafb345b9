"""Learning from decodings: one update after the other.

    repeat    B = P G decodings with the weights as they are; rewards; A = R - mean over the G of a prompt
              num_iterations times: gradient of `policy_loss.step_loss`, clipped, one step of Adam
    now and then, decode the prompts of evaluation as in use, at a threshold; keep the best planner so far

Where all advantages of an update are 0 the optimizer does not step: its momentum would. The guards of `guards` watch
every update, and end a run whose planner has collapsed.

Rewards of tasks over symbols: right + share * (parts that are right) - speed_weight * NFE / L; see `RewardConfig`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reasonry.core import seeds
from reasonry.core.checkpoint import Checkpoint
from reasonry.core.learning import Trainee, device_of, say_nothing
from reasonry.core.rows import Row
from reasonry.core.work import Say
from reasonry.errors import ConfigError
from reasonry.training.dultra.checkpoints import save_denoiser
from reasonry.training.dultra.config import PlannerTrainConfig
from reasonry.training.dultra.data import Source
from reasonry.training.dultra.decoding import answer_lengths, until_end
from reasonry.training.dultra.guards import Guard, Vitals, distinct_share, forced_share, zero_std_share
from reasonry.training.dultra.planner import PlannerHead
from reasonry.training.dultra.policies.base import UnmaskPolicy
from reasonry.training.dultra.policy_loss import decoding_advantages
from reasonry.training.dultra.rewards import Floats, Rewards, add_rewards, reverse_kl_reward, warmed_up
from reasonry.training.dultra.stages.heads import save_planner
from reasonry.training.dultra.stages.one_step import OneStepReplay
from reasonry.training.dultra.stages.replay import Replayed, Scoring, Update, replay_canvas, replay_head, with_old_plan
from reasonry.training.dultra.stages.rollouts import Evaluated, Rollout, evaluate, roll_out
from reasonry.training.dultra.stages.setup import decoding_config, policies, reward_parts
from reasonry.training.dultra.stages.teacher import Teacher

PLANNER, DENOISER = "planner", "denoiser"


class DecodingLearner:
    """Trains a planner, a denoiser, or both, update by update.

    Args:
        config: Everything that is not a model.
        denoiser: Frozen or not, as the config says.
        head: The planner to start from.
        source: Prompts and their check.
        folder: Where the best planner, and the denoiser where it learns, are kept.
        tokenizer: Saved beside the denoiser.
        teacher: Adds its likelihood to the reward.
        say: Told of what the guards see.

    Raises:
        ConfigError: The denoiser has no weights to learn, or a policy that is unknown.
    """

    def __init__(
        self,
        config: PlannerTrainConfig,
        denoiser: Any,
        head: PlannerHead,
        source: Source,
        *,
        folder: Path,
        tokenizer: Any = None,
        teacher: Teacher | None = None,
        say: Say = say_nothing,
    ) -> None:
        self.config, self.denoiser, self.head, self.source = config, denoiser, head, source
        self.folder, self._tokenizer, self._teacher, self._say = folder, tokenizer, teacher, say
        self.learns_lm, self.learns_planner = config.freeze != "lm", config.freeze != "planner"
        if self.learns_lm and not isinstance(denoiser, nn.Module):
            raise ConfigError(f"{denoiser.name} has no weights that could learn", place="freeze")
        self.decoding = decoding_config(config, source)
        self.eval_decoding = self.decoding.with_(
            temperature=config.temperature if config.eval_temperature is None else config.eval_temperature
        )
        self.rollout_policy, self.eval_policy = policies(config, head)
        self.scoring = Scoring(
            policy=config.policy,
            forced=config.forced_event,
            plan_temperature=config.plan_temperature,
            score=config.score_temperature,
            temperature=config.temperature,
            clip_low=config.clip_low,
            clip_high=config.clip_high,
            beta=config.beta,
            micro_batch=config.micro_batch,
        )
        if isinstance(denoiser, nn.Module):
            denoiser.requires_grad_(self.learns_lm)
        head.requires_grad_(self.learns_planner)
        groups = [{"params": list(head.parameters()), "lr": config.lr}] if self.learns_planner else []
        groups += [{"params": list(denoiser.parameters()), "lr": config.lm_lr}] if self.learns_lm else []
        modules = {PLANNER: head} if self.learns_planner else {}
        modules |= {DENOISER: denoiser} if self.learns_lm else {}
        self.trainee = Trainee(modules, torch.optim.Adam(groups), max_grad_norm=config.max_grad_norm)
        self.reference = copy.deepcopy(head).requires_grad_(False) if config.beta else None
        self.guard = Guard(config.guard)
        self.start: Row = {}
        self.best: dict[str, float] = {}
        self.ended = ""
        self.costs = {"decodings": 0.0, "passes": 0.0, "token_forwards": 0.0, "replayed_steps": 0.0}

    # ------------------------------------------------------------ one update

    def step(self, at: int) -> Row:
        """Decode, learn, look."""
        config = self.config
        if at == 0:
            self.start = self.look(0)
        num = config.prompts_per_update
        rollout = roll_out(
            self.denoiser,
            self.rollout_policy,
            self.source,
            self.source.train(at * num, num).repeat(config.group_size),
            config=self.decoding,
            seed=config.seed,
            names=("rollout", at),
            forced=config.forced_event,
            score=config.score_temperature,
            keep_hidden=config.freeze == "lm" or config.policy == "plackett_luce",
        )
        rewards, weights = self.rewards(rollout, update=at)
        reward_PG = rewards.total_B.reshape(num, config.group_size)
        found = decoding_advantages(reward_PG, kind=config.baseline, least=config.min_advantage)
        learnt, norm = self._learn(rollout, found.advantage_PG.ravel(), at)
        vitals = self._vitals(rollout, reward_PG, at)
        self._guard(vitals)
        self._count(rollout, learnt)
        row: Row = {
            "reward": float(rewards.total_B.mean()),
            **{f"reward/{name}": weights[name] * value for name, value in rewards.mean.items()},
            "nfe": vitals.nfe,
            "accuracy": vitals.accuracy,
            "parts": float(rollout.checked.share_right_B.mean()),
            "distinct": vitals.distinct_share,
            "mean_q": vitals.mean_q,
            "forced_share": vitals.forced_share,
            "zero_std_share": vitals.zero_std_share,
            "loss": learnt.loss,
            "grad_norm": norm,
            "max_log_ratio": learnt.max_log_ratio,
            "clipped_share": learnt.clipped_share,
            **({"kl_ref": learnt.kl_nats} if config.beta else {}),
        }
        if (at + 1) % config.eval_every == 0:
            row |= self.look(at + 1)
        return row

    def _learn(self, rollout: Rollout, advantage: Floats, at: int) -> tuple[Replayed, float]:
        """The steps of the optimizer; sums of the last, and its gradient's norm."""
        config = self.config
        if not advantage.any() and not config.beta:
            return Replayed(), 0.0
        advantage_B = torch.as_tensor(advantage, dtype=torch.float32, device=device_of(self.denoiser))
        one_step = None
        if config.likelihood == "one_step":
            rng = seeds.stream(config.seed, "dultra", "prompt masks", at)
            one_step = OneStepReplay(rollout, rng=rng, mask_rate=config.prompt_mask_rate, mask_id=self.denoiser.mask_id)
        if self.learns_planner and rollout.steps.old_plan_R is None:
            rollout = rollout._replace(steps=with_old_plan(rollout.steps, self.head, self.scoring))
        learnt, norm = Replayed(), 0.0
        for iteration in range(config.num_iterations):
            self.trainee.clear()
            learnt = self._replay(rollout, one_step, advantage_B, is_first=iteration == 0)
            norm = self.trainee.step(at)
        return learnt, norm

    def _replay(
        self, rollout: Rollout, one_step: OneStepReplay | None, advantage_B: Tensor, *, is_first: bool
    ) -> Replayed:
        if one_step is not None:
            return one_step.replay(self.denoiser, self.scoring, advantage_B=advantage_B)
        update: Update = {"advantage_B": advantage_B, "reference": self.reference, "on_policy": is_first}
        if not self.learns_lm:
            return replay_head(self.head, rollout, self.scoring, **update)
        head = self.head if self.learns_planner else None
        return replay_canvas(self.denoiser, head, rollout, self.scoring, **update)

    # ------------------------------------------------------------ rewards and vitals

    def rewards(self, rollout: Rollout, *, update: int) -> tuple[Rewards, dict[str, float]]:
        """What an update's decodings earned, and the weights of its parts."""
        config = self.config.reward
        t = rollout.trajectory
        parts, weights = reward_parts(config, rollout.checked, rollout.size_BS, answer_len=self.source.answer_len)
        if "speed" in weights:
            weights["speed"] = warmed_up(weights["speed"], update=update + 1, over=config.speed_warmup)
        if self._teacher is not None:
            end_id = self.denoiser.end_id
            teacher_B = self._teacher(rollout.rows, until_end(t.tokens_BL, end_id), end_id)
            if config.reverse_kl:
                own_B = t.logp_tok_BS.sum(1)
                own_B = own_B + (0 if t.logp_plan_BS is None else t.logp_plan_BS.sum(1))
                lengths_B = answer_lengths(t.tokens_BL, end_id)
                teacher_B = reverse_kl_reward(teacher_B, own_B.cpu().numpy(), lengths_B.cpu().numpy())
            parts["teacher"], weights["teacher"] = teacher_B, config.teacher_weight
        return add_rewards(parts, weights), weights

    def _vitals(self, rollout: Rollout, reward_PG: Floats, at: int) -> Vitals:
        config, t = self.config, rollout.trajectory
        num_blocks = -(-self.decoding.answer_len // self.decoding.block_len)
        shown_BL = until_end(t.tokens_BL, self.denoiser.end_id).cpu().numpy()
        groups = shown_BL.reshape(config.prompts_per_update, config.group_size, -1)
        return Vitals(
            update=at + 1,
            mean_q=rollout.steps.mean_q,
            forced_share=forced_share(t.is_forced_BS, t.nfe_B),
            nfe=float(t.nfe_B.double().mean()),
            num_blocks=num_blocks,
            accuracy=float(rollout.checked.is_right_B.mean()),
            zero_std_share=zero_std_share(reward_PG),
            distinct_share=distinct_share(groups) if config.temperature else None,
        )

    def _guard(self, vitals: Vitals) -> None:
        for alarm in self.guard.observe(vitals):
            if alarm.is_first:
                self._say(f"warning: {alarm.message}")
            if alarm.should_stop:
                self.ended = f"stopped after {self.config.guard.patience} updates like this one: {alarm.message}"

    def _count(self, rollout: Rollout, learnt: Replayed) -> None:
        self.costs["decodings"] += len(rollout.trajectory.nfe_B)
        self.costs["passes"] += float(rollout.trajectory.nfe_B.sum())
        self.costs["token_forwards"] += rollout.token_forwards
        self.costs["replayed_steps"] += learnt.num_steps

    # ------------------------------------------------------------ looks

    def look(self, update: int) -> Row:
        """Decode as in use; keep what is better than anything before."""
        found, score = self.evaluate(self.eval_policy, self.config.num_eval)
        if not self.best or score > self.best["score"]:
            self.best = {"update": float(update), "score": score, "accuracy": found.accuracy, "nfe": found.nfe}
            save_planner(self.head, self.folder / PLANNER)
            if self.learns_lm:
                save_denoiser(self.denoiser, self.folder / DENOISER, tokenizer=self._tokenizer)
        names = ("accuracy", "share", "nfe", "tokens_per_forward", "distinct")
        return {"eval/score": score, **{f"eval/{name}": getattr(found, name) for name in names}}

    def evaluate(self, policy: UnmaskPolicy, num: int, *, name: str = "evaluate") -> tuple[Evaluated, float]:
        """Decode prompts of evaluation; means, and the mean reward without a teacher."""
        config, seed = self.eval_decoding, self.config.seed
        found, checked, size_BS = evaluate(
            self.denoiser, policy, self.source, config=config, num=num, seed=seed, name=name
        )
        parts, weights = reward_parts(self.config.reward, checked, size_BS, answer_len=self.source.answer_len)
        return found, float(add_rewards(parts, weights).total_B.mean())

    # ------------------------------------------------------------ checkpoints

    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Weights that learn, and moments."""
        return self.trainee.tensors()

    def state(self) -> Mapping[str, Any]:
        """Guards, the best look, and whether it ended."""
        return {"guard": self.guard.state(), "start": self.start, "best": self.best, "ended": self.ended}

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.trainee.restore(found)
        state = found.state
        self.guard.restore(state["guard"])
        self.start, self.best, self.ended = state["start"], state["best"], state["ended"]
