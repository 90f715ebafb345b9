"""Texts are read as they come, refused with their place when they are none, and no further than detection needs."""

from __future__ import annotations

import gc
import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from reasonry.errors import DataError
from reasonry.watermark.detection import Detection, WatermarkDetector, read
from reasonry.watermark.detection.feed import feed_document, feed_text
from reasonry.watermark.detection.read import Document, as_ids, read_documents
from reasonry.watermark.detection.source import ByteSource, Utf8Text
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import contexts_of, labels, make_prf
from reasonry.watermark.profile import Profile
from reasonry.watermark.tokenizing import encode
from tokenizers_of_many_kinds import corpus, tokenizer_of


def file(folder: Path, content: bytes | str, name: str = "texts.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def whole(document: Document, size: int = 7) -> str:
    assert document.text is not None
    pieces: list[str] = []
    while piece := document.text.read(size):
        assert len(piece) <= size
        pieces.append(piece)
    return "".join(pieces)


def refused(source: Path | bytes, match: str, **options: Any) -> DataError:
    def read_all() -> None:
        given = source if isinstance(source, Path) else "-"
        stdin = None if isinstance(source, Path) else io.BytesIO(source)
        for document in read_documents(given, stdin=stdin, **options):
            if document.text is not None:
                whole(document)

    with pytest.raises(DataError, match=match) as caught:
        read_all()
    assert caught.value.exit_code == 3 and "\n" not in str(caught.value)
    return caught.value


# ---------------------------------------------------------------- texts


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), st.integers(1, 9))
def test_a_text_comes_back_as_it_was_whatever_the_pieces(text: str, size: int) -> None:
    source = ByteSource(io.BytesIO(text.encode()), "x")
    document = Document("x", "x", text=Utf8Text(source))
    assert whole(document, size) == text.removeprefix("\ufeff")


def test_line_ends_and_odd_spaces_stay_as_they_are(tmp_path: Path) -> None:
    text = "one\r\ntwo\rthree\n\u2028four\x0b\x1cfive  \n"
    (document,) = read_documents(file(tmp_path, text, "a.txt"))
    assert whole(document) == text and document.id == "a.txt" and document.place.endswith("a.txt")
    (row,) = read_documents(file(tmp_path, json.dumps({"text": text})))
    assert whole(row) == text


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (document,) = read_documents(file(tmp_path, b"\xef\xbb\xbfone \xef\xbb\xbftwo", "a.txt"))
    assert whole(document) == "one \ufefftwo"
    (row,) = read_documents(file(tmp_path, b'\xef\xbb\xbf{"text": "one"}'))
    assert whole(row) == "one"


@pytest.mark.parametrize(
    ("content", "problem", "byte"),
    [
        (b"\x1f\x8b\x08\x00compressed", "byte 0x8b is not UTF-8", 2),
        ("text in UTF-16".encode("utf-16"), "byte 0xff is not UTF-8", 1),
        (b"some text\xe9 in Latin-1", "byte 0xe9 is not UTF-8", 10),
        (b"abc\0def", "it holds a zero byte", 4),
        ("naïve é".encode()[:-1], "it ends within a character", 8),
        (b"a" * 100_000 + b"\xff", "byte 0xff is not UTF-8", 100_001),
    ],
)
def test_a_binary_file_is_refused_with_the_byte(tmp_path: Path, content: bytes, problem: str, byte: int) -> None:
    error = refused(file(tmp_path, content, "a.txt"), problem)
    assert error.place == f"{tmp_path / 'a.txt'}, byte {byte}" and "UTF-8" in error.remedy


def test_a_file_without_text_is_refused_and_white_space_is_a_text(tmp_path: Path) -> None:
    refused(file(tmp_path, b"", "a.txt"), "is empty")
    refused(b"", "is empty")
    (document,) = read_documents(file(tmp_path, b" \n", "a.txt"))
    assert whole(document) == " \n"


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.txt", "cannot read: No such file")
    refused(tmp_path, "is a folder")
    refused(Path("a\0b"), "cannot read")
    refused(file(tmp_path, "some text", "a.txt"), "a text has no token ids", prefer="ids")


# ---------------------------------------------------------------- rows


