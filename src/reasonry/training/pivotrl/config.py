"""Configs of ``reasonry pivots ACTION`` and ``reasonry train pivotrl``.

One folder holds a set of turns on its way from logs to training:

    pivots extract   candidates.jsonl  extraction.json   every turn that may be trained on; what was left out, and why
    pivots audit     audit/                              whether the verifier can be trusted on them
    pivots profile   profile/ (a run directory)          K samples of the starting model for each, with verdicts
    pivots select    pivots.jsonl  selection.json        the turns worth training on
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field

from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.models import ModelConfig
from reasonry.core.sampling.config import EndpointConfig, SamplingConfig
from reasonry.training.pivotrl.audit import Problem
from reasonry.training.pivotrl.selection import Drop, Method

Format = Literal["auto", "openai", "sharegpt", "atif", "tau2", "swe-agent", "openhands", "nemo-gym"]
Domain = Literal["any", "calls", "terminal", "swe", "search"]
ToolFormat = Literal["auto", "template", "hermes"]


AS_PROFILED = SamplingConfig(temperature=1.0, max_new_tokens=1024)
"""How actions are drawn where nobody says. Temperature and top-p are the paper's; the limit is RECONSTRUCTED."""


class VerifierConfig(Config):
    """What decides whether an action is as good as a demonstrated one."""

    name: str = "tool-call"
    """exact, tool-name, tool-call, terminal, code-edit, search or judge, with options behind colons, such as
    tool-call:f1, tool-call:nemo_gym, tool-name:class, exact:canonical."""
    rules: dict[str, str] = Field(default={})
    """Path of an argument -> rule for its text: exact, casefold, normalized, overlap:0.5, ignore, regex:..., date."""
    unordered: tuple[str, ...] = ()
    """Paths of lists whose order means nothing."""
    classes: Path | None = None
    """Table of tools that are alike (JSON or TOML), added to the built-in one."""
    judge: str = ""
    """Model that judges (for judge; and for the texts of tool-call, terminal and search)."""
    judge_sampling: SamplingConfig = SamplingConfig(temperature=0.0, max_new_tokens=512)
    judge_endpoint: EndpointConfig = EndpointConfig()
    judge_options: ModelConfig = ModelConfig()


class ExtractConfig(Config):
    """Cut trajectories into turns: what the model saw, and what was done."""

    logs: tyro.conf.Positional[tuple[Path, ...]]
    """Files of trajectories (JSON, JSONL, Parquet), folders of them (a run directory of eval gsm-agent is one), or data
    sets on disk (Dataset.save_to_disk)."""
    out: Annotated[Path, Neutral] = Path("pivots")
    """Folder of the set of turns."""
    format: Format = "auto"
    """Who wrote the logs; told apart by their columns when not given."""
    domain: Domain = "any"
    """Which turns count: any (each assistant message), calls (those with a tool call), terminal (those with a command),
    swe (calls that did not fail), search (calls that search, open or collect)."""
    outcome: Literal["right", "graded", "any"] = "right"
    """Which trajectories: right (graded ones must be right, ungraded ones are kept), graded (only those graded right),
    or any."""
    tools: Path | None = None
    """JSON list of tool schemas, for logs that hold none."""
    infer_tools: bool = False
    """Make schemas from the calls of all trajectories where there is none, instead of leaving those calls out."""
    parallel: bool = True
    """Keep turns with several calls at once."""
    group: bool = True
    """One candidate for each state, with every action demonstrated in it."""
    max_prompt_tok: Annotated[int, Field(ge=0)] = 0
    """Longest state in tokens, as the template of --model renders it; 0 for no limit."""
    model: str = ""
    """Whose tokenizer counts; needed for max_prompt_tok only."""
    model_options: ModelConfig = ModelConfig()
    max_log_bytes: Annotated[int, Field(ge=1)] = 64 * 2**20
    """Longest trajectory that is read."""


class AuditConfig(Config):
    """Try a verifier on the demonstrations before anything is trained with it."""

    folder: tyro.conf.Positional[Path] = Path("pivots")
    """Folder that extract made, or a file of candidates."""
    verifier: VerifierConfig = VerifierConfig()
    allow: tuple[Problem, ...] = ()
    """Findings that do not fail the audit."""
    profile: Path | None = None
    """Profile whose zero rewards are broken down; FOLDER/profile when that exists."""
    num: Annotated[int, Field(ge=0)] = 0
    """Turns that are tried, drawn by the seed; 0 for all."""
    seed: int = 0
    """Root of the pairs that are drawn."""
    run: Annotated[Path | None, Neutral] = None
    """Folder of the report; FOLDER/audit when not given."""


