"""Pools of experts: three that are built in, and any that a TOML file describes. Each model is loaded once.

    [plain]                       # one table per expert; all keys are optional
    temperature = 0.2

    [careful]
    model = "my-org/my-model"     # hub id, local folder or packaged alias; the run's own model when left out
    system = "You are careful."
    instruction = "Check every step."
    temperature = 0.7
    top_p = 0.95
    max_new_tokens = 256
    adapter = "runs/my-lora"      # folder of a LoRA adapter; needs peft

Experts that differ in prompt only share one sampler, and so one batch; those that differ in temperature share the
loaded model. An adapter is merged into a copy of its model's weights: each costs as much memory as a model.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from reasonry.core import optional
from reasonry.core.config import Config, from_dict, read_toml
from reasonry.core.models import LoadedModel, ModelConfig, adapted, load_causal_lm
from reasonry.core.sampling import make_sampler
from reasonry.core.sampling.base import Sampler
from reasonry.core.sampling.config import EndpointConfig, SamplingConfig, ScriptedConfig
from reasonry.core.task import Problem
from reasonry.errors import ConfigError, UnsafeArtifactError, nearest
from reasonry.test_time.self_correction.experts import Expert, prompted


class ExpertConfig(Config):
    """One expert. What is left out is the run's own."""

    model: str = ""
    """Hub id, local folder, packaged alias, or with an endpoint the server's model name."""
    system: str = ""
    """System message, in place of the request's."""
    instruction: str = ""
    """Text after the question."""
    temperature: Annotated[float | None, Field(ge=0, le=100)] = None
    """Softmax temperature."""
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    """Nucleus."""
    max_new_tokens: Annotated[int | None, Field(ge=1)] = None
    """Most tokens of an attempt."""
    adapter: str = ""
    """Folder of a LoRA adapter in safetensors."""

    def sampling(self, default: SamplingConfig) -> SamplingConfig:
        """The run's sampling with this expert's changes."""
        own = {"temperature": self.temperature, "top_p": self.top_p, "max_new_tokens": self.max_new_tokens}
        changes = {key: value for key, value in own.items() if value is not None}
        return default.with_(**changes) if changes else default


POOLS: Mapping[str, Mapping[str, ExpertConfig]] = {
    "single": {"single": ExpertConfig()},
    "temperatures": {f"temperature-{t:g}": ExpertConfig(temperature=t) for t in (0.2, 0.7, 1.0)},
    "prompts": {
        "steps": ExpertConfig(
            system="You solve problems in small steps. Each step is one short sentence with one calculation.",
            instruction="Work it out step by step, and give the final answer in the last line.",
        ),
        "quantities": ExpertConfig(
            system="You are a careful accountant of quantities: you first list what is known, then compute.",
            instruction="First list every quantity that is given, with its unit. Then write down which of them the "
            "question needs and how they combine. Then compute, and give the final answer in the last line.",
        ),
        "check": ExpertConfig(
            system="You are a teacher who solves a problem and then tries to refute the solution.",
            instruction="Give a short solution. Then read the question once more, sentence by sentence, and check that "
            "every condition was used. Correct the solution where it fails. Give the final answer in the last line.",
        ),
    },
}
"""Built-in pools by name."""


def read_pool(name: str | Path) -> dict[str, ExpertConfig]:
    """Expert's name -> config, from a built-in pool's name or a TOML file.

    Raises:
        ConfigError: Unknown pool, or a file with an unknown key, a bad value or no expert.
    """
    if (known := POOLS.get(str(name))) is not None:
        return dict(known)
    path = Path(name)
    if path.suffix != ".toml":
        hint = nearest(str(name), POOLS) or f"Built in: {', '.join(POOLS)}; anything else is a TOML file."
        raise ConfigError(f"unknown pool of experts {str(name)!r}", place="experts", remedy=hint)
    tables = read_toml(path)
    if loose := [key for key, value in tables.items() if not isinstance(value, dict)]:
        raise ConfigError(
            f"{loose[0]!r} stands outside an expert's table",
            place=str(path),
            remedy=f"Put it under a header such as [{path.stem}].",
        )
    if not tables:
        raise ConfigError("no expert in the file", place=str(path), remedy="Write one table per expert, such as [a].")
    toml = path.read_text("utf-8")
    return {key: from_dict(ExpertConfig, table, place=str(path), toml=toml) for key, table in tables.items()}


