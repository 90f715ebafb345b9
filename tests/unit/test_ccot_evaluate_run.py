"""Evaluation from end to end on tiny models of random weights: what is asked, continued, and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.ccot_text_runs import graph_run, text_config, text_run
from tests.conftest import make_tiny_model

from reasonry.core.config import from_dict
from reasonry.core.models.config import ModelConfig
from reasonry.errors import ConfigError, DataError, RunMismatchError
from reasonry.training.continuous_cot.evaluate import run as runs
from reasonry.training.continuous_cot.evaluate.config import EvalConfig
from reasonry.training.continuous_cot.evaluate.looks import embedding_norm, look
from reasonry.training.continuous_cot.evaluate.prompt import answer_prompt
from reasonry.training.continuous_cot.evaluate.report import evaluation_report
from reasonry.training.continuous_cot.evaluate.run import Done, evaluate, make_subject
from reasonry.training.continuous_cot.evaluate.tables import arms_table, reply_lines, summary_lines, thoughts_table
from reasonry.training.continuous_cot.graph_source import GraphSource
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import METHODS
from reasonry.training.continuous_cot.text_source import TextSource

FULL = ModelConfig(dtype="float32")


@pytest.fixture(scope="module")
def texts(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = text_config(tiny_model)
    return text_run(tmp_path_factory.mktemp("runs") / "texts", config, ("continuous", "pause", "cot"))


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graph_run(tmp_path_factory.mktemp("runs") / "graphs", ("continuous", "pause", "cot", "no-cot"))


def settings(model: Path, run: Path, **more: Any) -> EvalConfig:
    body = {"model": str(model), "run": str(run), "num": 5, "batch_size": 3, **more}
    return from_dict(EvalConfig, body, place="test")


def answers(done: Done) -> list[dict[str, Any]]:
    lines = (done.folder / "answers.jsonl").read_text("utf-8").splitlines()
    return [{**json.loads(line), "seconds": 0.0} for line in lines]


# ---------------------------------------------------------------- texts


def test_every_kind_and_number_of_thoughts_is_answered_and_told(texts: Path, tmp_path: Path) -> None:
    done = evaluate(settings(texts, tmp_path / "r", sweep="0-2", thoughts=["own", "random", "swapped"]))
    assert [arm.label for arm in done.result.arms] == [
        *(f"own, {k}" for k in (0, 1, 2)),
        *(f"{kind}, {k}" for kind in ("random", "swapped") for k in (1, 2)),
    ]
    assert done.result.reference.label == "own, 2"  # as trained: two steps, a thought for each
    for arm in done.result.arms:
        assert arm.accuracy.num == 5
        assert len(arm.norms) == arm.slots
        # A Llama's hidden states behind its norm, whose weights are 1: length sqrt(D). Random ones have the same.
        assert all(norm == pytest.approx(48**0.5, rel=1e-2) for norm in arm.norms)
    found = json.loads((done.folder / "results.json").read_text())
    assert found["reference"] == "own, 2"
    assert found["own_slots"] == 2
    columns, rows = arms_table(done)
    assert all(len(cells) == len(columns) for cells in rows)
    assert len(rows) == 7
    assert any("token embeddings" in line for line in summary_lines(done))
    body = json.dumps(evaluation_report(done, command="again").to_json())
    for title in ("Accuracy by number of thoughts", "How long thoughts are", "What the model would have said"):
        assert title in body


def test_the_test_set_of_training_is_answered_as_training_answers_it(
    texts: Path, tiny_model: Path, tmp_path: Path
) -> None:
    for name in ("continuous", "pause", "cot"):
        done = evaluate(settings(texts, tmp_path / name, method=name))
        model = LatentCausalLM.from_pretrained(str(texts / name / "model"), FULL)
        source = TextSource(text_config(tiny_model), model)
        judged = source.evaluate(
            model, method=METHODS[name], stage=source.max_stage, split="test", num=5, batch_size=3
        )  # fmt: skip
        (rows,) = done.rows.values()
        assert [(row["id"], row["answer"], row["num_tokens"], row["num_slots"]) for row in rows] == [
            (each.id, each.answer, each.num_tokens, each.num_thoughts) for each in judged
        ]
        assert [row["grade"] == "right" for row in rows] == [each.is_right for each in judged]


def test_without_thoughts_a_plain_model_writes_what_transformers_writes(tiny_model: Path, tmp_path: Path) -> None:
    done = evaluate(settings(tiny_model, tmp_path / "r", max_new_tokens=9, model_options={"dtype": "float32"}))
    model = LatentCausalLM.from_pretrained(str(tiny_model), FULL)
    tokenizer: Any = model.tokenizer
    plain: Any = model.backbone.model
    (rows,) = done.rows.values()
    assert done.facts.method == ""
    for row in rows:
        ids = tokenizer(row["question"] + "\n", return_tensors="pt")["input_ids"]
        written = plain.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=9)
        assert row["reply"] == tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)


def test_a_model_that_never_learnt_to_think_may_be_made_to_and_it_is_said(tiny_model: Path, tmp_path: Path) -> None:
    done = evaluate(settings(tiny_model, tmp_path / "r", sweep="0,2", max_new_tokens=4))
    assert [arm.mean_slots for arm in done.result.arms] == [0, 2]
    assert done.facts.notes == ("the model was never taught to think: its latent token is new",)


def test_examples_with_fewer_steps_have_fewer_thoughts_where_training_had_it_so(
    tiny_model: Path, tmp_path: Path
) -> None:
    config = text_config(tiny_model, data="word-problems:1-3", thoughts={"pad_to_max": False, "per_step": 2})
    done = evaluate(settings(text_run(tmp_path / "texts", config), tmp_path / "r"))
    (rows,) = done.rows.values()
    assert {(row["group"], row["num_slots"]) for row in rows} <= {("1 step", 2), ("2 steps", 4), ("3 steps", 6)}
    assert len({row["num_slots"] for row in rows}) > 1
    assert done.result.reference.label == "own, as trained"
    assert all(len(row["norms"]) == row["num_slots"] for row in rows)


def test_all_rows_of_another_file_are_asked_and_need_no_steps(texts: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps({"question": f"How many, {i}?", "answer": f"{i}"}) + "\n" for i in range(4)))
    said: list[str] = []
    done = evaluate(settings(texts, tmp_path / "r", data=str(path)), say=said.append)
    (rows,) = done.rows.values()
    assert [row["oracle"] for row in rows] == ["0", "1", "2", "3"]
    assert any("has 4 questions of the all split, not 5" in line for line in said)
    assert done.facts.num == 4
    assert done.result.reference.groups == {}


# ---------------------------------------------------------------- graphs


def test_answers_about_graphs_are_those_that_training_gives(graphs: Path, tmp_path: Path) -> None:
    for name in ("continuous", "pause", "no-cot", "cot"):
        own = {"thoughts": ["own", "random", "swapped"]} if name == "continuous" else {}
        done = evaluate(settings(graphs, tmp_path / name, method=name, num=6, batch_size=6, **own))
        model = LatentCausalLM.from_pretrained(str(graphs / name / "model"), FULL)
        located = runs.locate(str(graphs), method=name)
        source = GraphSource(located.trained)  # pyright: ignore[reportArgumentType]
        for (kind, _), rows in done.rows.items():
            judged = source.evaluate(
                model, method=METHODS[name], stage=2, split="test", num=6, batch_size=6, thoughts=kind
            )
            keys = ("answer", "is_right_of_candidates", "is_tie", "num_tokens", "num_slots", "group", "id")
            assert [tuple(row[key] for key in keys) for row in rows] == [
                (e.answer, e.is_right_of_candidates, e.is_tie, e.num_tokens, e.num_thoughts, e.group, e.id)
                for e in judged
            ]


def test_graphs_may_be_thought_about_for_any_time(graphs: Path, tmp_path: Path) -> None:
    done = evaluate(settings(graphs, tmp_path / "r", sweep="0-2"))
    model = LatentCausalLM.from_pretrained(str(graphs / "continuous" / "model"), FULL)
    located = runs.locate(str(graphs))
    source = GraphSource(located.trained)  # pyright: ignore[reportArgumentType]
    by_slots = source.by_slots(model, method=METHODS["continuous"], split="test", num=5, batch_size=5)
    for (_, slots), rows in done.rows.items():
        assert slots is not None
        assert [row["answer"] for row in rows] == [each.answer for each in by_slots[slots]]
    assert done.facts.has_candidates
    assert "of candidates" in arms_table(done)[0]
    assert "one candidate of two" in json.dumps(evaluation_report(done).to_json())


def test_a_trained_model_is_not_rounded_to_another_format(graphs: Path, tmp_path: Path) -> None:
    evaluate(settings(graphs, tmp_path / "r"))
    made = json.loads((tmp_path / "r" / "made_with.json").read_text())
    assert made["model"]["dtype"] == "float32"


# ---------------------------------------------------------------- continuing


def test_a_killed_evaluation_goes_on_and_ends_as_if_it_had_not_been(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config: dict[str, Any] = {"sweep": "1,2", "thoughts": ["own", "random"]}
    whole = evaluate(settings(texts, tmp_path / "whole", **config))
    put = runs.FileStore.put

    class KilledError(BaseException):
        pass

    def put_some(store: Any, row: Any) -> None:
        if len(store.rows) == 7:
            raise KilledError
        put(store, row)

    with monkeypatch.context() as patch:
        patch.setattr(runs.FileStore, "put", put_some)
        with pytest.raises(KilledError):
            evaluate(settings(texts, tmp_path / "killed", **config))
    with open(tmp_path / "killed" / "answers.jsonl", "a") as f:
        f.write('{"thoughts": "own", "slo')  # and its last line is torn
    again = evaluate(settings(texts, tmp_path / "killed", **config))
    assert answers(again) == answers(whole)
    assert len(answers(again)) == 20


def test_a_finished_evaluation_loads_no_model(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate(settings(texts, tmp_path / "r"))

    def refuse(*_: Any) -> Any:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(runs, "make_subject", refuse)
    again = evaluate(settings(texts, tmp_path / "r", show=1))
    assert again.result == first.result
    assert again.facts == first.facts


def test_more_questions_continue_a_run(texts: Path, tmp_path: Path) -> None:
    before = answers(evaluate(settings(texts, tmp_path / "r")))
    after = answers(evaluate(settings(texts, tmp_path / "r", num=8)))
    assert after[:5] == before
    assert [row["index"] for row in after] == list(range(8))


def test_another_model_or_other_questions_do_not_continue_a_run(tiny_model: Path, tmp_path: Path) -> None:
    path, model = tmp_path / "q.jsonl", tmp_path / "model"
    path.write_text('{"question": "A?", "answer": "1"}\n{"question": "B?", "answer": "2"}\n')
    shutil.copytree(tiny_model, model)
    config = settings(model, tmp_path / "r", data=str(path), max_new_tokens=3, num=2)
    evaluate(config)
    (tmp_path / "r" / "answers.jsonl").write_text("")
    path.write_text('{"question": "A?", "answer": "1"}\n{"question": "B?", "answer": "3"}\n')
    with pytest.raises(RunMismatchError, match="other questions"):
        evaluate(config)
    path.write_text('{"question": "A?", "answer": "1"}\n{"question": "B?", "answer": "2"}\n')
    make_tiny_model(model, context=500)
    with pytest.raises(RunMismatchError, match="the run began with the model"):
        evaluate(config)


def test_a_damaged_row_is_refused_with_its_line(texts: Path, tmp_path: Path) -> None:
    evaluate(settings(texts, tmp_path / "r"))
    path = tmp_path / "r" / "answers.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace('"num_tokens"', '"tokens"'), *lines[2:]]) + "\n")
    with pytest.raises(DataError, match=r"answers\.jsonl:2: "):
        evaluate(settings(texts, tmp_path / "r"))


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"method": "cot", "num_thoughts": 2}, "thoughts for a model of cot"),
        ({"method": "pause", "thoughts": ["own", "random"]}, "no thoughts to replace in a model of pause"),
        ({"method": "cot", "thoughts": ["random"]}, "no thoughts to replace"),
        ({"sweep": "1,5000"}, r"5000 thoughts .*Ask for at most"),
        ({"data": "nonsense"}, "unknown source of texts"),
        ({"data": "word-problems:2", "split": "all"}, "all rows of what is no file"),
        ({"marker": "  "}, "the answer marker is empty"),
    ],
)
def test_what_does_not_go_together_is_refused_and_leaves_no_run_behind(
    texts: Path, tmp_path: Path, more: dict[str, Any], problem: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=problem):
        evaluate(settings(texts, tmp_path / "r", **more))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"data": "prosqa"}, "--data for a model of symbolic graphs"),
        ({"marker": "#"}, "--marker for a model of symbolic graphs"),
        ({"split": "train"}, "--split for a model of symbolic graphs"),
        ({"method": "no-cot", "num_thoughts": 1}, "thoughts for a model of no-cot"),
        ({"method": "pause", "thoughts": ["swapped"]}, "no thoughts to replace"),
        ({"sweep": "0,4000"}, "do not fit the model's context"),
    ],
)
def test_models_of_graphs_refuse_what_is_for_texts(
    graphs: Path, tmp_path: Path, more: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        make_subject(settings(graphs, tmp_path / "r", **more), lambda line: None)


def test_a_model_without_a_tokenizer_is_refused(graphs: Path, tmp_path: Path) -> None:
    shutil.copytree(graphs / "continuous" / "model", tmp_path / "m")
    (tmp_path / "m" / "trained_for.json").unlink()
    with pytest.raises(ConfigError, match="no tokenizer"):
        evaluate(settings(tmp_path / "m", tmp_path / "r"))


# ---------------------------------------------------------------- one question, and what thoughts look like


def test_one_question_is_answered_with_every_number_of_thoughts(texts: Path, tmp_path: Path) -> None:
    config = settings(texts, tmp_path / "r", prompt="Tom has 3 apples. How many?", sweep="0,2")
    found = answer_prompt(config)
    assert [reply.num_slots for reply in found.replies] == [0, 2]
    assert [len(reply.look.norms) for reply in found.replies] == [0, 2]
    assert json.loads(json.dumps(found.to_json()))["question"] == config.prompt
    lines = reply_lines(found)
    assert "own thoughts, 0:" in lines
    assert any("(cut off after 6 tokens)" in line for line in lines)
    columns, rows = thoughts_table(found.replies[1])
    assert [row[0] for row in rows] == ["1", "2"]
    assert all(len(row) == len(columns) for row in rows)
    assert not (tmp_path / "r").exists()


def test_a_prompt_is_refused_where_it_makes_no_sense(texts: Path, graphs: Path, tmp_path: Path) -> None:
    for model, more in ((texts, {"thoughts": ["swapped"]}), (graphs, {}), (texts, {"num_thoughts": 9999})):
        with pytest.raises(ConfigError):
            answer_prompt(settings(model, tmp_path / "r", prompt="What?", **more))
    with pytest.raises(DataError, match="the question is empty"):
        answer_prompt(settings(texts, tmp_path / "r", prompt=" "))


def test_the_nearest_token_of_a_thought_is_what_the_model_would_have_written(tiny_model: Path) -> None:
    latent = LatentCausalLM.from_pretrained(str(tiny_model))
    prompt = latent.encode("Tom has 3 apples.")
    made = latent.generate([prompt], 2, before=(), after=(), max_new_tokens=1)
    (seen,) = look(latent, made.thoughts_BKD, [2], name_of=str)
    with torch.no_grad():
        logits = latent.backbone.model(torch.tensor([prompt])).logits[0, -1].float()  # pyright: ignore
    token, share = seen.nearest[0][0]
    assert token == str(int(logits.argmax()))
    assert share == pytest.approx(float(logits.softmax(-1).max()), abs=1e-3)
    assert seen.norms == pytest.approx(made.thoughts_BKD[0].float().norm(dim=-1).tolist(), rel=1e-4)


def test_norms_and_cosines_are_those_of_the_vectors(tiny_model: Path) -> None:
    latent = LatentCausalLM.from_pretrained(str(tiny_model))
    one, two = torch.zeros(48), torch.zeros(48)
    one[0], two[0], two[1] = 3.0, 3.0, 4.0
    thoughts = torch.stack([torch.stack([one, two]), torch.stack([two, torch.zeros(48)])])
    first, second = look(latent, thoughts.to(latent.backbone.model.dtype), [2, 1], name_of=str)
    assert (first.norms, first.cosines) == ([3.0, 5.0], [0.6])
    assert (second.norms, second.cosines, len(second.nearest)) == ([5.0], [], 1)
    weight: Any = latent.backbone.model.get_input_embeddings().weight
    assert embedding_norm(latent) == pytest.approx(float(weight.float().norm(dim=-1).mean()), rel=1e-5)
