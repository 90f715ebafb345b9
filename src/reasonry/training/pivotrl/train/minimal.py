"""Single-turn GRPO in one readable loop, for models that fit one device.

    repeat     take B pivots, sample G actions of each with the weights as they are, judge them
               advantages within each pivot's group; with refill, groups without a signal are replaced
               num_iterations times: gradient of `loss.policy_loss` in micro batches, clip, AdamW
    now and then, when the pivots are exhausted, all candidates are profiled with the policy as it is and the pivots
               are selected anew; the reference of the KL term stays the policy that training started from

The prompt of a group is read once, for sampling and for the gradient. The reference is a frozen copy, or the model
with its adapters switched off.

Dropout is off. A checkpoint holds the trained weights, optimizer, position and counters; samples, order and batches
are functions of the seed and of that position. So a run that was killed and goes on ends with the same bytes in
float32 on a CPU.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from reasonry.core import checkpoint, jsonl
from reasonry.core.messages import Json
from reasonry.core.models import LoadedModel
from reasonry.training.pivotrl.advantages import advantages
from reasonry.training.pivotrl.config import TrainConfig
from reasonry.training.pivotrl.moments import moments_of
from reasonry.training.pivotrl.records import Profile, Verifier
from reasonry.training.pivotrl.selection import select
from reasonry.training.pivotrl.states import Format
from reasonry.training.pivotrl.train.adapters import add_adapters, without_adapters
from reasonry.training.pivotrl.train.batches import logps_of, micro_batches
from reasonry.training.pivotrl.train.inputs import check_steps
from reasonry.training.pivotrl.train.judging import Turn, reward_metrics
from reasonry.training.pivotrl.train.loss import Divisors, policy_loss
from reasonry.training.pivotrl.train.order import is_exhausted, pivots_at
from reasonry.training.pivotrl.train.packing import supports
from reasonry.training.pivotrl.train.rollouts import Group, Rollouts

CHECKPOINTS, METRICS = "checkpoints", "metrics.jsonl"


@dataclass
class Progress:
    """Where training stands; goes into every checkpoint.

    Attributes:
        step: Optimizer steps done.
        position: Pivots taken in this generation.
        generation: How often the candidates were profiled again.
        last_profile: Steps done at the last time.
        pivots: Ids that are trained on.
        useless_shares: Of each round since then.
        turns_train: Actions sampled to train on.
        turns_profile: Actions sampled to profile again.
        tokens: Of all these actions.
        prompt_tokens: Of their prompts, each prompt counted once for its group.
    """

    step: int = 0
    position: int = 0
    generation: int = 0
    last_profile: int = 0
    pivots: list[str] = field(default_factory=list[str])
    useless_shares: list[float] = field(default_factory=list[float])
    turns_train: int = 0
    turns_profile: int = 0
    tokens: int = 0
    prompt_tokens: int = 0


class MinimalTrainer:
    """The loop. Everything it draws comes from ``config.seed``.

    Args:
        loaded: The starting model; its weights are changed, a copy stays as reference.
        config: As given by the user.
        verifier: Rewards.
        turns: Every turn there is, by id; those to profile again and those trained on.
        pivots: Ids that training begins with.
        tool_format: How states are put before the model.
        learning_rate: Resolved.
        folder: Run directory.
        num_at_once: Verdicts in flight, for a judge behind an endpoint.
        say: Told what a user should know.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        config: TrainConfig,
        verifier: Verifier,
        *,
        turns: Mapping[str, Turn],
        pivots: Sequence[str],
        tool_format: Format,
        learning_rate: float,
        folder: Path,
        num_at_once: int = 1,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        check_steps(config)
        self.config, self.turns, self.folder, self._say = config, dict(turns), folder, say
        self.model: Any = loaded.model.eval()  # dropout would part the policy that samples from the one that learns
        self.reference: Any = None
        if config.lora.rank:
            add_adapters(self.model, config.lora, seed=config.seed)
        else:
            self.model.requires_grad_(True)
            self.reference = copy.deepcopy(self.model).requires_grad_(False)
        self._is_packed = supports(self.model)
        self.rollouts = Rollouts(loaded, config, verifier, tool_format=tool_format, num_at_once=num_at_once)
        self._weights = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self._weights, lr=learning_rate, weight_decay=config.weight_decay)
        self.state = Progress(pivots=list(pivots))
        self._resume()

    # ------------------------------------------------------------ the loop

    def run(self, tick: Callable[[], None] = lambda: None) -> Progress:
        """Train to the last step. ``tick`` is called after each round that is logged; what it raises ends the run."""
        config, state = self.config, self.state
        while state.step < config.num_steps:
            if is_exhausted(
                state.useless_shares,
                step=state.step,
                last=state.last_profile,
                every=config.reprofile_every,
                when=config.reprofile_when,
                window=config.reprofile_window,
                gap=config.reprofile_gap,
            ):
                self._profile_again()
            before = state.step
            jsonl.append(self.folder / METRICS, [self._round()])
            if state.step // config.save_every > before // config.save_every or state.step >= config.num_steps:
                self._save()
            tick()
        return state

    def stop(self) -> None:
        """Save where it stands, for an end that was asked for."""
        if self.state.step:
            self._save()

    def _round(self) -> Json:
        """Sample once, step ``num_iterations`` times; the row that is logged."""
        config, state = self.config, self.state
        groups, drawn = self._groups()
        reward_PG = [[float("nan") if r is None else r for r in g.rewards] for g in groups]
        how = config.loss
        advantage_PG = advantages(
            reward_PG, baseline=how.baseline, scale=how.scale, ddof=how.ddof, eps=how.eps
        ).advantage_PG
        steps = self._steps(groups, [float(a) for row in advantage_PG for a in row])
        metrics = reward_metrics(g.verdicts for g in drawn)
        state.useless_shares.append(metrics["frac_reward_zero_std"])
        metrics["pivot/useful_groups"] = sum(g.has_signal for g in groups)
        state.step += config.num_iterations
        return {
            "step": state.step,
            **metrics,
            **steps,
            "pivot/num_pivots": len(state.pivots),
            "pivot/turns_train": state.turns_train,
            "pivot/turns_profile": state.turns_profile,
            "completions/mean_length": sum(g.num_tok for g in drawn) / sum(len(g.actions) for g in drawn),
            "num_tokens": state.tokens,
            "num_prompt_tokens": state.prompt_tokens,
        }

    # ------------------------------------------------------------ sampling

    def _groups(self) -> tuple[list[Group], list[Group]]:
        """The groups of a round, and all that were drawn for it."""
        config, state = self.config, self.state
        wanted = min(config.prompts_per_step, len(state.pivots))
        drawn = self._draw_pivots(wanted)
        if not config.refill:
            return drawn, drawn
        useful = [g for g in drawn if g.has_signal]
        for _ in range(config.max_refills):
            if len(useful) >= wanted:
                break
            more = self._draw_pivots(wanted - len(useful))
            drawn += more
            useful += [g for g in more if g.has_signal]
        spare = [g for g in drawn if not g.has_signal]
        return (useful + spare)[:wanted], drawn

    def _draw_pivots(self, num: int) -> list[Group]:
        config, state = self.config, self.state
        at = state.position
        ids = pivots_at(state.pivots, at, num, seed=config.seed, generation=state.generation)
        state.position += num
        state.turns_train += num * config.group_size
        names = [f"train/{state.generation}/{at + i}/{id}" for i, id in enumerate(ids)]
        return self._count(self.rollouts.sample([self.turns[id] for id in ids], names, config.group_size))

    def _count(self, groups: Sequence[Group]) -> list[Group]:
        self.state.tokens += sum(group.num_tok for group in groups)
        self.state.prompt_tokens += sum(len(group.turn.prompt_ids) for group in groups)
        return list(groups)

    def _profile_again(self) -> None:
        """Profile every candidate with the policy as it is. The reference of the KL term is not touched."""
        config, state = self.config, self.state
        ids = list(self.turns)
        names = [f"profile/{state.generation}/{id}" for id in ids]
        groups = self._count(self.rollouts.sample([self.turns[id] for id in ids], names, config.k))
        state.turns_profile += config.k * len(ids)
        profiles = [
            Profile(id, tuple(g.rewards), tuple(v.category for v in g.verdicts))
            for id, g in zip(ids, groups, strict=True)
        ]
        kept = select(moments_of(profiles), threshold=config.threshold)
        pivots = [id for id, keep in zip(ids, kept.mask_N.tolist(), strict=True) if keep]
        if pivots:
            state.pivots = pivots
            self._say(f"step {state.step}: profiled {len(ids)} turns again, {len(pivots)} pivots")
        else:
            self._say(f"step {state.step}: {kept.counts.why_nothing()}; the old pivots stay")
        state.generation, state.position = state.generation + 1, 0
        state.last_profile, state.useless_shares = state.step, []

    # ------------------------------------------------------------ learning

    def _steps(self, groups: Sequence[Group], advantage: Sequence[float]) -> dict[str, float]:
        config = self.config
        num_tok = sum(g.num_tok for g in groups)
        divisors = Divisors(num_tok, len(advantage), config.drawn.max_new_tokens)
        device, temperature = self.model.device, config.drawn.temperature
        shared = [(g.turn.prompt_ids, g.actions) for g in groups]
        batches = micro_batches(shared, size=config.micro_batch, packed=self._is_packed, device=device)
        sizes = [len(batch.mask_BC) for batch in batches]
        advantages = torch.tensor(advantage, dtype=torch.float32, device=device).split(sizes)
        with torch.no_grad():
            with contextlib.nullcontext() if self.reference is not None else without_adapters(self.model):
                start = self.model if self.reference is None else self.reference
                references = [logps_of(start, b, temperature=temperature) for b in batches]
            # With one step on each sample the policy that sampled is the one that learns.
            olds = (
                [logps_of(self.model, b, temperature=temperature) for b in batches]
                if config.num_iterations > 1
                else None
            )
        loss = kl = clipped = norm = 0.0
        how = config.loss
        for _ in range(config.num_iterations):
            self.optimizer.zero_grad(set_to_none=True)
            for i, (batch, reference, advantage_B) in enumerate(zip(batches, references, advantages, strict=True)):
                logp = logps_of(self.model, batch, temperature=temperature)
                part = policy_loss(
                    logp,
                    logp.detach() if olds is None else olds[i],
                    advantage_B=advantage_B,
                    mask_BT=batch.mask_BC,
                    divisors=divisors,
                    ref_logp_BT=reference,
                    kind=how.kind,
                    clip_low=how.clip_low,
                    clip_high=how.clip_high,
                    beta=how.beta,
                )
                part.value.backward()
                loss, kl, clipped = loss + float(part.value.detach()), kl + part.kl_sum, clipped + part.num_clipped
            norm += float(torch.nn.utils.clip_grad_norm_(self._weights, config.max_grad_norm))
            self.optimizer.step()
        n = config.num_iterations
        return {
            "loss": loss / n,
            "kl_ref": kl / n / num_tok,
            "clip_ratio": clipped / n / num_tok,
            "grad_norm": norm / n,
        }

    # ------------------------------------------------------------ checkpoints

    def _save(self) -> None:
        moments = self.optimizer.state_dict()["state"]
        checkpoint.save(
            self.folder / CHECKPOINTS,
            self.state.step,
            tensors={
                "model": self._trained(),
                "optimizer": {f"{i}.{name}": value for i, s in moments.items() for name, value in s.items()},
            },
            state=asdict(self.state),
        )

    def _trained(self) -> dict[str, torch.Tensor]:
        """What training changes: all weights, or the adapters."""
        if not self.config.lora.rank:
            return self.model.state_dict()
        return {name: weight.detach() for name, weight in self.model.named_parameters() if weight.requires_grad}

    def _set_trained(self, tensors: Mapping[str, torch.Tensor]) -> None:
        found = self.model.load_state_dict(dict(tensors), strict=not self.config.lora.rank)
        assert not found.unexpected_keys, found.unexpected_keys

    def _resume(self) -> None:
        found = checkpoint.newest(self.folder / CHECKPOINTS, warn=lambda rejection: self._say(str(rejection)))
        if found is not None:
            self._set_trained(found.load_tensors("model", "torch"))
            moments: dict[int, dict[str, Any]] = {}
            for key, value in found.load_tensors("optimizer", "torch").items():
                index, _, name = key.partition(".")
                moments.setdefault(int(index), {})[name] = value
            self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
            self.state = Progress(**found.state)
        path = self.folder / METRICS
        rows = [row for row in jsonl.recover(path).rows if row["step"] <= self.state.step] if path.exists() else []
        jsonl.write(path, rows)  # what came after the checkpoint is made again
