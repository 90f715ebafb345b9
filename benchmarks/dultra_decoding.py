"""What batched decoding, a planner's head and its training cost, and what the planner is worth in seconds.

Run ``python benchmarks/dultra_decoding.py [--json] [--full] [--only PART]``. With one thread, calls that are compared
take turns; ratios are medians of those of the rounds, other figures medians of the calls. Parts:

* batch    a batch of prompts decoded together against one after another: tokens per second of both as a ratio. Tokens
           and forward passes must be the same for every row: the comparison is one of speed alone;
* head     a planner's head against one layer of the denoiser, at equal width: in the first pass of an answer, and with
           half of the positions eligible and rows at different times; and the first's share of a pass of eight layers;
* update   gradients of the decodings of an update: of the planner alone on hidden states that were kept, against those
           with the denoiser run again pass by pass, frozen (ratio_replayed) or learning along (ratio), at several
           depths. With the time of decoding besides, the whole update;
* seconds  a planner, its head included, against the best setting of every kind of rule on the same prompts: those with
           the fewest passes at 95 % accuracy or more. Told are the quickest of these rules, and the one of the fewest
           passes, where that is another. ``--denoiser FOLDER --planner FOLDER --task TASK`` decodes with these; else
           both are trained on the spot.

Without ``--full`` models and batches are small, to see that everything works; then ratios mean little.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from reasonry.core import seeds
from reasonry.core.config import from_dict
from reasonry.tasks.token_tasks.find import make_task
from reasonry.training.dultra.checkpoints import open_denoiser
from reasonry.training.dultra.config import HeadConfig, WholeConfig
from reasonry.training.dultra.data import TaskSource
from reasonry.training.dultra.decoding import Decoded, DecodingConfig, decode
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.frontier.config import FrontierConfig
from reasonry.training.dultra.frontier.measure import HeadClock
from reasonry.training.dultra.frontier.results import PolicyResult, fewest_passes
from reasonry.training.dultra.frontier.run import compare
from reasonry.training.dultra.planner import PlannerConfig, PlannerHead, load_planner
from reasonry.training.dultra.policies.base import UnmaskPolicy
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.policies.planned import PlannedPolicy
from reasonry.training.dultra.stages.heads import new_head
from reasonry.training.dultra.stages.replay import Scoring, replay_canvas, replay_head
from reasonry.training.dultra.stages.rollouts import roll_out
from reasonry.training.dultra.stages.whole import train_whole
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser, TinyDenoiserConfig

PARTS = ("batch", "head", "update", "seconds")
BATCH = 32
TARGET = 0.95
LAYERS = 8  # of a denoiser of which the head's share is told

Row = dict[str, Any]


class Turns(NamedTuple):
    """Seconds of calls that took turns.

    Attributes:
        rounds_s: Of each round, those of each call.
    """

    rounds_s: list[list[float]]

    def ms(self, call: int) -> float:
        """Median of a call, milliseconds."""
        return 1e3 * statistics.median(round_s[call] for round_s in self.rounds_s)

    def ratio(self, of: Callable[[list[float]], float]) -> float:
        """Median over rounds of what is made of a round."""
        return statistics.median(map(of, self.rounds_s))


def take_turns(calls: Sequence[Callable[[], object]], *, num_rounds: int) -> Turns:
    """Time calls in turn, after one round that does not count."""
    rounds_s: list[list[float]] = []
    for _ in range(num_rounds + 1):
        round_s: list[float] = []
        for call in calls:
            start_s = time.perf_counter()
            call()
            round_s.append(time.perf_counter() - start_s)
        rounds_s.append(round_s)
    return Turns(rounds_s[1:])


class Decodings(NamedTuple):
    """What is decoded again and again.

    Attributes:
        denoiser: The model.
        prompt_BP: Prompts.
        config: Sizes and temperature.
    """

    denoiser: Denoiser
    prompt_BP: torch.Tensor
    config: DecodingConfig

    @classmethod
    def of(cls, denoiser: Denoiser, task_name: str, num: int) -> Decodings:
        """Prompts of a task, answers as one block, tokens drawn at temperature 1."""
        task = make_task(task_name)
        prompt_BP = torch.from_numpy(task.draw(seeds.stream(0, "benchmark"), num).prompt_BP)
        return cls(
            denoiser, prompt_BP, DecodingConfig(answer_len=task.answer_len, block_len=task.answer_len, temperature=1.0)
        )

    def __call__(self, policy: UnmaskPolicy, rows: slice = slice(None)) -> Decoded:
        """Decode some of the rows together."""
        prompt_BP = self.prompt_BP[rows]
        seeds_B = range(len(self.prompt_BP))[rows]
        attend_BP = prompt_BP != self.denoiser.pad_id
        return decode(self.denoiser, prompt_BP, attend_BP, policy=policy, config=self.config, seeds_B=seeds_B)


# ---------------------------------------------------------------- batch


def batch_against_rows(denoiser: Denoiser, task_name: str, policy: str, *, num_rounds: int) -> Row:
    """Tokens per second of a batch over those of its rows one by one."""
    decodings, rule = Decodings.of(denoiser, task_name, BATCH), make_policy(policy)

    def alone() -> list[Decoded]:
        return [decodings(rule, slice(i, i + 1)) for i in range(BATCH)]

    batch, rows = decodings(rule).trajectory, [one.trajectory for one in alone()]
    assert batch.tokens_BL.tolist() == [row.tokens_BL[0].tolist() for row in rows], "a row depends on its batch"
    assert batch.nfe_B.tolist() == [int(row.nfe_B[0]) for row in rows], "a row's passes depend on its batch"
    turns = take_turns([lambda: decodings(rule), alone], num_rounds=num_rounds)
    num_tok = BATCH * decodings.config.answer_len
    return {
        "part": "batch",
        "case": f"{described(denoiser)}, {policy}",
        "num_rows": BATCH,
        "mean_nfe": float(batch.nfe_B.double().mean()),
        "batch_tok_per_s": 1e3 * num_tok / turns.ms(0),
        "rows_tok_per_s": 1e3 * num_tok / turns.ms(1),
        "ratio": turns.ratio(lambda s: s[1] / s[0]),
    }


def described(denoiser: Denoiser) -> str:
    """Its name, and its size where it is a network of ours."""
    config = denoiser.config if isinstance(denoiser, TinyDenoiser) else None
    return denoiser.name + (f" ({config.num_layers} layers of {config.width})" if config else "")


# ---------------------------------------------------------------- head


@torch.no_grad()
def head_against_layer(width: int, *, num_rows: int, answer_len: int, num_rounds: int) -> Row:
    """Time of the head on an answer over that of one layer on the same tokens."""
    num_heads = max(4, width // 64)
    tokens_BN = torch.zeros(num_rows, answer_len, dtype=torch.int64)
    attend_BN = torch.ones_like(tokens_BN, dtype=torch.bool)
    shape: Any = {"vocab_size": 28, "max_len": answer_len, "width": width, "num_heads": num_heads}
    shallow, deep = (TinyDenoiser(TinyDenoiserConfig(**shape, num_layers=n)).eval() for n in (1, 3))
    head = PlannerHead(PlannerConfig(width=width, num_heads=num_heads, max_len=answer_len)).eval()
    hidden_BLD = deep.denoise(tokens_BN, attend_BN, with_hidden=True).hidden_BND
    half_BL = attend_BN & (torch.arange(answer_len) % 2 == 0)
    start_B, known_B = torch.zeros(num_rows), torch.linspace(0, 1, num_rows)

    def plan(eligible_BL: torch.Tensor, known_share_B: torch.Tensor) -> torch.Tensor:
        return head(hidden_BLD, eligible_BL=eligible_BL, known_share_B=known_share_B)

    turns = take_turns(
        [
            lambda: shallow.denoise(tokens_BN, attend_BN),
            lambda: deep.denoise(tokens_BN, attend_BN),
            lambda: plan(attend_BN, start_B),
            lambda: plan(half_BL, known_B),
        ],
        num_rounds=num_rounds,
    )
    return {
        "part": "head",
        "case": f"width {width}, {num_rows} x {answer_len} tokens",
        "layer_ms": (turns.ms(1) - turns.ms(0)) / 2,
        "head_ms": turns.ms(2),
        "ratio": turns.ms(2) / ((turns.ms(1) - turns.ms(0)) / 2),
        "ratio_half_eligible": turns.ms(3) / ((turns.ms(1) - turns.ms(0)) / 2),
        f"share_of_{LAYERS}_layers": turns.ms(2) / (turns.ms(1) + (LAYERS - 3) * (turns.ms(1) - turns.ms(0)) / 2),
    }


# ---------------------------------------------------------------- update


def kept_against_replayed(task_name: str, *, width: int, num_layers: int, num_rows: int, num_rounds: int) -> Row:
    """Time of a planner's update that runs the denoiser again over that of one that does not."""
    task = make_task(task_name)
    source = TaskSource(task, seed=0)
    denoiser = TinyDenoiser.from_task(task, num_layers=num_layers, width=width).eval()
    head = new_head(HeadConfig(), denoiser, answer_len=task.answer_len, block_len=task.answer_len, seed=0)
    config = DecodingConfig(answer_len=task.answer_len, block_len=task.answer_len, temperature=1.0)

    def decoded() -> Any:
        rows, policy = source.train(0, num_rows), PlannedPolicy(head, "sample")
        return roll_out(denoiser, policy, source, rows, config=config, seed=0, names=("benchmark",))

    rollout, scoring = decoded(), Scoring()
    advantage_B = torch.linspace(-1, 1, num_rows)

    def replayed(*, learns: bool) -> None:
        denoiser.requires_grad_(learns)
        replay_canvas(denoiser, head, rollout, scoring, advantage_B=advantage_B)

    turns = take_turns(
        [
            lambda: replay_head(head, rollout, scoring, advantage_B=advantage_B),
            lambda: replayed(learns=False),
            lambda: replayed(learns=True),
            decoded,
        ],
        num_rounds=num_rounds,
    )
    return {
        "part": "update",
        "case": f"{described(denoiser)}, {num_rows} decodings",
        "mean_nfe": float(rollout.trajectory.nfe_B.double().mean()),
        "kept_ms": turns.ms(0),
        "replayed_ms": turns.ms(1),
        "learning_ms": turns.ms(2),
        "decoding_ms": turns.ms(3),
        "ratio_replayed": turns.ratio(lambda s: s[1] / s[0]),
        "ratio": turns.ratio(lambda s: s[2] / s[0]),
        "ratio_with_decoding": turns.ratio(lambda s: (s[2] + s[3]) / (s[0] + s[3])),
    }