def test_rows_have_text_or_ids_and_names_of_their_own(tmp_path: Path) -> None:
    rows = [
        {"text": "one"},
        {"id": "b", "token_ids": [1, 2]},
        {"id": 7, "ids": [3], "index": 0},
        {"id": 7, "text": None, "ids": [], "index": 1},
        {"id": None, "text": ""},
        {"id": ["odd"], "text": "both", "token_ids": [4]},
    ]
    path = file(tmp_path, "\n".join(map(json.dumps, rows)) + "\n\n")
    found = list(read_documents(path))
    assert [d.id for d in found] == ["1", "b", "7/0", "7/1", "5", "6"]
    assert [d.place for d in found] == [f"{path}:{n}" for n in range(1, 7)]
    assert [None if d.ids is None else d.ids.tolist() for d in found] == [None, [1, 2], [3], [], None, None]
    assert [whole(d) for d in found if d.text is not None] == ["one", "", "both"]
    by_ids = list(read_documents(file(tmp_path, json.dumps(rows[-1]), "b.jsonl"), prefer="ids"))
    assert by_ids[0].ids is not None and by_ids[0].ids.tolist() == [4] and by_ids[0].ids.dtype == np.int64
    assert len(list(read_documents(path, limit=2))) == 2


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('{"txt": "a"}', "the row has no 'text' and no 'token_ids'.*Did you mean 'txt'"),
        ('{"prompt": 1}', "no 'text' and no 'token_ids'.*Its fields: 'prompt'"),
        ("{}", "no 'text'.*Its fields: none"),
        ('{"text": 3}', "text is 3, not a string"),
        ('{"text": ["a"]}', "text is a list, not a string"),
        ('{"text": "a\\ud800"}', r"lone surrogate U\+D800 at character 2"),
        ('{"token_ids": "1 2"}', "token ids are a list of integers, not a string"),
        ('{"token_ids": [1, 2.0]}', "token id 2 is 2.0, not an integer"),
        ('{"token_ids": [1, true]}', "token id 2 is True, not an integer"),
        ('{"token_ids": [1, null]}', "token id 2 is null"),
        ('{"token_ids": [1, "2"]}', "token id 2 is a string"),
        ('{"token_ids": [[1, 2]]}', "token id 1 is a list, not an integer.*one row per text"),
        ('{"token_ids": [99999999999999999999]}', "beyond 64 bits"),
        ("[1, 2]", "a row is a JSON object, not a list"),
        ('"text"', "a row is a JSON object, not a string"),
        ('{"text": ', "malformed JSON"),
        ('{"text": 1' + "0" * 5000 + "}", "not a row"),
        ('{"text": ' + "[" * 100_000, "not a row|malformed"),
        ('{"text": "\xe9"}'.encode("latin-1"), "byte 0xe9 is not UTF-8"),
    ],
)
def test_a_row_that_is_none_is_refused_with_its_line(tmp_path: Path, row: str | bytes, problem: str) -> None:
    line = row if isinstance(row, bytes) else row.encode()
    path = file(tmp_path, b'{"text": "fine"}\n\n' + line + b"\n")
    assert refused(path, problem).place.startswith(f"{path}:3")


def test_rows_before_a_bad_one_are_given(tmp_path: Path) -> None:
    found = read_documents(file(tmp_path, '{"text": "fine"}\nnonsense'))
    assert whole(next(found)) == "fine"
    with pytest.raises(DataError, match="malformed"):
        next(found)


def test_what_is_preferred_has_to_be_there(tmp_path: Path) -> None:
    refused(file(tmp_path, '{"text": "a"}'), "no 'token_ids' and no 'ids'", prefer="ids")
    refused(file(tmp_path, '{"token_ids": [1]}'), "the row has no 'text'", prefer="text")


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    for content in ("", "\n \n\t\n"):
        refused(file(tmp_path, content), "holds no rows")


def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "MAX_ROW_BYTES", 1000)
    row = json.dumps({"text": "a" * (1000 - 12)})
    assert len(row) == 1000
    assert len(list(read_documents(file(tmp_path, f"{row}\n{row}")))) == 2
    error = refused(file(tmp_path, f"{row}\n{row[:-2]}a{row[-2:]}\n"), "longer than 1000 bytes")
    assert error.place.endswith(":2")


@pytest.mark.parametrize("value", [[1, 2], (1, 2), np.array([1, 2]), np.array([1, 2], np.uint16), [np.int32(1), 2]])
def test_lists_tuples_and_arrays_are_ids(value: Any) -> None:
    assert as_ids(value).tolist() == [1, 2] and as_ids(value).dtype == np.int64


@pytest.mark.parametrize("value", [np.array([[1, 2]]), np.array([1.0]), {1, 2}, 3, None, [[1]], [True]])
def test_anything_else_is_no_ids(value: Any) -> None:
    with pytest.raises(DataError, match=r"not an integer|list of integers"):
        as_ids(value, place="here")


# ---------------------------------------------------------------- which of the two


