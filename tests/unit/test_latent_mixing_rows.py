"""Rows: ids, labels and counts of every method; batches of them."""

from __future__ import annotations

import pytest
import torch
from tests.latent_mixing import IDS, encoded

from reasonry.core import seeds
from reasonry.errors import ConfigError, DataError
from reasonry.training.latent_tokens.mixing.collating import collate
from reasonry.training.latent_tokens.mixing.laws import make_law
from reasonry.training.latent_tokens.mixing.methods import METHODS
from reasonry.training.latent_tokens.mixing.rows import IGNORED, MixedRow, build, mix
from reasonry.training.latent_tokens.mixing.spans import Gone, MixSettings

ROW = encoded(50)  # three chunks and two tokens
PROMPT, COT, ANSWER = ROW.prompt_ids, ROW.cot_ids, ROW.answer_ids
CODES = tuple(IDS.first_code + code for code in ROW.codes)
SETTINGS = MixSettings(law=make_law("fixed:32"))


def _mixed(name: str, *, settings: MixSettings = SETTINGS, donor: tuple[int, ...] = (), row=ROW) -> MixedRow:
    rng = seeds.stream(0, "rows")
    return mix(row, METHODS[name], ids=IDS, settings=settings, rng=rng, donor=donor)


def test_codes_stand_for_chunks_and_not_for_tokens() -> None:
    row = _mixed("latent")
    assert row.ids == (*PROMPT, IDS.begin, *CODES[:2], IDS.end, *COT[32:], *ANSWER)
    assert (row.m_tok, row.num_codes, row.num_markers, row.num_text) == (32, 2, 2, 18 + 3)
    assert len(row.reply) == row.num_text + row.num_codes + row.num_markers


def test_nothing_of_the_prompt_is_learnt_and_everything_else_is() -> None:
    for name in METHODS:
        settings = SETTINGS._replace(num_pauses=4)
        row = _mixed(name, settings=settings, donor=(1, 2, 3))
        num = len(PROMPT) + (4 if name == "pause" else 0)
        assert row.labels[:num] == (IGNORED,) * num
        assert row.labels[num:] == row.ids[num:]
    latent = _mixed("latent")
    assert {IDS.begin, IDS.end, *CODES[:2]} <= set(latent.labels)


def test_all_leaves_the_tail_and_the_answer() -> None:
    row = _mixed("all")
    assert row.reply == (IDS.begin, *CODES, IDS.end, *COT[48:], *ANSWER)


def test_codes_at_several_places_have_markers_around_every_run() -> None:
    row = build(ROW, Gone(((0, 1), (2, 3))), METHODS["poisson"], ids=IDS, settings=SETTINGS)
    first, _, last = CODES
    assert row.reply == (IDS.begin, first, IDS.end, *COT[16:32], IDS.begin, last, IDS.end, *COT[48:], *ANSWER)
    assert (row.m_tok, row.num_codes, row.num_markers, row.num_text) == (32, 2, 4, 18 + 3)


def test_nothing_replaced_is_plain_text_unless_markers_are_asked_for() -> None:
    settings = SETTINGS._replace(law=make_law("fixed:0"))
    plain = (*PROMPT, *COT, *ANSWER)
    assert _mixed("latent", settings=settings).ids == _mixed("cot").ids == plain
    assert _mixed("cot", settings=SETTINGS._replace(empty_markers=True)).ids == plain
    marked = _mixed("latent", settings=settings._replace(empty_markers=True))
    assert marked.reply == (IDS.begin, IDS.end, *COT, *ANSWER)
    assert (marked.num_codes, marked.num_markers, marked.m_tok) == (0, 2, 0)


def test_baselines() -> None:
    assert _mixed("sol-only").ids == (*PROMPT, *ANSWER)
    pauses = _mixed("pause", settings=SETTINGS._replace(num_pauses=2))
    assert pauses.ids == (*PROMPT, IDS.pause, IDS.pause, *ANSWER)
    assert (pauses.num_prompt, pauses.num_text, pauses.m_tok) == (len(PROMPT) + 2, 3, 50)
    assert mix(ROW, METHODS["cot"], ids=None, settings=SETTINGS, rng=seeds.stream(0)).ids == _mixed("cot").ids


