"""The marked model and the anchor of a benchmark, each loaded once and when first needed; and what a run was made with.

``made_with.json`` names prompts and weights, so that texts of different ones are never mixed in a run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from reasonry.core import atomic
from reasonry.core.messages import to_openai
from reasonry.core.models import LoadedModel, find_causal_lm
from reasonry.core.run import Run, read_json
from reasonry.core.sampling import Request
from reasonry.errors import ConfigError, RunMismatchError
from reasonry.watermark.anchors import UniformAnchor
from reasonry.watermark.bench.schemes import Anchored, Reader
from reasonry.watermark.config import BenchConfig
from reasonry.watermark.generation.profiles import anchor_profile, check_shared_ids, profile_for
from reasonry.watermark.profile import AnchorProfile, Profile

MADE_WITH = "made_with.json"


class BenchModels:
    """Loads what sampling and reading need.

    Args:
        config: The benchmark's.
        run: Where weights are noted, and compared with those that the run began with.
    """

    def __init__(self, config: BenchConfig, run: Run) -> None:
        self._config, self._run = config, run

    @cached_property
    def loaded(self) -> LoadedModel:
        """The marked model."""
        from reasonry.core.models import load_causal_lm

        loaded = load_causal_lm(self._config.model, self._config.model_options)
        check_made_with(self._run, {"model": loaded.identity})
        return loaded

    @cached_property
    def vocab_size(self) -> int:
        """Width of its logits."""
        return int(self.loaded.model.config.get_text_config().vocab_size)

    @cached_property
    def _anchor(self) -> tuple[AnchorProfile, Any]:
        """The anchor's profile, and the model when it is one."""
        wanted = self._config.anchor
        if wanted.kind == "uniform":
            return AnchorProfile(), None
        from reasonry.core.models import load_causal_lm
        from reasonry.watermark.anchors.model import make_anchor

        source = self.loaded
        if wanted.kind == "model":
            source = load_causal_lm(wanted.model, self._config.model_options)
            check_made_with(self._run, {"anchor": source.identity})
            check_shared_ids(self.loaded, source)
        profile = anchor_profile(wanted.kind, source, context_tok=wanted.context_tok, temperature=wanted.temperature)
        return profile, make_anchor(source, profile, vocab_size=self.vocab_size)

    @property
    def generating_anchor(self) -> Any:
        """A model as anchor; None for the uniform one."""
        return self._anchor[1]

    @cached_property
    def reader(self) -> Reader:
        """What readers need."""
        return Reader(self.vocab_size, self._anchor[1] or UniformAnchor(self.vocab_size))

    def profile(self, scheme: Anchored) -> Profile:
        """How an anchored scheme marks."""
        mark = scheme.marking
        return profile_for(
            self.loaded.model,
            self.loaded.tokenizer,
            name=self._config.model,
            prf=mark.prf,
            num_bins=mark.num_bins,
            context_tok=mark.context_tok,
            anchor=self._anchor[0],
        )

    def drop(self) -> None:
        """Free the models."""
        for name in ("loaded", "_anchor", "reader"):
            self.__dict__.pop(name, None)


def check_names(config: BenchConfig) -> None:
    """Find every mistake in the names of models before a run directory is made.

    Raises:
        ReasonryError: As `find_causal_lm`; or an anchor that is named and not used, or used and not named.
    """
    if (config.anchor.kind == "model") != bool(config.anchor.model):
        raise ConfigError(
            f"anchor.kind is {config.anchor.kind!r} and anchor.model is {config.anchor.model!r}",
            place="anchor",
            remedy="Name a model with kind model, and only then.",
        )
    for name in filter(None, (config.model, config.anchor.model, config.quality_model)):
        find_causal_lm(name, config.model_options)


def check_prompts(run: Run, requests: Sequence[Request]) -> None:
    """Refuse prompts that changed since the run began.

    Raises:
        RunMismatchError: One did.
    """
    said = {r.id: json.dumps([to_openai(m) for m in r.messages], sort_keys=True) for r in requests}
    hashes = {name: hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for name, text in said.items()}
    path = run.path(MADE_WITH)
    known = read_json(path).get("prompts", {}) if path.exists() else {}
    changed = [name for name, found in hashes.items() if known.get(name, found) != found]
    if changed:
        raise RunMismatchError(
            f"the prompt {changed[0]!r} is another one than when the run began",
            place=str(run.folder),
            remedy="Give the old prompts back, or choose another --run. Nothing was changed.",
        )
    _note(run, {"prompts": {**known, **hashes}})


def check_made_with(run: Run, identities: dict[str, Any]) -> None:
    """Refuse other weights than the run began with; note new ones.

    Raises:
        RunMismatchError: They differ.
    """
    path = run.path(MADE_WITH)
    known = read_json(path) if path.exists() else {}
    for name, identity in identities.items():
        if known.get(name, identity) != identity:
            raise RunMismatchError(
                f"the run began with the {name} {known[name]}, this command would go on with {identity}",
                place=str(run.folder),
                remedy="Continue with what it began with (device and dtype count), or choose another --run.",
            )
    _note(run, identities)


def _note(run: Run, entries: dict[str, Any]) -> None:
    path = run.path(MADE_WITH)
    known = read_json(path) if path.exists() else {}
    if {**known, **entries} != known:
        atomic.write_json(path, {**known, **entries})
