"""Parts of a profile: the plan, the reader, the verifier of a config, hashes, and what a run is made with."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import pivotrl_profiling as made
from tests.endpoint_fakes import make, ok

from reasonry.core.made_with import MadeWith
from reasonry.core.sampling import Completion, EndpointConfig
from reasonry.core.sampling.callable import CallableSampler
from reasonry.core.sampling.lazy import LazySampler
from reasonry.errors import ConfigError, DataError, EndpointError, RunMismatchError
from reasonry.training.pivotrl.candidate_file import CandidateFile, Head
from reasonry.training.pivotrl.config import VerifierConfig
from reasonry.training.pivotrl.policy_hash import identity_hash, policy_identity, tokenizer_identity
from reasonry.training.pivotrl.profile_plan import Size, chunks, drawn_order, grown, steps
from reasonry.training.pivotrl.profiling import profile_candidates
from reasonry.training.pivotrl.reading import Reader, whole_text
from reasonry.training.pivotrl.records import Action, Invocation, Verdict
from reasonry.training.pivotrl.rows import action_from_json
from reasonry.training.pivotrl.sample_rows import action_of, rejudged_row, sample_row
from reasonry.training.pivotrl.verifying import open_verifier, verdicts

HEADS = [Head(f"t{i}/{turn}", f"t{i}", turn, turn, "a", False, 0, 1) for i in range(5) for turn in (2, 0, 1)]

# ---------------------------------------------------------------- the plan


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(1, 6)), min_size=1, max_size=5), st.integers(0, 3))
def test_the_steps_of_a_grown_profile_cover_every_sample_once(growth: list[tuple[int, int]], seed: int) -> None:
    sizes: list[Size] = []
    num, k = 0, 1
    for more_states, samples in growth:
        num, k = max(num, more_states), max(k, samples)
        sizes = grown(sizes, Size(num, k))
    drawn = drawn_order(HEADS, seed)
    cells = [cell for step in steps(drawn, sizes) for cell in step]
    keys = [(cell.head.id, i) for cell in cells for i in cell.indices]
    assert len(set(keys)) == len(keys)
    assert set(keys) == {(head.id, i) for head in drawn[:num] for i in range(k)}


def test_a_step_goes_through_each_trajectory_turn_by_turn() -> None:
    (step,) = steps(drawn_order(HEADS, 3), [Size(15, 2)])
    assert [cell.head.id for cell in step] == [f"t{i}/{turn}" for i in range(5) for turn in range(3)]
    assert [len(chunk) for chunk in chunks(step, 4)] == [4, 4, 4, 3]


def test_which_states_are_drawn_depends_on_the_seed_and_not_on_the_file() -> None:
    first = [head.id for head in drawn_order(HEADS, 0)]
    assert first == [head.id for head in drawn_order(HEADS[::-1], 0)]
    assert first != [head.id for head in drawn_order(HEADS, 1)]


def test_candidates_are_read_again_from_where_they_stand(tmp_path: Path) -> None:
    folder = made.desk(tmp_path, 2)
    file = CandidateFile(folder / "candidates.jsonl")
    assert [file.load(head) for head in file.heads] == [made.candidate(i, turn) for i in range(2) for turn in range(4)]
    assert [head.tool for head in file.heads[:4]] == ["get_user", "get_order", "cancel", "(message)"]
    made.desk(tmp_path, 1)
    with pytest.raises(DataError, match=r"candidates.jsonl:8: "):
        file.load(file.heads[7])
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match="no candidates"):
        CandidateFile(tmp_path / "empty.jsonl")


# ---------------------------------------------------------------- reading


class Tokenizer:
    """Ids are places in a list of tokens; special ones carry a mark."""

    words = ("<s>", "</s>", "[TOOL_CALLS]", "<pad>", '[{"name": "f", ', '"arguments": {}}]', "Hello")
    bos_token_id, eos_token_id, pad_token_id, unk_token_id = 0, 1, 3, None

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        return {i: SimpleNamespace(special=i < 4) for i in range(5)}

    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
        return "".join(self.words[i] for i in ids if i >= 4 or not skip_special_tokens)


def drawn(*tokens: int, text: str, **more: Any) -> Completion:
    return Completion("p", 0, text, more.pop("finish", "stop"), tokens=tokens, **more)


def test_a_marker_that_the_text_leaves_out_still_makes_a_call() -> None:
    call = Action("calls", (Invocation("f", {}),))
    completion = drawn(6, 2, 4, 5, 1, text='Hello[{"name": "f", "arguments": {}}]')
    assert Reader(Tokenizer()).read(completion) == call._replace(content="Hello")
    assert Reader().read(completion).kind == "message"  # which is what it would be taken for
    assert Reader(Tokenizer()).read(drawn(6, 3, 1, text="Hello")) == Action("message", (), "Hello")
    broken = Reader(Tokenizer()).read(drawn(2, 4, 1, text='[{"name": "f", '))
    assert (broken.kind, broken.problem) == ("invalid", "malformed")


def test_a_stop_string_ends_the_text_with_its_markers_too() -> None:
    reader = Reader(Tokenizer(), stop=["Hello"])
    assert reader.read(drawn(2, 4, 5, 6, text="x")) == Action("calls", (Invocation("f", {}),))


def test_reasoning_that_the_prompt_opened_is_no_text() -> None:
    assert Reader().read(drawn(text="so"), in_reasoning=True).problem == "unclosed_reasoning"
    assert Reader().read(drawn(text="so</think>Yes."), in_reasoning=True).content == "Yes."


@given(st.text(st.characters(), max_size=8))
def test_every_text_can_be_kept_and_what_could_be_is_unchanged(text: str) -> None:
    written = whole_text(text)
    written.encode()
    assert whole_text(written) == written
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert written == text


def test_halves_of_a_pair_join_and_a_lone_half_is_replaced() -> None:
    assert whole_text("a\ud83d\ude00b") == "a\U0001f600b"
    assert whole_text("a\ud83db") == "a\ufffdb"


def test_a_sample_comes_back_from_its_row_as_it_was_read() -> None:
    actions = [
        Action("calls", (Invocation("f", {"x": 1.0, "y": [True, None]}),), "so", "", True),
        Action("message", (), "Yes.", "", True),
        Action("message", (), "Yes."),
        Action("invalid", (), "<tool_call>", "malformed", False),
    ]
    for action in actions:
        completion = drawn(text="", finish="length" if action.is_truncated else "stop")
        row = json.loads(json.dumps(sample_row(completion, action, Verdict(0.5, "near", {"why": "x"}))))
        assert action_of(row, place="here") == action
        assert rejudged_row(row, Verdict(None, "no"))["action"] == row["action"]
    half = sample_row(drawn(text=""), actions[2], Verdict(None, "no", {"judge": ["\ud83d"]}))
    assert half["detail"] == {"judge": ["\ufffd"]}
    assert action_from_json(half["action"], place="here") == actions[2]


# ---------------------------------------------------------------- verifiers


def test_the_table_of_tools_may_be_toml_or_json(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('mine = ["foo", "bar"]')
    (tmp_path / "a.json").write_text('{"mine": ["foo", "bar"]}')
    identities = [
        open_verifier(VerifierConfig(name="tool-name", classes=tmp_path / f"a.{kind}")).identity
        for kind in ("toml", "json")
    ]
    assert identities[0] == identities[1] != open_verifier(VerifierConfig(name="tool-name")).identity
    for text in ("[1]", "{", '{"mine": 3}'):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(ConfigError):
            open_verifier(VerifierConfig(name="tool-name", classes=tmp_path / "a.json"))
    with pytest.raises(ConfigError, match="tool classes"):
        open_verifier(VerifierConfig(name="tool-name", classes=tmp_path / "b.json"))


def test_rules_unordered_lists_and_warnings_come_from_the_config() -> None:
    said: list[str] = []
    config = VerifierConfig(name="tool-call:nemo_gym:0.9")
    open_verifier(config, say=said.append)
    assert len(said) == 2 and said[0].startswith("warning: verifier ") and "0.5" in said[0]
    found = open_verifier(VerifierConfig(rules={"order": "casefold"}, unordered=("items",))).identity
    assert found["rules"] == {"order": "casefold"} and list(found["unordered"]) == ["items"]
    with pytest.raises(ConfigError, match="no use for"):
        open_verifier(VerifierConfig(name="exact", rules={"order": "casefold"}))


def test_a_judge_is_made_when_it_is_asked_and_a_slip_in_its_name_is_found_at_once() -> None:
    config = VerifierConfig(name="judge", judge="m", judge_endpoint=EndpointConfig(base_url="http://localhost:1/v1"))
    verifier = open_verifier(config)
    assert verifier.identity["judge"]["model"] == "m"
    with pytest.raises(ConfigError, match="smollm2"):
        open_verifier(VerifierConfig(name="judge", judge="smolm2-135m"))


def test_a_judge_behind_an_endpoint_judges_several_samples_at_once(tmp_path: Path) -> None:
    flying, most = [0], [0]
    lock = threading.Lock()

    async def answer(request: Any, body: dict[str, Any]) -> Any:
        import asyncio

        with lock:
            flying[0] += 1
            most[0] = max(most[0], flying[0])
        await asyncio.sleep(0.05)
        with lock:
            flying[0] -= 1
        return ok("[[A=B]]")

    config = VerifierConfig(name="judge", judge="m")
    verifier = open_verifier(config, judge=LazySampler(lambda: make(answer)))
    candidate = made.candidate(0, 3)
    texts = [Action("message", (), f"Done {i}.") for i in range(12)]
    found = list(verdicts(texts, lambda action: verifier.verify(candidate, action), num_at_once=6))
    assert [item for item, _ in found] == texts and all(verdict.reward == 1 for _, verdict in found)
    assert 2 <= most[0] <= 6


def test_what_came_before_a_failure_is_judged_before_it_is_raised() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise EndpointError("gone")

    def verify(item: int) -> Verdict:
        time.sleep(0.01 * (5 - item))
        return Verdict(float(item % 2), "own")

    found = verdicts(items(), verify, num_at_once=3)
    assert [next(found) for _ in range(5)] == [(item, Verdict(float(item % 2), "own")) for item in range(5)]
    with pytest.raises(EndpointError, match="gone"):
        next(found)


# ---------------------------------------------------------------- hashes


def test_seed_device_and_sampling_are_no_part_of_a_policy() -> None:
    first, other = (CallableSampler(made.ask, name="desk", seed=seed) for seed in (0, 1))
    assert policy_identity(first) == policy_identity(LazySampler(lambda: other))
    renamed = CallableSampler(made.ask, name="another")
    assert identity_hash(policy_identity(first)) != identity_hash(policy_identity(renamed))
    hot, cold = (make(lambda r, b: ok(), sampling={"temperature": t}) for t in (1.0, 0.5))
    assert policy_identity(hot) == policy_identity(cold)
    assert "model" in policy_identity(hot) and "temperature" not in policy_identity(hot)
    assert identity_hash({"a": 1, "b": 2}) == identity_hash({"b": 2, "a": 1}) != identity_hash({"a": 1, "b": 3})


def test_the_template_counts_and_how_batches_were_padded_does_not() -> None:
    def tokenizer(template: Any, **state: Any) -> Any:
        body = json.dumps({"model": {"vocab": {"a": 0}}, "truncation": None, "padding": None, **state})
        backend = SimpleNamespace(to_str=lambda: body)
        return SimpleNamespace(backend_tokenizer=backend, chat_template=template, special_tokens_map={"eos_token": "x"})

    plain = tokenizer_identity(tokenizer("{{ messages }}"))
    assert plain == tokenizer_identity(tokenizer("{{ messages }}", padding={"length": 8}))
    changed = tokenizer_identity(tokenizer("{{ messages }} "))
    assert changed["tokenizer"] == plain["tokenizer"] and changed["template"] != plain["template"]
    assert tokenizer_identity(tokenizer("", model={}))["tokenizer"] != plain["tokenizer"]
    assert tokenizer_identity(tokenizer(None))["template"] == ""
    slow = SimpleNamespace(get_vocab=lambda: {"a": 0}, special_tokens_map={}, chat_template={"default": "x"})
    assert tokenizer_identity(slow)["template"]


def test_what_a_run_is_made_with_is_kept_and_another_value_refused(tmp_path: Path) -> None:
    MadeWith(tmp_path).check("sampler", {"model": "a", "seed": 0})
    found = MadeWith(tmp_path)
    found.check("sampler", {"seed": 0, "model": "a"})
    found.put("sizes", [(1, 2)])
    assert found.get("sizes") == [[1, 2]] and found.get("nothing") is None
    with pytest.raises(RunMismatchError, match=r'sampler \{"model": "a"\}.*go on with \{"model": "b"\}'):
        found.check("sampler", {"model": "b", "seed": 0})
    with pytest.raises(ConfigError, match="no JSON"):
        found.check("other", {"x": float("nan")})
    assert MadeWith(tmp_path).get("other") is None


# ---------------------------------------------------------------- endpoints


def test_an_endpoint_that_refuses_every_state_ends_the_run_early(tmp_path: Path) -> None:
    import httpx

    asked = [0]

    def refuse(request: Any, body: dict[str, Any]) -> Any:
        asked[0] += 1
        return httpx.Response(400, text="no tools here")

    folder = made.desk(tmp_path / "pivots", 20)
    with pytest.raises(EndpointError, match=r"refuses every state.*no tools here.*--tool-format hermes"):
        profile_candidates(made.settings(folder), sampler=make(refuse))
    assert asked[0] <= 64 + 4 * 16 + 16 < 320
    assert not (folder / "profile" / "samples.jsonl").exists()


def test_what_a_judge_costs_is_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judges: list[Any] = []

    def make_judge(*args: Any, **kwargs: Any) -> Any:
        judges.append(make(lambda r, b: ok("I think so. [[A=B]]")))
        return judges[-1]

    monkeypatch.setattr("reasonry.training.pivotrl.verifying.make_sampler", make_judge)
    folder = made.write_candidates(tmp_path / "pivots", [made.candidate(i, 3) for i in range(3)])
    verifier = VerifierConfig(name="judge", judge="m", judge_endpoint=EndpointConfig(base_url="http://localhost:1/v1"))
    found = profile_candidates(made.settings(folder, verifier=verifier.model_dump()), sampler=made.model())
    assert found.summary.mean_reward == 1.0 and len(judges) == 1
    assert found.judge_costs["num_completions"] == judges[0].stats.num_completions >= 6
    assert found.costs["num_completions"] == 12
    again = profile_candidates(made.settings(folder, verifier=verifier.model_dump()), sampler=made.model())
    assert again.profiles == found.profiles and len(judges) == 1  # nothing was left to judge


def test_a_state_that_the_endpoint_refuses_is_left_out(tmp_path: Path) -> None:
    import httpx

    def answer(request: Any, body: dict[str, Any]) -> Any:
        if len(body["messages"]) > 6:
            return httpx.Response(400, text="longer than the context of 8192 tokens")
        return ok("Done.")

    folder = made.desk(tmp_path / "pivots", 3)
    found = profile_candidates(made.settings(folder), sampler=make(answer))
    assert found.summary.num_left_out == 3 and found.summary.num_states == 9
    assert ["context of N" in reason for reason in found.summary.left_out] == [True]
    assert json.loads((found.folder / "made_with.json").read_text())["tool_format"] == "template"
