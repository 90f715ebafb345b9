"""Configs of the verbs ``reasonry watermark ...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field

from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.models import ModelConfig
from reasonry.core.sampling.config import SamplingConfig


class AnchorConfig(Config):
    """The law that keyed symbols are drawn from; the detector has to compute it again."""

    kind: Literal["uniform", "self", "model"] = "uniform"
    """uniform needs no model at detection; self is the marked model on a short context; model is a smaller one that
    shares the tokenizer."""
    model: str = ""
    """Hub id, local folder or packaged alias of the anchor; only for kind model."""
    context_tok: Annotated[int, Field(ge=0)] = 20
    """Tokens of the output that the anchor sees; 0 takes all so far (one pass at detection, less robust to edits)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Temperature of the anchor's law; the temperature of the text is best."""


class GenerateConfig(Config):
    """Generate marked text: same law, but a key holder can prove where it came from."""

    prompts: tyro.conf.Positional[str]
    """A prompt, or a JSONL file of rows with "prompt" or "messages"."""
    model: str = "smollm2-135m"
    """Hub id, local folder or packaged alias."""
    n: Annotated[int, Extends, Field(ge=1, le=4096)] = 1
    """Texts per prompt."""
    limit: Annotated[int | None, Extends, Field(ge=1)] = None
    """Only the first so many prompts."""
    ring: Annotated[Path | None, Neutral] = None
    """Key ring; REASONRY_WATERMARK_KEYS or the one in your config folder when not given. Made when it is not there."""
    key_id: str = ""
    """Key to mark with; the newest active one of the ring when not given."""
    profile: Path | None = None
    """Mark as this profile says, instead of the settings below."""
    num_bins: Annotated[int, Field(ge=0)] = 16
    """Symbols that tokens are hashed into; 2 bears edits and a drifting anchor best; 0 makes each token its own."""
    context_tok: Annotated[int, Field(ge=1)] = 4
    """Tokens before a step that decide its keyed symbol: more repeat less, fewer bear more edits."""
    prf: Literal["mix64-v1", "blake2b-v1"] = "mix64-v1"
    """Keyed function: fast, or cryptographic."""
    seed: int = 0
    """Root of the ordinary randomness."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    batch_size: Annotated[int, Neutral, Field(ge=1)] = 16
    """Most texts in flight."""
    anchor: AnchorConfig = AnchorConfig()
    sampling: SamplingConfig = SamplingConfig(temperature=1.0)
    model_options: ModelConfig = ModelConfig()


class DetectConfig(Config):
    """Look for the mark of your keys in texts; alpha holds however often you look, and for all keys together."""

    file: tyro.conf.Positional[str]
    """Text file, JSONL of rows with "text" or "token_ids", or - for standard input."""
    profile: Path | None = None
    """How the text was marked; profile.json beside the file when not given."""
    scheme: str = ""
    """Instead of a profile: vllm-gumbel, vllm-dual-gumbel, sglang-gumbel or sglang-dual-gumbel for text that those
    engines marked with an integer key of the ring; a text then needs --tokenizer, token ids do not."""
    ring: Annotated[Path | None, Neutral] = None
    """Key ring; REASONRY_WATERMARK_KEYS or the one in your config folder when not given."""
    key_id: tuple[str, ...] = ()
    """Keys to look for; all of the ring when not given."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Error probability per text: the chance that text without the mark is called marked. Fix it before looking."""
    fdr: bool = False
    """Test all texts together: at most a share alpha of those called marked is expected to be wrong (e-BH)."""
    bet: str = "mixture"
    """mixture, or paper:0.3 for the paper's e-value with delta 0.3."""
    late_start: bool = False
    """For text whose beginning is not marked: the bets may begin at any token."""
    read: Literal["auto", "text", "ids"] = "auto"
    """What to read of a row: its text, or its token ids (no tokenizer needed); auto takes the text if there is one."""
    tokenizer: Annotated[str, Neutral] = ""
    """Where to find the tokenizer; where the profile says when not given."""
    anchor_model: Annotated[str, Neutral] = ""
    """Where to find the anchor; where the profile says when not given."""
    stream: bool = False
    """Read standard input as it comes, and stop at the first moment the evidence is enough."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    limit: Annotated[int | None, Field(ge=1)] = None
    """Only the first so many texts."""
    model_options: ModelConfig = ModelConfig()


class CalibrateConfig(Config):
    """The realised rate of false alarms on your own human text, with and without skipping repeated contexts."""

    corpus: tyro.conf.Positional[str] = ""
    """Text file, folder of text files, or JSONL of rows with "text"; when not given the documentation that comes with
    Python, topics and docstrings."""
    profile: Path | None = None
    """How text is marked; when not given a uniform anchor with the settings below and the tokenizer of --model."""
    model: str = "smollm2-135m"
    """Whose tokenizer cuts the corpus, when no profile says so."""
    ring: Annotated[Path | None, Neutral] = None
    """Key ring whose keys are tried; without one, keys are drawn for the occasion."""
    key_id: tuple[str, ...] = ()
    """Keys of the ring to try; all of them when none is named."""
    num_keys: Annotated[int, Field(ge=1)] = 10
    """How many keys to draw without a ring: the rate of one key depends on the boilerplate it happens to like."""
    window_tok: Annotated[int, Field(ge=8)] = 200
    """Length of a window of the corpus, tokens."""
    max_windows: Annotated[int, Field(ge=1)] = 2000
    """Most windows."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Error probability that is to be checked."""
    bet: str = "mixture"
    """mixture, or paper:0.3."""
    num_bins: Annotated[int, Field(ge=0)] = 16
    """Symbols, when no profile is given."""
    context_tok: Annotated[int, Field(ge=1)] = 4
    """Context, tokens, when no profile is given."""
    seed: int = 0
    """Root of the drawn keys, which are for this measurement only."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()


class BenchConfig(Config):
    """Watermarks side by side on your model: how much text detection takes, its cost in quality, what it survives."""

    prompts: tyro.conf.Positional[str] = ""
    """JSONL file of rows with "prompt" or "messages"; book reports, stories and news when not given."""
    model: str = "smollm2-135m"
    """Hub id, local folder or packaged alias of the model whose text is marked."""
    schemes: tuple[str, ...] = ("anchored", "gumbel", "synthid", "kgw", "none")
    """anchored, anchored:num_bins=2, seal, kgw, unigram, gumbel, synthid, inverse-transform, exp, exp-edit, binary,
    each with its parameters after a colon; none is unmarked text, for quality and false alarms."""
    attacks: tuple[str, ...] = (
        "typo:0.05",
        "misspelling:0.25",
        "lowercase",
        "contraction",
        "swap:0.05",
        "delete:0.05",
        "synonym:0.5",
    )
    """What is done to the texts before detection, each with its strength after a colon; all takes every one."""
    num_texts: Annotated[int, Extends, Field(ge=1)] = 12
    """Texts per scheme."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Error probability of every rule."""
    quality_model: str = "gemma3-270m"
    """Model whose perplexity of the texts is the quality; empty for none."""
    seed: int = 0
    """Root of the keys, which are for this measurement only, and of the ordinary randomness."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    batch_size: Annotated[int, Neutral, Field(ge=1)] = 16
    """Most texts in flight."""
    anchor: AnchorConfig = AnchorConfig()
    sampling: SamplingConfig = SamplingConfig(temperature=0.7, max_new_tokens=200)
    model_options: ModelConfig = ModelConfig()
