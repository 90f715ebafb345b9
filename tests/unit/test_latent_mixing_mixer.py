"""Rows over epochs: drawn anew, from names alone; codes of others; batches straight from arrays."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from tests.latent_mixing import IDS, encoded

from reasonry.errors import ConfigError, DataError
from reasonry.training.latent_tokens.mixing.collating import collate
from reasonry.training.latent_tokens.mixing.draws import Draws, epoch_key, id_key
from reasonry.training.latent_tokens.mixing.laws import make_law
from reasonry.training.latent_tokens.mixing.loader import Loader
from reasonry.training.latent_tokens.mixing.methods import METHODS
from reasonry.training.latent_tokens.mixing.mixer import Mixer, donors
from reasonry.training.latent_tokens.mixing.spans import MixSettings, Moment

ROWS = [encoded(length, number) for number, length in enumerate([300, 0, 47, 16, 15, 256, 100, 31])]
LONG = [encoded(260, number) for number in range(300)]
SETTINGS = MixSettings(num_pauses=3)
FROZEN = (0.758539290513387, 0.842363484436238, 0.6426467122537695)


def _mixer(name: str = "latent", *, rows=ROWS, settings: MixSettings = SETTINGS, seed: int = 0) -> Mixer:
    return Mixer(rows, METHODS[name], ids=IDS, settings=settings, seed=seed)


def test_two_epochs_replace_different_lengths_of_most_long_examples() -> None:
    mixer = _mixer(rows=LONG)
    first, second = ([mixer.row(n, Moment(epoch)).m_tok for n in range(len(mixer))] for epoch in (0.0, 1.0))
    assert sum(a != b for a, b in zip(first, second, strict=True)) / len(LONG) > 0.7
    assert first == [mixer.row(n, Moment(0.9)).m_tok for n in range(len(mixer))], "drawn anew within an epoch"


def test_a_row_depends_on_seed_epoch_and_id_alone() -> None:
    mixer = _mixer(rows=LONG)
    there = [mixer.row(n, Moment(2.5)) for n in range(50)]
    back = [mixer.row(n, Moment(epoch)) for n in reversed(range(50)) for epoch in (0.0, 2.0)][1::2][::-1]
    alone = [_mixer(rows=[row]).row(0, Moment(2.0)) for row in LONG[:50]]
    assert there == back == alone
    assert there != [_mixer(rows=LONG, seed=1).row(n, Moment(2.0)) for n in range(50)]


def test_draws_are_uniform_and_frozen() -> None:
    key = epoch_key(0, 0) + id_key("train-1")
    rng = Draws(key)
    assert [rng.random() for _ in range(3)] == pytest.approx(FROZEN, abs=1e-15)
    firsts = np.array([Draws(epoch_key(0, epoch) + id_key(f"{n}")).random() for n in range(200) for epoch in range(50)])
    counts = np.histogram(firsts, bins=20, range=(0, 1))[0]
    assert ((counts - 500) ** 2 / 500).sum() < 43.8  # chi squared of 19 degrees, 0.1 %
    by_id = firsts.reshape(200, 50)
    neighbours = np.corrcoef(by_id[:, :-1].ravel(), by_id[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.04
    assert len(np.unique(firsts)) == len(firsts)


def test_draws_follow_the_law() -> None:
    mixer = _mixer(rows=LONG)
    m = np.array([mixer.row(n, Moment(float(e))).m_tok for n in range(len(LONG)) for e in range(20)])
    assert m.mean() == pytest.approx(512 / 7, abs=4 * m.std() / len(m) ** 0.5)


def test_other_codes_are_as_many_and_of_others() -> None:
    own = [row.codes for row in ROWS]
    found = donors(own, seed=0)
    assert [len(codes) for codes in found] == [len(codes) for codes in own]
    assert all(a != b for a, b in zip(found, own, strict=True) if a)
    assert found == donors(own, seed=0)
    assert found != donors(own, seed=1)


def test_equal_numbers_of_codes_are_permuted_between_examples() -> None:
    own = [row.codes for row in LONG]
    found = donors(own, seed=3)
    assert Counter(found) == Counter(own), "no permutation"
    assert all(a != b for a, b in zip(found, own, strict=True))


def test_an_example_without_companions_cannot_be_shuffled() -> None:
    with pytest.raises(DataError, match="1 example with codes"):
        _mixer("shuffled", rows=[encoded(40, 0), encoded(5, 1)])
    long_codes, short_code = donors([(1, 2, 3), (4,)], seed=0)
    assert long_codes == (4, 4, 4)
    assert short_code in {(1,)}


def test_the_longest_reasoning_is_that_of_the_rows_where_none_is_given() -> None:
    assert _mixer("curriculum").settings.longest_tok == 300
    assert _mixer("curriculum").row(0, Moment(0.9, 1.0)).m_tok == 288
    assert _mixer("curriculum", settings=SETTINGS._replace(longest_tok=64)).row(0, Moment(0.9, 1.0)).m_tok == 64


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("empty_markers", [False, True])
def test_batches_from_arrays_are_those_of_rows(name: str, side, empty_markers: bool) -> None:
    mixer = _mixer(name, settings=SETTINGS._replace(empty_markers=empty_markers))
    loader = Loader(mixer, pad_id=9, side=side)
    for moment in (Moment(), Moment(1.5, 0.4), Moment(7.0, 1.0)):
        numbers = [3, 0, 5, 1, 2, 4, 7]
        wanted = collate(mixer.batch(numbers, moment), pad_id=9, side=side)
        for got, right in zip(loader(numbers, moment), wanted, strict=True):
            assert got.dtype == right.dtype
            assert torch.equal(got, right)
    assert len(loader) == len(mixer) == len(ROWS)


def test_several_codes_for_a_chunk_come_from_arrays_too() -> None:
    rows = [encoded(length, n, per=3) for n, length in enumerate([90, 47, 170])]
    settings = SETTINGS._replace(codes_per_chunk=3, law=make_law("set", m_max_tok=(0, 32, 48)))
    for name in ("latent", "poisson", "shuffled"):
        mixer = _mixer(name, rows=rows, settings=settings)
        got, wanted = Loader(mixer, pad_id=0)([0, 1, 2]), collate(mixer.batch([0, 1, 2]), pad_id=0)
        assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))


def test_what_cannot_be_learnt_is_refused_by_both() -> None:
    mixer = _mixer("sol-only", rows=[encoded(20, 0), encoded(20, 1)._replace(answer_ids=())])
    with pytest.raises(DataError, match="train-1: nothing to learn"):
        mixer.row(1)
    with pytest.raises(DataError, match="train-1: nothing to learn"):
        Loader(mixer, pad_id=0)([0, 1])
    with pytest.raises(DataError, match="no rows"):
        Loader(mixer, pad_id=0)([])


def test_what_does_not_fit_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(DataError, match="of one id"):
        _mixer(rows=[ROWS[0], ROWS[0]])
    with pytest.raises(DataError, match=r"train-2: 2 codes .* have 5"):
        _mixer("cot", rows=[ROWS[2]], settings=SETTINGS._replace(law=make_law(chunk_tok=8)))
    with pytest.raises(DataError, match="train-3: codes from 64 to 64, of 64"):
        _mixer(rows=[ROWS[3]._replace(codes=(64,))])
    with pytest.raises(ConfigError, match="num_pauses"):
        _mixer("pause", settings=MixSettings())
    with pytest.raises(ConfigError, match="num_stages"):
        _mixer(settings=SETTINGS._replace(num_stages=0))
    with pytest.raises(ConfigError, match="no codes in the vocabulary"):
        Mixer(ROWS, METHODS["latent"], ids=None, settings=SETTINGS)
    with pytest.raises(ConfigError, match="no pause in the vocabulary"):
        Mixer(ROWS, METHODS["pause"], ids=IDS._replace(pause=None), settings=SETTINGS)