@pytest.mark.parametrize(
    ("name", "content", "num", "is_text"),
    [
        ("a.txt", '{"text": "a"}\n{"text": "b"}', 1, True),
        ("a.md", "# title", 1, True),
        ("a.NDJSON", '{"text": "a"}\n{"text": "b"}', 2, True),
        ("a", '{"text": "a"}\n{"ids": [1]}', 2, True),
        ("a", "prose\n", 1, True),
        ("a", "{prose in braces}", 1, True),
        ("a.json", '{"ids": [1]}\n{"ids": [2]}', 2, False),
    ],
)
def test_a_file_is_taken_for_what_it_is(tmp_path: Path, name: str, content: str, num: int, is_text: bool) -> None:
    path = file(tmp_path, content, name)
    for found in (list(read_documents(path)), list(read_documents("-", stdin=io.BytesIO(content.encode())))):
        if name not in ("a.txt",) or found[0].place.endswith(name):
            assert len(found) == num and (found[0].text is not None) == is_text


def test_other_json_is_refused_instead_of_taken_for_prose(tmp_path: Path) -> None:
    refused(file(tmp_path, '[{"text": "a"}]', "a.json"), "neither text nor JSONL")
    refused(file(tmp_path, '{\n"text": "a"}', "a.json"), "neither text nor JSONL")
    refused(b'{"answer": 42}\n', "no 'text' and no 'token_ids'")


# ---------------------------------------------------------------- as it comes


def pipe() -> tuple[BinaryIO, BinaryIO]:
    end, begin = os.pipe()
    return os.fdopen(end, "rb"), os.fdopen(begin, "wb", buffering=0)


