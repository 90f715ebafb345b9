"""A whole training: one method after the other on the same examples, then all of them on the same questions.

    RUN/METHOD/metrics.jsonl    a row for each step, with looks at validation questions
    RUN/METHOD/checkpoints/     weights, optimizer, curriculum
    RUN/METHOD/model/           the best model of the last stage, as `LatentCausalLM.save_pretrained` writes it
    RUN/METHOD/answers.jsonl    its answers to the test questions
    RUN/METHOD/results.json     what they come to; the mark of a method that is finished
    RUN/results.json            all methods of the command, and each against continuous thoughts

Running the command again goes on where it was killed. Further methods may be added: what is finished is not done again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from reasonry.core import atomic, jsonl
from reasonry.core.costs import total_costs
from reasonry.core.environment import Determinism
from reasonry.core.learning import COSTS, METRICS, OpenRun, learn, say_nothing, threads_for
from reasonry.core.made_with import MadeWith
from reasonry.core.models.config import ModelConfig
from reasonry.core.models.device import best_device
from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder, read_json
from reasonry.core.work import Say
from reasonry.training.continuous_cot.config import VERB, GraphTrainConfig, TrainSettings
from reasonry.training.continuous_cot.curriculum import check_gate
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import Method, find_methods
from reasonry.training.continuous_cot.source import AsksBySlots, Judged
from reasonry.training.continuous_cot.train.learner import MethodLearner
from reasonry.training.continuous_cot.train.results import (
    MethodResult,
    Pair,
    Share,
    answer_row,
    by_group,
    compare,
    share,
)
from reasonry.training.continuous_cot.train.saved import write_trained_for
from reasonry.training.continuous_cot.train.setups import Setup, device_of_graphs, graph_setup, text_setup

MODEL, ANSWERS, RESULTS = "model", "answers.jsonl", "results.json"


class Trained(NamedTuple):
    """What came of a run.

    Attributes:
        config: Of the run.
        kind: graphs or text.
        folder: Run directory.
        methods: In the order of the command.
        pairs: Each of the others against the reference.
        logs: Rows of each method's training.
        seconds: That each method's training took, in all sessions.
    """

    config: TrainSettings
    kind: str
    folder: Path
    methods: list[MethodResult]
    pairs: list[Pair]
    logs: dict[str, list[Row]]
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        return plain(
            {
                "kind": self.kind,
                "methods": [method.to_json() for method in self.methods],
                "pairs": [pair._asdict() for pair in self.pairs],
            }
        )

    def model(self, name: str) -> Path:
        """Folder of a method's model."""
        return self.folder / name / MODEL


def train(
    config: TrainSettings,
    *,
    say: Say = say_nothing,
    open_run: OpenRun = lambda run, determinism: None,
    setup: Callable[[], Setup] | None = None,
) -> Trained:
    """Train all methods of a config, or go on with them.

    Args:
        config: A `GraphTrainConfig`, or a `TextTrainConfig`.
        say: Told what a user should know.
        open_run: Told of the open run.
        setup: Gives what is trained on what; by the config's kind when not given.

    Raises:
        ConfigError: An unknown method, settings that do not go together, or a run directory that is none.
        RunMismatchError: The run began with another source or another model.
        CheckFailed: A loss that is no number.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    methods = find_methods(config.methods)
    check_gate(config.curriculum)
    kind = "graphs" if isinstance(config, GraphTrainConfig) else "text"
    folder = config.run or default_folder(f"train-continuous-cot-{kind}", config, *_labels(config))
    with Run(f"{VERB} {kind}", config, folder=folder, seed=config.seed, warn=say) as run:
        determinism = _determinism(config)
        run.record_environment(determinism)
        open_run(run, determinism)
        made = setup() if setup is not None else _setup(config, say)
        record = MadeWith(run.folder)
        record.check("source", made.source.identity)
        record.check("model", made.model_identity)
        results = [_train_method(run, config, made, method, say) for method in methods]
        parts = {method.name: _part(run, method) for method in methods}
        answers = {name: _read(part.path(ANSWERS)) for name, part in parts.items()}
        done = Trained(
            config=config,
            kind=kind,
            folder=folder,
            methods=results,
            pairs=compare(answers),
            logs={name: _read(part.path(METRICS)) for name, part in parts.items()},
            seconds={name: total_costs(part.path(COSTS)).get("seconds", 0.0) for name, part in parts.items()},
        )
        atomic.write_json(run.path(RESULTS), done.to_json())
    return done


def _setup(config: TrainSettings, say: Say) -> Setup:
    if isinstance(config, GraphTrainConfig):
        return graph_setup(config, say=say)
    from reasonry.training.continuous_cot.text_config import TextTrainConfig

    return text_setup(cast("TextTrainConfig", config), say=say)


def _determinism(config: TrainSettings) -> Determinism:
    """Kernels of accelerators add in no fixed order."""
    if isinstance(config, GraphTrainConfig):
        device = device_of_graphs(config)
    else:
        wanted = str(cast("Any", config).model_options.device)
        device = best_device() if wanted == "auto" else wanted
    return "bitwise" if device.startswith("cpu") else "statistical"


def _labels(config: TrainSettings) -> tuple[str, ...]:
    if isinstance(config, GraphTrainConfig):
        hops = f"{config.hops}-hops" if config.hops == config.most_hops else f"{config.hops}-to-{config.most_hops}-hops"
        return (hops, *([config.layout] if config.layout != "packed" else []))
    return tuple(str(getattr(config, name)) for name in ("model", "data"))


def _part(run: Run, method: Method) -> Run:
    """The folder of a method inside a run that is open: what asks a run for its files finds the method's there."""
    part = copy.copy(run)
    part.folder = run.folder / method.name
    return part


