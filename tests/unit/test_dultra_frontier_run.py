"""The comparison from end to end: what an oracle is known to cost, what is kept, how a run goes on, what is refused."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from tests.dultra_frontier import config, write_reader, write_tiny

from reasonry.core import jsonl
from reasonry.core.atomic import write_json
from reasonry.errors import ConfigError, DataError, Interrupted, RunMismatchError
from reasonry.tasks.token_tasks.ledger import Ledger
from reasonry.training.dultra import trajectory_file
from reasonry.training.dultra.frontier import measure
from reasonry.training.dultra.frontier.prompts import SymbolPrompts
from reasonry.training.dultra.frontier.run import compare
from reasonry.training.dultra.oracle import OracleDenoiser

SECONDS = ("seconds", "head_seconds")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("made") / "folder")


def rows_of(folder: Path, name: str = "decoded.jsonl"):
    """The rows of a run without what time took, each once, in order."""
    rows = [{k: v for k, v in row.items() if k not in SECONDS} for row in jsonl.read(folder / name)]
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def results_of(folder: Path):
    body = json.loads((folder / "results.json").read_text())
    for policy in body["policies"]:
        for name in SECONDS:
            del policy[name]
    return body


# ---------------------------------------------------------------- figures


def test_rules_cost_on_the_ledger_what_their_formulas_say(tmp_path: Path) -> None:
    policies = ("threshold:0.9", "entropy_bound:0.1", "top:1", "top:2")
    cfg = config(denoiser="oracle:ledger:4", policies=policies, num_prompts=12, batch_size=12, run=tmp_path / "r")
    found = compare(cfg).result
    assert {p.label: (p.accuracy.value, p.nfe.value) for p in found.policies[:3]} == {
        "threshold:0.9": (1.0, 17.0),
        "entropy_bound:0.1": (1.0, 9.0),
        "top:1": (1.0, 20.0),
    }
    assert found.of("top:2").accuracy.value < 0.2 and found.of("top:2").nfe.value == 10
    assert found.fastest is not None and found.fastest.label == "entropy_bound:0.1"
    assert found.of("threshold:0.9").is_dominated and not found.of("entropy_bound:0.1").is_dominated
    assert {f.name: f.aup for f in found.families}["entropy_bound"] == pytest.approx(100 * 20 / 9)
    assert all(p.distinct == 1 for p in found.policies)  # 10^8 answers
    assert all(p.token_forwards == 22 * p.nfe.value for p in found.policies)


def test_a_sweep_of_everything_runs_on_a_tiny_model_and_tells_the_planners_time_apart(
    made: Path, tmp_path: Path
) -> None:
    cfg = config(
        denoiser=str(made / "tiny"), task="ledger:2:5", planners=(made / "planner",), num_prompts=2, batch_size=2,
        block_len=5, show=1, run=tmp_path / "r",
    )  # fmt: skip
    found = compare(cfg)
    assert {f.name for f in found.result.families} >= {"multi_block", "planner:sample", "factor", "random", "margin"}
    for p in found.result.policies:
        assert 0 <= p.head_seconds < p.seconds and (p.head_seconds > 0) == p.family.startswith("planner")
        assert 1 <= p.nfe.value <= 10
    assert found.result.notes == ("the planner was trained for blocks of 10 tokens, and decodes blocks of 5",)
    assert any(row.q for row in found.shown) and (tmp_path / "r" / "results.csv").read_text().count("\n") > 60


def test_results_do_not_depend_on_the_batches(tmp_path: Path) -> None:
    policies = ("rand:2", "threshold:0.5", "random:5")
    alone = compare(config(policies=policies, batch_size=1, run=tmp_path / "a")).result
    together = compare(config(policies=policies, batch_size=4, run=tmp_path / "b")).result
    for one, other in zip(alone.policies, together.policies, strict=True):
        assert one._replace(seconds=0, head_seconds=0) == other._replace(seconds=0, head_seconds=0)


def test_every_policy_reads_the_same_prompts_and_a_decoding_without_chance_is_made_once(tmp_path: Path) -> None:
    policies = ("threshold:0.9", "rand:2")
    compare(config(policies=policies, temperature=0, num_seeds=3, run=tmp_path / "r"))
    rows = list(jsonl.read(tmp_path / "r" / "decoded.jsonl"))
    assert {(row["policy"], row["seed"]) for row in rows} == {("threshold:0.9", 0), *(("rand:2", i) for i in range(3))}
    assert len({(row["batch"], row["prompts"]) for row in rows}) == 2


def test_a_verifier_that_fails_is_counted_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = Ledger.check

    def fails_on_the_second(self, prompt_BP, answer_BL):
        second = SymbolPrompts(self, OracleDenoiser(self), num=4, seed=0)
        if (prompt_BP == second.rows(1, 2)).all(1).any():
            raise ZeroDivisionError("no such thing")
        return check(self, prompt_BP, answer_BL)

    monkeypatch.setattr(Ledger, "check", fails_on_the_second)
    found = compare(config(policies=("top:1",), num_seeds=1, num_prompts=3, run=tmp_path / "r")).result
    assert found.num_errors >= 1 and found.error == "ZeroDivisionError: no such thing"
    assert found.policies[0].accuracy.value == pytest.approx(1 - found.num_errors / 3)


def test_the_time_in_a_module_is_that_of_its_calls_within_the_block() -> None:
    layer, clock = torch.nn.Linear(4, 4), measure.HeadClock()
    layer(torch.zeros(4))
    with clock.on(layer):
        layer(input=torch.zeros(4))
    once = clock.seconds
    layer(torch.zeros(4))
    assert 0 < once == clock.seconds
    with measure.HeadClock().on(None) as none:
        assert none.seconds == 0


# ---------------------------------------------------------------- what is kept


def test_what_is_shown_is_what_was_decoded_and_can_be_replayed(made: Path, tmp_path: Path) -> None:
    cfg = config(
        denoiser=str(made / "tiny"), task="ledger:2:5", planners=(made / "planner",), show=2, run=tmp_path / "r",
        policies=("planner:sample", "threshold:0.5"),
    )  # fmt: skip
    found = compare(cfg)
    first = next(row for row in jsonl.read(tmp_path / "r" / "decoded.jsonl") if row["policy"] == "planner:sample")
    mine = [row for row in found.shown if row.policy == "planner:sample"]
    assert [row.nfe for row in mine] == first["nfe"][:2] and [row.right for row in mine] == [*first["right"][:2]]
    saved = trajectory_file.read(tmp_path / "r" / "trajectories" / "planner-sample.jsonl", pad_id=1)
    assert saved.trajectory.nfe_B.tolist() == first["nfe"][:2] and saved.trajectory.logp_plan_BS is not None
    assert saved.trajectory.revealed_at_BL.tolist() == [row.revealed_at for row in mine]
    for row in mine:
        assert len(row.q) == row.nfe and all(len(q_L) == 10 for q_L in row.q)
        for at, step in enumerate(row.revealed_at):
            assert step == -1 or row.q[step][at] is not None
    assert next(row for row in found.shown if row.policy == "threshold:0.5").q == []


def test_showing_more_decodes_no_batch_again(tmp_path: Path) -> None:
    base = {"policies": ("top:2", "threshold"), "run": tmp_path / "r"}
    compare(config(show=0, **base))
    before = (tmp_path / "r" / "decoded.jsonl").read_bytes()
    states: list[str] = []
    found = compare(config(show=2, **base), open_run=lambda run, determinism: states.append(determinism))
    assert len(found.shown) == 4 and (tmp_path / "r" / "decoded.jsonl").read_bytes() == before
    assert states == ["finished"]


# ---------------------------------------------------------------- going on


def test_a_finished_run_loads_nothing_and_says_the_same(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = config(denoiser=str(made / "tiny"), task="ledger:2:5", policies=("top:3",), run=tmp_path / "r")
    first = compare(cfg)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr("reasonry.training.dultra.checkpoints.open_denoiser", refuse)
    assert compare(cfg) == first
    assert compare(cfg.with_(target=0.5)).result.target == 0.5  # costs no decoding either


def test_more_prompts_and_seeds_extend_a_run_to_what_a_longer_one_would_have_been(tmp_path: Path) -> None:
    policies = ("rand:3", "threshold:0.5")
    compare(config(policies=policies, num_prompts=4, num_seeds=1, run=tmp_path / "a"))
    longer = {"policies": policies, "num_prompts": 8, "num_seeds": 2}
    compare(config(**longer, run=tmp_path / "a"))
    compare(config(**longer, run=tmp_path / "b"))
    assert results_of(tmp_path / "a") == results_of(tmp_path / "b")


def test_a_run_stopped_in_the_middle_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = config(policies=("rand:2", "top:1", "entropy_bound:0.1"))
    compare(cfg.with_(run=tmp_path / "whole"))
    put, num = measure.measure_batch, []

    def stop_at_the_fifth(*args, **kwargs):
        num.append(0)
        if len(num) == 5:
            signal.raise_signal(signal.SIGINT)
        return put(*args, **kwargs)

    monkeypatch.setattr("reasonry.training.dultra.frontier.run.measure_batch", stop_at_the_fifth)
    with pytest.raises(Interrupted):
        compare(cfg.with_(run=tmp_path / "cut"))
    assert len(rows_of(tmp_path / "cut")) == 5
    with open(tmp_path / "cut" / "decoded.jsonl", "ab") as f:
        f.write(b'{"policy": "top:1", "se')  # a kill in the middle of a line
    said: list[str] = []
    compare(cfg.with_(run=tmp_path / "cut"), say=said.append)
    assert any("torn last line" in line for line in said)
    assert rows_of(tmp_path / "cut") == rows_of(tmp_path / "whole")
    assert results_of(tmp_path / "cut") == results_of(tmp_path / "whole")
    assert rows_of(tmp_path / "cut", "shown.jsonl") == rows_of(tmp_path / "whole", "shown.jsonl")


def test_a_run_does_not_go_on_with_another_denoiser_planner_or_question(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "given"
    shutil.copytree(made, folder)
    cfg = config(
        denoiser=str(folder / "tiny"), task="ledger:2:5", planners=(folder / "planner",), policies=("planner:sample",),
        run=tmp_path / "r", show=0,
    )  # fmt: skip
    compare(cfg)
    from reasonry.training.dultra.planner import PlannerHead, load_planner

    other = PlannerHead(load_planner(folder / "planner").config, seed=7)
    other.save_pretrained(folder / "planner")
    with pytest.raises(RunMismatchError, match="planners"):
        compare(cfg.with_(num_prompts=5))
    known = json.loads((tmp_path / "r" / "made_with.json").read_text())
    known["prompts"][0] = "000000000000"
    shutil.copytree(made / "planner", folder / "planner", dirs_exist_ok=True)
    write_json(tmp_path / "r" / "made_with.json", known)
    with pytest.raises(RunMismatchError, match="edited"):
        compare(cfg.with_(num_prompts=6))


def test_a_damaged_row_is_named_with_its_line(tmp_path: Path) -> None:
    cfg = config(policies=("top:1",), run=tmp_path / "r")
    compare(cfg)
    path = tmp_path / "r" / "decoded.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace('"nfe":', '"nef":'), *lines[2:]]) + "\n")
    with pytest.raises(DataError, match=r"decoded\.jsonl:2"):
        compare(cfg)


# ---------------------------------------------------------------- words


def test_a_model_with_a_tokenizer_takes_tasks_in_words(tmp_path: Path) -> None:
    reader = write_reader(tmp_path / "reader")
    cfg = config(
        denoiser=str(reader), task="word-problems", policies=("low_confidence:4", "threshold:0.5"), num_prompts=3,
        answer_len=12, block_len=6, run=tmp_path / "r", show=1,
    )  # fmt: skip
    found = compare(cfg)
    assert found.decoding.temperature == 0 and found.result.of("low_confidence:4").num_seeds == 1
    assert found.result.of("low_confidence:4").nfe.value <= 4
    assert "?" in found.shown[0].prompt and len(found.shown[0].tokens) == 12


def test_a_file_of_prompts_is_read_as_training_reads_it(made: Path, tmp_path: Path) -> None:
    reader = write_reader(tmp_path / "reader")
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"{i} + 1 =", "answer": str(i + 1)}) + "\n" for i in range(3)))
    cfg = config(
        denoiser=str(reader), task=str(path), policies=("top:2",), num_prompts=9, answer_len=4, run=tmp_path / "r"
    )
    found = compare(cfg)
    assert found.result.policies[0].num_prompts == 3 and found.shown[0].prompt == "0 + 1 ="
    assert compare(cfg) == found  # that the file has fewer than were asked for is known
    ids = tmp_path / "ids.jsonl"
    ids.write_text('{"prompt_ids": [3, 5], "answer": "5 5"}\n{"prompt_ids": [3], "answer": "7"}\n')
    tiny = {"denoiser": str(made / "tiny"), "task": str(ids), "policies": ("top:2",), "answer_len": 4}
    assert compare(config(**tiny, run=tmp_path / "t")).result.policies[0].num_prompts == 2


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"denoiser": "oracle:chain:4"}, "no exact laws"),
        ({"denoiser": "{made}/tiny", "task": "chain:8"}, "was not made for chain:8"),
        ({"denoiser": "{made}/tiny", "task": "word-problems"}, "has no tokenizer"),
        ({"denoiser": "{made}/tiny", "task": "ledger:9:5"}, "do not fit"),
        ({"denoiser": "oracle:ledger:2:5", "task": "ledger:2:5", "answer_len": 11}, "have 10 tokens"),
        ({"denoiser": "oracle:ledger:2:5", "task": "ledger:3:5"}, "does not know ledger:3:5"),
        (
            {
                "denoiser": "{made}/tiny",
                "task": "ledger:2:5",
                "planners": ("{made}/wide",),
                "policies": ("planner:sample",),
            },
            "hidden states of width 24",
        ),
        (
            {"denoiser": "oracle:ledger:2:5", "planners": ("{made}/planner",), "policies": ("planner:sample",)},
            "width 16",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_and_leaves_no_run(
    made: Path, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    def filled(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(map(filled, value))
        return value.replace("{made}", str(made)) if isinstance(value, str) else value

    values = {"policies": ("top:1",), **{name: filled(value) for name, value in changes.items()}}
    with pytest.raises((ConfigError, DataError), match=words):
        compare(config(**values, run=tmp_path / "r"))
    assert not (tmp_path / "r").exists()


def test_a_model_needs_a_task_and_policies() -> None:
    with pytest.raises(ValueError, match="which task"):
        config(denoiser="somewhere", task="")
    with pytest.raises(ValueError, match="no policies"):
        config(policies=())
    with pytest.raises(ValueError, match="no cache"):
        config(refresh_every=2)