# ---------------------------------------------------------------- seconds


def planner_against_rules(
    denoiser_name: str, planner: str, task_name: str, *, num_prompts: int, num_rounds: int
) -> list[Row]:
    """Seconds and passes of rules over those of the planner, each at 95 % or more."""
    with tempfile.TemporaryDirectory() as folder:
        config = FrontierConfig(
            denoiser=denoiser_name,
            task=task_name,
            planners=(Path(planner),),
            num_prompts=num_prompts,
            num_seeds=1,
            target=TARGET,
            show=0,
            run=Path(folder) / "run",
        )
        found = compare(config, say=tell).result
    enough = [p for p in found.policies if p.accuracy.value >= TARGET]
    planned = fewest_passes([p for p in enough if p.family.startswith("planner")])
    families = {p.family: [q for q in enough if q.family == p.family] for p in enough}
    rules = [fewest_passes(own) for family, own in families.items() if not family.startswith("planner")]
    if planned is None or not rules:
        told = max(found.policies, key=lambda p: p.accuracy.value)
        case = f"{found.denoiser}: no planner, or no rule, is right in {TARGET:.0%}"
        return [{"part": "seconds", "case": case, "best": told.accuracy.value}]
    decodings = Decodings.of(open_denoiser(denoiser_name, task=task_name).denoiser, task_name, BATCH)
    return timed(decodings, planned, [rule for rule in rules if rule], load_planner(planner), num_rounds=num_rounds)


