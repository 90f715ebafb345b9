"""Rows with latent slots, and batches of them in which the slots line up."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.errors import DataError
from reasonry.training.continuous_cot.latent.rows import IGNORED, Row, collate

PAD, L = 0, 1


def _row(question: int, slots: int, answer: int, *, first_id: int = 10) -> Row:
    ids = [*range(first_id, first_id + question), *[L] * slots, *range(50, 50 + answer)]
    return Row(tuple(ids), (*[IGNORED] * (question + slots), *ids[question + slots :]))


def _collate(rows: list[Row]):
    return collate(rows, pad_id=PAD, latent_id=L)


def test_the_first_slot_of_every_row_is_in_the_same_column() -> None:
    batch = _collate([_row(5, 2, 3), _row(2, 1, 4), _row(4, 3, 1)])
    assert batch.is_thought_BT.int().argmax(1).tolist() == [5, 5, 5]
    assert batch.is_thought_BT.sum(1).tolist() == [2, 1, 3]
    assert batch.ids_BT.tolist() == [
        [10, 11, 12, 13, 14, L, L, 50, 51, 52],
        [PAD, PAD, PAD, 10, 11, L, 50, 51, 52, 53],
        [PAD, 10, 11, 12, 13, L, L, L, 50, PAD],
    ]


def test_a_row_without_slots_gets_no_padding_on_its_left() -> None:
    batch = _collate([_row(8, 2, 1), _row(3, 0, 2)])
    assert batch.ids_BT[1].tolist() == [10, 11, 12, 50, 51, *[PAD] * 6]
    assert not batch.is_thought_BT[1].any()


def test_rows_all_without_slots_begin_in_the_first_column() -> None:
    batch = _collate([_row(3, 0, 1), _row(1, 0, 1)])
    assert batch.attend_BT.tolist() == [[True] * 4, [True, True, False, False]]
    assert not batch.is_thought_BT.any()


def test_positions_count_from_a_rows_first_token_and_are_valid_everywhere() -> None:
    batch = _collate([_row(4, 2, 3), _row(1, 1, 1)])
    assert batch.position_ids_BT.tolist() == [[0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 0, 0, 1, 2, 2, 2, 2]]


def test_slots_that_are_tokens_are_aligned_but_hold_no_thoughts() -> None:
    batch = _collate([_row(4, 2, 1)._replace(slot="token"), _row(2, 2, 1)])
    assert batch.is_thought_BT.sum(1).tolist() == [0, 2]
    assert (batch.ids_BT == L).int().argmax(1).tolist() == [4, 4]


def test_edges_move_with_their_rows_and_padding_has_none() -> None:
    with_edges = Row((7, 8, 9), (IGNORED, IGNORED, 9), edges=((3, 4), (-1, -1), (-1, -1)))
    batch = _collate([_row(1, 1, 3), with_edges])
    assert batch.edges_BT2 is not None
    assert batch.edges_BT2[0].unique().tolist() == [-1]
    assert batch.edges_BT2[1].tolist() == [[3, 4], *[[-1, -1]] * 4]
    assert _collate([_row(2, 1, 1)]).edges_BT2 is None


def test_sets_of_answers_stay_with_their_rows() -> None:
    rows = [_row(3, 1, 1)._replace(label_set=(50, 51)), _row(3, 0, 1)]
    assert _collate(rows).label_sets == [(50, 51), ()]


def test_a_batch_moves_to_a_device_with_everything_it_holds() -> None:
    edged = Row((7, 9), (IGNORED, 9), edges=((3, 4), (-1, -1)), label_set=(9,))
    moved = _collate([edged]).to("meta")
    assert moved.edges_BT2 is not None
    assert {part.device.type for part in moved if isinstance(part, torch.Tensor)} == {"meta"}
    assert moved.label_sets == [(9,)]


_rows = st.builds(_row, st.integers(1, 9), st.integers(0, 4), st.integers(0, 6), first_id=st.integers(10, 40))


@settings(max_examples=80)
@given(st.lists(_rows, min_size=1, max_size=6))
def test_every_row_is_found_in_its_batch_unchanged(rows: list[Row]) -> None:
    batch = _collate(rows)
    for number, row in enumerate(rows):
        attended = batch.attend_BT[number]
        assert tuple(batch.ids_BT[number][attended].tolist()) == row.ids
        assert tuple(batch.labels_BT[number][attended].tolist()) == row.labels
        assert batch.position_ids_BT[number][attended].tolist() == list(range(len(row.ids)))
        assert batch.is_thought_BT[number].sum() == row.ids.count(L)
        assert (batch.labels_BT[number][~attended] == IGNORED).all()
        assert (batch.ids_BT[number][~attended] == PAD).all()
    assert batch.attend_BT.any(0).all(), "no column is padding in every row"
    assert len(set(batch.is_thought_BT.int().argmax(1)[batch.is_thought_BT.any(1)].tolist())) <= 1


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (Row((), ()), "no tokens"),
        (Row((5, 6), (IGNORED,)), "2 ids, 1 labels"),
        (Row((5, 6), (IGNORED, 6), edges=((1, 2),)), "1 edges"),
        (Row((5, -1), (IGNORED, 6)), "token id -1"),
        (Row((5, 6), (5, 6)), "a label on the first token"),
        (Row((5, 6), (IGNORED, -7)), "label -7"),
        (Row((L, 6), (IGNORED, 6)), "begins with a latent slot"),
        (Row((5, L, 6, L), (IGNORED,) * 4), "text between its latent slots"),
        (Row((5, L, 6), (IGNORED, 9, 6)), "a label on the latent slot at 1"),
        (Row((5, L), (IGNORED,) * 2, edges=((-1, -1), (2, 3))), "an edge packed into the latent slot"),
        (Row((5, 6, 7), (IGNORED, 6, 7), label_set=(6, 7)), "2 labelled positions"),
        (Row((5, 6), (IGNORED, 6), label_set=(6, -2)), "id -2 in the set"),
        (Row((5, 6), (IGNORED, 6), slot="pause"), "slot 'pause'"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_a_malformed_row_is_refused_by_its_number(bad: Row, problem: str) -> None:
    with pytest.raises(DataError, match="row 1") as caught:
        _collate([_row(3, 1, 1), bad])
    assert problem in str(caught.value)


def test_a_row_may_begin_with_slots_that_are_tokens() -> None:
    assert _collate([Row((L, 6), (IGNORED, 6), slot="token")]).ids_BT.tolist() == [[L, 6]]


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        _collate([])
