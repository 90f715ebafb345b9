"""The page of a profile: the numbers of the run, what the default would keep, turns to read; small for many turns."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests import pivotrl_profiling as made
from tests.unit.test_pivotrl_profile import Verifying

from reasonry.core.report import Chart, Code, Note, Report, Samples, Section, Table, write_report
from reasonry.training.pivotrl.choosing import choose_pivots
from reasonry.training.pivotrl.config import SelectConfig
from reasonry.training.pivotrl.profiling import Profiled, profile_candidates
from reasonry.training.pivotrl.report.profile import profile_report

WIDE = 2_000  # trajectories of four turns


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from tests.solve_calls import ENVIRONMENT

    for name, value in ENVIRONMENT.items():
        monkeypatch.setattr(f"reasonry.core.environment.{name}", lambda value=value: value)
    return made.desk(tmp_path / "pivots")


def profiled(folder: Path, sampler: Any = None, verifier: Any = None, **changes: Any) -> Profiled:
    return profile_candidates(made.settings(folder, **changes), sampler=sampler or made.model(), verifier=verifier)


def section(report: Report, title: str) -> Section:
    return next(s for s in report.sections if s.title == title)


def blocks(report: Report, kind: type[Any]) -> list[Any]:
    return [block for s in report.sections for block in s.blocks if isinstance(block, kind)]


def facts(report: Report) -> dict[str, Any]:
    return {fact.label: fact.value for fact in report.facts}


def test_headline_and_tables_are_those_of_the_run(desk: Path) -> None:
    found = profiled(desk, k=16)
    report = profile_report(found, command="the command")
    summary = found.summary
    assert facts(report) == {
        "Turns": 24,
        "Pass rate": summary.mean_reward,
        "Zero variance": 0.75,  # of four turns one is a coin
        "Worth training on": summary.share_useful,
        "Truncated": 0.0,
    }
    assert next(f.note for f in report.facts if f.label == "Zero variance") == "12 all pass, 6 all fail"
    assert report.title == "Profile of desk" and "judged by tool-call" in report.subtitle
    (table,) = [b for b in section(report, "Verdicts").blocks if isinstance(b, Table)]
    assert {row[0]: row[1] for row in table.rows} == dict(summary.categories)
    assert sum(float(str(row[2])) for row in table.rows) == pytest.approx(1.0)
    charts = [b.title for b in section(report, "Where the model wobbles").blocks if isinstance(b, Chart)]
    assert charts == ["By depth of the turn", "By demonstrated tool"]
    cost = {row[0]: row[1] for row in blocks(report, Table)[-1].rows}
    assert cost["states, tokens, each once"] == summary.num_prompt_tok
    assert cost["actions, tokens"] == summary.num_completion_tok
    assert blocks(report, Code)[0].text == "the command"
    assert not blocks(report, Note)


def test_what_it_says_would_be_kept_is_what_the_selection_keeps(desk: Path) -> None:
    report = profile_report(profiled(desk, k=8))
    assert not (desk / "pivots.jsonl").exists() and not (desk / "profile" / "pivots.jsonl").exists()
    table = next(b for b in section(report, "What became of the turns").blocks if isinstance(b, Table))
    chosen = choose_pivots(SelectConfig(folder=desk))
    fates = {fate: num for fate, num in chosen.choice.fates.items() if num}
    assert {row[0]: row[1] for row in table.rows} == fates and fates["kept"] >= 1
    kept, other = blocks(report, Samples)
    assert len(kept.rows) == fates["kept"] and {row.metadata["turn"] for row in kept.rows} == {1}
    assert len(kept.rows) + len(other.rows) == 24


def test_turns_have_their_samples_and_verdicts(desk: Path) -> None:
    report = profile_report(profiled(desk))
    rows = {row.id: row for b in blocks(report, Samples) for row in b.rows}
    never = rows["t3/2"]
    assert never.oracle == 'cancel(order="W3")' and never.outcome.answer == "0 of 4 accepted"
    assert [s.text for s in never.samples] == ['escalate(order="W3")'] * 4
    assert {(s.outcome.grade, s.outcome.answer) for s in never.samples} == {("wrong", "unknown_tool")}


def test_a_profile_that_grew_is_told_whole(desk: Path) -> None:
    first = profile_report(profiled(desk, num=7, k=2))
    grown = profile_report(profiled(desk, k=5))
    assert (facts(first)["Turns"], facts(grown)["Turns"]) == (7, 24)
    missing = next(b for b in section(first, "What became of the turns").blocks if isinstance(b, Table)).rows[-1]
    assert missing[:2] == ["no profile", 17]
    assert all(len(row.samples) == 5 for b in blocks(grown, Samples) for row in b.rows)


def test_what_is_wrong_comes_first(desk: Path) -> None:
    report = profile_report(profiled(desk, verifier=Verifying(0.0, "unknown_tool")))
    assert report.sections[0].title == "Beware"
    texts = [note.text for note in blocks(report, Note)]
    assert any("not accepted by their own verifier" in text for text in texts)
    assert any(text.startswith("All 96 rewards are zero (unknown_tool 96)") for text in texts)
    assert facts(report)["Worth training on"] == 0.0 and "judged by own" in report.subtitle


def test_without_a_single_verdict_there_is_a_page_all_the_same(desk: Path, tmp_path: Path) -> None:
    report = profile_report(profiled(desk, verifier=Verifying(None, "no_verdict")))
    assert facts(report)["Pass rate"] is None and facts(report)["Zero variance"] is None
    assert any(note.text.startswith("No sample has a verdict") for note in blocks(report, Note))
    assert write_report(tmp_path / "page", report).html.is_file()


def test_states_that_were_left_out_and_samples_cut_off_are_counted(desk: Path) -> None:
    left = profile_report(profiled(desk, sampler=made.Refusing(made.model(), ["t0/0", "t4/3"])))
    table = next(b for b in section(left, "Left out before").blocks if isinstance(b, Table))
    assert table.rows == [["the prompt has N tokens", 2]]
    cut = profiled(desk, sampler=made.Refusing(made.model(), ["t0/3"], finish="length"), run=desk / "cut")
    assert facts(profile_report(cut))["Truncated"] == 4 / 96


def test_the_same_run_gives_the_same_page_whether_finished_or_gone_on_with(desk: Path, tmp_path: Path) -> None:
    pages = [write_report(tmp_path / name, profile_report(profiled(desk))) for name in ("first", "again")]
    assert pages[0].json.read_bytes() == pages[1].json.read_bytes()
    assert pages[0].html.read_bytes() == pages[1].html.read_bytes()


def test_many_turns_make_a_small_page_that_says_how_many_it_shows(tmp_path: Path) -> None:
    from tests.pivotrl_chosen import write_profile, write_samples

    folder = made.desk(tmp_path / "wide", WIDE)
    found = profiled(made.desk(tmp_path / "small", 1), run=tmp_path / "run")
    rewards = {
        f"t{i}/{t}": ((1.0, 0.0, 0.0, 0.0) if (i + t) % 3 else (0.0,) * 4) for i in range(WIDE) for t in range(4)
    }
    run = write_profile(folder / "profile", rewards, candidates=folder / "candidates.jsonl")
    write_samples(run, rewards)
    from reasonry.training.pivotrl.candidate_file import CandidateFile

    file = CandidateFile(folder / "candidates.jsonl")
    wide = found._replace(config=made.settings(folder), folder=run, file=file)
    start_s = time.perf_counter()
    report = profile_report(wide)
    assert time.perf_counter() - start_s < 10  # it takes .6 on one idle core
    kept, other = blocks(report, Samples)
    assert len(kept.rows) + len(other.rows) == SelectConfig().num_shown
    num_kept = sum(sum(r) > 0 for r in rewards.values())
    assert kept.caption == f"{len(kept.rows)} of {num_kept:,} turns."
    assert len(json.dumps(report.to_json())) < 2_000_000
