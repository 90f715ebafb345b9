"""Copy or reverse: the formulas, the sequences, training that continues, and what a verdict buys."""

from __future__ import annotations

import itertools
import math
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from reasonry.core import seeds
from reasonry.core.config import from_dict
from reasonry.core.stats import wilson
from reasonry.core.tiny import Cache, TinyGPT
from reasonry.errors import ConfigError, Interrupted, RunMismatchError
from reasonry.test_time.claims import sat_copy as claim
from reasonry.test_time.sat_copy import data
from reasonry.test_time.sat_copy import train as training
from reasonry.test_time.sat_copy.config import SatCopyConfig
from reasonry.test_time.sat_copy.evaluate import evaluate
from reasonry.test_time.sat_copy.train import attempt_loss, draw_batch, learning_rate, train

QUICK = SatCopyConfig(num_steps=6, batch_size=8, num_test=40, num_eval=20, eval_every=2, device="cpu")


def _solvable(formula: np.ndarray) -> bool:
    """By trying all assignments of one formula."""
    return any(
        all(any(values[t % 4] == (t < 4) for t in clause) for clause in formula.tolist())
        for values in itertools.product((False, True), repeat=4)
    )


# ---------------------------------------------------------------- formulas


def test_satisfiable_agrees_with_trying_every_assignment() -> None:
    rng = seeds.stream(0, "formulas")
    for num_clauses in (8, 12, 20):
        formulas = data.draw_clauses(rng, 60, num_clauses=num_clauses)
        assert data.satisfiable(formulas).tolist() == [_solvable(f) for f in formulas]


def test_a_formula_of_all_signs_of_one_triple_is_not_satisfiable_and_seven_of_them_are() -> None:
    signs = np.array(list(itertools.product((0, 4), repeat=3)))
    every = (np.arange(3) + signs)[None]
    assert not data.satisfiable(every)[0]
    assert all(data.satisfiable(np.delete(every, i, axis=1))[0] for i in range(8))


def test_the_share_of_satisfiable_formulas_is_the_exact_one() -> None:
    assert data.satisfiable_probability(7) == pytest.approx(1.0, abs=1e-9)
    assert data.satisfiable_probability(20) == pytest.approx(0.70815, abs=5e-6)
    # One assignment satisfies 28 of the 32 clauses; with many clauses hardly ever more than one survives.
    assert data.satisfiable_probability(60) == pytest.approx(16 * (28 / 32) ** 60, rel=5e-3)
    found = data.satisfiable(data.draw_clauses(seeds.stream(1, "share"), 20_000, num_clauses=20))
    interval = wilson(int(found.sum()), found.size, level=0.999)
    assert interval.low < data.satisfiable_probability(20) < interval.high


def test_few_clauses_are_covered_with_the_probability_that_counting_gives() -> None:
    # Eight clauses, two assignments each: they cover all 16 only if no two overlap. Count exact covers by search.
    masks = {
        int(np.bitwise_and.reduce(data._FALSE[list(t)]))
        for t in itertools.permutations(range(8), 3)
        if len({x % 4 for x in t}) == 3
    }
    assert len(masks) == 32
    assert {m.bit_count() for m in masks} == {2}

    def covers(left: int) -> int:
        if not left:
            return 1
        lowest = left & -left
        return sum(covers(left & ~m) for m in masks if m & lowest and m & left == m)

    exact = covers(0xFFFF) * math.factorial(8) / 32**8
    assert 1 - data.satisfiable_probability(8) == pytest.approx(exact, rel=1e-3)


def test_clauses_have_three_variables_each_order_and_sign_alike() -> None:
    literals = data.draw_clauses(seeds.stream(2, "clauses"), 4000, num_clauses=20).reshape(-1, 3)
    assert all(len(set(c)) == 3 for c in (literals % 4).tolist())
    counts = np.bincount(np.ravel_multi_index(tuple(literals.T), (8, 8, 8)), minlength=512)
    counts = counts[counts > 0]
    assert counts.size == 24 * 8
    chi2 = float(((counts - counts.mean()) ** 2 / counts.mean()).sum())
    assert abs(chi2 - 191) < 5 * math.sqrt(2 * 191)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
