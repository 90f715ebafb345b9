"""Seen contexts: a plain set says the same, however the stream is cut; the window; bounded memory."""

import tracemalloc
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reasonry.core.seeds import stream
from reasonry.watermark.contexts import SeenContexts
from reasonry.watermark.prf import contexts_of

U64 = NDArray[np.uint64]
CUTS = st.lists(st.integers(0, 9), max_size=12)


@st.composite
def streams(draw: st.DrawFn) -> list[int]:
    """Hashes that are random, periodic, all in one corner of the table, or at the ends of the range."""
    value = draw(
        st.sampled_from([st.integers(0, 12), st.integers(2**64 - 6, 2**64 - 1), st.integers(0, 2**64 - 1), CORNERS])
    )
    once = draw(st.lists(value, max_size=60))
    return (once * draw(st.integers(1, 4)))[: draw(st.integers(0, 150))]


CORNERS = st.builds(lambda a, b: (a << 60) + b, st.integers(0, 15), st.integers(0, 3))


def cut(hashes: Sequence[int], sizes: Iterable[int]) -> list[U64]:
    """Pieces of the given sizes, the last one takes the rest; some are empty."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(hashes[start : start + size])
        start += size
    return [np.array(piece, dtype=np.uint64) for piece in [*pieces, hashes[start:]]]


def asked(seen: SeenContexts, pieces: Iterable[U64]) -> list[bool]:
    return [is_new for piece in pieces for is_new in seen.first_seen(piece).tolist()]


def by_set(hashes: Iterable[int]) -> list[bool]:
    """The obvious way. A hash of zero counts as one."""
    seen: set[int] = set()
    return [(x := h or 1) not in seen and not seen.add(x) for h in hashes]


def by_two_sets(hashes: Iterable[int], capacity: int) -> list[bool]:
    """The obvious way with a window: a full set becomes the previous one."""
    current, previous, said = set[int](), set[int](), list[bool]()
    for h in hashes:
        if len(current) == capacity:
            current, previous = set(), current
        said.append((x := h or 1) not in current and x not in previous)
        current.add(x)
    return said


# ---------------------------------------------------------------- the same as a set


@given(streams(), CUTS)
@example([0, 0, 1, 1], [1, 1, 1])
@example([], [])
def test_a_table_is_a_set_however_the_stream_is_cut(hashes: list[int], sizes: list[int]) -> None:
    seen = SeenContexts()
    assert asked(seen, cut(hashes, sizes)) == by_set(hashes)


@given(streams(), CUTS, st.integers(0, 20))
def test_a_small_window_is_two_sets_however_the_stream_is_cut(hashes: list[int], sizes: list[int], room: int) -> None:
    assert asked(SeenContexts(room), cut(hashes, sizes)) == by_two_sets(hashes, max(1, room))


@given(streams(), CUTS, st.integers(1, 20))
def test_what_is_new_can_be_asked_without_being_remembered(hashes: list[int], sizes: list[int], room: int) -> None:
    seen, silent = SeenContexts(room), SeenContexts(room)
    known: set[int] = set()
    for piece in cut(hashes, sizes):
        said = seen.would_be_new(piece)
        assert np.array_equal(said, seen.would_be_new(piece)), "asking changes nothing"
        alone = silent.first_seen(piece)
        assert np.array_equal(alone, seen.first_seen(piece))
        assert (alone | ~said).all(), "what would be new is new"
        known |= set(piece.tolist())
        if len(known) <= room:
            assert np.array_equal(said, alone)


def test_a_random_stream_of_many_contexts() -> None:
    hashes = stream(0, "contexts").integers(0, 2**64, 300_000, dtype=np.uint64)
    hashes = np.concatenate([hashes, hashes[::-1], hashes[:1000]])
    expected = np.zeros(len(hashes), dtype=np.bool_)
    expected[np.unique(hashes, return_index=True)[1]] = True
    for size in (len(hashes), 10_000, 4096):
        seen = SeenContexts()
        found = np.concatenate([seen.first_seen(hashes[i : i + size]) for i in range(0, len(hashes), size)])
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("period", [1, 5, 100, 4096])
def test_a_loop_is_new_once(period: int) -> None:
    ids = np.resize(stream(0, "loop", period).integers(0, 50_000, period), 20_000)
    new = SeenContexts().first_seen(contexts_of(ids, 4).hash_N)
    assert np.flatnonzero(new).tolist() == list(range(period))


def test_contexts_that_share_all_upper_bits_only_take_longer() -> None:
    hashes = np.repeat(np.arange(1, 2001, dtype=np.uint64), 2)
    assert SeenContexts().first_seen(hashes).tolist() == [True, False] * 2000


# ---------------------------------------------------------------- the window


@pytest.mark.parametrize("capacity", [1, 2, 7, 64, 250])
def test_the_last_contexts_are_always_known_and_at_most_twice_as_many(capacity: int) -> None:
    rng = stream(0, "window", capacity)
    pool = rng.integers(0, 2**64, 4 * capacity + 1, dtype=np.uint64)
    # A wandering centre: contexts come back after few others, or after many.
    centre = np.arange(20 * capacity) // 4
    hashes = pool[(centre + rng.integers(0, capacity + 1, len(centre))) % len(pool)]
    said = SeenContexts(capacity).first_seen(hashes)
    recent: OrderedDict[int, None] = OrderedDict()  # most recent last
    ever, counted_again = set[int](), 0
    for h, is_new in zip(hashes.tolist(), said.tolist(), strict=True):
        order = list(recent)
        if h in order[-capacity:]:
            assert not is_new
        if h not in order[-2 * capacity :]:
            assert is_new
        counted_again += is_new and h in ever
        ever.add(h)
        recent.pop(h, None)
        recent[h] = None
    assert counted_again > 0, "something was forgotten, or the window was not tried"


def test_a_loop_within_the_window_never_counts_again_and_one_beyond_twice_of_it_always_does() -> None:
    pool = stream(0, "pool").integers(1, 2**64, 500, dtype=np.uint64)

    def num_new(period: int) -> int:
        return int(SeenContexts(200).first_seen(np.resize(pool[:period], 10_000)).sum())

    assert num_new(200) == 200
    assert num_new(401) == 10_000


@pytest.mark.parametrize("ask", [SeenContexts.first_seen, SeenContexts.would_be_new])
def test_no_contexts_are_no_trouble(ask: Callable[[SeenContexts, U64], NDArray[np.bool_]]) -> None:
    assert ask(SeenContexts(), np.empty(0, np.uint64)).shape == (0,)
    assert ask(SeenContexts(0), np.array([3, 3], np.uint64)).tolist() == [True, False], "a window holds at least one"


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize(("capacity", "most_bytes"), [(1 << 16, 48), (50_000, 96)])
def test_memory_is_bounded_by_the_window(capacity: int, most_bytes: int) -> None:
    rng, seen, piece_tok = stream(0, "memory"), SeenContexts(capacity), 1 << 14
    seen.first_seen(rng.integers(0, 2**64, 1000, dtype=np.uint64))
    tracemalloc.start()
    try:
        for _ in range(60):
            seen.first_seen(rng.integers(0, 2**64, piece_tok, dtype=np.uint64))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held <= most_bytes * capacity + 20_000
    # While a table grows its old contexts are held, too; and a piece needs some numbers for each of its contexts.
    assert peak <= (most_bytes + 32) * capacity + 100 * piece_tok


def test_a_short_text_takes_little() -> None:
    tracemalloc.start()
    try:
        seen = SeenContexts()
        seen.first_seen(np.arange(1000, dtype=np.uint64) << np.uint64(50))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 100_000
