"""Profiles of a model: which tokenizer, how wide its logits, which anchor."""

from __future__ import annotations

from typing import Any

from reasonry.core.models import LoadedModel
from reasonry.errors import ConfigError
from reasonry.watermark.profile import AnchorProfile, Profile
from reasonry.watermark.tokenizing import tokenizer_hash_of

_LEAST_SHARED = 0.99


def profile_for(model: Any, tokenizer: Any, *, name: str = "", **settings: Any) -> Profile:
    """The profile of text that a transformers model is going to write.

    Args:
        model: Whose text is marked; its logits may be wider than the tokenizer.
        tokenizer: Its tokenizer.
        name: Where a detector finds the tokenizer: hub id, folder or packaged alias.
        **settings: Further fields of `Profile`: ``num_bins``, ``context_tok``, ``prf``, ``anchor``, ...
    """
    return Profile(
        tokenizer=name,
        tokenizer_hash=tokenizer_hash_of(tokenizer),
        vocab_size=model.config.get_text_config().vocab_size,
        **settings,
    )


def anchor_profile(kind: str, loaded: LoadedModel, *, context_tok: int, temperature: float) -> AnchorProfile:
    """The anchor of a profile: a model that is loaded."""
    from reasonry.watermark.anchors.model import anchor_revision

    return AnchorProfile.model_validate(
        {
            "kind": kind,
            "model": loaded.name,
            "revision": anchor_revision(loaded),
            "context_tok": context_tok,
            "temperature": temperature,
            "dtype": str(loaded.identity["dtype"]),
        }
    )


def check_shared_ids(model: LoadedModel, anchor: LoadedModel) -> None:
    """Refuse an anchor to which the ids of the marked model mean other tokens.

    An anchor reads ids and never text, so ids alone have to agree; Llama 2 and Phi-3, say, share the first 32,000.

    Raises:
        ConfigError: Less than 99 % of the model's tokens have the same id in the anchor.
    """
    ours, theirs = (
        {int(number): token for token, number in loaded.tokenizer.get_vocab().items()} for loaded in (model, anchor)
    )
    num_same = sum(theirs.get(number) == token for number, token in ours.items())
    if num_same < _LEAST_SHARED * len(ours):
        raise ConfigError(
            f"only {num_same:,} of {len(ours):,} tokens of {model.name} have the same id in the anchor {anchor.name}",
            place="anchor.model",
            remedy="Use a smaller model of the same family, --anchor.kind self, or the uniform anchor.",
        )