def test_prompts_have_the_wanted_share_of_satisfiable_formulas(share: float) -> None:
    prompts = data.draw_prompts(seeds.stream(3, "prompts"), 3000, num_clauses=20, length=5, sat_share=share)
    assert np.array_equal(data.satisfiable(prompts.tokens_BT[:, :60].reshape(-1, 20, 3)), prompts.is_sat_B)
    interval = wilson(int(prompts.is_sat_B.sum()), 3000, level=0.999)
    assert interval.low <= share <= interval.high


@pytest.mark.parametrize("num_clauses", [5, 9, 300])
def test_formulas_too_rare_to_wait_for_are_refused(num_clauses: int) -> None:
    with pytest.raises(ConfigError, match=f"num_clauses = {num_clauses}"):
        data.draw_prompts(seeds.stream(0), 10, num_clauses=num_clauses, length=5, sat_share=0.5)


def test_copying_is_right_as_often_as_the_formula_says() -> None:
    assert [data.copy_accuracy(n) for n in (1, 4, 5, 8)] == [1.0, 0.625, 0.625, 0.53125]
    for length in range(1, 9):
        strings = list(itertools.product("ab", repeat=length))
        palindromes = sum(s == s[::-1] for s in strings) / len(strings)
        assert data.copy_accuracy(length, sat_share=0.9) == pytest.approx(0.9 + 0.1 * palindromes, abs=1e-15)


# ---------------------------------------------------------------- sequences


def test_a_trace_of_two_turns_is_what_it_should_be() -> None:
    prompts = data.draw_prompts(seeds.stream(4), 3000, num_clauses=20, length=5, sat_share=0.9)
    traces = data.two_turns(seeds.stream(5), prompts, first_copy_share=0.9)
    assert traces.tokens_BT.shape == (3000, 78)
    assert traces.targets.tolist() == [*range(67, 72), *range(73, 78)]
    first, said, second = traces.tokens_BT[:, 67:72], traces.tokens_BT[:, 72], traces.tokens_BT[:, 73:]
    for b in range(50):
        string = traces.tokens_BT[b, 61:66].tolist()
        answer = string if _solvable(traces.tokens_BT[b, :60].reshape(20, 3)) else string[::-1]
        assert traces.tokens_BT[b, [60, 66]].tolist() == [data.SEP, data.EQ]
        assert second[b].tolist() == answer
        assert first[b].tolist() in (string, string[::-1])
        assert said[b] == (data.OK if first[b].tolist() == answer else data.BAD)
    copies = (first == prompts.string_Bn).all(1)
    # 0.9, and a palindrome (1/4) is a copy either way
    interval = wilson(int(copies.sum()), copies.size, level=0.999)
    assert interval.low < 0.9 + 0.1 / 4 < interval.high
    # Attempt 1 knows nothing of the formula: it copies as often under either kind.
    assert copies[prompts.is_sat_B].mean() == pytest.approx(copies[~prompts.is_sat_B].mean(), abs=0.06)


def test_a_trace_of_one_turn_ends_with_the_right_answer() -> None:
    prompts = data.draw_prompts(seeds.stream(6), 200, num_clauses=20, length=6, sat_share=0.5)
    traces = data.one_turn(prompts)
    assert traces.targets.tolist() == list(range(68, 74))
    assert np.array_equal(traces.tokens_BT[:, 68:], prompts.answer_Bn)
    reversed_B = (prompts.answer_Bn == prompts.string_Bn[:, ::-1]).all(1)
    assert bool((prompts.is_sat_B | reversed_B).all())


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one, same, next_ = draw_batch(QUICK, 3), draw_batch(QUICK, 3), draw_batch(QUICK, 4)
    assert np.array_equal(one.tokens_BT, same.tokens_BT)
    assert not np.array_equal(one.tokens_BT, next_.tokens_BT)
    varied = QUICK.with_(min_length=2, max_length=9)
    widths = {draw_batch(varied, step).tokens_BT.shape[1] for step in range(100)}
    assert widths == {3 * 20 + 3 + 3 * n for n in range(2, 10)}


# ---------------------------------------------------------------- training


