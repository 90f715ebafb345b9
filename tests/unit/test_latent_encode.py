"""``encode``: rows of codes for all kinds of examples, their counts, and reading them back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")


from tests.latent_codes import WORDS, encode_config, fingerprint, make_codec, tokenizer, write_data

from reasonry.cli.main import main
from reasonry.errors import ConfigError, DataError, Interrupted, RunMismatchError
from reasonry.tasks.reasoning_tokens import PieceMaker
from reasonry.training.latent_tokens.codes import encoding
from reasonry.training.latent_tokens.codes.encoding import encode
from reasonry.training.latent_tokens.codes.report import encode_report
from reasonry.training.latent_tokens.codes.saving import load_codes, save_codes
from reasonry.training.latent_tokens.encoded import check_codes, read_encoded, read_info


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    save_codes(make_codec(), tokenizer(), tmp_path / "codes")
    return tmp_path / "codes"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "texts.jsonl")


def write_train(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A file that is the training split as a whole."""
    path = path / "odd_train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_hold_the_examples_as_ids_and_a_code_for_each_whole_chunk(codes: Path, data: Path, tmp_path: Path) -> None:
    done = encode(encode_config(codes, data, tmp_path / "run"))
    found, loaded = read_encoded(tmp_path / "run"), load_codes(codes)
    assert len(found.rows) == done.counts.rows == len(found.of("train")) + len(found.of("validation"))
    assert found.of("train")[0].id == "train-1"
    assert found.of("validation")[0].id == "validation-1"
    words: Any = loaded.tokenizer
    for row in found.rows:
        assert row.codes == loaded.encode(row.cot_ids)
        assert len(row.codes) == len(row.cot_ids) // 4 == 4 * 7 // 4  # six words and a newline a step
        assert words.decode(row.prompt_ids).split() == row.question.split()
        assert words.decode(row.answer_ids).split() == ["###", row.answer, "<eos>"]
    info = found.info
    assert (info.chunk_tok, info.codes_per_chunk, info.num_codes) == (4, 1, 32)
    assert info.codes_hash == loaded.info.hash
    assert info.codes_folder.resolve() == codes.resolve()
    assert info.counts["cot_tok"] == 28 * len(found.rows)