def timed(
    decodings: Decodings, planned: PolicyResult, rules: list[PolicyResult], head: PlannerHead, *, num_rounds: int
) -> list[Row]:
    """A batch decoded by the planner and by rules in turn: against the quickest rule, and that of the fewest passes."""
    contest = [planned, *rules]
    policies = [make_policy(p.label, head) for p in contest]
    nfe = [float(decodings(policy).trajectory.nfe_B.double().mean()) for policy in policies]
    turns = take_turns([lambda policy=policy: decodings(policy) for policy in policies], num_rounds=num_rounds)
    with HeadClock().on(head) as clock:  # apart from the turns: a clock takes time too
        clocked = take_turns([lambda: decodings(policies[0])], num_rounds=num_rounds)
    others = range(1, len(contest))
    quickest, fewest = min(others, key=turns.ms), min(others, key=lambda i: nfe[i])
    return [
        {
            "part": "seconds",
            "case": f"{described(decodings.denoiser)}, {planned.label} against {contest[i].label}",
            "planner_ms": turns.ms(0),
            "head_share": clock.seconds / (num_rounds + 1) / (clocked.ms(0) / 1e3),
            "rule_ms": turns.ms(i),
            "planner_right": planned.accuracy.value,
            "rule_right": contest[i].accuracy.value,
            "planner_nfe": nfe[0],
            "rule_nfe": nfe[i],
            "nfe_ratio": nfe[i] / nfe[0],
            "ratio": turns.ratio(lambda s, i=i: s[i] / s[0]),
        }
        for i in dict.fromkeys((quickest, fewest))
    ]


