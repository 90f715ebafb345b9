"""The oracle against enumeration, the chain rule, and what decoding rules must do with exact laws."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.token_tasks.base import END, MASK, PAD, Ints
from reasonry.tasks.token_tasks.entries import DIGIT, ENTRY_LEN, SEPARATOR
from reasonry.tasks.token_tasks.ledger import Ledger
from reasonry.tasks.token_tasks.pairs import Pairs
from reasonry.training.dultra.checkpoints import open_denoiser
from reasonry.training.dultra.config import DataConfig
from reasonry.training.dultra.data import open_source
from reasonry.training.dultra.denoiser import Denoiser, oracle_task
from reasonry.training.dultra.oracle import OracleDenoiser, posterior

Task = Pairs | Ledger

SMALL = [Pairs(1), Pairs(2, 11), Ledger(2, 3), Ledger(3, 2), Ledger(1, 4, padded_len=7), Ledger(2, 3, mixed=True)]
FOUR = [Pairs(4), Ledger(4), Ledger(4, 5), Ledger(4, 5, mixed=True)]


def named(task: Task) -> str:
    return task.name


def right_answers(task: Task, prompt: list[int]) -> Ints:
    """Every right answer of a prompt, by writing them all down."""
    K, b = task.num_entries, task.base
    answers: list[list[int]] = []
    for digits in itertools.product(range(b), repeat=K):
        for letters in itertools.product(range(10), repeat=K):
            answer: list[int] = []
            balance = prompt[1] - DIGIT if isinstance(task, Ledger) else 0
            for i, (digit, letter) in enumerate(zip(digits, letters, strict=True)):
                balance = (balance + digit) % b
                second = balance if isinstance(task, Ledger) else (digit + 3) % 10
                field = {"d": DIGIT + digit, "s": DIGIT + second, "c": DIGIT + b + letter, "x": DIGIT + b + letter}
                order = task.vocab[prompt[2 + i]].strip("[]") if len(prompt) > 2 else "dscx"
                answer += [*(field[f] for f in order), SEPARATOR]
            answers.append(answer + [END] * (task.answer_len - len(answer)))
    return np.array(answers)


def enumerated(answers_AL: Ints, canvas_L: Ints, *, vocab_size: int) -> Ints:
    """Share of the answers that agree with a canvas and have each token at each position, shape (L, V)."""
    agrees_A = ((canvas_L == MASK) | (answers_AL == canvas_L)).all(1)
    return np.eye(vocab_size)[answers_AL[agrees_A]].mean(0)


def logits(task: Task, prompt_BP: Ints, canvas_BL: Ints) -> Tensor:
    """The oracle's logits at the answer's positions."""
    tokens_BN = torch.tensor(np.concatenate([prompt_BP, canvas_BL], axis=1))
    said = OracleDenoiser(task).denoise(tokens_BN, torch.ones_like(tokens_BN, dtype=torch.bool))
    return said.logits_BNV[:, prompt_BP.shape[1] :]


@pytest.mark.parametrize("task", SMALL, ids=named)
def test_laws_are_those_of_all_right_answers_that_agree_with_the_canvas(task: Task) -> None:
    rng = stream(1, "canvases", task.name)
    prompt_BP = np.repeat(task.draw(rng, 1).prompt_BP, 60, axis=0)
    answers_AL = right_answers(task, prompt_BP[0].tolist())
    assert len(answers_AL) == round(math.exp(task.entropy_nats))
    assert task.check(np.repeat(prompt_BP[:1], len(answers_AL), axis=0), answers_AL).is_right_B.all()
    canvas_BL = answers_AL[rng.integers(len(answers_AL), size=60)]
    canvas_BL[rng.random(canvas_BL.shape) < rng.random((60, 1))] = MASK
    law_BLV = logits(task, prompt_BP, canvas_BL).softmax(-1).numpy()
    for canvas_L, law_LV in zip(canvas_BL, law_BLV, strict=True):
        np.testing.assert_allclose(
            law_LV, enumerated(answers_AL, canvas_L, vocab_size=len(task.vocab)), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("task", FOUR, ids=named)
def test_revealing_an_answer_in_any_order_costs_its_entropy_exactly(task: Task) -> None:
    rng = stream(2, "orders", task.name)
    draws = task.draw(rng, 20)
    canvas_BL = np.full_like(draws.answer_BL, MASK)
    order_BL = rng.permuted(np.broadcast_to(np.arange(task.answer_len), canvas_BL.shape), axis=1)
    cost_B, row_B = np.zeros(20), np.arange(20)
    for at_B in order_BL.T:
        logp_BLV = logits(task, draws.prompt_BP, canvas_BL).log_softmax(-1).numpy()
        cost_B -= logp_BLV[row_B, at_B, draws.answer_BL[row_B, at_B]]
        canvas_BL[row_B, at_B] = draws.answer_BL[row_B, at_B]
    np.testing.assert_allclose(cost_B, task.entropy_nats, rtol=1e-12)


@pytest.mark.parametrize(
    ("task", "floor"), [(FOUR[0], 0.9210), (FOUR[1], 0.9210), (FOUR[2], 0.7824), (FOUR[3], 0.7824)]
)
def test_the_loss_of_a_masked_diffusion_model_with_these_laws_is_the_entropy_per_token(
    task: Task, floor: float
) -> None:
    # k of L tokens are masked, k uniform, and the loss of each has weight L / k.
    L, num = task.answer_len, 6_000
    rng = stream(3, "loss", task.name)
    draws = task.draw(rng, num)
    k_B1 = rng.integers(1, L + 1, (num, 1))
    is_masked_BL = rng.permuted(np.broadcast_to(np.arange(L), (num, L)), axis=1) < k_B1
    logp_BLV = logits(task, draws.prompt_BP, np.where(is_masked_BL, MASK, draws.answer_BL)).log_softmax(-1)
    logp_BL = logp_BLV.gather(2, torch.tensor(draws.answer_BL)[..., None])[..., 0].numpy()
    loss_B = -(logp_BL * is_masked_BL).sum(1) / k_B1[:, 0]
    error = loss_B.std() / math.sqrt(num)
    assert error < 0.01
    assert task.entropy_nats / L == pytest.approx(floor, abs=5e-5)
    assert abs(loss_B.mean() - task.entropy_nats / L) < 4 * error


@pytest.mark.parametrize("task", [Pairs(3), Ledger(3), Ledger(3, mixed=True)], ids=named)
def test_marginals_alone_do_not_tell_a_free_token_from_one_that_hangs_on_it(task: Task) -> None:
    prompt_BP = task.draw(stream(4, "ties"), 5).prompt_BP
    law_BLV = logits(task, prompt_BP, np.full((5, task.answer_len), MASK)).softmax(-1)
    law_BKXV = law_BLV.view(5, 3, ENTRY_LEN, -1)
    assert (law_BKXV[:, :, -1].amax(-1) == 1).all(), "separators are sure"
    assert (law_BKXV[:, :, :-1].amax(-1) == law_BKXV[0, 0, 0].max()).all(), "exact ties, not nearly"
    assert float(law_BKXV[0, 0, 0].max()) == pytest.approx(0.1, abs=1e-15)


@pytest.mark.parametrize("task", [Pairs(2), Ledger(3, 5), Ledger(2, 4, mixed=True)], ids=named)
def test_revealing_everything_at_once_is_right_as_often_as_the_pairs_are_many(task: Task) -> None:
    # 1 / b for each pair of digits and 1 / 10 for each pair of letters: what all right answers have together.
    draws = task.draw(stream(5, "at once"), 4)
    logp_BLV = logits(task, draws.prompt_BP, np.full_like(draws.answer_BL, MASK)).log_softmax(-1)
    logp_B = logp_BLV.gather(2, torch.tensor(draws.answer_BL)[..., None]).sum((1, 2))
    np.testing.assert_allclose(task.entropy_nats + logp_B.numpy(), -task.entropy_nats, rtol=1e-12)


Rule = Literal["one", "threshold", "entropy bound", "free first"]


def num_steps(task: Task, rule: Rule, *, seed: int) -> tuple[int, bool]:
    """Forward passes of a decoding from the left among ties, and whether its answer is right."""
    rng = stream(seed, "decode", rule)
    prompt_BP = task.draw(rng, 1).prompt_BP
    canvas_BL = np.full((1, task.answer_len), MASK)
    free = [i for i in range(task.answer_len) if i % ENTRY_LEN in (0, 2, 4)]  # change, letter, separator
    steps = 0
    while (masked := np.flatnonzero(canvas_BL[0] == MASK)).size:
        law_LV = logits(task, prompt_BP, canvas_BL)[0].softmax(-1).numpy()
        law_LV /= law_LV.sum(-1, keepdims=True)
        sure_first = masked[np.argsort(-law_LV[masked].max(-1), kind="stable")]
        entropies = [-(p := law_LV[i][law_LV[i] > 0]) @ np.log(p) for i in sure_first]
        sums = np.cumsum(entropies) - entropies  # the last and largest does not count
        revealed = {
            "one": sure_first[:1],
            "threshold": sure_first[: max(1, int((law_LV[sure_first].max(-1) >= 0.9).sum()))],
            "entropy bound": sure_first[: int((sums <= 0.1).sum())],
            "free first": np.array(free) if steps == 0 else masked,
        }[rule]
        for i in revealed:
            canvas_BL[0, i] = rng.choice(law_LV.shape[1], p=law_LV[i])
        steps += 1
    return steps, bool(task.check(prompt_BP, canvas_BL).is_right_B[0])


@pytest.mark.parametrize("task", [Ledger(4), Pairs(3), Ledger(2, 5)], ids=named)
@pytest.mark.parametrize("seed", range(3))
def test_rules_take_the_steps_that_were_derived_and_lose_nothing(task: Task, seed: int) -> None:
    K = task.num_entries
    assert num_steps(task, "one", seed=seed) == (5 * K, True)
    assert num_steps(task, "threshold", seed=seed) == (4 * K + 1, True)
    assert num_steps(task, "entropy bound", seed=seed) == (2 * K + 1, True)
    assert num_steps(task, "free first", seed=seed) == (2, True)


# ------------------------------------------------------------ canvases that no right answer completes


def law_of(task: Task, prompt: str, canvas: str) -> list[dict[str, float]]:
    """What each position may hold, and with what probability."""
    prompt_BP, canvas_BL = (np.array([[task.vocab.index(s) for s in t.split()]]) for t in (prompt, canvas))
    law_LV = posterior(task, torch.tensor(prompt_BP), torch.tensor(canvas_BL))[0].tolist()
    return [{s: p for s, p in zip(task.vocab, law, strict=True) if p > 0} for law in law_LV]


M = "<mask>"
UNIFORM = {str(i): 0.1 for i in range(10)}


def test_a_position_that_its_neighbours_contradict_is_uniform_and_others_keep_their_laws() -> None:
    canvas = f"1 {M} a {M} ; 1 9 b b ; 2 {M} c d {M}"  # 0 + 1 + 1 is not 9
    law = law_of(Ledger(3), "<start> 0", canvas)
    assert law[1] == UNIFORM
    assert law[3] == {"a": 1.0}
    assert law[11] == {"1": 1.0}, "9 + 2: what comes after believes the balance"
    assert law[14] == {";": 1.0}
    assert law[12] == {"c": 1.0} and law[13] == {"d": 1.0}, "what is known is known"


def test_a_contradiction_between_known_tokens_is_not_spread_backward_either() -> None:
    law = law_of(Ledger(3), "<start> 0", f"{M} 4 a a ; 1 9 b b ; {M} 2 c c ;")
    assert law[0] == {"4": 1.0}
    assert law[10] == {"3": 1.0}


def test_a_token_of_the_wrong_kind_counts_as_masked() -> None:
    law = law_of(Ledger(2), "<start> 5", f"a {M} ; {M} ; 3 {M} 7 {M} <end>")
    assert law[1] == law[6] == UNIFORM, "the change is not known, so the balances are not"
    assert law[3] == {"abcdefghij"[i]: 0.1 for i in range(10)} == law[8]
    assert law[0] == {"a": 1.0} and law[9] == {"<end>": 1.0}
    assert law_of(Pairs(1), "<start>", f"a {M} {M} b ;")[1] == UNIFORM


# ------------------------------------------------------------ as a denoiser


def test_it_says_what_a_denoiser_says() -> None:
    oracle: Denoiser = OracleDenoiser(Pairs(4))
    assert oracle.name == "oracle:pairs:4"
    assert (oracle.width, oracle.vocab_size, oracle.max_len) == (0, 25, 21)
    assert (oracle.mask_id, oracle.pad_id, oracle.end_id) == (MASK, PAD, END)
    tokens_BN = torch.tensor([[3] + [MASK] * 20])
    said = oracle.denoise(tokens_BN, torch.ones_like(tokens_BN, dtype=torch.bool), with_hidden=True)
    assert said.hidden_BND is None
    assert said.logits_BNV.dtype == torch.float64
    assert said.logits_BNV.shape == (1, 21, 25)
    assert said.logits_BNV.isfinite().all()
    assert (said.logits_BNV.softmax(-1)[..., MASK] == 0).all()
    assert said.logits_BNV[0, 0].argmax() == 3


def test_padding_on_the_left_changes_nothing() -> None:
    task = Ledger(2, mixed=True)
    draws = task.draw(stream(6, "pads"), 3)
    tokens_BN = torch.tensor(np.concatenate([draws.prompt_BP, draws.answer_BL], axis=1))
    tokens_BN[:, 6::2] = MASK
    padded_BN = torch.nn.functional.pad(tokens_BN, (4, 0), value=PAD)
    oracle = OracleDenoiser(task)
    plain = oracle.denoise(tokens_BN, torch.ones_like(tokens_BN, dtype=torch.bool)).logits_BNV
    padded = oracle.denoise(padded_BN, padded_BN != PAD).logits_BNV
    assert torch.equal(padded[:, 4:], plain)


@pytest.mark.parametrize("case", ["short", "wide", "masked prompt", "other prompt", "hole"])
@pytest.mark.parametrize("task", [Pairs(1), Ledger(1), Ledger(1, mixed=True)], ids=named)
def test_a_canvas_of_another_shape_or_prompt_is_refused(task: Task, case: str) -> None:
    draws = task.draw(stream(7, "refused"), 2)
    tokens_BN = torch.tensor(np.concatenate([draws.prompt_BP, draws.answer_BL], axis=1))
    if case == "short":
        tokens_BN = tokens_BN[:, 1:]
    elif case == "wide":
        tokens_BN = torch.nn.functional.pad(tokens_BN, (0, 1), value=END)
    elif case.endswith("prompt"):
        tokens_BN[1, draws.prompt_BP.shape[1] - 1] = MASK if case == "masked prompt" else SEPARATOR
    attend_BN = torch.ones_like(tokens_BN, dtype=torch.bool)
    if case == "hole":
        attend_BN[1, -1] = False
    with pytest.raises(DataError):
        OracleDenoiser(task).denoise(tokens_BN, attend_BN)


# ---------------------------------------------------------------- by name


@pytest.mark.parametrize(
    ("name", "task", "found"),
    [
        ("oracle", "ledger:4", "ledger:4"),
        ("oracle:ledger:4", "", "ledger:4"),
        ("oracle:ledger:4", "ledger:4:10", "ledger:4"),  # the base that ledger:4 has
        ("oracles", "ledger:4", None),
        ("./oracle", "ledger:4", None),
        ("runs/oracle:1", "", None),
    ],
)
def test_the_word_oracle_stands_for_laws_and_nothing_else_does(name: str, task: str, found: str | None) -> None:
    assert oracle_task(name, task) == found


def test_an_oracle_is_opened_by_its_own_name_and_names_its_task() -> None:
    opened = open_denoiser("oracle", task="ledger:2:5:mixed")
    assert isinstance(opened.denoiser, OracleDenoiser)
    again = open_denoiser(opened.denoiser.name)
    assert (again.denoiser.name, again.identity) == (opened.denoiser.name, {"model": "oracle:ledger:2:5:mixed"})
    assert open_source(DataConfig(), again.denoiser, None, seed=0).name == "ledger:2:5:mixed"


@pytest.mark.parametrize(
    ("name", "task", "learns", "said"),
    [
        ("oracle", "", False, "which task"),
        ("oracle:pairs:2", "ledger:2", False, "oracle of pairs:2 does not know ledger:2"),
        ("oracle", "addition:3", False, "no exact laws are known for addition:3"),
        ("oracle", "ledgr:2", False, "unknown task"),
        ("oracle", "ledger:2", True, "no weights that could learn"),
    ],
)
def test_oracles_of_nothing_and_of_two_things_are_refused(name: str, task: str, learns: bool, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_denoiser(name, task=task, learns=learns)