class ProfileConfig(Config):
    """Sample the starting model in every state, and judge what it does."""

    folder: Annotated[tyro.conf.Positional[Path], Neutral] = Path("pivots")
    """Folder that extract made, or a file of candidates; its content counts, wherever it stands."""
    model: tyro.conf.Positional[str] = "smollm2-135m"
    """Hub id, local folder or packaged alias; with an endpoint the server's model name."""
    k: Annotated[int, Extends, Field(ge=1, le=1024)] = 8
    """Samples of each state."""
    num: Annotated[int, Extends, Field(ge=0)] = 0
    """States, drawn by the seed; 0 for all, the first ones of more are the same."""
    verifier: VerifierConfig = VerifierConfig()
    tool_format: ToolFormat = "auto"
    """How tools get into the prompt: template (by the model's chat template), hermes (described in the system message,
    calls as <tool_call> text), or auto (template where it renders tools, else hermes)."""
    max_prompt_tok: Annotated[int, Field(ge=0)] = 0
    """Leave out longer states; 0: as long as the model's context allows."""
    max_truncated: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of samples cut off by max_new_tokens above which a warning asks for more."""
    seed: int = 0
    """Root of every sample."""
    batch_size: Annotated[int, Neutral, Field(ge=1)] = 32
    """Most samples in flight in a local model."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; FOLDER/profile when not given."""
    cache: Annotated[Path | None, Neutral] = None
    """Folder of a completion cache shared between runs."""
    samples: Path | None = None
    """Profile whose samples are judged again by this verifier; nothing is sampled, and its other settings hold."""
    sampling: SamplingConfig = AS_PROFILED
    model_options: ModelConfig = ModelConfig()
    endpoint: EndpointConfig = EndpointConfig()


class SelectConfig(Config):
    """Keep the turns whose rewards differ and that the model does not master yet."""

    folder: tyro.conf.Positional[Path] = Path("pivots")
    """Folder with candidates and their profile."""
    method: Method = "adv"
    """adv (mixed rewards and a mean below the threshold), mixed, hard (all fail), random or entropy."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Mean reward below which a turn is kept, lambda; RECONSTRUCTED, the paper's is not public."""
    num: Annotated[int, Field(ge=0)] = 0
    """Most pivots; 0 for all."""
    drop: Drop = "easiest"
    """What goes first where there are more."""
    group_size: Annotated[int, Field(ge=2)] = 8
    """Samples of a training group, for the share of groups with a signal."""
    fresh: Path | None = None
    """A second profile of the same states by the same policy (another seed), which corrects the selection bias."""
    profile: Path | None = None
    """Profile to select by; FOLDER/profile when not given."""
    num_shown: Annotated[int, Field(ge=0, le=2000)] = 200
    """Turns that can be looked at in the report, kept and dropped."""
    seed: int = 0
    """Root of what is drawn."""
    out: Annotated[Path | None, Neutral] = None
    """Where pivots.jsonl and selection.json go; FOLDER when not given."""


class ExportConfig(Config):
    """Write pivots in the format of another trainer."""

    folder: tyro.conf.Positional[Path] = Path("pivots")
    """Folder with pivots.jsonl (or candidates.jsonl, where nothing was selected), or a file of either."""
    to: Literal["nemo-gym", "verl", "trl"]
    """nemo-gym (rows of its single-step tool use), verl (a parquet file) or trl (JSONL, or a data set)."""
    out: Annotated[Path | None, Neutral] = None
    """Where to write: a .jsonl file (verl: .parquet; trl: also a new folder, a data set on disk); nemo_gym.jsonl,
    verl.parquet or trl.jsonl in FOLDER when not given."""
    tool_format: ToolFormat = "auto"
    """trl only: hermes (tools described in the prompt, auto) or template (messages and tools apart, as JSON)."""
    agent: str = "single_step_tool_use_with_argument_comparison_agent"
    """nemo-gym only: name of the agent server that samples."""
    data_source: str = "pivotrl"
    """verl only: what it chooses the reward function by."""


class LoraConfig(Config):
    """Low-rank adapters instead of all weights."""

    rank: Annotated[int, Field(ge=0)] = 16
    """Rank; 0 trains all weights."""
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """Scale; the adapters' output is multiplied by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the adapters' inputs left out while training."""
    targets: tuple[str, ...] = ()
    """Names of the linear layers; all of them when not given."""


