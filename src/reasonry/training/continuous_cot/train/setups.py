"""From settings to what is trained on what: graphs with small models from scratch, texts with language models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from reasonry.core.learning import say_nothing
from reasonry.core.models.device import best_device
from reasonry.core.work import Say
from reasonry.errors import ResourceError
from reasonry.training.continuous_cot.config import GraphTrainConfig, ThoughtConfig
from reasonry.training.continuous_cot.graph_source import KIND as GRAPHS
from reasonry.training.continuous_cot.graph_source import GraphSource
from reasonry.training.continuous_cot.latent.chain import Feedback
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import Method
from reasonry.training.continuous_cot.source import Source
from reasonry.training.continuous_cot.tiny_model import WIDE, tiny_model

if TYPE_CHECKING:
    from reasonry.training.continuous_cot.text_config import TextTrainConfig


class Setup(NamedTuple):
    """What a run trains.

    Attributes:
        kind: graphs or text.
        source: Examples and questions.
        make_model: A new model for a method, with the same weights whenever it is asked.
        model_identity: What decides these weights, as JSON.
    """

    kind: str
    source: Source
    make_model: Callable[[Method], LatentCausalLM]
    model_identity: dict[str, Any]


def graph_setup(config: GraphTrainConfig, *, say: Say = say_nothing) -> Setup:
    """Small models from scratch on graphs.

    Raises:
        ConfigError: Graphs of that size hold no such questions, or a model that would not learn.
    """
    source = GraphSource(config)
    identity = {"shape": config.shape.model_dump(), "seed": config.seed}

    def make_model(method: Method) -> LatentCausalLM:
        has_slots = method.steps == "replaced" and method.fill != "nothing"
        model = tiny_model(
            config.shape,
            source.form,
            context_tok=source.context_tok,
            seed=config.seed,
            is_deep=method.is_deep,
            feedback=feedback_of(method, config.thoughts),
            num_thoughts=config.thoughts.per_step * source.max_stage if has_slots else 0,
        )
        return put(model, device_of_graphs(config))

    return Setup(GRAPHS, source, make_model, identity)


def device_of_graphs(config: GraphTrainConfig) -> str:
    """Where models for graphs are trained."""
    if config.device != "auto":
        return config.device
    return best_device() if config.shape.width >= WIDE else "cpu"


def put(model: LatentCausalLM, device: str) -> LatentCausalLM:
    """A model on a device.

    Raises:
        ResourceError: There is no such device.
    """
    try:
        return model.to(torch.device(device))
    except (RuntimeError, AssertionError) as e:  # AssertionError: torch was built without that kind of device
        first = str(e).strip().split("\n")[0][:200]
        raise ResourceError(
            f"cannot put the model on {device!r}: {first}", place="device", remedy="Try --device cpu."
        ) from e


def text_setup(config: TextTrainConfig, *, say: Say = say_nothing) -> Setup:
    """A language model on worked examples in words.

    Raises:
        ReasonryError: As `text_source.TextSource` and `text_model.make_text_model`.
    """
    from reasonry.training.continuous_cot.text_model import make_text_model
    from reasonry.training.continuous_cot.text_source import KIND, TextSource

    first = make_text_model(config, config.method_rows[0], say=say)
    source = TextSource(config, first.latent, say=say)

    def make_model(method: Method) -> LatentCausalLM:
        model = make_text_model(config, method).latent
        model.num_thoughts = source.num_thoughts(method)
        return model

    return Setup(KIND, source, make_model, first.identity)


def feedback_of(method: Method, thoughts: ThoughtConfig) -> Feedback:
    """What a method's thoughts are made of."""
    if method.feedback == "hidden":
        return Feedback()
    if thoughts.top_k:
        return Feedback("topk_soft", thoughts.temperature, thoughts.top_k)
    return Feedback("soft", thoughts.temperature)
