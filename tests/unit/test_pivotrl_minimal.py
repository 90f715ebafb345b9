"""The plain loop: it learns, it goes on where it was, and the reference stays the model that training started from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests import pivotrl_training
from tests.pivotrl_training import FirstByte, trainer

from reasonry.core import jsonl
from reasonry.core.sampling.base import Completion
from reasonry.errors import ConfigError, Interrupted
from reasonry.training.pivotrl.records import Action, Candidate, Verdict
from reasonry.training.pivotrl.train.judging import Judge, is_useless, reward_metrics
from reasonry.training.pivotrl.train.tokens import action_logps, pad


def rows(folder: Path) -> list[dict[str, Any]]:
    return list(jsonl.read(folder / "metrics.jsonl"))


def weights(made: Any) -> dict[str, Any]:
    return {name: value.clone() for name, value in made.model.state_dict().items()}


def equal(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_the_reward_rises(tiny_model: Path, tmp_path: Path) -> None:
    trainer(tmp_path, tiny_model, num_steps=12, learning_rate=3e-3).run()
    reward = [row["reward"] for row in rows(tmp_path)]
    assert sum(reward[:2]) / 2 < 0.3
    assert sum(reward[-3:]) / 3 > 0.7
    last = rows(tmp_path)[-1]
    assert last["pivot/turns_train"] == 12 * 4 * 8
    assert last["verifier/match"] == pytest.approx(last["reward"])
    assert 0 < last["kl_ref"] < 20


def test_a_run_that_stops_and_goes_on_ends_like_one_that_does_not(tiny_model: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"num_steps": 6, "save_every": 2, "learning_rate": 3e-3, "num_iterations": 2}
    settings |= {"refill": True, "reprofile_every": 4, "k": 4}
    whole = trainer(tmp_path / "whole", tiny_model, **settings)
    whole.run()

    def stop_after_first() -> None:
        raise Interrupted("asked to")

    first = trainer(tmp_path / "parts", tiny_model, **settings)
    with pytest.raises(Interrupted):
        first.run(stop_after_first)
    first.stop()
    (tmp_path / "parts" / "metrics.jsonl").open("a").write('{"step": 4, "reward": 0.5}\n{"torn')
    second = trainer(tmp_path / "parts", tiny_model, **settings)
    assert second.state.step == 2
    second.run()
    assert second.state == whole.state
    assert equal(weights(second), weights(whole))
    assert (tmp_path / "parts/metrics.jsonl").read_bytes() == (tmp_path / "whole/metrics.jsonl").read_bytes()


def test_more_steps_go_on_from_the_end(tiny_model: Path, tmp_path: Path) -> None:
    trainer(tmp_path / "a", tiny_model, num_steps=4).run()
    longer = trainer(tmp_path / "a", tiny_model, num_steps=6)
    longer.run()
    whole = trainer(tmp_path / "b", tiny_model, num_steps=6)
    whole.run()
    assert equal(weights(longer), weights(whole))


def test_profiling_again_takes_the_policy_and_leaves_the_reference(tiny_model: Path, tmp_path: Path) -> None:
    made = trainer(tmp_path, tiny_model, num_steps=4, reprofile_every=2, k=16, learning_rate=3e-3, threshold=1.0)
    start = weights(made)
    made.state.pivots = made.state.pivots[:2]
    made.run()
    assert equal({k: v.clone() for k, v in made.reference.state_dict().items()}, start)
    assert not equal(weights(made), start)
    assert made.state.generation == 1
    assert made.state.turns_profile == 16 * 4, "all candidates, those that were no pivots too"
    assert [row["pivot/turns_profile"] for row in rows(tmp_path)] == [0, 0, 64, 64]
    assert len(made.state.pivots) > 2


def test_a_profile_without_any_pivot_leaves_the_old_ones(tiny_model: Path, tmp_path: Path) -> None:
    made = trainer(tmp_path, tiny_model, num_steps=2, reprofile_every=1, verifier=FirstByte(""))
    made.run()
    assert made.state.pivots == list(pivotrl_training.WORDS)
    assert made.state.generation == 1


def test_without_a_signal_nothing_is_learned(tiny_model: Path, tmp_path: Path) -> None:
    made = trainer(tmp_path, tiny_model, num_steps=2, verifier=FirstByte(""))
    start = weights(made)
    made.run()
    assert equal(weights(made), start)
    assert [row["grad_norm"] for row in rows(tmp_path)] == [0.0, 0.0]
    assert [row["frac_reward_zero_std"] for row in rows(tmp_path)] == [1.0, 1.0]


class OnlyFor(FirstByte):
    """Only one turn can be of use."""

    def verify(self, candidate: Candidate, action: Action) -> Verdict:
        verdict = super().verify(candidate, action)
        return verdict if candidate.id == "red" else Verdict(0.0, "other")


def test_groups_without_a_signal_are_replaced(tiny_model: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"num_steps": 1, "verifier": OnlyFor("".join(map(chr, range(33, 127, 2))))}
    trainer(tmp_path / "off", tiny_model, **settings).run()
    trainer(tmp_path / "on", tiny_model, **settings, refill=True, max_refills=8).run()
    off, on = rows(tmp_path / "off")[0], rows(tmp_path / "on")[0]
    assert off["pivot/useful_groups"] == 1
    assert on["pivot/useful_groups"] > 1
    assert on["pivot/turns_train"] > off["pivot/turns_train"] == 32, "what was replaced is paid for"


class Never(FirstByte):
    """Has no verdict on some actions."""

    def verify(self, candidate: Candidate, action: Action) -> Verdict:
        verdict = super().verify(candidate, action)
        return verdict if verdict.reward else Verdict(None, "no_verdict")


def test_actions_without_a_verdict_are_left_out(tiny_model: Path, tmp_path: Path) -> None:
    made = trainer(tmp_path, tiny_model, num_steps=1, verifier=Never("".join(map(chr, range(33, 127, 2)))))
    start = weights(made)
    made.run()
    assert rows(tmp_path)[0]["reward"] == 1.0
    assert equal(weights(made), start), "one reward alone is no contrast"


def test_steps_that_cannot_share_samples_evenly_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="5 steps"):
        trainer(tmp_path, tiny_model, num_steps=5, num_iterations=2)


# ---------------------------------------------------------------- tokens


def test_padding_changes_no_log_probability(tiny_model: Path, tmp_path: Path) -> None:
    model = trainer(tmp_path, tiny_model).model
    prompts, actions = [[5, 6, 7, 8], [9, 10]], [[11], [12, 13, 0]]
    with torch.no_grad():
        together = action_logps(model, pad(prompts, actions))
        alone = [action_logps(model, pad([p], [a]))[0] for p, a in zip(prompts, actions, strict=True)]
        whole = model(input_ids=torch.tensor([[9, 10, 12, 13, 0]])).logits.log_softmax(-1)
    assert together[0, :1].tolist() == pytest.approx(alone[0].tolist(), abs=1e-5)
    assert together[1].tolist() == pytest.approx(alone[1].tolist(), abs=1e-5)
    expected = [float(whole[0, 1 + i, token]) for i, token in enumerate((12, 13, 0))]
    assert alone[1].tolist() == pytest.approx(expected, abs=1e-5)


def test_the_sampler_and_the_learner_agree_on_the_policy(tiny_model: Path, tmp_path: Path) -> None:
    made = trainer(tmp_path, tiny_model)
    turn = made.turns["red"]
    group = made.rollouts.sample([turn], ["x"], 4)[0]
    from reasonry.core.sampling import Request

    drawn = list(made.rollouts.sampler.sample([Request("x", turn.candidate.prompt, range(4))]))
    assert tuple(d.tokens for d in drawn) == group.actions
    with torch.no_grad():
        for each in drawn:
            logps = action_logps(made.model, pad([turn.prompt_ids], [each.tokens]))[0].tolist()
            assert logps == pytest.approx(each.logps, abs=1e-4)


def test_only_tokens_of_the_action_have_a_gradient() -> None:
    from reasonry.training.pivotrl.train.loss import Divisors, policy_loss, token_logps

    batch = pad([[3, 4, 5], [6]], [[7, 8], [9]])
    logits = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0), requires_grad=True)
    logp = token_logps(logits[:, 2:-1], batch.action_BC)  # columns 2 and 3 predict the actions in 3 and 4
    made = policy_loss(
        logp, logp.detach(), advantage_B=torch.tensor([1.0, -1.0]), mask_BT=batch.mask_BC, divisors=Divisors(3, 2, 2)
    )
    made.value.backward()
    assert logits.grad is not None
    touched = logits.grad.abs().sum(-1) > 0
    assert touched.tolist() == [[False, False, True, True, False], [False, False, True, False, False]]


# ---------------------------------------------------------------- judging


def test_a_group_is_a_row_whatever_its_prompt_says() -> None:
    from reasonry.training.pivotrl.advantages import advantages

    hard, easy = [0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]
    both = advantages([hard, easy]).advantage_PG
    alone = advantages([hard]).advantage_PG
    assert both[0].tolist() == alone[0].tolist()
    mixed = advantages([hard + easy]).advantage_PG[0][:4]
    assert mixed.tolist() != alone[0].tolist(), "a baseline over both would mix two standards"


def test_two_turns_with_one_prompt_are_two_groups(tiny_model: Path, tmp_path: Path) -> None:
    made = trainer(tmp_path, tiny_model)
    twin = made.turns["red"]
    other = twin._replace(candidate=Candidate("twin", "t", 0, 1, 1, twin.candidate.prompt, (), twin.candidate.expected))
    first, second = made.rollouts.sample([twin, other], ["a", "b"], 4)
    assert first.turn.candidate.id == "red"
    assert second.turn.candidate.id == "twin"
    assert first.actions != second.actions


def test_a_call_that_cannot_be_read_is_never_text(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    candidate = pivotrl_training.candidates()[0]
    judge = Judge(FirstByte(), tokenizer, end_ids={0})
    broken = tokenizer('<tool_call>\n{"name": "foo", "arguments": {"x": 3</tool_call>')["input_ids"]
    action = judge.read_tokens(candidate, [*broken, 0])
    assert (action.kind, action.problem) == ("invalid", "malformed")
    hello = tokenizer("Hello.")["input_ids"]
    assert judge.read_tokens(candidate, [*hello, 0]) == Action("message", content="Hello.")
    assert judge.read_tokens(candidate, hello).is_truncated
    completion = Completion("x", 0, "Hello.", "stop", tokens=(1, 0))
    assert judge.read(candidate, completion) == Action("message", content="Hello.")


def test_rewards_are_counted_by_group_and_by_category() -> None:
    def verdicts(*rewards: float | None) -> list[Verdict]:
        return [Verdict(r, "no_verdict" if r is None else "match" if r else "other") for r in rewards]

    made = reward_metrics([verdicts(1.0, 0.0), verdicts(1.0, 1.0), verdicts(None, 1.0), verdicts(0.95, 0.95)])
    assert made["frac_reward_zero_std"] == 0.75
    assert made["pivot/useful_groups"] == 1
    assert made["reward"] == pytest.approx((1 + 0 + 1 + 1 + 1 + 0.95 * 2) / 7)
    assert made["verifier/no_verdict"] == pytest.approx(1 / 8)
    assert "reward" not in reward_metrics([verdicts(None, None)])
    assert is_useless([0.95] * 8)
    assert not is_useless([0.0] + [0.95] * 7)
