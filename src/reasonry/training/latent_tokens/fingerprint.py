"""Which tokenizer ids belong to: codes learnt on the ids of one mean nothing for those of another."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from reasonry.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PROBES = (
    "The quick brown fox, 12345 + 67.8 = ?\n  Two  spaces;\ttab. <<48/2=24>> #### -7\n",
    "Every Yumpus is a lorpus! (a_b-c) {x: [1, 2]} \u00e9\u00df\u4e2d\u6587\U0001f600 \u2019 don't I'm",
)


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """32 hex digits over the tokens of a tokenizer with their ids, and over how it cuts a few texts.

    Tokens that were added behind its own vocabulary are left out: a tokenizer with tokens for codes has the fingerprint
    of the one that it was made from. So has one that was saved and loaded, or given a padding token.
    """
    loose: Any = tokenizer
    vocabulary: dict[str, int] = loose.get_vocab()
    own = sorted((number, token) for token, number in vocabulary.items() if number < loose.vocab_size)
    cut = [list(loose(probe, add_special_tokens=False)["input_ids"]) for probe in _PROBES]
    body = json.dumps([own, cut], ensure_ascii=True)
    return hashlib.blake2b(body.encode(), digest_size=16).hexdigest()


def check_fingerprint(tokenizer: PreTrainedTokenizerBase, expected: str, *, place: str, whose: str = "codes") -> None:
    """Refuse a tokenizer whose ids mean something else.

    Args:
        tokenizer: The one at hand.
        expected: Fingerprint of the one that was used.
        place: Where the mismatch is, for the message.
        whose: What was made with the other one.

    Raises:
        ConfigError: They are two.
    """
    found = tokenizer_fingerprint(tokenizer)
    if found != expected:
        raise ConfigError(
            f"this tokenizer ({found[:8]}) is not the one that the {whose} were made with ({expected[:8]})",
            place=place,
            remedy="Use the model whose tokenizer that was, or fit codes with this one's: fit-codes --tokenizer.",
        )
