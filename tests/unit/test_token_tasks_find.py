"""Names of tasks over symbols."""

from __future__ import annotations

import pytest

from reasonry.errors import ConfigError
from reasonry.tasks.token_tasks.addition import Addition
from reasonry.tasks.token_tasks.base import SPECIAL, TokenTask
from reasonry.tasks.token_tasks.chain import Chain
from reasonry.tasks.token_tasks.find import FORMS, make_task
from reasonry.tasks.token_tasks.ledger import Ledger
from reasonry.tasks.token_tasks.pairs import Pairs
from reasonry.tasks.token_tasks.sudoku import Sudoku
from reasonry.tasks.token_tasks.tiny_math import TinyMath

NAMES: dict[str, TokenTask] = {
    "pairs:4": Pairs(4),
    "pairs:4:len=24": Pairs(4, 24),
    "ledger:4": Ledger(4),
    "ledger:4:5": Ledger(4, 5),
    "ledger:4:10:mixed": Ledger(4, 10, mixed=True),
    "ledger:3:5:mixed:len=16": Ledger(3, 5, mixed=True, padded_len=16),
    "ledger:3:len=16": Ledger(3, padded_len=16),
    "chain:8": Chain(8),
    "chain:8:11": Chain(8, 11),
    "tiny-math": TinyMath(),
    "sudoku": Sudoku(),
    "addition:6": Addition(6),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_makes_its_task_and_a_task_has_its_name(name: str) -> None:
    task = make_task(name)
    assert task == NAMES[name]
    assert task.name == name
    assert task.vocab[: len(SPECIAL)] == SPECIAL
    assert len(set(task.vocab)) == len(task.vocab)


def test_every_form_is_among_the_names_tested() -> None:
    assert {name.partition(":")[0] for name in NAMES} == set(FORMS)


def test_what_is_left_out_takes_its_default() -> None:
    assert make_task("ledger:4:mixed") == Ledger(4, 10, mixed=True)
    assert make_task("ledger:4:10") == make_task("ledger:4")
    assert make_task("pairs:2:len=10") == Pairs(2, 10)
    assert Pairs(2, 10).name == "pairs:2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pair:4", "Did you mean 'pairs'"),
        ("", "Known: pairs:ENTRIES"),
        ("pairs", "Write pairs:ENTRIES"),
        ("pairs:four", "Write pairs:ENTRIES"),
        ("pairs:-4", "Write pairs:ENTRIES"),
        ("pairs:4:5", "Write pairs:ENTRIES"),
        ("ledger:4:mixed:10", "Write ledger:ENTRIES"),
        ("sudoku:9", "Write sudoku"),
        ("addition:6 ", "Write addition:DIGITS"),
        ("chain:8:9", "not a prime"),
        ("chain:0", "Use 1 to"),
        ("ledger:4:len=3", "Use 20 to"),
    ],
)
def test_a_name_that_cannot_be_read_says_how_to_write_it(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_task(text)
