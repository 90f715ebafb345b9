"""Reading pools of samples: three shapes of row, and what is refused, skipped and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonry.errors import DataError
from reasonry.test_time.pool_files import read_pools


def write(folder: Path, rows: list[dict[str, Any]], name: str = "pilot.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_rows_of_a_solve_run_are_grouped_by_problem(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "index": 0, "text": "so 4", "answer": "4", "grade": "right", "num_completion_tok": 7,
         "mean_logp": -0.5},
        {"id": "b", "index": 0, "text": "?", "answer": None, "grade": "ungradable", "num_completion_tok": 3,
         "mean_logp": None},
        {"id": "a", "index": 1, "text": "so 5", "answer": "5", "grade": "wrong", "num_completion_tok": 8,
         "mean_logp": -0.7},
    ]  # fmt: skip
    found = read_pools(write(tmp_path, rows))
    a, b = found.pools
    assert (a.id, a.answers, a.correct, a.num_tok) == ("a", ("4", "5"), (True, False), (7, 8))
    assert a.scores.tolist() == [-0.5, -0.7]
    assert (b.answers, b.correct) == ((None,), (False,))
    assert np.isnan(b.scores).all()
    assert found.score_fields == ("mean_logp",)
    assert found.missing == {"answer": 1, "label": 0, "score": 1, "token count": 0, "ungradable": 1}


def test_an_ungradable_sample_with_an_answer_has_no_label(tmp_path: Path) -> None:
    pool = read_pools(write(tmp_path, [{"id": "a", "answer": "4", "grade": "ungradable"}])).pools[0]
    assert pool.correct == (None,)
    assert not pool.is_labelled


def test_generic_names_of_columns_are_read(tmp_path: Path) -> None:
    rows = [
        {
            "prompt_id": 7,
            "id": "row-0",
            "sample_id": "x",
            "answer": 3.0,
            "score": [0.1, 0.9],
            "correct": 1,
            "tokens": 5,
        },
        {"prompt_id": 7, "id": "row-1", "sample_id": "y", "answer": True, "score": None, "accepted": False},
    ]  # fmt: skip
    found = read_pools(write(tmp_path, rows))
    (pool,) = found.pools
    assert (pool.id, pool.answers, pool.correct) == ("7", ("3", "true"), (True, None))
    assert (pool.scores[0], pool.accepted, pool.num_tok) == (0.9, (None, False), (5, None))
    assert np.isnan(pool.scores[1])


@pytest.mark.parametrize(("how", "score"), [("last", 0.5), ("min", 0.2), ("mean", 0.4), ("prod", 0.05)])
def test_step_scores_become_one_score(tmp_path: Path, how: Any, score: float) -> None:
    path = write(tmp_path, [{"id": "a", "answer": "1", "score": [0.5, 0.2, 0.5]}])
    assert read_pools(path, aggregate=how).pools[0].scores[0] == pytest.approx(score)


def test_long_integers_are_answers_as_they_are(tmp_path: Path) -> None:
    assert read_pools(write(tmp_path, [{"answer": 10**400}])).pools[0].answers == (str(10**400),)


def test_a_file_without_ids_is_one_problem(tmp_path: Path) -> None:
    (pool,) = read_pools(write(tmp_path, [{"answer": "1"}, {"answer": "2"}])).pools
    assert (pool.id, pool.answers) == ("", ("1", "2"))


def test_wide_rows_take_boxed_answers_and_compare_them_with_the_oracle(tmp_path: Path) -> None:
    row = {
        "problem": "one half?",
        "answer": "$\\frac{1}{2}$",
        "completions": ["first \\boxed{3}, no: \\boxed{\\frac{1} {2}}", "\\boxed{\\frac{1}{3}}", "none", "\\boxed{4"],
        "scores": [[0.1, 0.8], [0.4], [], [0.2]],
        "completion_tokens": [9, 4, 1, 2],
    }
    (pool,) = read_pools(write(tmp_path, [row])).pools
    assert pool.answers == ("\\frac{1}{2}", "\\frac{1}{3}", None, None)
    assert pool.correct == (True, False, False, False)
    assert pool.scores[[0, 1, 3]].tolist() == [0.8, 0.4, 0.2]
    assert np.isnan(pool.scores[2])
    assert pool.num_tok == (9, 4, 1, 2)


def test_wide_rows_prefer_predictions_that_are_there(tmp_path: Path) -> None:
    row = {
        "unique_id": "u",
        "completions": ["\\boxed{1}", "\\boxed{1}"],
        "preds": ["2", "\\boxed{3}"],
        "agg_scores": [1, 2],
    }
    found = read_pools(write(tmp_path, [row]))
    assert found.pools[0].answers == ("2", "3")
    assert not found.pools[0].is_labelled
    assert found.score_fields == ("agg_scores",)


def test_a_run_folder_is_read_and_its_torn_last_line_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [{"id": "a", "answer": "1"}], "samples.jsonl")
    with open(path, "a", encoding="utf-8") as f:
        f.write('{"id": "a", "ans')
    found = read_pools(tmp_path)
    assert found.num_samples == 1
    assert found.skipped == {"torn last line": 1}
    with pytest.raises(DataError, match=r"samples\.jsonl:2"):
        read_pools(path)  # a file of the user's own is read strictly


def test_a_folder_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no samples\.jsonl"):
        read_pools(tmp_path)


def test_rows_that_say_nothing_are_skipped_and_counted(tmp_path: Path) -> None:
    found = read_pools(write(tmp_path, [{"id": "a", "answer": "1"}, {"id": "a", "text": "hm"}]))
    assert (found.num_samples, found.skipped) == (1, {"no answer, label or score": 1})


def test_the_same_row_twice_counts_once_and_another_of_its_number_is_refused(tmp_path: Path) -> None:
    row = {"id": "a", "index": 0, "answer": "1"}
    found = read_pools(write(tmp_path, [row, row]))
    assert (found.num_samples, found.skipped) == (1, {"the same row again": 1})
    with pytest.raises(DataError, match=r"pilot\.jsonl:2: sample 0 of problem 'a' stands on line 1"):
        read_pools(write(tmp_path, [row, {**row, "answer": "2"}]))
    assert read_pools(write(tmp_path, [{**row, "seed": 1}, {**row, "seed": 2}])).num_samples == 2


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"id": ["a"], "answer": "1"}, "id = "),
        ({"id": "a", "answer": ["1"]}, "answer = "),
        ({"id": "a", "answer": "1", "grade": "rihgt"}, "Did you mean 'right'"),
        ({"id": "a", "answer": "1", "correct": "yes"}, "correct = 'yes'"),
        ({"id": "a", "answer": "1", "score": "high"}, "score = 'high'"),
        ({"id": "a", "answer": "1", "score": 10**400}, "is not a number of float64"),
        ({"id": "a", "answer": "1", "tokens": -1}, "tokens = -1"),
        ({"id": "a", "answer": "1", "accepted": 2}, "accepted = 2"),
        ({"answer": "1"}, "has no id"),
        ({"id": "b", "completions": ["x"], "scores": [1, 2]}, "scores holds 2 values for 1 samples"),
        ({"id": "b", "completions": [3]}, "hold text"),
        ({"id": "b", "completions": ["x"], "scores": 3}, "is not a list"),
        ({"id": "ok", "completions": ["x"]}, "earlier line"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(tmp_path: Path, row: dict[str, Any], problem: str) -> None:
    path = write(tmp_path, [{"id": "ok", "answer": "1"}, row])
    with pytest.raises(DataError, match=r"pilot\.jsonl:2: ") as caught:
        read_pools(path)
    assert problem in str(caught.value)


def test_a_file_without_any_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sample in the file"):
        read_pools(write(tmp_path, []))
    with pytest.raises(DataError, match=r"no sample in the file \(1 rows skipped\)"):
        read_pools(write(tmp_path, [{"id": "a", "completions": []}]))


def test_equal_texts_are_noticed_unless_they_are_bare_answers(tmp_path: Path) -> None:
    same = [{"id": "a", "answer": "4", "text": "so 4"}] * 3
    bare = [{"id": "b", "answer": "4", "text": " 4\n"}] * 3
    once = [{"id": "c", "answer": "4", "text": "so 4"}]
    unknown = [{"id": "d", "answer": "4"}] * 3
    found = read_pools(write(tmp_path, [*same, *bare, *once, *unknown]))
    assert [pool.is_one_text for pool in found.pools] == [True, False, False, False]


def test_boxes_that_are_never_closed_do_not_make_reading_quadratic(tmp_path: Path) -> None:
    row = {"id": "a", "completions": ["\\boxed{" * 100_000, "\\boxed{1} " + "\\boxed{" * 10]}
    assert read_pools(write(tmp_path, [row])).pools[0].answers == (None, "1")
