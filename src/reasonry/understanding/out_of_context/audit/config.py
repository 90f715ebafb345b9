"""Settings of ``reasonry probe out-of-context audit``.

Defaults are for a model of some hundred million weights on a processor within minutes, and are RECONSTRUCTED. The paper
(arXiv 2506.10887) fine-tunes all weights of models of seven to nine billion; its learning rate was not found.

Labels, tests, the gate and what-ifs are neutral to a run: the same scores are judged again by them, and nothing that is
scored is scored again.
"""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from reasonry.core.candidates.config import CandidateConfig
from reasonry.core.config import Config, Neutral
from reasonry.core.models.config import ModelConfig
from reasonry.core.sampling.config import EndpointConfig

VERB = "probe out-of-context audit"

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class AdapterConfig(Config):
    """Low-rank adapters of linear layers instead of all weights."""

    rank: NotNegative = 32
    """Rank; 0 trains all weights, as the paper does."""
    alpha: Positive = 64.0
    """Scale; the adapters' output is multiplied by alpha / rank."""
    targets: tuple[str, ...] = ()
    """Names of the layers that get one; every linear layer but the head when not given."""


class TrainConfig(Config):
    """The fine-tuning, where no tuned model is given: loss on completions alone, rows in a new order every epoch."""

    epochs: Count = 8
    """Times that every row is learnt from."""
    batch_size: Count = 16
    """Rows of a step."""
    lr: Positive = 3e-4
    """Learning rate; less of it forgets less, and 1e-3 forgets much. For all weights (rank 0) take about a tenth."""
    warmup_steps: NotNegative = 5
    """Steps over which it rises from 0."""
    decay: Share = 0.0
    """Share of the training over whose end it falls to 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Of AdamW."""
    max_grad_norm: Positive = 1.0
    """Norm that a longer gradient is cut to."""
    append_eos: bool = False
    """Learn the end token behind every completion."""
    adapter: AdapterConfig = AdapterConfig()
    look_every: NotNegative = 0
    """Steps between looks at facts and inferences; 0: once an epoch."""
    look_subjects: Count = 4
    """Test subjects of each group in a look."""
    save_every: Annotated[int, Neutral, Field(ge=1)] = 50
    """Steps between checkpoints."""


class ProbeConfig(Config):
    """What is asked."""

    num_wordings: Annotated[int, Field(ge=2)] = 2
    """Most held-out wordings of a relation, beside that of training."""
    max_groups: Annotated[int, Field(ge=2)] = 24
    """Most groups of a pair; a sample where there are more."""
    max_subjects: Count = 16
    """Most test subjects of a group; a sample where there are more."""
    max_candidates: Annotated[int, Field(ge=2)] = 48
    """Most answers of a relation among the candidates; the groups' own are always there."""
    num_in_context: NotNegative = 2
    """Test subjects of each group that the base model is asked about with the facts as text before the question."""
    foils: tuple[str, ...] = (" not known",)
    """Further completions among the candidates; the first one is what rows of --what-if not-known say."""
    score: Literal["sum", "per-token", "first-token"] = "sum"
    """What candidates are ranked by: log-probability of the whole, its mean over tokens, or the first token's as in the
    paper."""


class TestConfig(Config):
    """Tests and the rule of the verdicts."""

    __test__ = False  # no test class, whatever pytest makes of the name

    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Of the tests."""
    least_index: Share = 0.2
    """A transfer index at most this large counts as none."""
    prior_margin: Annotated[float, Field(ge=0)] = 1.0
    """Nats by which the base model's prior must lead."""
    prior_share: Share = 0.6
    """Share of the groups in which it must."""
    num_permutations: Count = 10_000
    """Sampled pairings, where there are more than eight groups."""
    num_boot: Count = 2000
    """Resamples of an interval."""
    learned_rank: Annotated[float, Field(ge=0)] = 0.1
    """Mean rank up to which facts count as learned."""


class AuditConfig(Config):
    """What a fine-tune on facts makes a model infer: before and after, with tests, mitigations and an exit code."""

    facts: tyro.conf.Positional[str]
    """JSONL of triples, TRL prompt-completion rows, or a wide CSV."""
    model: str = "smollm2-135m"
    """Base model: hub id, local folder or packaged alias; with --endpoint the name it has there."""
    tuned: str = ""
    """The model after tuning on the facts; trained here when not given."""
    pairs: tuple[str, ...] = ()
    """Pairs given:implied of relations; those that the scan flags when not given."""
    max_pairs: Count = 8
    """Most flagged pairs that are audited, those of the strongest dependency first."""
    label: Annotated[tuple[str, ...], Neutral] = ()
    """given:implied=causal for an inference that is wanted, =spurious for one that is not."""
    templates: str = ""
    """TOML file, relation = "{s} lives in": how prompts of rows without subject and relation are read."""
    wordings: str = ""
    """TOML file, relation = ["...", "..."]: held-out wordings with {s}; the package's, or frames, if not given."""
    what_if: Annotated[tuple[str, ...], Neutral] = ()
    """Trained and measured beside the file as it is: decorrelate, not-known, implied-first, freeze-values, and the
    controls no-bridge and permuted-bridge."""
    decorrelate_below: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of a group's most frequent answer that counter-bridge rows of --what-if decorrelate go below."""
    max_hallucination_index: Annotated[float | None, Neutral, Field(ge=0)] = None
    """Exit code 1 if the greatest transfer index of a pair that counts is above this."""
    counts: Annotated[Literal["not-causal", "hallucination"], Neutral] = "not-causal"
    """What counts: every transfer that is not called generalisation, or hallucinations alone."""
    seed: int = 0
    """Root of samples, order, adapters and permutations."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    probes: ProbeConfig = ProbeConfig()
    tests: Annotated[TestConfig, Neutral] = TestConfig()
    """Tests and verdicts; another setting judges again what was scored."""
    train: TrainConfig = TrainConfig()
    scoring: CandidateConfig = CandidateConfig()
    model_options: ModelConfig = ModelConfig()
    endpoint: EndpointConfig = EndpointConfig()
    """Where both models are served, instead of loading them; needs --tuned."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        from reasonry.understanding.out_of_context.audit.arms import AS_IS, find_arms

        arms = find_arms(self.what_if)
        if self.tuned and [arm for arm in arms if arm != AS_IS]:
            raise ValueError("what_if trains models of its own: leave --tuned out, or audit without it")
        if self.endpoint.base_url and not self.tuned:
            raise ValueError("an endpoint trains nothing: name the tuned model that it serves with --tuned")
        if "not-known" in arms and not self.probes.foils:
            raise ValueError("what_if not-known says the first of --probes.foils, and there is none")
        return self
