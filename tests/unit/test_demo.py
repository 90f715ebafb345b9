"""The demo joins what each method contributes: in order, under its own heading, with its results and its claims."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reasonry import demo
from reasonry.core import claims as cards
from reasonry.core.demo import Part
from reasonry.core.report import Fact, Note, Report, Section

_ARGUMENTS = {"num_problems": 3, "n": 2, "seed": 5}


def part(name: str, titles: list[str], *, num_facts: int = 1) -> Part:
    sections = [Section(title, [Note(f"{name} {title}")], f"lead of {name} {title}") for title in titles]
    facts = [Fact(f"{name} {i}", i) for i in range(num_facts)]
    return Part(Report(name, f"about {name}", facts, sections, f"foot of {name}"), [f"{name} line"], {"from": name})


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, dict[str, Any]]]:
    """The parts that were asked for, in order; each is a made-up one."""
    seen: list[tuple[str, Path, dict[str, Any]]] = []

    def stand_in(name: str, made: Part) -> Callable[..., Part]:
        def contribute(folder: Path, **arguments: Any) -> Part:
            seen.append((name, folder, arguments))
            return made

        return contribute

    monkeypatch.setattr(demo, "vote", stand_in("votes", part("votes", ["What k buys", "Run"], num_facts=5)))
    parts = {
        "Watermark": part("marks", ["Texts", "Evidence", "Run"]),
        "Agents": part("agents", ["What GSM agents find", "A path"]),
        "Training": part("turns", ["Which turns", "A moment"]),
        "Diffusion": part("passes", ["Frontier"]),
        "Codes": part("codes", ["What comes back"]),
        "Thoughts": part("thoughts", ["Thought by thought"]),
        "Facts": part("facts", ["Risk map"]),
    }
    assert [method.title for method in demo.METHODS] == list(parts)
    for method, made in zip(demo.METHODS, parts.values(), strict=True):
        module, _, name = method.target.partition(":")
        monkeypatch.setattr(importlib.import_module(module), name, stand_in(made.report.title, made))
    return seen


def claim(name: str, *, low: float, arguments: dict[str, Any]) -> cards.Claim:
    return cards.Claim(
        id=name,
        statement="It is so.",
        source="here",
        cost="cpu-2min",
        metric="share",
        measure="module:function",
        expected=cards.Expected(low=low),
        arguments=arguments,
    )


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds that claims took; any other was never recorded."""
    seconds = {"voting-gain": 136.0, "too-much": 1.0}

    def stored(claim: cards.Claim) -> dict[str, Any] | None:
        return {"seconds": seconds[claim.id]} if claim.id in seconds else None

    monkeypatch.setattr(demo.cards, "recorded", stored)
    return seconds


def run(tmp_path: Path, claims: list[cards.Claim]) -> demo.Demo:
    return demo.run_demo(tmp_path, **_ARGUMENTS, claims=claims, say=print, opened=lambda run, level: None)


def test_parts_come_in_order_and_get_folders_of_their_own(
    called: list[tuple[str, Path, dict[str, Any]]], tmp_path: Path
) -> None:
    found = run(tmp_path, [])
    assert [(name, folder) for name, folder, _ in called] == [
        ("votes", tmp_path),
        ("marks", tmp_path / "watermark"),
        ("agents", tmp_path / "gsm-agent"),
        ("turns", tmp_path / "pivotrl"),
        ("passes", tmp_path / "dultra"),
        ("codes", tmp_path / "latent-tokens"),
        ("thoughts", tmp_path / "continuous-cot"),
        ("facts", tmp_path / "out-of-context"),
    ]
    assert {arguments["seed"] for _, _, arguments in called} == {5}
    assert found.lines == [
        "votes line",
        "marks line",
        "agents line",
        "turns line",
        "passes line",
        "codes line",
        "thoughts line",
        "facts line",
    ]
    assert found.failed == []


@pytest.mark.usefixtures("called")
def test_the_page_has_every_section_under_the_name_of_its_part(tmp_path: Path) -> None:
    report = run(tmp_path, []).report
    assert [section.title for section in report.sections] == [
        "What k buys",
        "Watermark: texts",
        "Watermark: evidence",
        "Agents: what GSM agents find",
        "Agents: a path",
        "Training: which turns",
        "Training: a moment",
        "Diffusion: frontier",
        "Codes: what comes back",
        "Thoughts: thought by thought",
        "Facts: risk map",
        "Run",
    ]
    assert report.sections[-1].lead == "lead of votes Run"  # a reader repeats the demo, not a part of it
    assert [fact.label for fact in report.facts] == [
        "votes 0",
        "votes 1",
        "votes 2",
        "Texts recognised",
        "agents 0",
        "turns 0",
        "passes 0",
        "codes 0",
        "thoughts 0",
        "facts 0",
    ]
    assert (report.subtitle, report.footer) == ("about votes", "foot of votes")
    assert report.title.count(";") == 7  # one phrase for each part


