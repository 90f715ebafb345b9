"""Pairs and ledgers: their laws, and what their verifiers say of answers written by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import chisquare

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.token_tasks.base import END, PAD, Ints
from reasonry.tasks.token_tasks.entries import DIGIT, ENTRY_LEN, ORDERS, SEPARATOR, START
from reasonry.tasks.token_tasks.ledger import Ledger
from reasonry.tasks.token_tasks.pairs import Pairs

Task = Pairs | Ledger


def tokens(task: Task, text: str) -> Ints:
    """One row of tokens from symbols with spaces between them."""
    return np.array([[task.vocab.index(symbol) for symbol in text.split()]])


def share(task: Task, prompt: str, answer: str) -> float:
    checked = task.check(tokens(task, prompt), tokens(task, answer))
    assert checked.is_right_B[0] == (checked.share_right_B[0] == 1)
    return float(checked.share_right_B[0])


@pytest.mark.parametrize(
    ("task", "nats_per_token"),
    [(Pairs(4), 0.9210), (Ledger(4), 0.9210), (Ledger(4, 5), 0.7824), (Ledger(4, mixed=True), 0.9210)],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_entropy_of_four_entries_per_token(task: Task, nats_per_token: float) -> None:
    assert task.answer_len == 20
    assert task.entropy_nats / task.answer_len == pytest.approx(nats_per_token, abs=5e-5)


@pytest.mark.parametrize("task", [Pairs(1), Ledger(1, 3), Ledger(1, 3, mixed=True)], ids=lambda task: task.name)
def test_of_all_answers_of_one_entry_the_verifier_takes_as_many_as_the_entropy_says(task: Task) -> None:
    # Every token at every place but the separator's, so that letters where digits belong are among them.
    kinds = range(DIGIT, DIGIT + task.base + 10)
    answers = np.array([(*fields, SEPARATOR) for fields in itertools.product(kinds, repeat=4)])
    for prompt in {tuple(row) for row in task.draw(stream(1, "prompts"), 4).prompt_BP.tolist()}:
        checked = task.check(np.tile(prompt, (len(answers), 1)), answers)
        assert checked.is_right_B.sum() == round(math.exp(task.entropy_nats)) == 10 * task.base


@pytest.mark.parametrize("task", [Pairs(2), Ledger(2, 5), Ledger(2, 5, mixed=True)], ids=lambda task: task.name)
def test_tokens_at_every_place_of_a_field_are_uniform_on_their_kind(task: Task) -> None:
    draws = task.draw(stream(2, "law"), 8000)
    order_BK4 = task.read_prompt(draws.prompt_BP)[1] if isinstance(task, Ledger) else task.order(draws.prompt_BP)
    entry_BK5 = draws.answer_BL.reshape(-1, 2, ENTRY_LEN)
    fields_BK4 = np.take_along_axis(entry_BK5, order_BK4, axis=2)
    for entry, field in itertools.product(range(2), range(4)):
        low, num = (DIGIT, task.base) if field < 2 else (DIGIT + task.base, 10)
        counts = np.bincount(fields_BK4[:, entry, field] - low, minlength=num)
        assert len(counts) == num
        assert chisquare(counts).pvalue > 1e-4
    if task.name.endswith("mixed"):
        layouts = draws.prompt_BP[:, 2:] - draws.prompt_BP[:, 2:].min()
        assert chisquare(np.bincount(layouts.ravel(), minlength=24)).pvalue > 1e-4


def test_pairs_written_by_hand() -> None:
    task = Pairs(2)
    assert share(task, "<start>", "8 1 a a ; 0 3 j j ;") == 1
    assert share(task, "<start>", "8 2 a a ; 0 3 j j ;") == 3 / 4
    assert share(task, "<start>", "8 1 a b ; 0 3 j i ;") == 1 / 2
    assert share(task, "<start>", "8 1 a a ; 0 3 j j j") == 3 / 4, "a separator belongs to the letters before it"
    assert share(task, "<start>", "8 a 1 a ; 0 3 j j ;") == 1 / 2
    assert share(task, "<start>", "<mask> <mask> <mask> <mask> <mask> 0 3 j j ;") == 1 / 2


def test_a_wrong_balance_that_is_carried_on_costs_one_part() -> None:
    task = Ledger(3)
    assert share(task, "<start> 7", "5 2 a a ; 9 1 b b ; 0 1 c c ;") == 1
    assert share(task, "<start> 7", "5 4 a a ; 9 3 b b ; 0 3 c c ;") == 5 / 6
    assert share(task, "<start> 7", "5 2 a a ; 9 2 b b ; 0 1 c c ;") == 4 / 6, "the next balance does not follow either"
    assert share(task, "<start> 7", "5 a a a ; 9 1 b b ; 0 1 c c ;") == 4 / 6, "nothing follows from a letter"


def test_balances_wrap_at_the_base() -> None:
    assert share(Ledger(1, 5), "<start> 3", "4 2 a a ;") == 1
    assert share(Ledger(1), "<start> 3", "4 2 a a ;") == 1 / 2


def test_layouts_say_where_the_fields_stand() -> None:
    task = Ledger(2, mixed=True)
    assert share(task, "<start> 7 [csxd] [dscx]", "a 2 a 5 ; 9 1 b b ;") == 1
    assert share(task, "<start> 7 [csxd] [dscx]", "5 2 a a ; 9 1 b b ;") == 1 / 2, "the plain order is wrong here"
    assert share(task, "<start> 7 [dcsx] [xcsd]", "5 a 2 a ; b b 1 9 ;") == 1
    assert sorted(map(tuple, ORDERS.tolist())) == sorted(itertools.permutations(range(4)))
    assert len([symbol for symbol in task.vocab if symbol.startswith("[")]) == 24


def test_with_the_plain_layout_a_mixed_ledger_is_a_plain_one() -> None:
    plain, mixed = Ledger(3, 7), Ledger(3, 7, mixed=True)
    draws = plain.draw(stream(3, "plain"), 50)
    layouts = np.full((50, 3), mixed.vocab.index("[dscx]"))
    assert mixed.check(np.concatenate([draws.prompt_BP, layouts], axis=1), draws.answer_BL).is_right_B.all()


@pytest.mark.parametrize("task", [Pairs(1, 7), Ledger(1, padded_len=7)], ids=lambda task: task.name)
def test_a_padded_answer_ends_and_what_follows_its_end_is_not_read(task: Task) -> None:
    prompt = "<start> 5" if isinstance(task, Ledger) else "<start>"
    entry = "3 8 e e ;" if isinstance(task, Ledger) else "5 8 e e ;"
    assert task.draw(stream(4, "ends"), 3).answer_BL[:, 5:].tolist() == [[END, END]] * 3
    assert share(task, prompt, f"{entry} <end> <end>") == 1
    assert share(task, prompt, f"{entry} <end> 4") == 1
    assert share(task, prompt, f"{entry} 4 <end>") == 1 / 2, "an answer has to end after its last entry"
    assert share(task, prompt, f"<end> {entry} <end>") == 0


def test_padding_on_the_left_of_prompts_is_not_read() -> None:
    for task in (Pairs(2), Ledger(2), Ledger(2, mixed=True)):
        draws = task.draw(stream(5, "padding"), 4)
        padded = np.concatenate([np.full((4, 3), PAD), draws.prompt_BP], axis=1)
        assert task.check(padded, draws.answer_BL).is_right_B.all()


@pytest.mark.parametrize(
    ("task", "prompt"),
    [
        (Pairs(1), "0"),
        (Ledger(1), "<start> a"),
        (Ledger(1), "<start>"),
        (Ledger(1), "5 <start>"),
        (Ledger(1, mixed=True), "<start> 5 5"),
    ],
)
def test_a_prompt_of_another_task_is_refused_with_its_row(task: Task, prompt: str) -> None:
    good = task.draw(stream(6, "good"), 1)
    both = [good.prompt_BP, tokens(task, prompt)]
    if both[0].shape != both[1].shape:
        both = both[1:]
    with pytest.raises(DataError, match=f"row {len(both) - 1}: not a prompt"):
        task.check(np.concatenate(both), np.repeat(good.answer_BL, len(both), axis=0))


def test_answers_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match=r"answers \(B, 5\)"):
        Pairs(1).check(np.full((2, 1), START), np.zeros((2, 6), dtype=np.int64))
    with pytest.raises(DataError):
        Pairs(1).check(np.full((2, 1), START), np.zeros((3, 5), dtype=np.int64))


@pytest.mark.parametrize(
    "make", [lambda: Pairs(0), lambda: Pairs(2, 9), lambda: Ledger(1, 1), lambda: Ledger(1000), lambda: Ledger(1, 99)]
)
def test_sizes_out_of_range_are_refused(make: type[Task]) -> None:
    with pytest.raises(ConfigError, match=r"Use \d+ to \d+"):
        make()