class _SamplerKey(NamedTuple):
    model: str
    adapter: str
    sampling: SamplingConfig


MakeSampler = Callable[[str, str, SamplingConfig], Sampler]


def make_pool(
    name: str | Path,
    model: str,
    sampling: SamplingConfig,
    *,
    seed: int = 0,
    endpoint: EndpointConfig | None = None,
    options: ModelConfig | None = None,
    batch_size: int = 64,
    scripted: ScriptedConfig | None = None,
    problems: Sequence[Problem] = (),
) -> list[Expert]:
    """The experts of a pool, ready to answer.

    Args:
        name: Built-in pool, or path of a TOML file.
        model: Of experts that name none.
        sampling: What experts change.
        seed: Root of every sample's own stream.
        endpoint: Used when its ``base_url`` is set.
        options: How local models are loaded.
        batch_size: Most samples in flight in a local model.
        scripted: The simulated solver's law, for the model ``scripted``.
        problems: What the simulated solver answers.

    Raises:
        ConfigError: See `read_pool`; an adapter for a model that is not local.
        MissingDependencyError: peft, torch or a packaged model is not installed.
        UnsafeArtifactError: An adapter that is not in safetensors.
    """
    configs = read_pool(name)
    served = endpoint is not None and bool(endpoint.base_url)
    for expert, config in configs.items():  # every cheap mistake is found before a model is loaded
        if config.adapter:
            _check_adapter(expert, config.adapter, is_local=not served and (config.model or model) != "scripted")
    loaded: dict[tuple[str, str], LoadedModel] = {}

    def make(key: _SamplerKey) -> Sampler:
        if served or key.model == "scripted":
            return make_sampler(
                key.model, key.sampling, seed=seed, endpoint=endpoint, scripted=scripted, problems=problems
            )
        from reasonry.core.sampling.hf import HFSampler

        if (key.model, key.adapter) not in loaded:
            base = load_causal_lm(key.model, options)
            loaded[key.model, key.adapter] = adapted(base, Path(key.adapter)) if key.adapter else base
        return HFSampler(loaded[key.model, key.adapter], key.sampling, seed=seed, batch_size=batch_size)

    samplers: dict[_SamplerKey, Sampler] = {}
    experts: list[Expert] = []
    for expert, config in configs.items():
        key = _SamplerKey(config.model or model, config.adapter, config.sampling(sampling))
        if key not in samplers:
            samplers[key] = make(key)
        about = {"system": config.system, "instruction": config.instruction}
        build = prompted(system=config.system, instruction=config.instruction)
        experts.append(Expert(expert, samplers[key], build, about))
    return experts


def _check_adapter(expert: str, adapter: str, *, is_local: bool) -> None:
    place = f"expert {expert!r}: adapter"
    if not is_local:
        raise ConfigError(
            f"{adapter!r} is for a local model", place=place, remedy="A server names its adapters as models: use model."
        )
    optional.need("peft", extra="train", why="to load a LoRA adapter")
    folder = Path(adapter)
    if not (folder / "adapter_config.json").is_file():
        raise ConfigError(f"{adapter!r} is not the folder of an adapter", place=place, remedy="Check the path.")
    if not (folder / "adapter_model.safetensors").is_file():
        raise UnsafeArtifactError(
            f"{adapter!r} holds no adapter_model.safetensors",
            place=place,
            remedy="Save it again with safetensors: pickled weights are not loaded.",
        )
