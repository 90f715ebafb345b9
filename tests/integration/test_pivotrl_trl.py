"""TRL trains on pivots: rows, rewards, settings, its loss and advantages beside ours, checkpoints, adapters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.chat_tokenizers import ASSISTANT, WITH_TOOLS, chat_tokenizer
from tests.pivotrl_training import FirstByte, candidates, config, turns

pytest.importorskip("trl")
pytest.importorskip("datasets")
pytest.importorskip("peft")

import torch

from reasonry.core import jsonl
from reasonry.core.messages import user
from reasonry.core.models import LoadedModel, ModelConfig, load_causal_lm
from reasonry.core.sampling.hf import end_ids_of
from reasonry.errors import ConfigError, Interrupted
from reasonry.integrations import trl as engine
from reasonry.training.pivotrl.advantages import advantages
from reasonry.training.pivotrl.records import Action, Candidate, Invocation, Verdict
from reasonry.training.pivotrl.rendering import render
from reasonry.training.pivotrl.states import present
from reasonry.training.pivotrl.train.judging import Turn
from reasonry.training.pivotrl.train.loss import Divisors, policy_loss
from reasonry.training.pivotrl.train.tokens import action_logps, pad

pytestmark = [pytest.mark.filterwarnings("ignore::FutureWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]


def load(model: Path) -> LoadedModel:
    return load_causal_lm(str(model), ModelConfig(dtype="float32", device="cpu"))


def make(folder: Path, model: Path, *, verifier: Any = None, tick: Any = lambda: None, **changes: Any) -> Any:
    loaded = load(model)
    made = config(engine="trl", **changes)
    given = [
        turn._replace(text=render(loaded.tokenizer, present(turn.candidate, "template")).text)
        for turn in turns(loaded.tokenizer).values()
    ]
    reward = engine.reward_function(verifier or FirstByte(), loaded.tokenizer, end_ids_of(loaded))
    return engine.make_trainer(
        loaded,
        made,
        reward,
        engine.training_dataset(given),
        folder=folder,
        learning_rate=made.learning_rate or 1e-6,
        tick=tick,
    )


def rows(folder: Path) -> list[dict[str, Any]]:
    return list(jsonl.read(folder / "metrics.jsonl"))


# ---------------------------------------------------------------- data and reward


def test_arguments_of_other_rows_leak_nowhere() -> None:
    """Arrow would give both rows both keys, and nulls for what they lack."""
    tokenizer = chat_tokenizer(WITH_TOOLS + ASSISTANT)
    given: list[Turn] = []
    for name, schema in (("foo", {"x": {"type": "integer"}}), ("bar", {"y": {"type": "string"}})):
        body = {"name": name, "parameters": {"type": "object", "properties": schema}}
        call = Action("calls", (Invocation(name, {"x": 1} if name == "foo" else {"y": "z"}),))
        turn = Candidate(name, "t", 0, 1, 1, (user("Hi"),), ({"type": "function", "function": body},), (call,))
        text, ids = render(tokenizer, present(turn, "template"))
        given.append(Turn(turn, ids, text))
    dataset = engine.training_dataset(given)
    for row, turn in zip(dataset, given, strict=True):
        assert tuple(tokenizer(row["prompt"])["input_ids"]) == turn.prompt_ids
        assert "null" not in row["prompt"]
        seen: list[Candidate] = []

        class Sees:
            name, identity = "sees", {}

            def verify(self, candidate: Candidate, action: Action, seen: list[Candidate] = seen) -> Verdict:
                seen.append(candidate)
                return Verdict(1.0, "match")

        reward = engine.reward_function(Sees(), tokenizer, {0})
        assert reward(completion_ids=[[1, 0]], candidate=[row["candidate"]], in_reasoning=[row["in_reasoning"]]) == [
            1.0
        ]
        assert seen == [turn.candidate]


def test_rewards_are_of_tokens_and_may_be_missing(tiny_model: Path) -> None:
    tokenizer: Any = load(tiny_model).tokenizer
    logged: dict[str, float] = {}

    class Reads:
        name, identity = "reads", {}

        def verify(self, candidate: Candidate, action: Action) -> Verdict:
            if action.kind == "invalid":
                return Verdict(0.0, action.problem)
            return Verdict(None, "no_verdict") if action.is_truncated else Verdict(1.0, "match")

    dataset = engine.training_dataset(turns(tokenizer).values())
    reward = engine.reward_function(Reads(), tokenizer, {tokenizer.eos_token_id})
    end = tokenizer.eos_token_id
    broken = [*tokenizer('<tool_call>\n{"name": "f", "arguments": {"x": 3</tool_call>')["input_ids"], end]
    whole, cut = [*tokenizer("Hello.")["input_ids"], end], tokenizer("Hello.")["input_ids"]
    found = reward(
        completion_ids=[broken, whole, cut],
        candidate=[dataset[0]["candidate"]] * 3,
        in_reasoning=[False] * 3,
        completions=["", "", ""],
        log_metric=lambda name, value: logged.update({name: value}),
    )
    assert found == [0.0, 1.0, None]
    assert logged == {
        name: pytest.approx(1 / 3) for name in ("verifier/malformed", "verifier/match", "verifier/no_verdict")
    }


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "changes",
    [
        {"refill": True},
        {"reprofile_every": 3},
        {"reprofile_when": 0.5},
        {"loss": {"baseline": "leave-one-out"}},
        {"loss": {"scale": "others"}},
        {"loss": {"ddof": 0}},
    ],
)
def test_what_trl_has_no_place_for_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="minimal"):
        engine.check_config(config(engine="trl", **changes))


def test_a_step_has_all_its_actions_whatever_the_micro_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = engine.grpo_config(
        config(micro_batch=12, num_iterations=3, save_every=4, prompts_per_step=9, group_size=4, num_steps=6),
        output_dir=tmp_path,
        num_pivots=7,
        learning_rate=1e-5,
        use_cpu=True,
    )
    assert made.per_device_train_batch_size == 7
    assert made.generation_batch_size == 7 * 4
    assert made.save_steps == 6, "never amid the steps on the same samples"
    assert (made.epsilon, made.epsilon_high, made.beta) == (0.2, 0.28, 0.0)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="3 processes"):
        engine.grpo_config(config(), output_dir=tmp_path, num_pivots=4, learning_rate=1e-5, use_cpu=True)


# ---------------------------------------------------------------- training


@pytest.mark.parametrize(("kind", "scale"), [("dapo", "group"), ("grpo", "none"), ("dr_grpo", "batch")])
def test_loss_and_advantages_are_those_of_the_other_engine(
    tiny_model: Path, tmp_path: Path, kind: Any, scale: Any
) -> None:
    loss: dict[str, Any] = {"kind": kind, "scale": scale, "beta": 0.05}
    common: dict[str, Any] = {"num_steps": 4, "num_iterations": 2, "learning_rate": 3e-2, "micro_batch": 32}
    wide = FirstByte("".join(map(chr, range(33, 127, 2))))
    trainer = make(tmp_path, tiny_model, verifier=wide, loss=loss, **common)
    assert tuple(trainer.processing_class(text="say")["input_ids"]) == tuple(
        load(tiny_model).tokenizer("say")["input_ids"]
    )
    seen: list[tuple[Any, float, Any]] = []
    compute = trainer.compute_loss

    def watched(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        value = compute(model, inputs, *args, **kwargs)
        seen.append((inputs, float(value.detach()), {k: v.clone() for k, v in model.state_dict().items()}))
        return value

    trainer.compute_loss = watched
    engine.train(trainer)
    assert len(seen) == 4
    ours = load(tiny_model).model
    start = load(tiny_model).model
    for inputs, theirs, weights in seen:
        ours.load_state_dict(weights)
        actions = _unpadded(inputs["completion_ids"], inputs["completion_mask"])
        batch = pad(_unpadded(inputs["prompt_ids"], inputs["prompt_mask"]), actions)
        logp = action_logps(ours, batch)
        with torch.no_grad():
            made = policy_loss(
                logp,
                inputs["old_per_token_logps"] if inputs.get("old_per_token_logps") is not None else logp.detach(),
                advantage_B=inputs["advantages"],
                mask_BT=batch.mask_BC,
                divisors=Divisors(sum(map(len, actions)), len(actions), 3),
                ref_logp_BT=action_logps(start, batch),
                kind=kind,
                beta=0.05,
            )
        assert float(made.value) == pytest.approx(theirs, abs=1e-5)
    assert any(abs(theirs) > 1e-3 for _, theirs, _ in seen)


def _unpadded(ids: Any, mask: Any) -> list[list[int]]:
    return [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]


@pytest.mark.parametrize("scale", ["group", "none", "batch"])
def test_advantages_are_ours_within_each_row(tiny_model: Path, tmp_path: Path, scale: Any) -> None:
    given: list[float] = []

    class Records(FirstByte):
        def verify(self, candidate: Candidate, action: Action) -> Verdict:
            verdict = super().verify(candidate, action)
            given.append(verdict.reward or 0.0)
            return verdict

    wide = Records("".join(map(chr, range(33, 127, 2))))
    trainer = make(tmp_path, tiny_model, verifier=wide, num_steps=1, loss={"scale": scale}, micro_batch=32)
    found: list[Any] = []
    compute = trainer.compute_loss

    def watched(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        found.append(inputs["advantages"])
        return compute(model, inputs, *args, **kwargs)

    trainer.compute_loss = watched
    engine.train(trainer)
    ours = advantages([given[i : i + 8] for i in range(0, 32, 8)], scale=scale, ddof=1, eps=1e-4).advantage_PG
    assert len(set(given)) == 2
    # TRL shuffles the actions of a step before it cuts them into micro batches.
    assert sorted(found[0].tolist()) == pytest.approx(sorted(ours.ravel().tolist()), abs=1e-5)


def test_two_steps_leave_rows_and_whole_checkpoints(tiny_model: Path, tmp_path: Path) -> None:
    trainer = make(tmp_path, tiny_model, num_steps=2, save_every=1, loss={"beta": 0.01})
    assert engine.train(trainer).num_steps_run == 2
    found = rows(tmp_path)
    assert [row["step"] for row in found] == [1, 2]
    assert [row["pivot/turns_train"] for row in found] == [32, 64]
    assert found[0]["kl_ref"] == pytest.approx(0, abs=1e-5)
    for row in found:
        assert row["pivot/useful_groups"] == round(4 * (1 - row["frac_reward_zero_std"]))
        assert "step_time" not in row
    saved = sorted(p.name for p in (tmp_path / "checkpoints").glob("checkpoint-*"))
    assert saved == ["checkpoint-1", "checkpoint-2"]
    json.loads((tmp_path / "checkpoints/checkpoint-2/manifest.json").read_text())


def test_a_stop_is_saved_and_gone_on_from(tiny_model: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"num_steps": 4, "save_every": 50, "learning_rate": 3e-3}
    whole = make(tmp_path / "whole", tiny_model, **settings)
    engine.train(whole)

    def stop() -> None:
        raise Interrupted("asked to")

    with pytest.raises(Interrupted):
        engine.train(make(tmp_path / "parts", tiny_model, tick=stop, **settings))
    again = make(tmp_path / "parts", tiny_model, **settings)
    assert engine.train(again).num_steps_run == 3
    ours, theirs = again.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (tmp_path / "parts/metrics.jsonl").read_bytes() == (tmp_path / "whole/metrics.jsonl").read_bytes()


def test_adapters_alone_are_trained_and_saved(tiny_model: Path, tmp_path: Path) -> None:
    trainer = make(tmp_path, tiny_model, num_steps=1, lora={"rank": 2})
    trained = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora" in name for name in trained)
    engine.train(trainer)
    trainer.save_model(str(tmp_path / "adapter"))
    assert (tmp_path / "adapter/adapter_model.safetensors").is_file()
    assert json.loads((tmp_path / "adapter/adapter_config.json").read_text())["r"] == 2


def test_prompts_are_those_of_the_pivots(tiny_model: Path) -> None:
    tokenizer: Any = load(tiny_model).tokenizer
    given = [
        turn._replace(text=render(tokenizer, present(turn.candidate, "template")).text)
        for turn in turns(tokenizer).values()
    ]
    dataset = engine.training_dataset(given)
    assert [row["pivot_id"] for row in dataset] == [c.id for c in candidates()]
    assert [tuple(tokenizer(row["prompt"])["input_ids"]) for row in dataset] == [t.prompt_ids for t in given]
