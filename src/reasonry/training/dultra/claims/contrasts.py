"""Measurements that change one thing of a training: the likelihood, what learns, what is rewarded.

The trainings of a seed share a denoiser, and begin with the same planner.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reasonry.core.claims import Measurement

if TYPE_CHECKING:
    from reasonry.training.dultra.stages.imitate import Imitated
    from reasonry.training.dultra.stages.planner import Trained
    from reasonry.training.dultra.stages.rollouts import Evaluated

_RULE = "threshold:0.9"  # reveals one position at a time where it is not certain: the denoiser at its best


def naive_likelihood_fails(*, task: str, num_seeds: int, seed: int, num_updates: int) -> Measurement:
    """Passes of a planner trained with the product form over those of one trained with the exact likelihood; median.

    Both reveal where their coin is at least one half, and both are the best of the evaluations of their training.

    Args:
        task: Over symbols.
        num_seeds: Repetitions, each with its own denoiser.
        seed: Of the first.
        num_updates: Of each training.
    """
    ratios, lines = list[float](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for s in range(seed, seed + num_seeds):
            bench = _Bench(task, seed=s, folder=Path(folder) / str(s))
            exact, naive = (
                _last(bench.train(form, forced_event=form, num_updates=num_updates)) for form in ("exact", "naive")
            )
            ratios.append(naive.nfe / exact.nfe)
            lines.append(f"seed {s}: exact {_told(exact)}, product form {_told(naive)}")
    value = float(np.median(ratios))
    detail = f"median of {num_seeds} seeds and their range, {num_updates} updates each; {'; '.join(lines)}"
    return Measurement(value, min(ratios), max(ratios), num_seeds, seed, detail)


def joint_training(*, task: str, seed: int) -> Measurement:
    """Forward passes of a planner whose denoiser learnt with it; the detail tells how many answers differ, and where.

    A denoiser that learns on the answers of its planner drifts where the planner never takes it: a rule that decodes
    one position at a time with it is as right as ever, and says fewer different things.

    Args:
        task: Over symbols, all of whose prompts are alike.
        seed: Root of everything drawn.
    """
    with tempfile.TemporaryDirectory() as name:
        bench = _Bench(task, seed=seed, folder=Path(name))
        trained = bench.train("joint", freeze="none")
        planned = _last(trained)
        after, before = (bench.decode(denoiser, _RULE) for denoiser in (trained.denoiser, str(bench.denoiser)))
    shown = {"by the planner": planned, f"by {_RULE}": after, f"by {_RULE} before it learnt": before}
    detail = "; ".join(f"{how} {_told(e)}, different answers {e.distinct:.2f}" for how, e in shown.items())
    detail += f"; {planned.num} decodings"
    return Measurement(planned.nfe, planned.nfe, planned.nfe, 1, seed, detail)


def step_reward_matters(*, task: str, num_seeds: int, seed: int) -> Measurement:
    """Passes without a reward for speed over passes with one, both from a planner that imitated a rule; median.

    Args:
        task: Over symbols.
        num_seeds: Repetitions, each with its own denoiser.
        seed: Of the first.
    """
    ratios, lines = list[float](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for s in range(seed, seed + num_seeds):
            bench = _Bench(task, seed=s, folder=Path(folder) / str(s))
            start = str(bench.imitate().planner)
            rewarded = bench.train("speed", planner=start)
            without = bench.train("none", planner=start, reward={"speed": "none"})
            ratios.append(_last(without).nfe / _last(rewarded).nfe)
            begun = rewarded.start
            lines.append(
                f"seed {s}: imitation {begun['eval/nfe']:.2f} passes right {begun['eval/accuracy']:.3f}, "
                f"with {_told(_last(rewarded))}, without {_told(_last(without))}"
            )
    value = float(np.median(ratios))
    detail = f"median of {num_seeds} seeds and their range; {'; '.join(lines)}"
    return Measurement(value, min(ratios), max(ratios), num_seeds, seed, detail)


def ledger_planner(*, task: str, accuracy: float, num_seeds: int, seed: int, **settings: Any) -> Measurement:
    """Forward passes of a planner that was trained on exact posteriors: the median of the seeds.

    The denoiser is the law of the task itself: no error of a trained one blurs what the planner adds. It has no hidden
    states, so that the planner reads confidence, entropy, margin and the position.

    Args:
        task: Pairs or ledger.
        accuracy: That a training has to end with; one that does not counts infinitely many passes.
        num_seeds: Trainings.
        seed: Of the first.
        **settings: Of the planner's training other than the defaults.
    """
    found: list[Evaluated] = []
    with tempfile.TemporaryDirectory() as folder:
        for s in range(seed, seed + num_seeds):
            values = {"head": {"features": ("confidence", "entropy", "margin")}, **settings}
            found.append(_last(_train("oracle", task, Path(folder) / str(s), seed=s, **values)))
    passes = sorted(e.nfe if e.accuracy >= accuracy else float("inf") for e in found)
    value = passes[num_seeds // 2]
    lines = "; ".join(f"seed {seed + i}: {_told(e)}" for i, e in enumerate(found))
    detail = f"median of {num_seeds} seeds, {found[0].num} decodings each; {lines}; the ideal is 2 passes"
    return Measurement(value, min(passes), max(passes), num_seeds, seed, detail)


class _Bench:
    """A trained denoiser, and trainings that begin with it."""

    def __init__(self, task: str, *, seed: int, folder: Path) -> None:
        from reasonry.core.config import from_dict
        from reasonry.training.dultra.config import PretrainConfig
        from reasonry.training.dultra.stages.pretrain import pretrain

        self.task, self.seed, self.folder = task, seed, folder
        config = from_dict(PretrainConfig, {"task": task, "seed": seed, "run": folder / "pretrain"})
        self.denoiser = pretrain(config).denoiser

    def imitate(self) -> Imitated:
        from reasonry.core.config import from_dict
        from reasonry.training.dultra.config import ImitateConfig
        from reasonry.training.dultra.stages.imitate import imitate

        values = {"denoiser": str(self.denoiser), "seed": self.seed, "run": self.folder / "imitate"}
        return imitate(from_dict(ImitateConfig, values))

    def train(self, name: str, **settings: Any) -> Trained:
        return _train(str(self.denoiser), self.task, self.folder / name, seed=self.seed, **settings)

    def decode(self, denoiser: str, policy: str) -> Evaluated:
        """As `train` decodes at its end, by a rule."""
        from reasonry.core.config import from_dict
        from reasonry.training.dultra.checkpoints import load_denoiser
        from reasonry.training.dultra.config import PlannerTrainConfig
        from reasonry.training.dultra.data import open_source
        from reasonry.training.dultra.policies.make import make_policy
        from reasonry.training.dultra.stages.rollouts import evaluate
        from reasonry.training.dultra.stages.setup import decoding_config

        config = from_dict(PlannerTrainConfig, {"denoiser": denoiser, "data": {"task": self.task}})
        loaded = load_denoiser(denoiser, config.model_options)
        source = open_source(config.data, loaded.denoiser, loaded.tokenizer, seed=self.seed)
        num, how = 5 * config.num_eval, decoding_config(config, source)
        return evaluate(loaded.denoiser, make_policy(policy), source, config=how, num=num, seed=self.seed)[0]


def _train(denoiser: str, task: str, folder: Path, *, seed: int, **settings: Any) -> Trained:
    from reasonry.core.config import from_dict
    from reasonry.training.dultra.config import PlannerTrainConfig
    from reasonry.training.dultra.stages.planner import train_planner

    values = {"denoiser": denoiser, "data": {"task": task}, "seed": seed, "run": folder, **settings}
    return train_planner(from_dict(PlannerTrainConfig, values))


def _last(trained: Trained) -> Evaluated:
    """The best planner on fresh prompts, revealing where its coin is at least the threshold."""
    return next(iter(trained.final.values()))


def _told(found: Evaluated) -> str:
    return f"{found.nfe:.2f} passes right {found.accuracy:.3f}"
