"""Rows that share beginnings as a tree: every node sees its own row alone, and packs stay within their bounds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core.candidates.tree import Pack, Row, build, plan

token = st.integers(0, 2)


@st.composite
def row_lists(draw: st.DrawFn) -> list[Row]:
    trunk = draw(st.lists(token, max_size=20))
    rows: list[Row] = []
    for _ in range(draw(st.integers(1, 12))):
        ids = [*(trunk if draw(st.booleans()) else []), *draw(st.lists(token, min_size=2, max_size=6))]
        rows.append(Row(tuple(ids), draw(st.integers(1, len(ids) - 1))))
    return sorted(rows)


def test_the_tree_of_the_example() -> None:
    p, q, r, a, b, c, d, e = range(8)
    rows = [Row((p, q, r, a, b), 3), Row((p, q, r, a, c), 3), Row((p, q, r, d, e), 3)]
    tree = build(rows)
    assert tree.token_N.tolist() == [p, q, r, a, d]
    assert tree.position_N.tolist() == [0, 1, 2, 3, 3]
    assert tree.allowed_NN.astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 0, 1],
    ]
    assert tree.read_R.tolist() == [2, 3, 4]
    assert tree.read_R[tree.read_of_S].tolist() == [2, 3, 2, 3, 2, 4]
    assert tree.token_of_S.tolist() == [a, b, a, c, d, e]
    behind = build(rows, trunk_tok=2)
    assert (behind.token_N.tolist(), behind.position_N.tolist()) == ([r, a, d], [2, 3, 3])
    assert behind.read_R.tolist() == [0, 1, 2]


def test_candidates_of_one_token_add_no_node() -> None:
    rows = [Row((5, 6, token), 2) for token in range(10)]
    tree = build(rows)
    assert tree.token_N.tolist() == [5, 6]
    assert tree.read_R.tolist() == [1]
    assert tree.token_of_S.tolist() == list(range(10))


@given(row_lists(), st.data())
def test_every_scored_token_is_read_where_its_own_row_is_visible_and_nothing_else(
    rows: list[Row], data: st.DataObject
) -> None:
    shared = next(
        (i for i, column in enumerate(zip(*[row.ids for row in rows], strict=False)) if len(set(column)) > 1),
        min(len(row.ids) for row in rows),
    )
    trunk_tok = data.draw(st.integers(0, min(shared, *[row.start - 1 for row in rows], len(rows[0].ids) - 1)))
    tree = build(rows, trunk_tok=trunk_tok)
    at = 0
    for row in rows:
        for place in range(row.start, len(row.ids)):
            node = tree.read_R[tree.read_of_S[at]]
            seen = np.flatnonzero(tree.allowed_NN[node])
            assert tree.token_N[seen].tolist() == list(row.ids[trunk_tok:place])
            assert tree.position_N[seen].tolist() == list(range(trunk_tok, place))
            assert tree.token_of_S[at] == row.ids[place]
            at += 1
    assert at == len(tree.token_of_S)
    # Nothing is read twice: as many nodes as there are different beginnings.
    beginnings = {row.ids[:i] for row in rows for i in range(trunk_tok + 1, len(row.ids))}
    assert len(tree.token_N) == len(beginnings)


@given(row_lists(), st.integers(1, 30), st.integers(1, 10))
def test_packs_hold_all_rows_in_order_within_their_bounds(rows: list[Row], max_tok: int, max_read: int) -> None:
    packs = plan(rows, max_tok=max_tok, max_read=max_read)
    assert [k for pack in packs for k in range(pack.first, pack.end)] == list(range(len(rows)))
    for pack in packs:
        members = rows[pack.first : pack.end]
        assert len({row.ids[: pack.trunk_tok] for row in members}) == 1
        assert all(pack.trunk_tok < row.start for row in members)
        tree = build(members, trunk_tok=pack.trunk_tok)
        if len(members) > 1:
            assert len(tree.token_N) <= max_tok
        else:
            assert len(tree.token_N) <= max(max_tok, len(members[0].ids) - members[0].start)


def test_a_trunk_that_neighbouring_packs_share_is_kept_and_a_short_one_is_not() -> None:
    long, short = tuple(range(100, 140)), (7, 8, 9)
    rows = sorted(Row((*long, i, 1, 2), 41) for i in range(20))
    packs = plan(rows, max_tok=16, max_read=1000)
    assert len(packs) > 2
    assert {pack.trunk_tok for pack in packs} == {40}
    rows = sorted(Row((*short, i, 1, 2), 4) for i in range(20))
    assert {pack.trunk_tok for pack in plan(rows, max_tok=16, max_read=1000)} == {0}


def test_one_pack_reads_its_trunk_with_the_rest_unless_it_is_too_long() -> None:
    rows = sorted(Row((*range(100, 140), i, 1, 2), 41) for i in range(3))
    assert plan(rows, max_tok=512, max_read=1000) == [Pack(0, 3, 0)]
    assert plan(rows, max_tok=20, max_read=1000) == [Pack(0, 3, 40)]
    assert plan([], max_tok=20, max_read=1000) == []


def test_predictions_are_bounded_too() -> None:
    rows = sorted(Row((1, 2, i, 5), 2) for i in range(30))
    packs = plan(rows, max_tok=512, max_read=10)
    assert len(packs) == 4
    assert max(len(build(rows[p.first : p.end]).read_R) for p in packs) <= 10