class LossConfig(Config):
    """Single-turn GRPO."""

    scale: Literal["group", "batch", "others", "none"] = "group"
    """What a group's differences are divided by: its own standard deviation, the batch's, that of the other samples, or
    nothing."""
    baseline: Literal["mean", "leave-one-out"] = "mean"
    """What a reward is compared with."""
    clip_low: Annotated[float, Field(gt=0)] = 0.2
    """How far below 1 the ratio to the sampling policy may move before the gradient stops."""
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    """How far above 1 it may."""
    beta: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the KL divergence to the starting model; the paper's theory needs it positive, every public recipe has
    it zero."""
    kind: Literal["dapo", "grpo", "dr_grpo"] = "dapo"
    """How tokens are averaged: over all of the batch, within each sample, or over the longest length allowed."""
    ddof: Literal[0, 1] = 1
    """Divisor of the standard deviation, G - ddof."""
    eps: Annotated[float, Field(gt=0)] = 1e-4
    """Added to the standard deviation."""


class TrainSamplingConfig(Config):
    """How tokens are drawn. What is not given is as the pivots were profiled."""

    temperature: Annotated[float | None, Field(ge=0, le=100)] = None
    """Softmax temperature; 1 without a profile."""
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    """Nucleus: the smallest set of tokens with at least this probability; 1, which keeps all, without a profile."""
    top_k: Annotated[int | None, Field(ge=0)] = None
    """Keep the k most probable tokens; 0, which keeps all, without a profile."""
    max_new_tokens: Annotated[int | None, Field(ge=1)] = None
    """Most tokens drawn for one answer; 1024 without a profile."""
    stop: tuple[str, ...] = ()
    """Strings that end an answer; refused, a turn ends with the model's own end token."""

    def over(self, usual: SamplingConfig) -> SamplingConfig:
        """These settings, and those of ``usual`` for what is not given."""
        return usual.with_(**self.model_dump(exclude_none=True))


class TrainConfig(Config):
    """Train on pivots: one assistant turn for each, rewarded by the verifier."""

    folder: tyro.conf.Positional[Path] = Path("pivots")
    """Folder with pivots.jsonl, or a file of pivots (or of candidates)."""
    model: tyro.conf.Positional[str] = "smollm2-135m"
    """The model that was profiled: hub id, local folder or packaged alias."""
    engine: Literal["trl", "minimal"] = "trl"
    """TRL's GRPOTrainer, or the plain loop (one device; the faster one on a CPU)."""
    num_steps: Annotated[int, Extends, Field(ge=1)] = 100
    """Optimiser steps."""
    prompts_per_step: Annotated[int, Field(ge=1)] = 16
    """Pivots of a step, B."""
    group_size: Annotated[int, Field(ge=2)] = 8
    """Samples of each, G."""
    learning_rate: Annotated[float | None, Field(gt=0)] = None
    """1e-6 for all weights, 1e-5 for adapters when not given."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Of AdamW."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Norm that a longer gradient is cut to."""
    num_iterations: Annotated[int, Field(ge=1)] = 1
    """Optimiser steps on the same samples."""
    micro_batch: Annotated[int, Neutral, Field(ge=1)] = 8
    """Samples in one forward and backward pass."""
    loss: LossConfig = LossConfig()
    lora: LoraConfig = LoraConfig()
    refill: bool = False
    """Replace groups whose rewards are all equal by other pivots (dynamic sampling)."""
    max_refills: Annotated[int, Field(ge=1, le=64)] = 4
    """Draws for one step before it is taken as it is."""
    reprofile_every: Annotated[int, Field(ge=0)] = 0
    """Steps after which the candidates are profiled again with the policy as it is; 0 for never."""
    reprofile_when: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of useless groups, averaged over reprofile_window steps, at which they are; 0 for never. RECONSTRUCTED."""
    reprofile_window: Annotated[int, Field(ge=1)] = 10
    """Steps that the share of useless groups is averaged over."""
    reprofile_gap: Annotated[int, Field(ge=1)] = 20
    """Fewest steps between two profiles."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Mean reward below which a turn is kept when it is profiled again."""
    k: Annotated[int, Field(ge=2)] = 8
    """Samples of each state when it is profiled again."""
    tool_format: ToolFormat = "auto"
    """As it was profiled with."""
    verifier: VerifierConfig = VerifierConfig(name="")
    """That of the profile where it has no name."""
    allow: tuple[Problem, ...] = ()
    """Findings of the verifier's audit that do not stop the training."""
    max_prompt_tok: Annotated[int, Field(ge=0)] = 0
    """Leave out longer states; 0: as long as the model's context allows."""
    sampling: TrainSamplingConfig = TrainSamplingConfig()
    save_every: Annotated[int, Neutral, Field(ge=1)] = 20
    """Steps between checkpoints."""
    seed: int = 0
    """Root of weights, batches and samples."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()
    """How the model is loaded. The number format auto is that of the profile for adapters, float32 for all weights,
    which small updates would not move in a shorter one."""

    @property
    def drawn(self) -> SamplingConfig:
        """How actions are drawn: as given, and what is not given as by a profile that was not told otherwise."""
        return self.sampling.over(AS_PROFILED)
