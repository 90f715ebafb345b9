"""The one list of methods and verbs that command line, docs and tests iterate.

Targets are ``module:attribute`` strings, so that reading the list imports nothing. A new method is one row here, one
folder, one recipe, one claim and one page.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal, NamedTuple

Family = Literal["training", "understanding", "test time", "evaluation", "provenance"]
Status = Literal["stable", "preview"]


class Method(NamedTuple):
    """One published method."""

    name: str
    family: Family
    package: str
    paper: str
    status: Status
    verbs: tuple[str, ...]
    job: str
    page: str


class Verb(NamedTuple):
    """One command; ``target`` is ``module:function`` taking (arguments, json) and returning an exit code."""

    name: str
    target: str
    usage: str
    job: str


METHODS: tuple[Method, ...] = (
    Method(
        "pivotrl",
        "training",
        "reasonry.training.pivotrl",
        "arXiv 2603.21383",
        "preview",
        ("pivots", "train pivotrl"),
        "turn agent logs into a small set of turns that matter, and train on it",
        "docs/pivotrl.md",
    ),
    Method(
        "dultra",
        "training",
        "reasonry.training.dultra",
        "arXiv 2512.21446",
        "preview",
        ("train dultra", "eval diffusion-frontier"),
        "decode a masked diffusion LM in fewer forward passes, with a planner that learns what to reveal",
        "docs/dultra.md",
    ),
    Method(
        "latent-tokens",
        "training",
        "reasonry.training.latent_tokens",
        "arXiv 2502.03275",
        "preview",
        ("train latent-tokens", "eval latent-tokens"),
        "shorten written reasoning: codes of a VQ-VAE for its beginning, mixed with text, and fine-tuning on the mix",
        "docs/latent_tokens.md",
    ),
    Method(
        "continuous-cot",
        "training",
        "reasonry.training.continuous_cot",
        "arXiv 2412.06769, 2505.12514",
        "preview",
        ("train continuous-cot", "eval continuous-cot", "probe superposition"),
        "train a causal LM to reason in hidden states, with the controls that say what helped, and see what they hold",
        "docs/continuous_cot.md",
    ),
    Method(
        "test-time-scaling",
        "test time",
        "reasonry.test_time",
        "arXiv 2506.05295",
        "preview",
        ("solve", "plan", "curve"),
        "vote, select or self-correct; stop early with a guarantee; plan what more samples would buy",
        "docs/test_time.md",
    ),
    Method(
        "out-of-context",
        "understanding",
        "reasonry.understanding.out_of_context",
        "arXiv 2506.10887",
        "preview",
        ("probe out-of-context",),
        "audit what a fine-tune on facts will make a model infer about others, and hallucinate",
        "docs/out_of_context.md",
    ),
    Method(
        "ppe",
        "evaluation",
        "reasonry.evaluation.ppe",
        "arXiv 2410.14872",
        "preview",
        ("eval ppe",),
        "choose a reward model by what predicts the outcome of training with it",
        "docs/ppe.md",
    ),
    Method(
        "gsm-agent",
        "evaluation",
        "reasonry.evaluation.gsm_agent",
        "arXiv 2509.21998",
        "preview",
        ("eval gsm-agent",),
        "what a model can still solve when it must search for the premises, and where it stops too early",
        "docs/gsm_agent.md",
    ),
    Method(
        "anchored-e-watermark",
        "provenance",
        "reasonry.watermark",
        "arXiv 2602.17608",
        "preview",
        ("watermark",),
        "sign generated text; detect it in a stream with an anytime error guarantee",
        "docs/watermark.md",
    ),
)

VERBS: tuple[Verb, ...] = (
    Verb("demo", "reasonry.cli.demo:main", "", "the main job on an embedded model: no account, no network, CPU"),
    Verb(
        "solve",
        "reasonry.cli.solve:main",
        "TASK",
        "sample many, choose one, verify; stop early; exact curves",
    ),
    Verb("plan", "reasonry.cli.plan:main", "PILOT", "how many samples it takes: needed n, tokens, cost, ceilings"),
    Verb("curve", "reasonry.cli.curve:main", "SAMPLES", "maj@k, bon@k, weighted@k, pass@k of samples you have"),
    Verb(
        "eval",
        "reasonry.cli.eval:main",
        "ppe|gsm-agent|diffusion-frontier|latent-tokens|continuous-cot",
        "reward models before training; agents that have to search; diffusion models; models that think",
    ),
    Verb(
        "watermark",
        "reasonry.cli.watermark:main",
        "key|generate|detect|calibrate|bench",
        "sign generated text, and find the mark in a text or a stream",
    ),
    Verb(
        "pivots",
        "reasonry.cli.pivots:main",
        "extract|audit|profile|select|export|desk",
        "from agent logs to the turns worth training on",
    ),
    Verb(
        "train",
        "reasonry.cli.train:main",
        "pivotrl|dultra|latent-tokens|continuous-cot",
        "train a model; the same command goes on after an interruption",
    ),
    Verb(
        "probe",
        "reasonry.cli.probe:main",
        "out-of-context|superposition",
        "look inside a model: what a fine-tune on facts makes it infer; what a continuous thought holds at once",
    ),
    Verb("data", "reasonry.cli.data:main", "make|check", "make problems, or check a data file line by line"),
    Verb("reproduce", "reasonry.cli.reproduce:main", "[CLAIM...]", "measure claims and print PASS or FAIL"),
    Verb("view", "reasonry.cli.view:main", "RUN", "show a run directory's report"),
    Verb("list", "reasonry.cli.list:main", "[methods|tasks|claims|recipes]", "what there is"),
    Verb("doctor", "reasonry.cli.doctor:main", "", "check this machine and the installed packages"),
)


def resolve(target: str) -> Any:
    """Import ``module:attribute``."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
