"""``reasonry curve`` on files as users have them: known curves, uneven and unlabelled pools, early stops."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonry.cli.curve import main
from reasonry.core import config as configs
from reasonry.core.groups import best_of_k, maj_at_k, mean_curve
from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.votes import Graded, curves

Row = dict[str, Any]


class Draw:
    """Calls the command; ``said`` is what it told people the last time."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.said = ""

    def __call__(self, *args: object) -> dict[str, Any]:
        self._capsys.readouterr()
        assert main([str(a) for a in args], True) == 0
        out, self.said = self._capsys.readouterr()
        assert out.count("\n") == 1
        return json.loads(out)


@pytest.fixture
def draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Draw:
    """The JSON that the command prints, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Draw(capsys)


def write(path: Path | str, rows: Sequence[Row]) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def pool(
    name: str, answers: Sequence[str | None], right: str, scores: Sequence[float | None] | None = None
) -> list[Row]:
    given = scores if scores is not None else [None] * len(answers)
    return [
        {"prompt_id": name, "sample_id": i, "answer": a, "correct": a == right, "score": s, "tokens": 10}
        for i, (a, s) in enumerate(zip(answers, given, strict=True))
    ]


def random_pools(num: int, size: int) -> list[list[Row]]:
    draws = stream(0, "pools")
    return [
        pool(
            f"p{i}",
            [None if a == 0 else str(a) for a in draws.integers(0, 5, size)],
            "1",
            [round(float(s), 3) for s in draws.normal(size=size)],
        )
        for i in range(num)
    ]


def a_run(folder: Path, rows: Sequence[Row], **changes: Any) -> Path:
    """A run directory of reasonry solve, as far as a reader looks at it."""
    write(folder / "samples.jsonl", rows)
    (folder / "config.toml").write_text(configs.dump_toml(SolveConfig().with_(**changes)), "utf-8")
    (folder / "run.json").write_text(json.dumps({"verb": "solve", "fingerprint": "x", "format": 1}), "utf-8")
    return folder


def solved_rows(name: str, answers: Sequence[str | None], right: str) -> list[Row]:
    return [
        {
            "id": name, "index": i, "text": f"{i}: {a}", "answer": a, "finish": "stop", "reason": "",
            "grade": "ungradable" if a is None else "right" if a == right else "wrong",
            "num_completion_tok": 5, "mean_logp": -0.1 * (i + 1),
        }
        for i, a in enumerate(answers)
    ]  # fmt: skip


# ---------------------------------------------------------------- known curves


def test_best_of_k_of_four_scored_samples(draw: Draw) -> None:
    write("s.jsonl", pool("p", ["a", "b", "a", "c"], "a", [0.1, 0.4, 0.3, 0.9]))
    found = draw("s.jsonl")
    assert found["curves"]["bon@k"]["mean"] == pytest.approx([0.5, 1 / 6, 0.0, 0.0], abs=1e-15)
    assert found["k"] == [1, 2, 3, 4]
    assert found["mean_tok"] == [10.0, 20.0, 30.0, 40.0]


def test_pass_and_majority_meet_published_arithmetic(draw: Draw) -> None:
    write("s.jsonl", pool("p", ["x"] * 8 + [str(i) for i in range(24)], "x"))
    found = draw("s.jsonl", "--k", "32,1,2,4,8", "--metrics", "pass")
    assert found["k"] == [1, 2, 4, 8, 32]
    assert found["curves"]["pass@k"]["mean"] == pytest.approx([0.25, 0.443548, 0.704505, 0.930077, 1.0], abs=5e-7)
    assert list(found["curves"]) == ["pass@k"]
    write("m.jsonl", pool("p", [*"aaaaabbbbccc"], "a"))
    majority = draw("m.jsonl", "--k", "1,2,3,5,8,12")["curves"]["maj@k"]["mean"]
    assert majority == pytest.approx([0.416667, 0.416667, 0.454545, 0.5, 0.601010, 1.0], abs=5e-7)


def test_curves_are_means_over_problems_with_bands(draw: Draw) -> None:
    pools = random_pools(12, 8)
    write("s.jsonl", [row for rows in pools for row in rows])
    found = draw("s.jsonl", "--level", 0.9, "--seed", 3)
    each = [
        curves([Graded(r["answer"], "right" if r["correct"] else "wrong", r["score"]) for r in rows]) for rows in pools
    ]
    for name, stack in (("maj@k", [c.maj_at_k for c in each]), ("pass@k", [c.pass_at_k for c in each])):
        band = mean_curve(np.stack(stack), seed=3, level=0.9)
        assert found["curves"][name]["mean"] == pytest.approx(band.mean_K, abs=1e-12)
        assert found["curves"][name]["low"] == pytest.approx(band.low_K, abs=1e-12)
        assert found["curves"][name]["high"] == pytest.approx(band.high_K, abs=1e-12)
    assert found["num_problems"] == 12
    assert found["num_samples"] == 96
    assert found["curves"]["weighted@k"]["monte_carlo_se"] is None
    # One sample is one sample, whatever the rule.
    assert len({round(c["mean"][0], 12) for c in found["curves"].values()}) == 1


def test_unreadable_samples_are_counted_and_never_win(draw: Draw) -> None:
    write("s.jsonl", pool("p", [None] * 6 + ["x"] * 3 + ["y"], "x", [9.0] * 6 + [1.0, 0.0, 0.0, 0.5]))
    found = draw("s.jsonl")
    assert found["parse_rate"] == pytest.approx(0.4)
    for name in ("maj@k", "bon@k", "weighted@k", "pass@k"):
        assert found["curves"][name]["mean"][-1] == 1.0
    assert found["curves"]["maj@k"]["mean"] == pytest.approx(maj_at_k([3, 1], 0, num_abstain=6), abs=1e-12)
    assert "6 of 10 samples hold no answer" in draw.said


def test_negative_scores_do_not_make_the_frequent_answer_lose_unless_raw_is_asked_for(draw: Draw) -> None:
    write("s.jsonl", pool("p", ["a", "a", "a", "b"], "a", [-1, -1, -1, -2]))
    assert draw("s.jsonl")["curves"]["weighted@k"]["mean"][-1] == 1.0
    raw = draw("s.jsonl", "--transform", "raw")
    assert raw["curves"]["weighted@k"]["mean"][-1] == 0.0
    assert raw["transform"] == raw["search_and_learn"]["transform"] == "raw"
    assert "1 of 1 problems have negative scores" in draw.said


def test_equal_scores_select_at_random_and_a_missing_score_is_never_selected(draw: Draw) -> None:
    write("equal.jsonl", pool("p", ["a", "a", "b", "c", "d"], "a", [0.5] * 5))
    assert draw("equal.jsonl")["curves"]["bon@k"]["mean"] == pytest.approx([0.4] * 5, abs=1e-12)
    write("gap.jsonl", pool("p", ["a", "b", "c"], "a", [None, 0.1, 0.2]))
    assert draw("gap.jsonl")["curves"]["bon@k"]["mean"] == pytest.approx([1 / 3, 0, 0], abs=1e-15)
    assert "1 of 3 samples have no score" in draw.said


# ---------------------------------------------------------------- other shapes of file


def test_columns_of_search_and_learn_are_read_and_its_names_are_given(draw: Draw) -> None:
    def wide(name: str, preds: list[str], scores: list[list[float]]) -> Row:
        texts = [f"... \\boxed{{{p}}}" for p in preds]
        return {"unique_id": name, "problem": "?", "answer": "4", "completions": texts, "preds": texts,
                "scores": scores, "completion_tokens": [7] * len(preds)}  # fmt: skip

    write(
        "w.jsonl", [wide("a", ["4", "4", "5"], [[0.9, 0.1], [0.9, 0.2], [0.1, 0.8]]), wide("b", ["3"] * 3, [[0.5]] * 3)]
    )
    found = draw("w.jsonl", "--transform", "raw")
    peer = found["search_and_learn"]
    # The last step scores of problem a are 0.1 and 0.2 for 4, and 0.8 for 5; problem b is always wrong.
    assert peer["pred_naive@3"] == 0.0
    assert peer["pred_weighted@3"] == 0.0
    assert peer["pred_maj@3"] == 0.5
    assert peer["pred_naive@1"] == pytest.approx(1 / 3)
    assert found["mean_tok"] == [7.0, 14.0, 21.0]
    least = draw("w.jsonl", "--transform", "raw", "--aggregate", "mean")["search_and_learn"]
    assert least["pred_naive@3"] == 0.5  # mean step scores 0.5, 0.55 and 0.45


def test_a_file_with_labels_alone_gives_pass_and_says_what_it_cannot_give(draw: Draw) -> None:
    write("s.jsonl", [{"prompt_id": "p", "correct": c} for c in (True, False, False)])
    found = draw("s.jsonl")
    assert list(found["curves"]) == ["pass@k"]
    assert found["curves"]["pass@k"]["mean"] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert found["parse_rate"] is None
    assert found["right_answer"] is None
    for line in ("no maj@k: no sample has an answer", "no bon@k: no sample has a score"):
        assert line in draw.said


def test_labels_and_scores_without_answers_still_give_best_of_k(draw: Draw) -> None:
    scores = [0.1, 0.4, 0.3, 0.9]
    write("s.jsonl", [{"prompt_id": "p", "correct": c, "score": s} for c, s in zip([1, 0, 1, 0], scores, strict=True)])
    found = draw("s.jsonl")
    assert set(found["curves"]) == {"bon@k", "pass@k"}
    assert found["curves"]["bon@k"]["mean"] == pytest.approx(best_of_k(scores, [1, 0, 1, 0]).curve, abs=1e-15)


def test_a_solve_run_is_read_with_its_grades_and_log_probabilities(draw: Draw, tmp_path: Path) -> None:
    rows = solved_rows("p", ["4", "5", "4", None], "4") + solved_rows("q", ["1", "2", "2", "2"], "1")
    a_run(tmp_path / "runs" / "mine", rows)
    found = draw("runs/mine")
    assert found["score_fields"] == ["mean_logp"]
    assert found["curves"]["maj@k"]["mean"][-1] == 0.5
    assert found["curves"]["bon@k"]["mean"][-1] == 1.0  # the first sample of each is the likeliest
    assert found["curves"]["pass@k"]["mean"][-1] == 1.0
    assert found["right_answer"] == {"first": 1, "shared_first": 0, "outvoted": 1, "never_given": 0}
    assert Path(found["run"]).name.startswith("curve-mine-")
    assert found["curves"] == draw("runs/mine/samples.jsonl")["curves"]


def test_what_a_judge_said_in_the_run_takes_the_place_of_log_probabilities(draw: Draw, tmp_path: Path) -> None:
    folder = a_run(tmp_path / "judged", solved_rows("p", ["4", "5", "4"], "4"))
    write(folder / "scores.jsonl", [{"id": "p", "index": i, "score": s} for i, s in ((1, 0.9), (0, "-inf"), (2, None))])
    found = draw("judged")
    assert found["score_fields"] == ["scores.jsonl"]
    # Order of preference: 1 (wrong), 0 (right), 2 (right, unscored).
    assert found["curves"]["bon@k"]["mean"] == pytest.approx([2 / 3, 1 / 3, 0.0], abs=1e-15)


# ---------------------------------------------------------------- pools of different sizes


def test_uneven_pools_end_at_the_smallest_and_use_every_sample(draw: Draw) -> None:
    write("s.jsonl", pool("small", ["x", "y"], "x") + pool("large", ["x", "y", "y", "y", "y"], "x"))
    found = draw("s.jsonl")
    assert found["k"] == [1, 2]
    assert found["curves"]["pass@k"]["mean"] == pytest.approx([(1 / 2 + 1 / 5) / 2, (1 + 2 / 5) / 2])
    assert (found["smallest_pool"], found["largest_pool"]) == (2, 5)
    said = draw.said
    assert "pools hold 2 to 5 samples: the curves end at k = 2" in said
    assert "the same 2 problems" in said
    assert "no sample is unused" in said


def test_small_pools_can_be_left_out_aloud(draw: Draw) -> None:
    write("s.jsonl", pool("small", ["x", "y"], "x") + pool("large", ["x", "y", "y", "y", "y"], "x"))
    found = draw("s.jsonl", "--min-samples", 3)
    assert found["k"] == [1, 2, 3, 4, 5]
    assert found["num_problems"] == 1
    assert found["curves"]["pass@k"]["low"] is None  # one problem has no spread
    assert "1 of 2 problems are left out: fewer than 3 samples" in draw.said
    with pytest.raises(DataError, match=r"no problem has 6 samples; the largest pool holds 5"):
        main(["s.jsonl", "--min-samples", "6"], False)


def test_a_size_beyond_the_smallest_pool_is_refused_with_both_ways_out(draw: Draw) -> None:
    write("s.jsonl", pool("small", ["x", "y"], "x") + pool("large", ["x"] * 5, "x"))
    with pytest.raises(ConfigError, match=r"k = 4, but the smallest pool \('small'\) holds 2 samples.*--min-samples 4"):
        main(["s.jsonl", "--k", "1,4"], False)
    assert not Path("runs").exists()


@pytest.mark.parametrize(("k", "problem"), [("0,1", "k = 0"), ("1,two", "no list of sizes"), ("1,,2", "no list")])
def test_sizes_that_are_none_are_refused(draw: Draw, k: str, problem: str) -> None:
    write("s.jsonl", pool("p", ["x", "y"], "x"))
    with pytest.raises(ConfigError, match=problem):
        main(["s.jsonl", "--k", k], False)


# ---------------------------------------------------------------- large pools


def test_large_pools_are_sampled_with_an_error_that_is_told(draw: Draw) -> None:
    write("s.jsonl", [row for rows in random_pools(3, 40) for row in rows])
    found = draw("s.jsonl", "--orders", 400)
    errors = found["curves"]["weighted@k"]["monte_carlo_se"]
    assert errors[0] == errors[-1] == 0
    assert all(0 < e < math.sqrt(0.25 / 400 / 3) * 1.01 for e in errors[1:-1])
    again, other = draw("s.jsonl", "--orders", 400), draw("s.jsonl", "--orders", 400, "--seed", 1)
    assert again == found
    assert other["curves"]["weighted@k"]["mean"][1:-1] != found["curves"]["weighted@k"]["mean"][1:-1]
    assert other["curves"]["maj@k"]["mean"] == found["curves"]["maj@k"]["mean"]


def test_the_grid_of_a_very_large_pool_holds_the_powers_of_two_and_the_end(draw: Draw) -> None:
    write("s.jsonl", [{"prompt_id": "p", "correct": i % 3 == 0} for i in range(300)])
    k = draw("s.jsonl")["k"]
    assert {1, 2, 4, 8, 16, 32, 64, 128, 256, 300} <= set(k)
    assert k == sorted(set(k))
    assert len(k) < 40


def test_a_pool_beyond_exact_votes_is_refused(draw: Draw) -> None:
    write("s.jsonl", [{"prompt_id": "p", "correct": True} for _ in range(1025)])
    with pytest.raises(ConfigError, match="1025 samples"):
        main(["s.jsonl"], False)


# ---------------------------------------------------------------- samples that would lie


@pytest.mark.parametrize("name", ["run", "run/samples.jsonl"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"stop": "certify:0.05"}, "stopping rule 'certify:0.05'"), ({"strategy": "self-correct"}, "self-correction")],
)
def test_samples_that_were_ended_by_what_they_held_are_refused(
    draw: Draw, tmp_path: Path, name: str, changes: dict[str, Any], reason: str
) -> None:
    a_run(tmp_path / "run", solved_rows("p", ["4"] * 4, "4") + solved_rows("q", ["1", "2"], "1"), **changes)
    with pytest.raises(DataError, match=rf"{reason}.*--biased"):
        main([name], False)
    found = draw(name, "--biased")
    assert found["is_biased"]
    assert "warning: biased: the run" in draw.said
    assert "biased: the run" in Path(found["report"]).read_text("utf-8")


def test_a_run_of_fixed_size_is_not_called_biased(draw: Draw, tmp_path: Path) -> None:
    a_run(tmp_path / "run", solved_rows("p", ["4", "5"], "4"), stop="fixed")
    found = draw("run")
    assert not found["is_biased"]
    assert "biased" not in draw.said


def test_identical_samples_and_disputed_labels_are_pointed_out(draw: Draw) -> None:
    rows = [{"prompt_id": "p", "answer": "4", "correct": i == 0, "text": "so 4"} for i in range(3)]
    write("s.jsonl", rows)
    found = draw("s.jsonl")
    assert found["curves"]["maj@k"]["mean"][-1] == 1.0
    said = draw.said
    assert "in 1 problems all samples are the same text" in said
    assert "labelled right in a sample and wrong in another" in said


# ---------------------------------------------------------------- what is refused


def test_samples_without_labels_are_refused_with_the_column_to_add(draw: Draw) -> None:
    write("s.jsonl", [{"prompt_id": "p", "answer": a} for a in "xxy"])
    with pytest.raises(DataError, match=r"s\.jsonl: no sample is labelled right or wrong.*'correct'.*'grade'"):
        main(["s.jsonl"], False)


def test_unlabelled_problems_are_left_out_and_unlabelled_samples_are_not_right(draw: Draw) -> None:
    rows = [{"prompt_id": "p", "answer": "x", "correct": c} for c in (True, None)]
    write("s.jsonl", rows + [{"prompt_id": "q", "answer": "x"}] * 2)
    found = draw("s.jsonl", "--metrics", "pass")
    assert found["num_problems"] == 1
    assert found["curves"]["pass@k"]["mean"] == [0.5, 1.0]
    said = draw.said
    assert "1 of 2 problems are left out: none of their samples is labelled" in said
    assert "1 of 2 samples have no label and count as not right" in said


@pytest.mark.parametrize(("metrics", "column"), [("maj", "answer"), ("bon", "score"), ("pass,weighted", "score")])
def test_a_metric_without_its_column_is_refused_when_it_was_asked_for(draw: Draw, metrics: str, column: str) -> None:
    write("s.jsonl", [{"prompt_id": "p", "correct": True, "answer": None if column == "answer" else "x"}])
    with pytest.raises(DataError, match=rf"needs an? .*{column}.*Add the column .*'{column}'"):
        main(["s.jsonl", "--metrics", metrics], False)


def test_an_unknown_metric_is_refused_with_the_nearest(draw: Draw) -> None:
    write("s.jsonl", pool("p", ["x"], "x"))
    with pytest.raises(ConfigError, match=r"unknown metric 'majority'"):
        main(["s.jsonl", "--metrics", "pass,majority"], False)
    with pytest.raises(ConfigError, match=r"unknown metric 'weigted'.*'weighted'"):
        main(["s.jsonl", "--metrics", "weigted"], False)


def test_a_broken_line_is_named(draw: Draw) -> None:
    path = write("s.jsonl", pool("p", ["x", "y"], "x"))
    path.write_text(path.read_text("utf-8") + "{broken\n", "utf-8")
    with pytest.raises(DataError, match=r"s\.jsonl:3"):
        main(["s.jsonl"], False)


def test_a_run_whose_config_cannot_be_read_is_not_taken_for_one_of_fixed_size(draw: Draw, tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", solved_rows("p", ["4", "5"], "4"))
    (folder / "config.toml").write_text("stop = ", "utf-8")
    with pytest.raises(DataError, match=r"config\.toml: the run's config cannot be read"):
        main(["run"], False)
    (folder / "config.toml").unlink()
    with pytest.raises(DataError, match=r"config\.toml"):
        main(["run"], False)


def test_scores_that_are_no_numbers_are_refused(draw: Draw, tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", solved_rows("p", ["4", "5"], "4"))
    write(folder / "scores.jsonl", [{"id": "p", "index": 0, "score": "high"}])
    with pytest.raises(DataError, match=r"scores\.jsonl: score = 'high' is not a number"):
        main(["run"], False)


# ---------------------------------------------------------------- what is written


def test_the_csv_holds_the_curves_of_the_json(draw: Draw) -> None:
    write("s.jsonl", [row for rows in random_pools(4, 6) for row in rows])
    found = draw("s.jsonl", "--csv", "out/curves.csv", "--k", "1,2,6")
    with open("out/curves.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 12
    for row in rows:
        at = found["k"].index(int(row["k"]))
        curve = found["curves"][row["metric"]]
        assert (float(row["mean"]), float(row["low"]), float(row["high"])) == (
            curve["mean"][at],
            curve["low"][at],
            curve["high"][at],
        )
        assert float(row["mean_tok"]) == 10.0 * int(row["k"])


def test_the_same_command_again_gives_the_same_bytes(draw: Draw) -> None:
    write("s.jsonl", [row for rows in random_pools(4, 20) for row in rows])
    found = draw("s.jsonl", "--run", "c")
    files = [Path("c", name) for name in ("results.json", "report.json", "report.html")]
    before = [f.read_bytes() for f in files]
    draw("s.jsonl", "--run", "c")
    assert [f.read_bytes() for f in files] == before
    written = json.loads(files[0].read_text("utf-8"))
    assert written == {k: v for k, v in found.items() if k not in ("run", "report")}


def test_people_get_a_table_a_report_and_the_command_that_repeats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write("s.jsonl", [row for rows in random_pools(5, 8) for row in rows])
    assert main(["s.jsonl"], False) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("run runs/curve-s-")
    assert "accuracy of k samples, 5 problems x 8 samples; 95 % bands over problems" in out[1]
    header = out[2].split()
    assert header == ["k", "tokens", "maj@k", "bon@k", "weighted@k", "pass@k"]
    assert [line.split()[0] for line in out[3:7]] == ["1", "2", "4", "8"]
    assert out[-2].startswith("report ")
    assert out[-1].startswith("again  reasonry curve @")
    report = Path(out[-2].removeprefix("report ")).with_name("report.json").read_text("utf-8")
    for word in ("What more samples buy", "was never given", "weighted@k"):
        assert word in report