def test_the_command_line_tells_counts_and_what_would_be_saved(
    codes: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    args = ["train", "latent-tokens", "encode", str(codes), str(data), "--run", str(run), "--device", "cpu"]
    assert main(args) == 0
    said = capsys.readouterr().out
    assert "codes for" in said
    assert "random m, as published" in said
    assert "sampled tokens come back" in said
    assert main([*args, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    every = results["savings"]["all"]
    num = results["counts"]["train"]
    assert every["saved_tok"] == num * (7 * 4 - 7 - 2)  # seven chunks of four become seven codes and two markers
    assert results == json.loads((run / "results.json").read_text())


def test_odd_rows_are_kept_or_left_out_and_counted(codes: Path, tmp_path: Path) -> None:
    rows = [
        {"question": "w1", "steps": ["w1 w2 w3 w4 w5 w6"], "answer": "w7"},  # one chunk, and three tokens more
        {"question": "w2", "steps": ["w1 w2"], "answer": "w7"},  # three tokens: shorter than a chunk
        {"question": "w3", "steps": [], "answer": "w7"},
        {"question": "w4", "steps": ["w1 w2 w3"], "answer": " "},
        {"question": "w5", "steps": ["w1 w2 w3"], "answer": None},
        {"question": "w6", "steps": ["w1 w2 w3"]},
        {"question": "w8", "steps": ["w1 w2 w3"], "answer": "w9"},  # just a chunk
    ]
    said: list[str] = []
    done = encode(
        encode_config(codes, write_train(tmp_path, rows), tmp_path / "run", num_validation=0), say=said.append
    )
    assert done.counts._asdict() == {
        "rows": 4,
        "train": 4,
        "without_answer": 3,
        "without_reasoning": 1,
        "shorter_than_chunk": 1,
        "cot_tok": 7 + 3 + 0 + 4,
        "tail_tok": 3 + 3,
        "codes": 2,
        "unseen_tok": 0,
    }
    found = read_encoded(tmp_path / "run").rows
    assert [row.id for row in found] == ["train-1", "train-2", "train-3", "train-7"]
    assert [len(row.codes) for row in found] == [1, 0, 0, 1]
    assert found[2].cot_ids == ()
    assert [line for line in said if "3 rows have no answer and are left out" in line]
    assert [line for line in said if "1 rows have no reasoning" in line]
    assert [line for line in said if "1 rows have less reasoning than a chunk of 4 tokens" in line]
    assert "without answer" in json.dumps(encode_report(done).to_json())


def test_pitfall_11_neither_question_nor_answer_is_in_any_code(codes: Path, tmp_path: Path) -> None:
    steps = ["w1 w2 w3 w4 w5", "w6 w7"]  # nine tokens: two chunks, and one token behind them
    rows = [{"question": f"w{n} w{2 * n}", "steps": steps, "answer": f"w{n}"} for n in range(1, 12)]
    encode(encode_config(codes, write_train(tmp_path, rows), tmp_path / "run", num_validation=0))
    found = read_encoded(tmp_path / "run").rows
    assert len({row.answer_ids for row in found}) == len({row.prompt_ids for row in found}) == 11
    assert len({row.codes for row in found}) == 1
    assert len(found[0].codes) == 2


def test_pitfall_2_the_text_behind_replaced_chunks_is_the_original_suffix(
    codes: Path, data: Path, tmp_path: Path
) -> None:
    encode(encode_config(codes, data, tmp_path / "run"))
    words: Any = load_codes(codes).tokenizer
    for row in read_encoded(tmp_path / "run").rows:
        whole = words.decode(row.cot_ids).split()
        for num in range(len(row.codes) + 1):
            assert (
                words.decode(row.cot_ids[4 * num :]).split()
                == whole[len(words.decode(row.cot_ids[: 4 * num]).split()) :]
            )


def test_pitfall_8_reasoning_is_tokenised_alone_and_once(codes: Path, data: Path, tmp_path: Path) -> None:
    encode(encode_config(codes, data, tmp_path / "run"))
    maker = PieceMaker(tokenizer())
    texts = [json.loads(line) for line in data.read_text().splitlines()]
    by_question = {text["question"]: text for text in texts}
    for row in read_encoded(tmp_path / "run").rows[:10]:
        steps = by_question[row.question]["steps"]
        assert row.cot_ids == tuple(i for step in steps for i in maker._encode([f"{step}\n"])[0])


def test_unseen_tokens_are_counted_and_told(tmp_path: Path) -> None:
    from reasonry.training.latent_tokens.codes.codec import TextCodec

    config = make_codec().config
    words: Any = tokenizer()
    known = words.convert_tokens_to_ids([*WORDS[:20], "\n"])
    save_codes(TextCodec(config, known, vocab_size=len(words)), words, tmp_path / "codes")
    rows = [{"question": "w1", "steps": ["w1 w2 w3 w30", "w31"], "answer": "w7"}]
    said: list[str] = []
    config = encode_config(tmp_path / "codes", write_train(tmp_path, rows), tmp_path / "run", num_validation=0)
    assert encode(config, say=said.append).counts.unseen_tok == 2
    assert any("2 of 7 tokens of reasoning were not in what the codes were fitted on" in line for line in said)


@pytest.mark.parametrize("kept", [0, 1, 30, "torn"])
def test_a_stopped_run_goes_on_to_the_same_file(
    kept: int | str, codes: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode(encode_config(codes, data, tmp_path / "whole"))
    batch, done = encoding.encode_batch, 0

    def stop(*args: Any) -> Any:
        nonlocal done
        done += 1
        if done > 3:
            raise Interrupted("stopped")
        return batch(*args)

    monkeypatch.setattr(encoding, "encode_batch", stop)
    with pytest.raises(Interrupted):
        encode(encode_config(codes, data, tmp_path / "stopped"))
    with pytest.raises(DataError, match="has not been finished"):
        read_encoded(tmp_path / "stopped")
    path = tmp_path / "stopped" / "encoded.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 21
    if kept == "torn":
        path.write_bytes(b"".join(lines[:9]) + lines[9][:40])
    elif isinstance(kept, int):
        path.write_bytes(b"".join(lines[:kept]))
    monkeypatch.setattr(encoding, "encode_batch", batch)
    encode(encode_config(codes, data, tmp_path / "stopped"))
    assert fingerprint(tmp_path / "stopped") == fingerprint(tmp_path / "whole")


def test_batches_do_not_change_the_file(codes: Path, data: Path, tmp_path: Path) -> None:
    for size in (1, 50):
        encode(encode_config(codes, data, tmp_path / str(size), batch_texts=size))
    assert fingerprint(tmp_path / "1") == fingerprint(tmp_path / "50")


# ---------------------------------------------------------------- refused


def test_a_run_of_other_codes_or_texts_is_refused(codes: Path, data: Path, tmp_path: Path) -> None:
    config = encode_config(codes, data, tmp_path / "run")
    encode(config)
    save_codes(make_codec(seed=5), tokenizer(), codes)
    with pytest.raises(RunMismatchError, match="codes"):
        encode(config)
    info = read_info(tmp_path / "run")
    with pytest.raises(ConfigError, match="not those of the encoded examples"):
        check_codes(info, load_codes(codes).info.hash, place=str(codes))
    check_codes(info, info.codes_hash, place="here")


def test_data_without_any_answer_is_refused(codes: Path, tmp_path: Path) -> None:
    data = write_train(tmp_path, [{"question": "w1", "steps": ["w2"], "answer": ""}])
    with pytest.raises(DataError, match="no train example with an answer"):
        encode(encode_config(codes, data, tmp_path / "run", num_validation=0))


def test_a_row_that_is_wrong_otherwise_is_an_error_with_its_line(codes: Path, tmp_path: Path) -> None:
    rows = [{"question": "w1", "steps": ["w2"], "answer": "w3"}, {"question": "w1", "steps": "w2", "answer": "w3"}]
    with pytest.raises(DataError, match=r"odd_train.jsonl:2: column 'steps'"):
        encode(encode_config(codes, write_train(tmp_path, rows), tmp_path / "run", num_validation=0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"codes": [1]}, "1 codes for 28 tokens of reasoning; 7 are right"),
        ({"codes": [32] * 7}, "each below 32"),
        ({"cot_ids": [True]}, "column 'cot_ids' holds"),
        ({"question": None}, "column 'question' holds"),
    ],
)
def test_rows_that_were_changed_are_refused_with_their_line(
    change: dict[str, Any], said: str, codes: Path, data: Path, tmp_path: Path
) -> None:
    encode(encode_config(codes, data, tmp_path / "run"))
    path = tmp_path / "run" / "encoded.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = json.dumps({**json.loads(lines[2]), **change})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=rf"encoded.jsonl:3: .*{said}"):
        read_encoded(tmp_path / "run")
    path.write_text("\n".join([*lines[:2], *lines[3:]]) + "\n")
    with pytest.raises(DataError, match="were written"):
        read_encoded(tmp_path / "run")


def test_a_folder_without_encoded_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no encoded examples here"):
        read_encoded(tmp_path)
