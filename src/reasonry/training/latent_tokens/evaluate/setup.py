"""What all models of an evaluation share: data, codes, and how long replies may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core.work import Say
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.reasoning_tokens import MARKER
from reasonry.training.latent_tokens.encoded import EncodedRow, read_encoded
from reasonry.training.latent_tokens.evaluate.config import EvalConfig
from reasonry.training.latent_tokens.evaluate.locate import Located

if TYPE_CHECKING:
    from reasonry.training.latent_tokens.codes.saving import Codes

DEFAULT_MAX_NEW_TOK = 512
_SPARE = 1.25
_MARKERS = 2


class Setup(NamedTuple):
    """What all methods of an evaluation share.

    Attributes:
        data: Name of the examples.
        seed: Of generated ones, and of drawn tokens.
        marker: Before the answer.
        chat_template: Whether questions are user turns.
        chunk_tok: Text tokens of a chunk; 1 where nothing is known of codes.
        codes_per_chunk: Codes of each.
        num_codes: K; 0 where nothing is known of codes.
        max_new_tokens: Most tokens of a reply.
        tokenizer_fingerprint: Of the tokenizer without added tokens.
    """

    data: str
    seed: int
    marker: str
    chat_template: bool
    chunk_tok: int
    codes_per_chunk: int
    num_codes: int
    max_new_tokens: int
    tokenizer_fingerprint: str


def make_setup(config: EvalConfig, models: Sequence[Located], *, say: Say) -> Setup:
    """What is asked of all models alike.

    Raises:
        ConfigError: Models of different codes, or nothing says what to ask.
    """
    known = [model for model in models if model.config is not None]
    if not known and not config.data:
        raise ConfigError(
            "nothing says what the model was trained on", place="data", remedy="Name examples: --data word-problems:2."
        )
    if not known:
        longest = config.max_new_tokens or DEFAULT_MAX_NEW_TOK
        return Setup(config.data, config.seed or 0, MARKER, False, 1, 1, 0, longest, "")
    first = known[0].config
    assert first is not None
    for model in known[1:]:
        other = model.config
        assert other is not None
        if (other.codes_hash, other.tokenizer_fingerprint) != (first.codes_hash, first.tokenizer_fingerprint):
            raise ConfigError(
                f"the models of {model.label} and {known[0].label} are of different codes",
                place=config.model,
                remedy="Evaluate each by itself.",
            )
    more: Mapping[str, Any] = first.more
    longest = config.max_new_tokens or _longest_reply(known[0], say)
    return Setup(
        data=config.data or str(more.get("data") or ""),
        seed=config.seed if config.seed is not None else int(more.get("seed") or 0),
        marker=str(more.get("marker") or MARKER),
        chat_template=bool(more.get("chat_template")),
        chunk_tok=first.chunk_tok,
        codes_per_chunk=first.codes_per_chunk,
        num_codes=first.ids.num_codes if first.ids is not None else 0,
        max_new_tokens=longest,
        tokenizer_fingerprint=first.tokenizer_fingerprint,
    )


def training_rows(model: Located) -> list[EncodedRow] | None:
    """Training examples with their codes; None where they are not there any more."""
    folder = model.beside("encoded")
    if folder is None:
        return None
    try:
        return read_encoded(folder).of("train")
    except DataError:
        return None


def _longest_reply(model: Located, say: Say) -> int:
    rows = training_rows(model)
    if not rows:
        say(
            f"the encoded examples are not where training found them: replies have at most {DEFAULT_MAX_NEW_TOK} tokens"
        )
        return DEFAULT_MAX_NEW_TOK
    return int(_SPARE * max(len(row.cot_ids) + len(row.answer_ids) for row in rows)) + _MARKERS


def find_codes(config: EvalConfig, models: Sequence[Located], *, say: Say) -> Codes | None:
    """The codec that reads codes back; None, and it is said, where it is not there.

    Raises:
        ConfigError: The folder that the user named is of other codes.
        DataError: It holds none.
    """
    from reasonry.training.latent_tokens.codes.saving import load_codes

    model = next((each for each in models if each.writes_codes and each.config is not None), None)
    folder = Path(config.codes) if config.codes else model.beside("codes") if model is not None else None
    if folder is None or model is None or model.config is None:
        return None
    if not config.codes and not folder.exists():
        say(f"codes are not read back: their folder {folder} is not there; name it with --codes")
        return None
    codes = load_codes(folder)
    if model.config.codes_hash and codes.info.hash != model.config.codes_hash:
        raise ConfigError(
            f"these codes ({codes.info.hash[:8]}) are not those that the model was trained with "
            f"({model.config.codes_hash[:8]})",
            place="codes",
            remedy="Name the folder of the codes that its training data were encoded with.",
        )
    return codes
