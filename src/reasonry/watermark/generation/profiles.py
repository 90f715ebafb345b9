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


def check_shared_tokenizer(model: LoadedModel, anchor: LoadedModel) -> None:
    """Refuse an anchor whose ids mean other tokens.

    The anchor reads ids of the marked model, so what counts is what its ids mean, not how its tokenizer cuts text. A
    few special tokens may differ, and either vocabulary may go on where the other ends (Phi-3 and Llama 2).

    Raises:
        ConfigError: Less than 99 % of the ids that both have stand for the same token.
    """
    ours, theirs = (_tokens(loaded.tokenizer) for loaded in (model, anchor))
    common = ours.keys() & theirs.keys()
    num_same = sum(ours[i] == theirs[i] for i in common)
    if num_same < _LEAST_SHARED * max(1, len(common)):
        raise ConfigError(
            f"the anchor {anchor.name} and the model {model.name} have different tokenizers: of {len(common)} common "
            f"ids {num_same} stand for the same token",
            place="anchor.model",
            remedy="Use a smaller model of the same family, --anchor.kind self, or the uniform anchor.",
        )


def _tokens(tokenizer: Any) -> dict[int, str]:
    return {number: token for token, number in tokenizer.get_vocab().items()}
