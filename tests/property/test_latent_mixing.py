"""What holds of every row, whatever the example, the method, the chunk and the moment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.latent_mixing import IDS, encoded

from reasonry.core import seeds
from reasonry.training.latent_tokens.mixing.collating import collate
from reasonry.training.latent_tokens.mixing.laws import make_law
from reasonry.training.latent_tokens.mixing.methods import METHODS
from reasonry.training.latent_tokens.mixing.rows import IGNORED, mix
from reasonry.training.latent_tokens.mixing.spans import MixSettings, Moment

laws = st.sampled_from(["two_stage", "set", "all", "scaled"])
names = st.sampled_from(list(METHODS))
TEXT = range(1, 1000)


@given(
    names,
    laws,
    st.integers(0, 120),
    st.integers(1, 20),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 2**31),
    st.floats(0, 20),
    st.floats(0, 1),
)
def test_text_that_remains_is_the_very_ids_it_was(
    name, law, cot_tok, chunk_tok, per, marks, seed, epoch, progress
) -> None:
    method, row = METHODS[name], encoded(cot_tok, seed % 7, chunk_tok=chunk_tok, per=per)
    settings = MixSettings(
        law=make_law(law, chunk_tok=chunk_tok, longest_tok=max(1, cot_tok)),
        codes_per_chunk=per,
        longest_tok=cot_tok,
        num_pauses=2,
        empty_markers=marks,
    )
    donor = tuple(reversed(row.codes))
    rng = seeds.stream(seed, "property")
    mixed = mix(row, method, ids=IDS, settings=settings, rng=rng, moment=Moment(epoch, progress), donor=donor)

    assert mixed.ids[: len(row.prompt_ids)] == row.prompt_ids
    assert mixed.ids[len(mixed.ids) - len(row.answer_ids) :] == row.answer_ids
    assert mixed.labels == (*(IGNORED,) * mixed.num_prompt, *mixed.reply)
    reasoning = mixed.reply[: len(mixed.reply) - len(row.answer_ids)]
    text = [token for token in reasoning if token in TEXT]
    codes = [token for token in reasoning if token in IDS.codes]
    markers = [token for token in reasoning if token in (IDS.begin, IDS.end)]
    assert mixed.num_text == len(text) + len(row.answer_ids)
    assert (mixed.num_codes, mixed.num_markers) == (len(codes), len(markers))
    assert mixed.m_tok == cot_tok - len(text)

    if method.has_codes:
        assert mixed.m_tok % chunk_tok == 0
        assert len(codes) == per * mixed.m_tok // chunk_tok
        assert markers == [IDS.begin, IDS.end] * (len(markers) // 2)
    else:
        assert not codes and not markers
    if method.goes == "some":
        # Put back the text of every chunk for its codes: nothing may be out of order.
        places = {token: at for at, token in enumerate(row.cot_ids)}
        assert [places[token] for token in text] == sorted(places[token] for token in text)
    else:
        assert tuple(text) == row.cot_ids[mixed.m_tok :]
        if method.instead == "codes":
            assert tuple(token - IDS.first_code for token in codes) == row.codes[: len(codes)]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.sampled_from(["left", "right"]), st.integers(0, 1000))
def test_a_batch_gives_its_rows_back(lengths, side, seed) -> None:
    rng = seeds.stream(seed, "batch")
    rows = [
        mix(encoded(length, n), METHODS["latent"], ids=IDS, settings=MixSettings(), rng=rng)
        for n, length in enumerate(lengths)
    ]
    batch = collate(rows, pad_id=0, side=side)
    for at, row in enumerate(rows):
        attend = batch.attend_BT[at]
        assert tuple(batch.ids_BT[at][attend].tolist()) == row.ids
        assert tuple(batch.labels_BT[at][attend].tolist()) == row.labels
        assert (batch.labels_BT[at][~attend] == IGNORED).all()
        assert int(attend.long().diff().abs().sum()) <= 1
