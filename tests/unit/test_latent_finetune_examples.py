"""Which examples are learnt from, in which order, for how long, and the numbers that are taken from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers")

from tests.latent_finetune_fakes import CHUNK, IDS, rows, settings

from reasonry.errors import ConfigError, DataError
from reasonry.training.latent_tokens.encoded import EncodedRow
from reasonry.training.latent_tokens.finetune.examples import (
    Length,
    chosen,
    length_of,
    longest_row_tok,
    mix_settings,
)
from reasonry.training.latent_tokens.finetune.order import Order
from reasonry.training.latent_tokens.mixing.methods import METHODS
from reasonry.training.latent_tokens.mixing.mixer import Mixer
from reasonry.training.latent_tokens.mixing.spans import Moment


def order(num: int, *, size: int = 4, window: int = 2, seed: int = 0) -> Order:
    return Order(np.arange(num) % 7, batch_size=size, window=window, seed=seed)


# ---------------------------------------------------------------- order


@given(num=st.integers(1, 40), size=st.integers(1, 9), window=st.integers(1, 4), epoch=st.integers(0, 2))
def test_every_epoch_has_every_example_once(num: int, size: int, window: int, epoch: int) -> None:
    made = order(num, size=size, window=window)
    per = made.steps_per_epoch
    steps = [made(at) for at in range(epoch * per, (epoch + 1) * per)]
    assert {step.epoch for step in steps} == {epoch}
    assert sorted(n for step in steps for n in step.numbers_B.tolist()) == list(range(num))
    assert all(0 < len(step.numbers_B) <= size for step in steps)


def test_a_step_has_the_same_examples_whenever_it_is_asked_and_others_in_another_epoch_and_by_another_seed() -> None:
    one, other = order(23), order(23)
    told = [one(at).numbers_B.tolist() for at in range(12)]
    assert [other(at).numbers_B.tolist() for at in reversed(range(12))] == told[::-1]
    assert told[:6] != told[6:]
    assert [order(23, seed=1)(at).numbers_B.tolist() for at in range(12)] != told


def test_batches_of_a_window_are_parted_by_length() -> None:
    lengths = np.arange(64)
    made = Order(lengths, batch_size=8, window=8, seed=0)
    assert [int(np.ptp(lengths[made(at).numbers_B])) for at in range(8)] == [7] * 8


# ---------------------------------------------------------------- which examples


def test_the_last_rows_are_kept_apart_where_no_others_are_given() -> None:
    given_rows = rows(10)
    kept = chosen(given_rows, (), settings(), chunk_tok=CHUNK, codes_per_chunk=1, context_tok=None)
    assert [*kept.train, *kept.held_out] == given_rows
    assert len(kept.held_out) == 3
    others = rows(5, name="validation")
    kept = chosen(given_rows, others, settings(), chunk_tok=CHUNK, codes_per_chunk=1, context_tok=None)
    assert (list(kept.train), list(kept.held_out)) == (given_rows, others[:3])
    none = chosen(given_rows, (), settings(looks={"num": 0}), chunk_tok=CHUNK, codes_per_chunk=1, context_tok=None)
    assert (len(none.train), len(none.held_out)) == (10, 0)


def test_what_is_too_long_is_left_out_counted_and_said() -> None:
    told: list[str] = []
    given_rows = rows(30)
    sizes = [longest_row_tok(row, chunk_tok=CHUNK, codes_per_chunk=1) for row in given_rows[:27]]
    kept = chosen(
        given_rows, (), settings(max_row_tok=20), chunk_tok=CHUNK, codes_per_chunk=1, context_tok=99, say=told.append
    )
    assert len(kept.train) == sum(size <= 20 for size in sizes) == 27 - kept.num_left_out
    assert kept.num_left_out > 0
    assert (
        told[0]
        == f"{kept.num_left_out} of 27 training examples are longer than 20 tokens and left out for every method"
    )
    with pytest.raises(DataError, match="no training example fits into 5 tokens"):
        chosen(given_rows, (), settings(), chunk_tok=CHUNK, codes_per_chunk=1, context_tok=5)
    with pytest.raises(ConfigError, match="3 of 3 examples to be kept apart"):
        chosen(given_rows[:3], (), settings(), chunk_tok=CHUNK, codes_per_chunk=1, context_tok=None)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("empty_markers", [False, True])
def test_no_row_of_any_method_is_longer_than_what_was_said(name: str, empty_markers: bool) -> None:
    given_rows = rows(40)
    made = settings(mix={"empty_markers": empty_markers, "num_pauses": 9})
    mixing = mix_settings(made, given_rows, Length(20, 10), chunk_tok=CHUNK, codes_per_chunk=1)
    mixer = Mixer(given_rows, METHODS[name], ids=IDS, settings=mixing, seed=3)
    for number, row in enumerate(given_rows):
        most = longest_row_tok(row, chunk_tok=CHUNK, codes_per_chunk=1, num_pauses=9)
        for epoch in range(4):
            assert len(mixer.row(number, Moment(epoch, epoch / 3)).ids) <= most


# ---------------------------------------------------------------- numbers


def test_the_length_is_counted_in_epochs_or_in_steps() -> None:
    assert length_of(settings(steps=0, epochs=1.5), num_train=17) == Length(round(1.5 * 5), 5)
    assert length_of(settings(steps=7), num_train=17) == Length(7, 5)
    assert length_of(settings(steps=0, epochs=0.01), num_train=17).num_steps == 1


def test_what_nobody_gave_is_taken_from_the_data() -> None:
    given_rows = [
        EncodedRow(f"e{n}", "q", "a", (1,), (4,) * tok, (2, 3), (0,) * (tok // 4)) for n, tok in enumerate((12, 8))
    ]
    length = Length(20, 10)
    made = mix_settings(settings(mix={"law": "all"}), given_rows, length, chunk_tok=4, codes_per_chunk=1)
    assert made.longest_tok == 12
    assert made.num_pauses == round((3 + 2) / 2 + 0.01)  # as many as codes on average
    assert made.removed_per_epoch_tok == pytest.approx(12 / (0.75 * 2))
    fixed = settings(mix={"num_pauses": 7, "removed_per_epoch_tok": 8.0})
    made = mix_settings(fixed, given_rows, length, chunk_tok=4, codes_per_chunk=1)
    assert (made.num_pauses, made.removed_per_epoch_tok) == (7, 8.0)
    with pytest.raises(ConfigError, match="unknown law 'two-stage'"):
        mix_settings(settings(mix={"law": "two-stage"}), given_rows, length, chunk_tok=4, codes_per_chunk=1)
