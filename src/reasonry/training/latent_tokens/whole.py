"""All stages in one run: codes for reasoning, examples in codes, a model for each method, and their answers.

    run/codes         a run of its own: the codec
    run/encoded       training and validation examples with their codes
    run/finetune      a model for each method
    run/evaluation    what these answer to test questions, with how many tokens

Each stage goes on by itself from where a killed run left it; what is finished is read and not done again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core import atomic
from reasonry.core.config import from_dict
from reasonry.core.learning import OpenRun, open_nothing, say_nothing
from reasonry.core.report import Code, Report, Section
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say
from reasonry.training.latent_tokens.codes.config import WORDS, EncodeConfig, FitConfig
from reasonry.training.latent_tokens.codes.encoding import Encoded, encode
from reasonry.training.latent_tokens.codes.fit import fit_codes
from reasonry.training.latent_tokens.codes.report import encode_report, fit_report
from reasonry.training.latent_tokens.codes.results import Fitted
from reasonry.training.latent_tokens.evaluate.config import EvalConfig
from reasonry.training.latent_tokens.evaluate.report import evaluation_report
from reasonry.training.latent_tokens.evaluate.run import evaluate
from reasonry.training.latent_tokens.finetune.config import SCRATCH, FinetuneConfig
from reasonry.training.latent_tokens.finetune.prepare import device_of_run
from reasonry.training.latent_tokens.finetune.report import finetune_report
from reasonry.training.latent_tokens.finetune.results import Finetuned
from reasonry.training.latent_tokens.finetune.run import finetune
from reasonry.training.latent_tokens.whole_config import VERB, WholeConfig

if TYPE_CHECKING:
    from reasonry.training.latent_tokens.evaluate.evaluated import Evaluated

CODES, ENCODED, FINETUNE, EVALUATION = "codes", "encoded", "finetune", "evaluation"


class Whole(NamedTuple):
    """What came of all stages.

    Attributes:
        config: Of the run.
        folder: Run directory.
        fitted: The codec.
        encoded: The examples.
        finetuned: The models.
        evaluated: Their answers; None where none were asked for.
    """

    config: WholeConfig
    folder: Path
    fitted: Fitted
    encoded: Encoded
    finetuned: Finetuned
    evaluated: Evaluated | None

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        body: dict[str, Any] = {
            "codes": self.fitted.to_json(),
            "encoded": self.encoded.to_json(),
            "finetune": self.finetuned.to_json(),
        }
        if self.evaluated is not None:
            body["evaluation"] = self.evaluated.to_json()
        return body


def train_whole(config: WholeConfig, *, say: Say = say_nothing, open_run: OpenRun = open_nothing) -> Whole:
    """Train all stages, or go on with them.

    Args:
        config: Data, stages, seed, run directory.
        say: Told what a user should know.
        open_run: Told of the open run; not of those of its stages.

    Raises:
        ReasonryError: As `fit_codes`, `encode`, `finetune` and `evaluate`.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    folder = config.run or default_folder("train-latent-tokens", config, config.data, config.finetune.model)
    with Run(VERB, config, folder=folder, seed=config.seed, warn=say) as run:
        tuning = finetune_config(config, folder)
        determinism = "bitwise" if device_of_run(tuning).startswith("cpu") else "statistical"
        run.record_environment(determinism)
        open_run(run, determinism)
        say("codes")
        fitted = fit_codes(fit_config(config, folder), say=say)
        say("examples in codes")
        encoded = encode(encode_config(config, folder), say=say)
        say("fine-tuning")
        finetuned = finetune(tuning, say=say)
        evaluated = None
        if config.answers.num:
            say("answers")
            evaluated = evaluate(eval_config(config, folder), say=say)
        done = Whole(config, folder, fitted, encoded, finetuned, evaluated)
        atomic.write_json(run.path("results.json"), done.to_json())
    return done


# ---------------------------------------------------------------- settings of the stages


def fit_config(config: WholeConfig, folder: Path) -> FitConfig:
    """Of fit-codes."""
    values = {**config.codes.model_dump(), **_shared(config), "run": folder / CODES}
    values |= {"num_train": config.num_train, "num_validation": config.num_validation}
    values |= {"tokenizer": _tokenizer(config), "model_options": config.model_options.model_dump()}
    return from_dict(FitConfig, values, place=CODES)


def encode_config(config: WholeConfig, folder: Path) -> EncodeConfig:
    """Of encode."""
    values = {**_shared(config), "codes": str(folder / CODES), "run": folder / ENCODED}
    values |= {"num_train": config.num_train, "num_validation": config.num_validation}
    return from_dict(EncodeConfig, values | {"device": config.model_options.device}, place=ENCODED)


def finetune_config(config: WholeConfig, folder: Path) -> FinetuneConfig:
    """Of finetune."""
    values = {**config.finetune.model_dump(), "encoded": str(folder / ENCODED), "run": folder / FINETUNE}
    values |= {"seed": config.seed, "model_options": config.model_options.model_dump()}
    return from_dict(FinetuneConfig, values, place=FINETUNE)


def eval_config(config: WholeConfig, folder: Path) -> EvalConfig:
    """Of the evaluation."""
    values = {**config.answers.model_dump(), "model": str(folder / FINETUNE), "run": folder / EVALUATION}
    values |= {"methods": config.finetune.methods, "model_options": {"device": config.model_options.device}}
    return from_dict(EvalConfig, values, place="answers")


def _shared(config: WholeConfig) -> dict[str, Any]:
    """What the examples are made with."""
    return {
        "data": config.data,
        "marker": config.marker,
        "chat_template": config.chat_template,
        "seed": config.seed,
    }


def _tokenizer(config: WholeConfig) -> str:
    if config.finetune.model != SCRATCH:
        return config.finetune.model
    return config.tokenizer or WORDS


# ---------------------------------------------------------------- report


def whole_report(done: Whole, *, command: str = "") -> Report:
    """The reports of all stages in one: answers first, then what led to them.

    Args:
        done: What `train_whole` returned.
        command: The command that continues or repeats it.
    """
    trained = finetune_report(done.finetuned)
    stages = [
        ("Training", trained),
        ("Examples", encode_report(done.encoded)),
        ("Codes", fit_report(done.fitted)),
    ]
    sections: list[Section] = []
    if done.evaluated is not None:
        answers = evaluation_report(done.evaluated)
        facts, subtitle = answers.facts, answers.subtitle
        sections += answers.sections
    else:
        facts, subtitle = trained.facts, trained.subtitle
    for name, report in stages:
        sections += [replace(section, title=f"{name}: {_lower(section.title)}") for section in report.sections]
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    return Report(f"Latent tokens on {done.config.data}", subtitle, facts, sections, trained.footer)


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]