def trained(task_name: str, folder: Path, *, seed: int, is_full: bool) -> tuple[str, str]:
    """Folders of a denoiser and of its planner, trained on the spot."""
    values: Row = {"task": task_name, "frontier": False, "run": folder, "seed": seed}
    if not is_full:
        values["pretrain"] = {"num_steps": 60, "num_eval": 8}
        values["planner"] = {"num_updates": 10, "num_eval": 20, "min_advantage": 0.0}
    done = train_whole(from_dict(WholeConfig, values), say=tell)
    return str(done.pretrained.denoiser), str(done.trained.planner)


def tell(line: str) -> None:
    print(line, file=sys.stderr)


# ---------------------------------------------------------------- all of it


def measure(args: argparse.Namespace) -> list[Row]:
    is_full, rows = bool(args.full), list[Row]()
    num_rounds = 9 if is_full else 2
    if "batch" in args.only:
        task = args.task or "ledger:4:10:mixed"
        if args.denoiser:
            denoisers = [open_denoiser(args.denoiser, task=task).denoiser]
        else:
            sizes = [(3, 64), (6, 256)] if is_full else [(3, 64)]
            denoisers = [TinyDenoiser.from_task(make_task(task), num_layers=n, width=w).eval() for n, w in sizes]
        for denoiser in denoisers:
            for policy in ("threshold:0.9", "entropy_bound:0.1", "rand:4"):
                if denoiser is denoisers[0] or policy == "rand:4":  # the widest take minutes a token at a time
                    rows.append(batch_against_rows(denoiser, task, policy, num_rounds=-(-num_rounds // 2)))
    if "head" in args.only:
        cases = [(64, BATCH, 20), (64, 8, 100), (512, 8, 64), (1024, 4, 64)] if is_full else [(64, 8, 20)]
        for width, num, length in cases:
            more = 10 if width < 512 else 1
            rows.append(head_against_layer(width, num_rows=num, answer_len=length, num_rounds=more * num_rounds))
    if "update" in args.only:
        cases = [(64, 3, 64), (64, 6, 64), (64, 12, 64), (64, 24, 64), (256, 12, 16)] if is_full else [(64, 2, 8)]
        for width, num_layers, num in cases:
            rounds = 3 if is_full else 1
            rows.append(
                kept_against_replayed("pairs:4", width=width, num_layers=num_layers, num_rows=num, num_rounds=rounds)
            )
    if "seconds" in args.only:
        with tempfile.TemporaryDirectory() as folder:
            task, denoiser, planner = args.task or ("pairs:4" if is_full else "pairs:1"), args.denoiser, args.planner
            if not planner:
                denoiser, planner = trained(task, Path(folder), seed=args.seed, is_full=is_full)
            rows += planner_against_rules(
                denoiser, planner, task, num_prompts=256 if is_full else 32, num_rounds=5 * num_rounds
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="sizes at which the ratios mean something; minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    parser.add_argument("--denoiser", default="", help="folder of a trained denoiser, or oracle:TASK")
    parser.add_argument("--planner", default="", help="folder of its planner")
    parser.add_argument("--seed", type=int, default=10, help="of what is trained on the spot")
    parser.add_argument("--task", default="", help="the task that the denoiser was trained on")
    args = parser.parse_args()
    if bool(args.planner) > bool(args.denoiser):
        parser.error("--planner goes with --denoiser")
    torch.set_num_threads(1)
    rows = measure(args)
    if args.json:
        json.dump({"benchmark": "dultra_decoding", "is_full": args.full, "rows": rows}, sys.stdout, indent=2)
        print()
        return
    for row in rows:
        shown = ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in row.items()
            if key not in ("part", "case")
        )
        print(f"{row['part']:<8} {row['case']}\n         {shown}")


if __name__ == "__main__":
    main()
