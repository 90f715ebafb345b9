"""What TRL sees of a row: the template's own ids, with the row's own tools, in a group of its own."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.chat_tokenizers import ASSISTANT, WITH_TOOLS, chat_tokenizer
from tests.pivotrl_training import FirstByte, config, turns

pytest.importorskip("trl")
pytest.importorskip("datasets")
pytest.importorskip("peft")

from reasonry.core.messages import user
from reasonry.core.models import LoadedModel, ModelConfig, load_causal_lm
from reasonry.integrations import trl as engine
from reasonry.training.pivotrl.advantages import advantages
from reasonry.training.pivotrl.records import Action, Candidate, Invocation, Verdict
from reasonry.training.pivotrl.rendering import render
from reasonry.training.pivotrl.states import present
from reasonry.training.pivotrl.train.judging import Turn
from reasonry.training.pivotrl.verifiers import make_verifier

pytestmark = [pytest.mark.filterwarnings("ignore::FutureWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]


def load(model: Path) -> LoadedModel:
    return load_causal_lm(str(model), ModelConfig(dtype="float32", device="cpu"))


def unpadded(ids: Any, mask: Any) -> list[list[int]]:
    return [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]


def watched(
    folder: Path, tokenizer: Any, given: list[Turn], verifier: Any, *, model: Path | None = None
) -> tuple[Any, list[Any]]:
    """A trainer for one step, and what its loss is given."""
    from transformers import LlamaConfig, LlamaForCausalLM

    if model is None:
        size: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
        made = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), num_hidden_layers=1, **size))
        made.generation_config.eos_token_id = tokenizer.eos_token_id
        loaded = LoadedModel(made, tokenizer, "made", {})
    else:
        loaded = load(model)
    cfg = config(engine="trl", num_steps=1, prompts_per_step=len(given), micro_batch=32)
    reward = engine.reward_function(verifier, tokenizer, {tokenizer.eos_token_id})
    trainer = engine.make_trainer(
        loaded, cfg, reward, engine.training_dataset(given), folder=folder, learning_rate=1e-6
    )
    seen: list[Any] = []
    compute = trainer.compute_loss

    def watching(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(inputs)
        return compute(model, inputs, *args, **kwargs)

    trainer.compute_loss = watching
    return trainer, seen


@pytest.mark.parametrize("adds_bos", [False, True])
def test_trl_reads_the_ids_of_the_template_with_the_tools_of_each_row(tmp_path: Path, adds_bos: bool) -> None:
    tokenizer = chat_tokenizer("{{ bos_token }}" + WITH_TOOLS + ASSISTANT, adds_bos=adds_bos)
    wanted: dict[str, list[int]] = {}
    given: list[Turn] = []
    for name in ("foo", "bar"):
        tool = {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        turn = Candidate(name, "t", 0, 1, 1, (user("Hi"),), (tool,), (Action("calls", (Invocation(name, {}),)),))
        text, ids = render(tokenizer, present(turn, "template"))
        given.append(Turn(turn, ids, text))
        messages = [{"role": "user", "content": "Hi"}]
        shown = tokenizer.apply_chat_template(messages, tools=[tool], add_generation_prompt=True, tokenize=True)
        wanted[name] = list(shown["input_ids"])
    trainer, seen = watched(tmp_path, tokenizer, given, FirstByte())
    engine.train(trainer)
    found = {tuple(ids) for inputs in seen for ids in unpadded(inputs["prompt_ids"], inputs["prompt_mask"])}
    assert found == {tuple(ids) for ids in wanted.values()} == {turn.prompt_ids for turn in given}
    for name, other in (("foo", "bar"), ("bar", "foo")):
        text = tokenizer.decode(wanted[name])
        assert f'"{name}"' in text and f'"{other}"' not in text
        assert wanted[name].count(tokenizer.bos_token_id) == 1


def test_trl_normalises_two_rows_with_one_prompt_apart(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer: Any = load(tiny_model).tokenizer
    red = turns(tokenizer)["red"]
    red = red._replace(text=render(tokenizer, present(red.candidate, "template")).text)
    twin = red._replace(candidate=replace(red.candidate, id="twin"))
    given: dict[str, list[float]] = {"red": [], "twin": []}

    class Differs(FirstByte):
        def verify(self, candidate: Candidate, action: Action) -> Verdict:
            is_right = len(given[candidate.id]) % (2 if candidate.id == "red" else 4) == 0
            given[candidate.id].append(float(is_right))
            return Verdict(float(is_right), "match" if is_right else "other")

    trainer, seen = watched(tmp_path, tokenizer, [red, twin], Differs(), model=tiny_model)
    engine.train(trainer)
    assert {name: (len(rewards), sum(rewards)) for name, rewards in given.items()} == {"red": (8, 4), "twin": (8, 2)}
    ours = advantages(list(given.values()), ddof=1, eps=1e-4).advantage_PG
    theirs = sorted(a for inputs in seen for a in inputs["advantages"].tolist())
    assert theirs == pytest.approx(sorted(ours.ravel().tolist()), abs=1e-5)
    merged = advantages([given["red"] + given["twin"]], ddof=1, eps=1e-4).advantage_PG
    assert theirs != pytest.approx(sorted(merged.ravel().tolist()), abs=1e-2)


def test_a_reply_that_never_leaves_the_reasoning_of_its_prompt_is_no_message(tiny_model: Path) -> None:
    tokenizer: Any = load(tiny_model).tokenizer
    end = tokenizer.eos_token_id
    (turn, *_) = turns(tokenizer).values()
    rows_of = [engine.training_dataset([turn._replace(in_reasoning=opened)])[0] for opened in (True, False)]
    reward = engine.reward_function(make_verifier("tool-call"), tokenizer, {end})
    said = [*tokenizer("They want red, so")["input_ids"], end]
    columns = {name: [row[name] for row in rows_of] for name in ("candidate", "in_reasoning")}
    assert reward(completion_ids=[said, said], **columns) == [0.0, 1.0]


def test_verdicts_are_asked_for_at_once_and_stay_in_order(tiny_model: Path) -> None:
    tokenizer: Any = load(tiny_model).tokenizer
    barrier = threading.Barrier(4, timeout=30)

    class Meets:
        name, identity = "meets", {}

        def verify(self, candidate: Candidate, action: Action) -> Verdict:
            barrier.wait()  # passed only where four are asked at once
            time.sleep(0.02 * (4 - len(action.content)))
            return Verdict(len(action.content) / 4, "partial")

    row = engine.training_dataset(turns(tokenizer).values())[0]
    reward = engine.reward_function(Meets(), tokenizer, {tokenizer.eos_token_id}, num_at_once=4)
    said = [[*tokenizer("x" * n)["input_ids"], tokenizer.eos_token_id] for n in (1, 2, 3, 4)]
    found = reward(completion_ids=said, candidate=[row["candidate"]] * 4, in_reasoning=[False] * 4)
    assert found == [0.25, 0.5, 0.75, 1.0]