@pytest.mark.usefixtures("called")
def test_claims_are_measured_last_and_those_that_fail_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[cards.Claim] = []

    def measure(claim: cards.Claim, *, say: Callable[[str], None]) -> cards.Result:
        measured.append(claim)
        found = cards.Measurement(0.5, 0.5, 0.5, 10, 0, "exact")
        return cards.Result(claim, "pass" if claim.expected.contains(0.5, 0.5) else "fail", found, 1.0)

    monkeypatch.setattr(demo.cards, "measure", measure)
    claims = [
        claim("voting-gain", low=0.1, arguments=_ARGUMENTS),
        claim("too-much", low=0.9, arguments={"seed": 1}),
    ]
    found = run(tmp_path, claims)
    assert found.failed == ["too-much"]
    assert [section.title for section in found.report.sections[-2:]] == ["Claims", "Run"]
    # The claim about the very run of votes reads its samples; any other draws its own.
    assert measured[0].arguments == {**_ARGUMENTS, "folder": str(tmp_path)}
    assert measured[1].arguments == {"seed": 1}
    assert [line.split()[:2] for line in found.lines[8:]] == [["PASS", "voting-gain"], ["FAIL", "too-much"]]
    assert found.results["from"] == "votes"
    assert found.results["watermark"] == {"from": "marks"} and found.results["gsm_agent"] == {"from": "agents"}
    assert found.results["pivotrl"] == {"from": "turns"}
    assert [row["status"] for row in found.results["claims"]] == ["pass", "fail"]


@pytest.mark.usefixtures("called")
def test_votes_of_another_size_are_not_taken_for_the_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def measure(claim: cards.Claim, *, say: Callable[[str], None]) -> cards.Result:
        seen.append(claim.arguments)
        return cards.Result(claim, "unverified", None, 0.0, "no data")

    monkeypatch.setattr(demo.cards, "measure", measure)
    other = {**_ARGUMENTS, "n": 3}
    found = run(tmp_path, [claim("voting-gain", low=0.1, arguments=other), claim("too-much", low=0.9, arguments={})])
    assert seen == [{}]  # votes of another size would have to be drawn first, for minutes
    assert found.failed == [] and "no data" in found.lines[-2]
    assert found.lines[-1].startswith("1 claim that takes longer")
    note = found.report.sections[-2].blocks[-1]
    assert isinstance(note, Note) and "`voting-gain`" in note.text and "too-much" not in note.text


def test_the_fastest_claims_fit_into_the_time_there_is(recorded: dict[str, float]) -> None:
    recorded.update({"a": 5.0, "b": 0.5, "c": 4.0, "d": 0.4})
    claims = [claim(name, low=0.0, arguments={}) for name in ("a", "b", "unknown", "c", "d")]
    chosen = {
        budget_s: [c.id for c in demo.quickest(claims, votes={}, budget_s=budget_s)]
        for budget_s in (0.3, 1.0, 4.9, 9.8, 9.9, 1e9)
    }
    assert chosen == {
        0.3: [],
        1.0: ["b", "d"],
        4.9: ["b", "c", "d"],
        9.8: ["b", "c", "d"],
        9.9: ["a", "b", "c", "d"],
        1e9: ["a", "b", "c", "d"],  # nobody knows what the unknown one takes
    }


@pytest.mark.usefixtures("called")
def test_nothing_is_said_of_claims_left_out_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo.cards, "measure", lambda c, say: cards.Result(c, "unverified", None, 0.0, "no data"))
    found = run(tmp_path, [claim("too-much", low=0.9, arguments={})])
    assert [type(block).__name__ for block in found.report.sections[-2].blocks] == ["Claims"]


def test_the_shipped_claims_give_a_demo_of_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    known = cards.choose(cards.load_claims(), (), "cpu-2min")
    votes = {"num_problems": 48, "n": 16, "seed": 0}
    chosen = demo.quickest(known, votes=votes)
    stored = {c.id: cards.recorded(c) for c in chosen}
    assert "voting-gain" in stored and len(chosen) >= 10
    assert sum(s["seconds"] for name, s in stored.items() if s and name != "voting-gain") <= demo.CLAIMS_S