def test_a_file_is_closed_when_nobody_has_its_text_any_more(tmp_path: Path) -> None:
    opened: list[Any] = []
    path = file(tmp_path, "some text", "a.txt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read, "open_bytes", lambda path: opened.append(path.open("rb")) or opened[0])
        (document,) = read_documents(path)
    assert not opened[0].closed and whole(document) == "some text"
    del document
    gc.collect()
    assert opened[0].closed


def test_a_stream_hands_out_what_has_come_without_waiting_for_more() -> None:
    incoming, outgoing = pipe()
    with incoming, outgoing:
        outgoing.write(b"first ")
        document = next(read_documents("-", stdin=incoming))
        assert document.text is not None and document.text.read(1) + document.text.read(1000) == "first "
        outgoing.write("naï".encode()[:3])  # half a character
        assert document.text.read(1000) == "na"
        outgoing.write("naï".encode()[3:])
        assert document.text.read(1000) == "ï"
        outgoing.close()
        assert document.text.read(1000) == ""


def test_rows_of_a_stream_come_one_by_one() -> None:
    incoming, outgoing = pipe()
    with incoming, outgoing:
        outgoing.write(b'{"text": "one"}\n')
        found = read_documents("-", stdin=incoming)
        assert whole(next(found)) == "one"
        outgoing.write(b'{"ids": [1]}\n')
        assert next(found).ids is not None
        outgoing.close()
        assert next(found, None) is None


def test_a_limit_does_not_wait_for_the_row_behind_it() -> None:
    incoming, outgoing = pipe()
    with incoming, outgoing:
        outgoing.write(b'{"text": "one"}\n')
        done = threading.Event()

        def take() -> None:
            assert len(list(read_documents("-", stdin=incoming, limit=1))) == 1
            done.set()

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        assert done.wait(20)
        thread.join()


# ---------------------------------------------------------------- no more than needed

KEY = SecretKey.from_hex("5c" * 32)
WORDS = 400
PROFILE = Profile(vocab_size=WORDS, tokenizer_hash="0" * 16, num_bins=8, context_tok=2)


def words_tokenizer() -> Any:
    """A token per word, so that ids survive being written down."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({f"w{i}": i for i in range(WORDS)}, unk_token="w0"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made)


def marked(num: int, share: float, seed: int) -> list[int]:
    """Ids of which about a share agrees with the keyed symbol on purpose."""
    rng, prf = np.random.default_rng(seed), make_prf(PROFILE.prf, KEY)
    ids = rng.integers(0, WORDS, PROFILE.context_tok).tolist()
    token_V = np.arange(WORDS)
    while len(ids) < num:
        words = prf.words(contexts_of(np.array([*ids[-2:], 0]), 2))
        symbol = int((words.draw_N[0] >> np.uint64(32)) * np.uint64(8) >> np.uint64(32))
        fitting = token_V[labels(words.label_N, token_V, 8) == symbol]
        pool = fitting if rng.random() < share else token_V
        ids.append(int(rng.choice(pool)))
    return ids


class Counting:
    """A tokenizer that counts the ids it gives."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self.num_tok = tokenizer, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, text: str, **options: Any) -> Any:
        found = self._tokenizer(text, **options)
        self.num_tok += len(found["input_ids"])
        return found


class StopsAfter:
    """Stands in for a detector that has enough evidence after so many tokens."""

    def __init__(self, stop_tok: int) -> None:
        self.stop_tok, self.num_tok = stop_tok, 0

    @property
    def is_stopped(self) -> bool:
        return self.num_tok >= self.stop_tok

    def push(self, ids: Any) -> bool:
        self.num_tok += len(ids)
        return self.is_stopped


@pytest.mark.parametrize("kind", ["byte level", "prefix space", "unigram"])
def test_not_much_more_is_tokenised_than_was_needed(kind: str) -> None:
    text = "".join(corpus())
    for stop_tok in (1, 50, 300, 2_000, 20_000, 60_000):
        counting, state, source = Counting(tokenizer_of(kind)), StopsAfter(stop_tok), io.StringIO(text)
        stub: Any = state
        wrapped: Any = counting
        fed = feed_text(stub, source, wrapped)
        assert not fed.is_whole and fed.num_tok == state.num_tok
        assert counting.num_tok <= 1.3 * stop_tok + 200
        assert source.tell() < 8 * (1.3 * stop_tok + 200), "nor read"


def test_text_without_spaces_costs_a_little_more() -> None:
    text = "".join("".join(corpus()).split())
    for stop_tok in (100, 1000, 20_000):
        counting, stub = Counting(tokenizer_of("byte level")), StopsAfter(stop_tok)
        arguments: Any = (stub, io.StringIO(text), counting)
        feed_text(*arguments)
        assert counting.num_tok <= 1.4 * stop_tok + 600


def same_evidence(found: Detection, expected: Detection) -> None:
    """Equal up to the last bits of sums that were cut elsewhere."""
    a, b = found.to_json(), expected.to_json()
    for name in a:
        assert a[name] == (pytest.approx(b[name], rel=1e-9) if isinstance(b[name], float) else b[name]), name


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_text_in_pieces_gives_the_verdict_of_the_whole(share: float) -> None:
    tokenizer = words_tokenizer()
    for seed in range(4):
        ids = marked(3000, share, seed)
        text = " ".join(f"w{i}" for i in ids)
        assert encode(tokenizer, text) == ids
        detector = WatermarkDetector(PROFILE, [KEY])
        state, counting = detector.start(), Counting(tokenizer)
        wrapped: Any = counting
        fed = feed_document(state, Document("x", "x", text=io.StringIO(text)), wrapped)
        expected = detector.detect(ids)
        found = state.result()
        same_evidence(found, expected)
        assert fed.is_whole == (found.stop_index is None) and fed.num_out_of_step == 0
        if share == 1.0:
            assert found.stop_index is not None and counting.num_tok <= 1.3 * found.stop_index + 200
        if share == 0.0:
            assert fed.num_tok == 3000


def test_ids_need_no_tokenizer() -> None:
    detector, ids = WatermarkDetector(PROFILE, [KEY]), np.array(marked(500, 1.0, 0))
    state = detector.start()
    fed = feed_document(state, Document("x", "x", ids=ids), None)
    assert state.result().is_watermarked and not fed.is_whole
    same_evidence(state.result(), detector.detect(ids))


def test_an_empty_text_has_nothing_to_score() -> None:
    state = WatermarkDetector(PROFILE, [KEY]).start()
    fed = feed_document(state, Document("x", "x", text=io.StringIO("")), words_tokenizer())
    assert state.result().verdict == "nothing to score" and fed.is_whole and fed.num_tok == 0


def test_an_error_names_the_document_and_the_token(tmp_path: Path) -> None:
    detector = WatermarkDetector(PROFILE, [KEY])
    (document,) = read_documents(file(tmp_path, '{"ids": [1, 2, -1]}'))
    with pytest.raises(DataError, match="token id -1 is outside the vocabulary") as caught:
        feed_document(detector.start(), document, None)
    assert caught.value.place == f"{document.place}, token 3"
    (document,) = read_documents(file(tmp_path, b"w1 w2 \xff", "a.txt"))
    with pytest.raises(DataError, match="not UTF-8") as caught:
        feed_document(detector.start(), document, words_tokenizer())
    assert caught.value.place == f"{document.place}, byte 7"


def test_a_stream_that_has_shown_enough_is_not_waited_for() -> None:
    """The writer never closes the pipe; detection ends all the same."""
    incoming, outgoing = pipe()
    text = " ".join(f"w{i}" for i in marked(400, 1.0, 3)) + " "
    with incoming, outgoing:
        outgoing.write(text.encode())
        document = next(read_documents("-", stdin=incoming))
        state = WatermarkDetector(PROFILE, [KEY]).start()
        assert not feed_document(state, document, words_tokenizer()).is_whole
        assert state.result().is_watermarked
