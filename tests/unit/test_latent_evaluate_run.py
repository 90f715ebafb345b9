"""Evaluation from end to end on models of random weights: what is asked, counted, continued, and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import make_tiny_model
from tests.latent_evaluate_runs import (
    CHUNK,
    NUM_CODES,
    finetune_run,
    make_codes,
    save_model,
    settings,
    sums,
    write_texts,
)

from reasonry.core import atomic
from reasonry.errors import ConfigError, DataError, RunMismatchError
from reasonry.training.latent_tokens.codes.saving import load_codes
from reasonry.training.latent_tokens.evaluate import run as runs
from reasonry.training.latent_tokens.evaluate.evaluated import Evaluated
from reasonry.training.latent_tokens.evaluate.locate import locate
from reasonry.training.latent_tokens.evaluate.prompt import answer_prompt
from reasonry.training.latent_tokens.evaluate.report import evaluation_report
from reasonry.training.latent_tokens.evaluate.run import evaluate
from reasonry.training.latent_tokens.evaluate.tables import methods_table, reply_lines, shown, summary_lines

METHODS = ("latent", "cot", "sol-only", "pause", "truncated", "shuffled")
DRAWN: dict[str, Any] = {"top_k": 30, "temperature": 3.0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finetune_run(tmp_path_factory.mktemp("trained"), METHODS)


def answers(done: Evaluated) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (done.folder / "answers.jsonl").read_text("utf-8").splitlines()]
    return sorted(({**row, "seconds": 0.0} for row in rows), key=lambda row: (row["method"], row["id"], row["index"]))


# ---------------------------------------------------------------- what is asked and counted


def test_every_method_answers_the_same_questions_and_every_token_is_counted(trained: Path, tmp_path: Path) -> None:
    done = evaluate(settings(trained, tmp_path / "r", samples=3, **DRAWN))
    assert [method.name for method in done.methods] == list(METHODS)
    ids = load_model_ids(trained)
    for name, rows in done.answers.items():
        assert [row["id"] for row in rows] == [f"test-{q}" for q in range(1, 7) for _ in range(3)]
        for row in rows:
            assert row["num_tok"] == len(row["ids"]) == row["num_text"] + row["num_codes"] + row["num_markers"]
            assert row["equivalent_tok"] == row["num_text"] + CHUNK * row["num_codes"]
            codes = [token - ids["first_code"] for token in row["ids"] if 0 <= token - ids["first_code"] < NUM_CODES]
            assert [code for part in row["parts"] for code in part.get("codes", ())] == codes
            assert row["num_codes"] == len(codes) and row["num_stray"] == 0
            assert name in ("latent", "shuffled") or not codes
    assert any(row["num_codes"] for row in done.answers["latent"])
    assert done.usage.keys() <= {"latent", "shuffled"}
    assert done.usage["latent"].num_uses == sum(row["num_codes"] for row in done.answers["latent"])
    columns, cells = methods_table(done)
    assert all(len(row) == len(columns) for row in cells)
    body = json.dumps(evaluation_report(done, command="again").to_json())
    for title in ("Accuracy against tokens", "Tokens by what they are", "Codes by their place", "What codes stand for"):
        assert title in body
    assert json.loads((done.folder / "results.json").read_text())["samples"] == 3


def load_model_ids(run: Path) -> dict[str, Any]:
    return json.loads((run / "latent" / "model" / "latent_config.json").read_text())["ids"]


def test_codes_are_read_back_by_the_codec_given_the_question(trained: Path, tmp_path: Path) -> None:
    done = evaluate(settings(trained, tmp_path / "r", methods=["latent"], latent_prefix="force", **DRAWN))
    codes = load_codes(trained.parent / "codes")
    loose: Any = codes.tokenizer
    seen = 0
    for question, row in zip(done.questions, done.answers["latent"], strict=True):
        prompt = loose(question.text + "\n", add_special_tokens=False)["input_ids"]
        assert row["ids"][0] == load_model_ids(trained)["begin"]  # it was forced
        for part in row["parts"]:
            if part.get("codes"):
                seen += 1
                text = loose.decode(list(codes.codec.decode(part["codes"], prompt)), skip_special_tokens=True)
                assert part["meaning"].replace(" / ", " ").split() == text.split()
    assert seen
    assert "] ~ " in shown(done.answers["latent"][0])
    assert sum(meaning.uses for meaning in done.meanings) == done.usage["latent"].num_uses
    assert all(num <= meaning.num_chunks for meaning in done.meanings for _, num in meaning.chunks)


def test_pauses_stand_in_the_prompt_of_their_method_alone(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[int]] = {}
    replies = runs.Subject.replies

    def spy(subject: Any, wanted: Any) -> Any:
        lengths = {len(subject.prompt(q.prompt_ids)) - len(q.prompt_ids) for q, _ in wanted}
        seen.setdefault(subject.located.label, set()).update(lengths)
        return replies(subject, wanted)

    monkeypatch.setattr(runs.Subject, "replies", spy)
    evaluate(settings(trained, tmp_path / "r", methods=["pause", "latent"]))
    assert seen == {"pause": {3}, "latent": {0}}


def test_a_saved_model_writes_what_it_writes_in_memory(trained: Path, tmp_path: Path) -> None:
    """Loaded twice from the folder, and moved elsewhere: the same tokens."""
    first = evaluate(settings(trained, tmp_path / "a", methods=["latent"], latent_prefix="force"))
    shutil.copytree(trained / "latent" / "model", tmp_path / "moved")
    moved = evaluate(settings(tmp_path / "moved", tmp_path / "b", latent_prefix="force"))
    assert [row["ids"] for row in answers(first)] == [row["ids"] for row in answers(moved)]


def test_the_limit_of_tokens_is_that_of_the_longest_training_example(trained: Path, tmp_path: Path) -> None:
    rows = (trained.parent / "encoded" / "encoded.jsonl").read_text().splitlines()
    longest = max(len(row["cot_ids"]) + len(row["answer_ids"]) for row in map(json.loads, rows))
    done = evaluate(settings(trained, tmp_path / "r", methods=["cot"], num=2))
    assert done.facts.max_new_tokens == int(1.25 * longest) + 2
    assert all(row["num_tok"] <= done.facts.max_new_tokens for row in done.answers["cot"])


def test_mazes_are_graded_by_following_the_plan(tmp_path: Path) -> None:
    from reasonry.tasks.maze.words import WORDS
    from reasonry.tasks.reasoning_text import make_texts

    run = finetune_run(tmp_path / "m", ("latent", "cot"))
    mazes = make_texts("maze:tiny", num=3, seed=1, split="test")
    shutil.rmtree(run.parent / "codes")
    make_codes(run.parent / "codes", words=WORDS)
    for name in ("latent", "cot"):
        save_model(run / name / "model", run.parent, name)
    path = write_texts(tmp_path / "mazes_test.jsonl", [text._replace(steps=text.steps[:2]) for text in mazes])
    done = evaluate(settings(run, tmp_path / "r", data=str(path), num=3, max_new_tokens=8))
    assert done.facts.is_maze
    assert all(method.optimal is not None for method in done.methods)
    assert methods_table(done)[0][1:3] == ["1-Feasible-1", "1-Optimal-1"]
    assert "Ways through mazes" in json.dumps(evaluation_report(done).to_json())


# ---------------------------------------------------------------- continuing


def test_a_killed_evaluation_goes_on_and_ends_as_if_it_had_not_been(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more: dict[str, Any] = {"methods": ["latent", "cot"], "samples": 2, **DRAWN}
    whole = evaluate(settings(trained, tmp_path / "whole", **more))
    put = runs.FileStore.put

    class KilledError(BaseException):
        pass

    def put_some(store: Any, row: Any) -> None:
        if len(store.rows) == 15:
            raise KilledError
        put(store, row)

    with monkeypatch.context() as patch:
        patch.setattr(runs.FileStore, "put", put_some)
        with pytest.raises(KilledError):
            evaluate(settings(trained, tmp_path / "killed", **more))
    with open(tmp_path / "killed" / "answers.jsonl", "a") as f:
        f.write('{"method": "cot", "id')  # and its last line is torn
    again = evaluate(settings(trained, tmp_path / "killed", **more))
    assert answers(again) == answers(whole)
    assert len(answers(again)) == 24


def test_a_finished_evaluation_loads_no_model(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate(settings(trained, tmp_path / "r", methods=["latent", "cot"]))

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(runs, "prepare", refuse)
    monkeypatch.setattr(runs, "Subject", refuse)
    again = evaluate(settings(trained, tmp_path / "r", methods=["latent", "cot"], show=1))
    assert (again.methods, again.facts, again.to_json()) == (first.methods, first.facts, first.to_json())


def test_more_questions_samples_and_methods_continue_a_run(trained: Path, tmp_path: Path) -> None:
    small = answers(evaluate(settings(trained, tmp_path / "r", methods=["latent"], num=3, samples=2, **DRAWN)))
    done = evaluate(settings(trained, tmp_path / "r", methods=["latent", "cot"], num=5, samples=3, **DRAWN))
    rows = answers(done)
    keys = {(row["method"], row["id"], row["index"]): row for row in rows}
    assert len(rows) == 2 * 5 * 3
    assert all(keys[row["method"], row["id"], row["index"]] == row for row in small)


def test_another_model_or_other_questions_do_not_continue_a_run(tmp_path: Path) -> None:
    run = finetune_run(tmp_path / "m", ("latent",))
    config = settings(run, tmp_path / "r", num=3)
    evaluate(config)
    (tmp_path / "r" / "answers.jsonl").write_text("")
    save_model(run / "latent" / "model", run.parent, "latent", seed=9)
    with pytest.raises(RunMismatchError, match="the run began with the model latent"):
        evaluate(config)
    write_texts(run.parent / "test.jsonl", sums(12, name="other"))
    with pytest.raises(RunMismatchError, match="other questions"):
        evaluate(config)


def test_a_damaged_row_is_refused_with_its_line(trained: Path, tmp_path: Path) -> None:
    config = settings(trained, tmp_path / "r", methods=["cot"], num=3)
    evaluate(config)
    path = tmp_path / "r" / "answers.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace('"num_codes"', '"codes"'), *lines[2:]]) + "\n")
    with pytest.raises(DataError, match=r"answers\.jsonl:2: "):
        evaluate(config)


# ---------------------------------------------------------------- which models


def test_a_run_a_method_and_a_folder_are_all_found(trained: Path) -> None:
    assert [model.label for model in locate(str(trained))] == list(METHODS)
    assert [model.label for model in locate(str(trained), methods=["cot", "latent"])] == ["cot", "latent"]
    for path in (trained / "pause", trained / "pause" / "model"):
        (found,) = locate(str(path))
        assert (found.label, found.writes_codes) == ("pause", False)
    assert locate("org/name")[0].config is None


def test_a_method_that_is_not_finished_is_not_asked(tmp_path: Path) -> None:
    run = finetune_run(tmp_path / "m", ("latent", "cot"))
    (run / "cot" / "results.json").unlink()
    assert [model.label for model in locate(str(run))] == ["latent"]
    with pytest.raises(ConfigError, match="no finished model of method 'cot'"):
        locate(str(run), methods=["cot"])
    (run / "latent" / "results.json").unlink()
    with pytest.raises(DataError, match="no finished model"):
        locate(str(run))


def test_a_plain_model_is_evaluated_as_one_without_codes(tmp_path: Path) -> None:
    path = write_texts(tmp_path / "q_test.jsonl", sums(4, name="test"))
    model = make_tiny_model(tmp_path / "plain", chat_template=False)
    done = evaluate(settings(model, tmp_path / "r", data=str(path), num=3, max_new_tokens=5))
    assert [method.name for method in done.methods] == ["plain"]
    assert done.methods[0].codes == 0 and not done.usage
    with pytest.raises(ConfigError, match="nothing says what the model was trained on"):
        evaluate(settings(model, tmp_path / "r2"))


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"methods": ["coconut"]}, "unknown method"),
        ({"methods": ["icot"]}, "no finished model of method 'icot'"),
        ({"data": "nonsense"}, "unknown source of texts"),
        ({"codes": "nowhere"}, "no codes here"),
        ({"split": "validation"}, "this file is the test split"),
        ({"run": "."}, "not empty and is not a run directory"),
    ],
)
def test_what_does_not_go_together_is_refused_and_leaves_no_run_behind(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").write_text("")
    with pytest.raises((ConfigError, DataError), match=problem):
        evaluate(settings(trained, tmp_path / "r").with_(**more))
    assert not (tmp_path / "r").exists()


def test_several_greedy_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="all alike"):
        settings(tmp_path, tmp_path / "r", samples=3)
    with pytest.raises(ConfigError, match="always takes the likeliest"):
        settings(tmp_path, tmp_path / "r", top_k=5, temperature=0)


def test_codes_of_another_codebook_are_refused_by_hash(trained: Path, tmp_path: Path) -> None:
    other = make_codes(tmp_path / "other", seed=5)
    with pytest.raises(ConfigError, match="are not those that the model was trained with"):
        evaluate(settings(trained, tmp_path / "r", codes=str(other)))
    run = finetune_run(tmp_path / "m", ("latent", "cot"))
    save_model(run / "cot" / "model", run.parent, "cot", codes_hash="0" * 64)
    with pytest.raises(ConfigError, match="different codes"):
        evaluate(settings(run, tmp_path / "r"))


def test_another_tokenizer_is_refused_by_fingerprint(tmp_path: Path) -> None:
    run = finetune_run(tmp_path / "m", ("latent",))
    save_model(run / "latent" / "model", run.parent, "latent", tokenizer_fingerprint="0" * 32)
    with pytest.raises(ConfigError, match="not the one that the codes were made with"):
        evaluate(settings(run, tmp_path / "r"))


def test_without_the_codec_replies_are_counted_all_the_same(tmp_path: Path) -> None:
    run = finetune_run(tmp_path / "m", ("latent",))
    shutil.rmtree(run.parent / "codes")
    shutil.rmtree(run.parent / "encoded")
    said: list[str] = []
    done = evaluate(settings(run, tmp_path / "r", latent_prefix="force", max_new_tokens=9), say=said.append)
    assert any("codes are not read back" in line for line in said)
    assert any("not read back" in note for note in done.facts.notes)
    assert not done.meanings and done.usage["latent"].num_uses
    assert all(part["meaning"] is None for row in done.answers["latent"] for part in row["parts"] if "codes" in part)


def test_questions_that_do_not_fit_are_left_out_and_counted(trained: Path, tmp_path: Path) -> None:
    long = [text._replace(question=" ".join("7" * 95)) for text in sums(1)]
    path = write_texts(tmp_path / "q_test.jsonl", [*sums(2, name="test"), *long])
    said: list[str] = []
    done = evaluate(settings(trained, tmp_path / "r", methods=["cot"], data=str(path), num=3), say=said.append)
    assert (done.facts.num, done.facts.num_left_out, len(done.questions)) == (2, 1, 2)
    assert any("1 of 3 test questions leave no room" in line for line in said)
    write_texts(path, long)
    with pytest.raises(DataError, match="no question of the test split leaves room"):
        evaluate(settings(trained, tmp_path / "r2", data=str(path)))


def test_a_run_of_something_else_is_refused(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "run.json", {"verb": "solve"})
    with pytest.raises(DataError, match="fine-tunes no model on codes"):
        evaluate(settings(tmp_path, tmp_path / "r"))


# ---------------------------------------------------------------- one question


def test_a_question_is_answered_by_every_method(trained: Path, tmp_path: Path) -> None:
    config = settings(trained, tmp_path / "r", prompt="1 2 3", latent_prefix="force", methods=["latent", "cot"])
    found = answer_prompt(config)
    assert [row["method"] for row in found.replies] == ["latent", "cot"]
    assert "codes" in found.replies[0]["parts"][0]
    assert json.loads(json.dumps(found.to_json()))["question"] == "1 2 3"
    lines = reply_lines(found)
    assert any(line.startswith("latent, ") and "markers" in line for line in lines)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("prompt", "problem"),
    [
        (" ", "the question is empty"),
        (" ".join("1" * 200), r"the prompt has 201 tokens, the model's context holds 96"),
        ("1 <|latent_2|>", "a token with a meaning of its own"),
    ],
)
def test_prompts_that_cannot_be_answered_are_refused(trained: Path, tmp_path: Path, prompt: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        answer_prompt(settings(trained, tmp_path / "r", prompt=prompt))


def test_the_summary_tells_what_codes_are_used(trained: Path, tmp_path: Path) -> None:
    done = evaluate(settings(trained, tmp_path / "r", methods=["latent", "cot"], latent_prefix="force"))
    assert any(line.startswith("codes    latent: ") for line in summary_lines(done))
    assert any("Nothing tells whether the codes carry anything" in line for line in summary_lines(done))
