"""A whole fine-tuning: one method after the other on the same examples, in the same order, for as many steps.

    RUN/METHOD/metrics.jsonl    a row for each step, with looks at held-out rows
    RUN/METHOD/checkpoints/     weights and optimizer
    RUN/METHOD/model/           the model after the last step, as any loader of transformers takes it
    RUN/METHOD/results.json     what it came to; the mark of a method that is finished
    RUN/results.json            all methods of the command

Running the command again goes on where it was killed. Further methods may be added: what is finished is not done again.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from reasonry.core import atomic, jsonl
from reasonry.core.costs import total_costs
from reasonry.core.learning import COSTS, METRICS, OpenRun, learn, open_nothing, say_nothing, threads_for
from reasonry.core.made_with import MadeWith
from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder, read_json
from reasonry.core.work import Say
from reasonry.training.latent_tokens.finetune.config import VERB, FinetuneConfig
from reasonry.training.latent_tokens.finetune.learner import FinetuneLearner
from reasonry.training.latent_tokens.finetune.prepare import Extended, Prepared, device_of_run, prepare
from reasonry.training.latent_tokens.finetune.results import MODEL, RESULTS, Finetuned, MethodResult, result_of
from reasonry.training.latent_tokens.finetune.saving import save_model
from reasonry.training.latent_tokens.mixing.methods import Method


class AnswersEvaluator(Protocol):
    """Whoever looks at the answers that a finished model generates."""

    def __call__(self, model: Path, encoded: Path, *, method: str, say: Say) -> Mapping[str, Any]:
        """Numbers by name, as JSON.

        Args:
            model: Folder of the model.
            encoded: Run directory of ``encode``, whose held-out examples are asked.
            method: That it was trained by.
            say: Told what a user should know.
        """
        ...


def finetune(
    config: FinetuneConfig,
    *,
    say: Say = say_nothing,
    open_run: OpenRun = open_nothing,
    evaluate_answers: AnswersEvaluator | None = None,
) -> Finetuned:
    """Train all methods of a config, or go on with them.

    Args:
        config: Of the run.
        say: Told what a user should know.
        open_run: Told of the open run.
        evaluate_answers: Asked about each model when its training is over.

    Raises:
        ReasonryError: As `prepare`.
        RunMismatchError: The run began with other examples, codes or another model.
        CheckFailed: A loss that is no number.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    methods = config.method_rows
    folder = config.run or default_folder("train-latent-tokens-finetune", config, config.model)
    made = None
    if not (folder / "run.json").exists():  # what does not go together leaves no run behind
        made = prepare(config, say=say)
    with Run(VERB, config, folder=folder, seed=config.seed, warn=say) as run:
        determinism = "bitwise" if device_of_run(config).startswith("cpu") else "statistical"
        run.record_environment(determinism)
        open_run(run, determinism)
        made = made or prepare(config, say=say)
        record = MadeWith(run.folder)
        for name, value in made.identity.items():
            record.check(name, value)
        results = [_train(run, config, made, method, say, evaluate_answers) for method in methods]
        parts = {method.name: _part(run, method) for method in methods}
        examples = made.task.examples
        done = Finetuned(
            config=config,
            folder=folder,
            methods=results,
            logs={name: _read(part.path(METRICS)) for name, part in parts.items()},
            seconds={name: total_costs(part.path(COSTS)).get("seconds", 0.0) for name, part in parts.items()},
            num_train=len(examples.train),
            num_left_out=examples.num_left_out,
            num_held_out=len(examples.held_out),
            mean_cot_tok=sum(len(row.cot_ids) for row in examples.train) / len(examples.train),
        )
        atomic.write_json(run.path(RESULTS), done.to_json())
    return done


def _part(run: Run, method: Method) -> Run:
    """The folder of a method inside a run that is open: what asks a run for its files finds the method's there."""
    part = copy.copy(run)
    part.folder = run.folder / method.name
    return part


def _read(path: Path) -> list[Row]:
    return jsonl.recover(path).rows if path.exists() else []


# ---------------------------------------------------------------- one method


def _train(
    run: Run,
    config: FinetuneConfig,
    made: Prepared,
    method: Method,
    say: Say,
    evaluate_answers: AnswersEvaluator | None,
) -> MethodResult:
    part = _part(run, method)
    results = part.path(RESULTS)
    if results.exists():
        return MethodResult.from_json(read_json(results), place=str(results))
    part.folder.mkdir(exist_ok=True)
    atomic.sweep(part.folder)
    extended = made.make_model()
    with threads_for(extended.model):
        rows = (
            _with_trl(part, made, method, extended, say)
            if config.trainer == "trl"
            else _plain(part, config, made, method, extended, say)
        )
        num_parameters = _num_parameters(extended.model)
        save_model(extended, made, method, part.path(MODEL))
        result = result_of(method.name, rows, num_parameters=num_parameters)
        if evaluate_answers is not None:
            numbers = evaluate_answers(part.path(MODEL), made.info.folder, method=method.name, say=say)
            result = result._replace(answers=plain(dict(numbers)))
    atomic.write_json(results, result.to_json())
    return result


def _plain(
    part: Run, config: FinetuneConfig, made: Prepared, method: Method, extended: Extended, say: Say
) -> list[Row]:
    learner = FinetuneLearner(made.task, method, extended.model)
    num_steps = made.task.length.num_steps
    return learn(part, learner, num_steps=num_steps, save_every=config.save_every, label=method.name, say=say)


def _with_trl(part: Run, made: Prepared, method: Method, extended: Extended, say: Say) -> list[Row]:
    from reasonry.integrations.trl_latent_tokens import train

    return train(part, made.task, method, extended, say=say)


def _num_parameters(model: Any) -> tuple[int, int]:
    """Weights that learn, and in all."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in model.parameters()]
    return sum(num for num, learns in sizes if learns), sum(num for num, _ in sizes)