def test_the_loss_falls_on_the_attempts_and_on_nothing_else() -> None:
    model = TinyGPT(training.preset("nano", vocab_size=data.VOCAB_SIZE))
    traces = draw_batch(QUICK, 0)
    tokens_BT, targets = torch.from_numpy(traces.tokens_BT), torch.from_numpy(traces.targets)
    logp_BTV = model(tokens_BT).log_softmax(-1)
    terms = [-logp_BTV[b, t - 1, tokens_BT[b, t]] for b in range(8) for t in traces.targets]
    assert float(attempt_loss(model, tokens_BT, targets).detach()) == pytest.approx(
        float(torch.stack(terms).mean().detach()), abs=1e-5
    )
    assert float(attempt_loss(model, tokens_BT, targets).detach()) == pytest.approx(math.log(14), abs=0.2)


def test_the_learning_rate_falls_along_a_cosine_to_a_tenth() -> None:
    config = QUICK.with_(num_steps=900, lr=1e-3)
    assert learning_rate(config, 0) == 1e-3
    assert learning_rate(config, 450) == pytest.approx(0.55e-3)
    assert learning_rate(config, 900) == pytest.approx(1e-4)


def test_a_run_cut_short_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(QUICK)
    step = training._train_step

    def interrupted(state: Any, config: SatCopyConfig, device: torch.device) -> float:
        if state.step == 5:
            raise KeyboardInterrupt
        return step(state, config, device)

    monkeypatch.setattr(training, "_train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(QUICK, folder=tmp_path)
    monkeypatch.undo()
    said: list[str] = []
    again = train(QUICK, folder=tmp_path, say=said.append)
    assert said[0] == "continuing after step 4"
    assert again.history == whole.history
    for name, weight in whole.model.named_parameters():
        assert torch.equal(weight, again.model.get_parameter(name))
    assert all(np.array_equal(a, b) for a, b in zip(again.test, whole.test, strict=True))


def test_a_request_to_stop_between_evaluations_saves_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(QUICK)
    step = training._train_step

    def stopping(state: Any, config: SatCopyConfig, device: torch.device) -> float:
        loss = step(state, config, device)
        if state.step == 3:
            signal.raise_signal(signal.SIGINT)  # Ctrl-C, once
        return loss

    monkeypatch.setattr(training, "_train_step", stopping)
    with pytest.raises(Interrupted, match="after step 3"):
        train(QUICK, folder=tmp_path)
    monkeypatch.undo()
    again = train(QUICK, folder=tmp_path)
    assert again.history == whole.history, "the losses before the stop are in the mean"
    assert torch.equal(again.model.head.weight, whole.model.head.weight)


def test_checkpoints_of_another_config_are_refused(tmp_path: Path) -> None:
    train(QUICK.with_(num_steps=2), folder=tmp_path)
    with pytest.raises(RunMismatchError, match="another config"):
        train(QUICK.with_(num_steps=2, lr=2e-3), folder=tmp_path)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        train(QUICK.with_(device="no-such-device"))


def test_a_longest_string_below_the_shortest_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_length = 9 is above max_length = 5"):
        from_dict(SatCopyConfig, {"min_length": 9})


@pytest.mark.parametrize(("length", "max_len"), [(5, 128), (24, 135)])
def test_the_model_has_room_for_the_longest_sequence(length: int, max_len: int) -> None:
    config = QUICK.with_(min_length=length, max_length=length)
    assert config.max_len == max_len
    assert draw_batch(config, 0).tokens_BT.shape[1] <= max_len


# ---------------------------------------------------------------- evaluation


class _Scripted:
    """Stands in for a model: copies first, then does what the verdict tells it (OK: repeat, BAD: reverse)."""

    def __init__(self, *, obeys: bool) -> None:
        self.obeys = obeys
        self.seen = torch.zeros(0, 0, dtype=torch.long)

    def parameters(self) -> Any:
        return iter([torch.zeros(1)])

    def embed(self, tokens_BT: torch.Tensor, *, start: int) -> torch.Tensor:
        self.seen = tokens_BT if start == 0 else torch.cat([self.seen, tokens_BT], 1)
        return tokens_BT

    def run_layers(self, h_BTD: torch.Tensor, *, cache: Cache) -> torch.Tensor:
        cache.num_tok += h_BTD.shape[1]
        return h_BTD

    def read_out(self, _: torch.Tensor) -> torch.Tensor:
        read = self.seen.shape[1]
        string, turn = self.seen[:, 61:66], int(read > 72)
        if turn and self.obeys:
            bad = self.seen[:, 72:73] == data.BAD
            string = torch.where(bad, string.flip(1), string)
        at = read - (73 if turn else 67)
        return torch.nn.functional.one_hot(string[:, at : at + 1], data.VOCAB_SIZE)


def test_obeying_a_true_verdict_solves_everything_and_an_inverted_one_nothing_but_palindromes() -> None:
    config = QUICK.with_(test_sat_share=0.5)

    def run(shown: str) -> Any:
        return evaluate(cast("Any", _Scripted(obeys=True)), config, num=700, shown=cast("Any", shown))

    true, always, inverted = run("true"), run("always-ok"), run("inverted")
    assert true.num == 700
    assert true.first_copies_B.all()
    assert true.first == true.copying == always.second
    assert true.second == 1.0
    palindromes = true.first_right_B & ~true.is_sat_B
    assert np.array_equal(inverted.second_right_B[~true.is_sat_B], palindromes[~true.is_sat_B])
    interval = wilson(int(inverted.second_right_B.sum()), 700, level=0.999)
    assert interval.low < 0.25 < interval.high


def test_who_does_not_listen_gains_nothing() -> None:
    found = evaluate(cast("Any", _Scripted(obeys=False)), QUICK, num=100)
    assert np.array_equal(found.first_right_B, found.second_right_B)


def test_without_feedback_there_is_one_answer_to_the_same_prompts() -> None:
    model = TinyGPT(training.preset("nano", vocab_size=data.VOCAB_SIZE))
    found = evaluate(model, QUICK.with_(feedback="none"), num=30)
    other = evaluate(model, QUICK, num=30)
    assert np.array_equal(found.first_right_B, found.second_right_B)
    assert np.array_equal(found.is_sat_B, other.is_sat_B)
    assert np.array_equal(found.first_right_B, other.first_right_B)


def test_every_length_has_its_prompts() -> None:
    model = TinyGPT(training.preset("nano", vocab_size=data.VOCAB_SIZE))
    found = evaluate(model, QUICK.with_(min_length=2, max_length=4), num=11)
    assert found.length_B.tolist() == [2] * 11 + [3] * 11 + [4] * 11
    assert found.at(found.length_B == 3).num == 11


# ---------------------------------------------------------------- claim


def _fake(first: float, *, moved: float = 0.0) -> Any:
    history = (training.Row(1, 1.0, 0.1, 0.1, 0.6), training.Row(4, 1.0, 0.6 + moved, 0.6, 0.6))
    return SimpleNamespace(config=QUICK, history=history, test=SimpleNamespace(first=first, copying=first))


def test_the_claim_fails_when_one_answer_does_not_stay_at_copying() -> None:
    assert claim._not_flat([_fake(0.62)]) == "", "what happened in the first half does not count"
    assert "at step 4" in claim._not_flat([_fake(0.62), _fake(0.62, moved=0.06)])
    assert "0.700 is not within" in claim._not_flat([_fake(0.70)])


def test_an_untrained_pair_of_models_is_no_evidence() -> None:
    found = claim.feedback_gain(seed=0, num_steps=2, batch_size=4, num_test=20, num_eval=10, eval_every=1)
    assert (found.low, found.high) == (-1.0, 1.0)
    assert found.detail.startswith("no interval")


@pytest.mark.slow
def test_a_verdict_makes_the_second_attempt_right_where_the_first_stays_at_copying(tmp_path: Path) -> None:
    found = train(SatCopyConfig(num_test=1000), folder=tmp_path)
    assert 0.57 <= found.test.first <= 0.68
    assert found.test.second >= 0.90
    assert found.history[-1].loss_nats < found.history[0].loss_nats / 5
    told_wrong = evaluate(found.model, found.config, num=400, shown="inverted")
    assert told_wrong.second < 0.5, "it is the verdict that the second attempt goes by"
