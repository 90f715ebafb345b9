"""What text is made with: a model, how it is marked, and the anchor where that is a model. Loading needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reasonry.core import atomic
from reasonry.core.models import LoadedModel
from reasonry.core.run import Run, read_json
from reasonry.errors import ConfigError, RunMismatchError
from reasonry.watermark.config import GenerateConfig
from reasonry.watermark.generation.profiles import anchor_profile, check_shared_ids, profile_for
from reasonry.watermark.profile import AnchorProfile, Profile, check_match, read_profile, write_profile
from reasonry.watermark.tokenizing import tokenizer_hash_of

MODEL = "model.json"
PROFILE = "profile.json"


class Means(NamedTuple):
    """What text is made with.

    Attributes:
        loaded: The model whose text is marked.
        profile: How.
        anchor: A `reasonry.watermark.anchors.model.ModelAnchor`; None for the uniform anchor.
    """

    loaded: LoadedModel
    profile: Profile
    anchor: Any


def load_means(config: GenerateConfig, given: Profile | None) -> Means:
    """Load the model, and the anchor where that is one; the profile is the given one, or made of the config.

    Raises:
        ProfileMismatchError: The given profile is not of this model.
        ConfigError: The anchor has another tokenizer, or there are more symbols than tokens.
        ReasonryError: As `reasonry.core.models.load_causal_lm`.
    """
    from reasonry.core.models import load_causal_lm
    from reasonry.watermark.anchors.model import anchor_revision, load_anchor, make_anchor

    loaded = load_causal_lm(config.model, config.model_options)
    width = loaded.model.config.get_text_config().vocab_size
    if given is not None:
        check_match(given, tokenizer_hash=tokenizer_hash_of(loaded.tokenizer), vocab_size=width)
        if given.anchor.kind == "uniform":
            return Means(loaded, given, None)
        here = (anchor_revision(loaded), str(loaded.identity["dtype"]))
        if here == (given.anchor.revision, given.anchor.dtype):
            return Means(loaded, given, make_anchor(loaded, given.anchor, vocab_size=width))
        return Means(loaded, given, load_anchor(given, config.model_options))
    if config.num_bins > width:
        raise ConfigError(
            f"num_bins = {config.num_bins}, but the model chooses from {width} tokens",
            place="num_bins",
            remedy=f"Use at most {width}; or 0, which makes every token its own symbol.",
        )
    wanted = config.anchor
    source, anchor = loaded, AnchorProfile()
    if wanted.kind == "model":
        source = load_causal_lm(wanted.model, config.model_options)
        check_shared_ids(loaded, source)
    if wanted.kind != "uniform":
        anchor = anchor_profile(wanted.kind, source, context_tok=wanted.context_tok, temperature=wanted.temperature)
    profile = profile_for(
        loaded.model,
        loaded.tokenizer,
        name=config.model,
        prf=config.prf,
        num_bins=config.num_bins,
        context_tok=config.context_tok,
        anchor=anchor,
    )
    return Means(loaded, profile, None if wanted.kind == "uniform" else make_anchor(source, anchor, vocab_size=width))


def keep_means(run: Run, means: Means) -> None:
    """Write down the weights and the profile; of a run that goes on, refuse others.

    Raises:
        RunMismatchError: The run began with other weights, or under another profile.
    """
    identity = {name: means.loaded.identity.get(name, "") for name in ("model", "revision", "weights")}
    path = run.path("model.json")
    if path.exists() and (before := read_json(path)) != identity:
        raise RunMismatchError(
            f"the run's texts are of other weights: {_weights(before)}, not {_weights(identity)}",
            place=str(path),
            remedy="Continue with the model the run began with, or choose another --run. Nothing was changed.",
        )
    profile = means.profile
    if run.path(PROFILE).exists() and (old := read_profile(run.path(PROFILE))).profile_id != profile.profile_id:
        raise RunMismatchError(
            f"the run's texts are marked under profile {old.profile_id}, this command would use "
            f"{profile.profile_id}: tokenizer, anchor, dtype or the given profile is another",
            place=str(run.path(PROFILE)),
            remedy="Continue with what the run began with, or choose another --run. Nothing was changed.",
        )
    if not path.exists():
        atomic.write_json(path, identity)
    if not run.path(PROFILE).exists():  # last: a run that has its profile has all the rest
        write_profile(run.path(PROFILE), profile)


def _weights(identity: Mapping[str, Any]) -> str:
    return str(identity.get("weights") or identity.get("revision") or identity.get("model"))
