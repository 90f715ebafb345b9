"""Training rows: prompt, codes between markers where reasoning was, the rest of the reasoning, the answer.

    prompt <boLatent> z_1 .. z_{m/L} <eoLatent> c_{m+1} .. c_{t_c} answer
    `-100' `---------------------------- learnt --------------------------'

Codes, markers, text and answer are all learnt, the prompt is not (Token Assorted, arXiv 2502.03275). Rows are put
together from ids: nothing is tokenised again, so what remains of the reasoning is the very ids that it had, whatever a
tokenizer would make of the text at the border. Pauses stand at the end of the prompt and belong to it.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reasonry.errors import ConfigError, DataError
from reasonry.training.latent_tokens.encoded import EncodedRow
from reasonry.training.latent_tokens.mixing.draws import Random
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.methods import Method
from reasonry.training.latent_tokens.mixing.spans import START, Gone, MixSettings, Moment, gone

IGNORED = -100
"""Label of a position where nothing is learnt."""

Ids = tuple[int, ...]


class MixedRow(NamedTuple):
    """One training row.

    Attributes:
        ids: Token ids.
        num_prompt: The first of them, which are read and not learnt: the prompt, pauses included.
        num_text: Text that is learnt: what is left of the reasoning, and the answer.
        num_codes: Codes; with text and markers they are the reply.
        num_markers: Begin and end markers.
        m_tok: Tokens of the reasoning that are not written.
    """

    ids: Ids
    num_prompt: int
    num_text: int
    num_codes: int
    num_markers: int
    m_tok: int

    @property
    def labels(self) -> Ids:
        """The ids, with `IGNORED` on the prompt."""
        return (*(IGNORED,) * self.num_prompt, *self.ids[self.num_prompt :])

    @property
    def reply(self) -> Ids:
        """What is learnt."""
        return self.ids[self.num_prompt :]


def mix(
    row: EncodedRow,
    method: Method,
    *,
    ids: LatentIds | None,
    settings: MixSettings,
    rng: Random,
    moment: Moment = START,
    donor: Sequence[int] = (),
) -> MixedRow:
    """Make an example's row.

    Args:
        row: The example.
        method: What goes, and what stands there instead.
        ids: Of the added tokens; None for a method that needs none.
        settings: Numbers.
        rng: Draws.
        moment: How far training is.
        donor: Codes of other examples, at least as many as the row's own, for a method that takes them.

    Raises:
        DataError: Codes that do not fit the reasoning; or nothing is left to learn.
        ConfigError: The method needs tokens that the vocabulary lacks.
    """
    check_codes(row, settings)
    return build(
        row,
        gone(method, len(row.cot_ids), settings=settings, rng=rng, moment=moment),
        method,
        ids=ids,
        settings=settings,
        donor=donor,
    )


def build(
    row: EncodedRow,
    what: Gone,
    method: Method,
    *,
    ids: LatentIds | None,
    settings: MixSettings,
    donor: Sequence[int] = (),
) -> MixedRow:
    """Make an example's row, where it is known what goes. As `mix`."""
    prompt, cot = row.prompt_ids, row.cot_ids
    if method.has_pauses:
        prompt = (*prompt, *pauses(ids, settings.num_pauses))
    if method.has_codes:
        if ids is None:
            raise ConfigError(f"no codes in the vocabulary for method {method.name!r}", place="ids")
        codes = donor if method.instead == "others" else row.codes
        reasoning = _with_codes(cot, codes, what.runs, ids=ids, settings=settings, place=row.id)
    else:
        reasoning = _Reasoning(cot[what.removed_tok :], 0, 0, what.removed_tok)
    reply = (*reasoning.ids, *row.answer_ids)
    if not reply:
        raise DataError(
            "nothing to learn: neither reasoning nor answer", place=row.id, remedy="Give it an answer or leave it out."
        )
    _, num_codes, num_markers, m_tok = reasoning
    num_text = len(reply) - num_codes - num_markers
    return MixedRow((*prompt, *reply), len(prompt), num_text, num_codes, num_markers, m_tok)


class _Reasoning(NamedTuple):
    ids: Ids
    num_codes: int
    num_markers: int
    m_tok: int


def _with_codes(
    cot: Ids,
    codes: Sequence[int],
    runs: tuple[tuple[int, int], ...],
    *,
    ids: LatentIds,
    settings: MixSettings,
    place: str,
) -> _Reasoning:
    """Reasoning with codes for runs of its chunks."""
    per, size = settings.codes_per_chunk, settings.law.chunk_tok
    if not runs:
        marked = (ids.begin, ids.end) if settings.empty_markers else ()
        return _Reasoning((*marked, *cot), 0, len(marked), 0)
    if per * runs[-1][1] > len(codes):
        raise DataError(f"{len(codes)} codes of other examples where {per * runs[-1][1]} are needed", place=place)
    parts: list[int] = []
    done = 0
    for first, behind in runs:
        parts += (*cot[done * size : first * size], ids.begin)
        parts += [ids.first_code + code for code in codes[per * first : per * behind]]
        parts.append(ids.end)
        done = behind
    num = sum(behind - first for first, behind in runs)
    return _Reasoning((*parts, *cot[done * size :]), per * num, 2 * len(runs), size * num)


def pauses(ids: LatentIds | None, num: int) -> Ids:
    """So many pauses.

    Raises:
        ConfigError: The vocabulary has none.
    """
    if ids is None or ids.pause is None:
        raise ConfigError("no pause in the vocabulary for method 'pause'", place="ids", remedy="Extend it with one.")
    return (ids.pause,) * num


def check_codes(row: EncodedRow, settings: MixSettings) -> None:
    """Refuse a row that was encoded with another chunk.

    Raises:
        DataError: The number of codes does not fit the reasoning.
    """
    wanted = settings.codes_per_chunk * settings.law.num_chunks(len(row.cot_ids))
    if len(row.codes) != wanted:
        raise DataError(
            f"{len(row.codes)} codes for {len(row.cot_ids)} tokens of reasoning, where chunks of "
            f"{settings.law.chunk_tok} tokens have {wanted}",
            place=row.id,
            remedy="Encode the data again, or name the chunk that it was encoded with.",
        )
