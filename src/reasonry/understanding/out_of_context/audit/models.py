"""Where an audit's models come from: weights on this machine, tuned here or elsewhere, or an endpoint with both."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from reasonry.core import seeds
from reasonry.core.candidates.base import CandidateScorer
from reasonry.core.models.config import ModelConfig
from reasonry.core.models.context import context_tok
from reasonry.core.models.device import best_device
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.work import Say
from reasonry.errors import ConfigError
from reasonry.understanding.out_of_context.audit.arms import Arm, TrainRow
from reasonry.understanding.out_of_context.audit.config import AuditConfig

ROOM = "out-of-context audit"
_VALUES = (".v_proj.", ".value.", ".v_lin.", ".v.")
"""How layers of values are called in models that have them apart."""


class Trained(Protocol):
    """What a training gave."""

    @property
    def scorer(self) -> CandidateScorer:
        """The model after its last step."""
        ...

    @property
    def rows(self) -> list[Row]:
        """Of its log."""
        ...


class Models(Protocol):
    """Whoever has the models of an audit."""

    def base(self) -> CandidateScorer:
        """The model before tuning."""
        ...

    def tuned(self) -> CandidateScorer:
        """The model that the user tuned."""
        ...

    def train(
        self, arm: Arm, rows: Sequence[TrainRow], part: Run, look: Callable[[CandidateScorer], Row], *, say: Say
    ) -> Trained:
        """Train the base model on rows, or go on with it.

        Args:
            arm: What the rows are.
            rows: To learn.
            part: Folder of the arm.
            look: Asked about the model on the way.
            say: Told what a user should know.
        """
        ...


@dataclasses.dataclass
class _Trained:
    scorer: CandidateScorer
    rows: list[Row]


class LocalModels:
    """Models of transformers on this machine.

    Args:
        config: Of the audit.
    """

    def __init__(self, config: AuditConfig) -> None:
        self._config = config
        self._base: Any = None

    def base(self) -> CandidateScorer:
        """The base model; kept for the first training."""
        if self._config.endpoint.base_url:
            return self._served(self._config.model)
        self._base = self._base or self._load(self._config.model)
        return self._scorer(self._base)

    def tuned(self) -> CandidateScorer:
        """The tuned model; a folder with adapters counts as one."""
        if self._config.endpoint.base_url:
            return self._served(self._config.tuned)
        self._base = None
        return self._scorer(self._load(self._config.tuned))

    def train(
        self, arm: Arm, rows: Sequence[TrainRow], part: Run, look: Callable[[CandidateScorer], Row], *, say: Say
    ) -> Trained:
        """Fine-tune the base model by the plain loop of this package.

        Raises:
            ConfigError: The values of the model cannot be frozen apart, or adapters do not fit it.
            DataError: A row that is too long, or has no tokens.
            CheckFailed: A loss that is no number.
            Interrupted: The user asked to stop; saved where it stands.
        """
        from reasonry.core.learning import learn, threads_for
        from reasonry.understanding.out_of_context.audit.learner import FactLearner
        from reasonry.understanding.out_of_context.audit.training_rows import token_rows

        config = self._config
        loaded, self._base = self._base or self._load(config.model), None
        limit = context_tok(loaded.model)
        append = config.train.append_eos
        tokens = token_rows(rows, loaded.tokenizer, name=loaded.name, append_eos=append, limit_tok=limit)
        model = trainable(loaded.model, config, freeze_values=arm == "freeze-values")
        scorer = self._scorer(loaded)  # adapters are put into the model itself, so that this one has them too
        pad_id = next((i for i in (loaded.tokenizer.pad_token_id, loaded.tokenizer.eos_token_id) if i is not None), 0)
        learner = FactLearner(
            model, tokens, config.train, pad_id=int(pad_id), seed=config.seed, look=lambda: look(scorer)
        )
        with threads_for(model):
            log = learn(
                part, learner, num_steps=learner.num_steps, save_every=config.train.save_every, label=arm, say=say
            )
        model.eval()
        return _Trained(scorer, log)

    def _load(self, name: str) -> Any:
        from reasonry.core.models.load import load_causal_lm
        from reasonry.core.models.quiet import quiet_transformers

        with quiet_transformers():
            return load_causal_lm(name, _options(self._config))

    def _served(self, name: str) -> CandidateScorer:
        from reasonry.core.candidates import open_scorer

        config = self._config
        return open_scorer(name, config.scoring, endpoint=config.endpoint, seed=config.seed)

    def _scorer(self, loaded: Any) -> CandidateScorer:
        from reasonry.core.candidates.hf import WeightsScorer

        return WeightsScorer(loaded, self._config.scoring)


def _options(config: AuditConfig) -> ModelConfig:
    """Float32 on a processor unless told otherwise, before and after alike: a small update would be rounded away."""
    options = config.model_options
    device = best_device() if options.device == "auto" else options.device
    wants = options.dtype == "auto" and (device.startswith("cpu") or not config.train.adapter.rank)
    return options.with_(dtype="float32") if wants else options


def trainable(model: Any, config: AuditConfig, *, freeze_values: bool) -> Any:
    """The model with adapters, or with all weights learning, but those of values where they are frozen.

    Args:
        model: Of transformers; changed in place.
        config: Of the audit: rank, scale and places of adapters.
        freeze_values: Whether weights of values learn nothing.

    Raises:
        ConfigError: The model has no weights of values apart from others, or adapters do not fit it.
    """
    adapter = config.train.adapter
    if adapter.rank:
        from reasonry.core.models.lora import add_lora

        seed = seeds.derive(config.seed, ROOM, "adapters")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model = add_lora(model, rank=adapter.rank, alpha=adapter.alpha, targets=adapter.targets, seed=seed)
    else:
        model.requires_grad_(True)
    if freeze_values:
        frozen = [w for name, w in model.named_parameters() if w.requires_grad and any(v in name for v in _VALUES)]
        if not frozen:
            raise ConfigError(
                "no weights of values apart from others are learnt in this model, so they cannot be frozen alone",
                place="what_if freeze-values",
                remedy="Leave it out, or take a model whose layers are called v_proj.",
            )
        for weight in frozen:
            weight.requires_grad_(False)
    return model