def _read(path: Path) -> list[Row]:
    return jsonl.recover(path).rows if path.exists() else []


# ---------------------------------------------------------------- one method


def _train_method(run: Run, config: TrainSettings, setup: Setup, method: Method, say: Say) -> MethodResult:
    part = _part(run, method)
    results = part.path(RESULTS)
    if results.exists():
        return MethodResult.from_json(read_json(results), place=str(results))
    part.folder.mkdir(exist_ok=True)
    atomic.sweep(part.folder)
    model = setup.make_model(method)
    learner = MethodLearner(config, method, model, setup.source, best_folder=part.path(MODEL))
    plan = learner.curriculum.plan
    with threads_for(model):
        rows = learn(
            part,
            learner,
            num_steps=plan.num_steps + plan.patience,
            save_every=config.save_every,
            label=method.name,
            say=say,
        )
        result = _examine(part, config, setup, method, learner, num_steps=len(rows))
    if result.ended:
        say(f"warning: {method.name}: {result.ended}; it has learnt no answers")
    elif learner.curriculum.missed is not None:
        say(
            f"warning: {method.name}: the loss of stage 0 was still {learner.curriculum.missed:.3f} nats when patience "
            "was over; it went on as it was told to"
        )
    atomic.write_json(results, plain(result.to_json()))
    return result


def _examine(
    part: Run, config: TrainSettings, setup: Setup, method: Method, learner: MethodLearner, *, num_steps: int
) -> MethodResult:
    """The test questions, answered by the best model."""
    learnt = sum(weight.numel() for weight in learner.model.parameters() if weight.requires_grad)
    num_parameters = learnt, sum(weight.numel() for weight in learner.model.parameters())
    if not learner.best:
        nothing = Share(0, 0)
        return MethodResult(
            method.name, nothing, None, 0, 0.0, 0.0, {}, {}, num_parameters, num_steps, 0, 0.0, learner.ended
        )
    model, stage = _best_model(part.path(MODEL), learner.model), learner.curriculum.plan.last
    write_trained_for(part.path(MODEL), config, kind=setup.kind, method=method, stage=stage)
    asked = config.evaluation
    test: Literal["test"] = "test"
    judged = setup.source.evaluate(
        model, method=method, stage=stage, split=test, num=asked.num_test, batch_size=asked.batch_size
    )
    jsonl.write(part.path(ANSWERS), [plain(answer_row(each)) for each in judged])
    sweep: dict[int, list[Judged]] = {}
    num = min(asked.num_validation if asked.num_by_slots is None else asked.num_by_slots, asked.num_test)
    if num and isinstance(setup.source, AsksBySlots) and method.steps == "replaced" and method.fill != "nothing":
        sweep = setup.source.by_slots(model, method=method, split=test, num=num, batch_size=asked.batch_size)
    return MethodResult(
        name=method.name,
        exact=share(judged),
        candidates=_of_candidates(judged),
        num_ties=sum(each.is_tie for each in judged),
        mean_tok=_mean([each.num_tokens for each in judged]),
        mean_slots=_mean([each.num_thoughts for each in judged]),
        by_group=by_group(judged),
        by_slots={slots: share(answers) for slots, answers in sweep.items()},
        num_parameters=num_parameters,
        num_steps=num_steps,
        best_step=int(learner.best["step"]),
        best_validation=learner.best["accuracy"],
    )


def _best_model(folder: Path, like: LatentCausalLM) -> LatentCausalLM:
    """The saved model, where and in what format the trained one is."""
    weight = next(like.parameters())
    dtype = str(like.backbone.model.dtype).removeprefix("torch.")
    options = ModelConfig.model_validate({"dtype": dtype, "device": str(weight.device)})
    return LatentCausalLM.from_pretrained(str(folder), options)


def _of_candidates(judged: Sequence[Judged]) -> Share | None:
    known = [each for each in judged if each.is_right_of_candidates is not None]
    return share(known, lambda each: bool(each.is_right_of_candidates)) if known else None


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