def test_controls_have_the_same_text_and_no_codes_or_others() -> None:
    latent, truncated, shuffled = _mixed("latent"), _mixed("truncated"), _mixed("shuffled", donor=(7, 8, 9))
    assert truncated.reply == latent.reply[4:] == (*COT[32:], *ANSWER)
    assert truncated.m_tok == latent.m_tok
    assert shuffled.reply == (IDS.begin, IDS.first_code + 7, IDS.first_code + 8, *latent.reply[3:])


def test_several_codes_for_a_chunk_stay_together() -> None:
    row = encoded(50, per=2)
    settings = SETTINGS._replace(codes_per_chunk=2)
    mixed = _mixed("latent", row=row, settings=settings)
    assert mixed.reply[1:5] == tuple(IDS.first_code + code for code in row.codes[:4])
    runs = build(row, Gone(((1, 2),)), METHODS["poisson"], ids=IDS, settings=settings)
    assert runs.reply[16:20] == (IDS.begin, *(IDS.first_code + code for code in row.codes[2:4]), IDS.end)


@pytest.mark.parametrize("cot_tok", [0, 1, 15])
def test_reasoning_without_a_full_chunk_stays_text(cot_tok: int) -> None:
    row = encoded(cot_tok)
    for name in ("latent", "all", "curriculum", "poisson", "shuffled", "truncated", "cot"):
        assert _mixed(name, row=row, settings=MixSettings()).ids == (*row.prompt_ids, *row.cot_ids, *row.answer_ids)


def test_rows_that_cannot_be_made_are_refused_by_the_id_of_their_example() -> None:
    with pytest.raises(DataError, match=r"train-0: 3 codes for 50 tokens .* of 8 tokens have 6"):
        _mixed("latent", settings=SETTINGS._replace(law=make_law(chunk_tok=8)))
    with pytest.raises(DataError, match="train-0: nothing to learn"):
        _mixed("sol-only", row=ROW._replace(answer_ids=()))
    with pytest.raises(DataError, match="1 codes of other examples where 2"):
        _mixed("shuffled", donor=(7,))
    for name in ("latent", "pause"):
        with pytest.raises(ConfigError, match=f"vocabulary for method '{name}'"):
            mix(ROW, METHODS[name], ids=None, settings=SETTINGS._replace(num_pauses=1), rng=seeds.stream(0))


def test_a_row_without_an_answer_learns_its_reasoning() -> None:
    assert _mixed("latent", row=ROW._replace(answer_ids=())).reply == (IDS.begin, *CODES[:2], IDS.end, *COT[32:])


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_neither_attended_to_nor_learnt(side) -> None:
    rows = [_mixed("latent"), _mixed("sol-only"), _mixed("cot")]
    eos = ANSWER[-1]  # where the end token is the padding, ends are still learnt and attended to
    batch = collate(rows, pad_id=eos, side=side)
    assert batch.ids_BT.shape == (3, max(len(row.ids) for row in rows))
    assert (batch.ids_BT.dtype, batch.attend_BT.dtype, batch.labels_BT.dtype) == (torch.int64, torch.bool, torch.int64)
    for at, row in enumerate(rows):
        attend = batch.attend_BT[at]
        assert batch.ids_BT[at][attend].tolist() == list(row.ids)
        assert batch.labels_BT[at][attend].tolist() == list(row.labels)
        assert batch.labels_BT[at][attend][-1] == eos
        assert set(batch.ids_BT[at][~attend].tolist()) <= {eos}
        assert set(batch.labels_BT[at][~attend].tolist()) <= {IGNORED}
        edge = attend[0] if side == "right" else attend[-1]
        assert edge, "padding on the wrong side"


def test_no_rows_are_no_batch() -> None:
    with pytest.raises(DataError, match="no rows"):
        collate([], pad_id=0)
