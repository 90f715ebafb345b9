"""Tasks with one right answer for each prompt: chain, addition, sudoku, tiny math."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from scipy.stats import chisquare

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.token_tasks.addition import Addition
from reasonry.tasks.token_tasks.base import END, PAD, Ints, TokenTask
from reasonry.tasks.token_tasks.chain import VALUE, Chain
from reasonry.tasks.token_tasks.sudoku import BLANK, START, Sudoku, grids, solutions
from reasonry.tasks.token_tasks.tiny_math import FEWER, TinyMath


def tokens(task: TokenTask, text: str, *, length: int | None = None) -> Ints:
    """One row of tokens from symbols with spaces between them, filled with end tokens up to ``length``."""
    row = [task.vocab.index(symbol) for symbol in text.split()]
    return np.array([row + [END] * ((length or len(row)) - len(row))])


def share(task: TokenTask, prompt: str, answer: str) -> float:
    checked = task.check(tokens(task, prompt), tokens(task, answer, length=task.answer_len))
    assert checked.is_right_B[0] == (checked.share_right_B[0] == 1)
    return float(checked.share_right_B[0])


def texts(task: TokenTask, rows_BT: Ints) -> list[str]:
    return [" ".join(task.vocab[t] for t in row if t not in (PAD, END)) for row in rows_BT.tolist()]


# ------------------------------------------------------------ chain


def test_a_chain_followed_by_hand() -> None:
    task = Chain(4)
    prompt = "<start> 3 +5 *6 +6 ="  # 3 + 5 = 1, 1 * 6 = 6, 6 + 6 = 5 modulo 7
    assert share(task, prompt, "1 6 5") == 1
    assert share(task, prompt, "1 6 4") == 3 / 4
    assert share(task, prompt, "1 6 5 0") == 3 / 4, "it has to end"
    assert share(task, prompt, "1 6") == 3 / 4
    assert share(task, prompt, "1 <end> 5") == 2 / 4, "what follows an end is not read, the end token is"
    assert share(Chain(4, 11), prompt, "8 4 10") == 1
    assert share(task, "<start> 3 +5 *6 +6 +1 =", "1 6 5 6") == 1


def test_every_value_of_a_chain_is_uniform_and_chains_have_every_length() -> None:
    task = Chain(6)
    draws = task.draw(stream(1, "chain"), 6000)
    for column in draws.answer_BL.T:
        assert chisquare(np.bincount(column[column != END] - VALUE, minlength=7)).pvalue > 1e-4
    num_values = (draws.answer_BL != END).sum(1)
    counts = np.bincount(num_values)
    assert set(np.flatnonzero(counts).tolist()) == {3, 4, 5, 6}
    assert chisquare(counts[3:]).pvalue > 1e-4
    assert ((draws.prompt_BP != PAD).sum(1) == num_values + 3).all()


def test_every_operation_of_a_chain_is_one_to_one_and_drawn() -> None:
    task = Chain(1, 5)
    ops = task.vocab[VALUE + 5 :]
    assert ops == ("+1", "+2", "+3", "+4", "*2", "*3", "*4")
    for op in ops:
        rights = [[v for v in range(5) if share(task, f"<start> {x} {op} =", str(v)) == 1] for x in range(5)]
        assert all(len(right) == 1 for right in rights), "one right answer"
        assert {right[0] for right in rights} == set(range(5)), "one-to-one"
    drawn = task.draw(stream(2, "ops"), 500).prompt_BP[:, 2]
    assert set(drawn.tolist()) == {task.vocab.index(op) for op in ops}


def test_a_modulus_that_is_no_prime_is_refused() -> None:
    with pytest.raises(ConfigError, match="10 is not a prime"):
        Chain(4, 10)


# ------------------------------------------------------------ addition


def test_sums_by_hand() -> None:
    task = Addition(3)
    assert share(task, "<start> 9 9 9 + 1 =", "1 0 0 0") == 1
    assert share(task, "<start> 9 9 9 + 1 =", "9 9 9 0") == 1 / 4
    assert share(task, "<start> 1 2 + 9 =", "2 1") == 1
    assert share(task, "<start> 1 2 + 9 =", "2 2") == 2 / 3
    assert share(task, "<start> 1 2 + 9 =", "0 2 1") == 0, "a sum has no leading zero"
    assert share(task, "<start> 0 + 0 =", "0") == 1


def test_drawn_sums_are_sums_and_numbers_have_no_leading_zeros() -> None:
    task = Addition(6)
    draws = task.draw(stream(3, "sums"), 3000)
    for prompt, answer in zip(texts(task, draws.prompt_BP), texts(task, draws.answer_BL), strict=True):
        found = re.fullmatch(r"<start>([\d ]+)\+([\d ]+)=", prompt)
        assert found is not None, prompt
        a, b = found.groups()
        a, b = a.replace(" ", ""), b.replace(" ", "")
        assert str(int(a)) == a and str(int(b)) == b and 1 <= len(a) <= 6 and 1 <= len(b) <= 6
        assert str(int(a) + int(b)) == answer.replace(" ", "")


def test_carries_run_through_many_places_far_more_often_than_with_uniform_digits() -> None:
    def longest_carry(a: int, b: int) -> int:
        run = best = carry = 0
        while a or b:
            carry = int(a % 10 + b % 10 + carry >= 10)
            run = run + 1 if carry else 0
            best, a, b = max(best, run), a // 10, b // 10
        return best

    task = Addition(8)
    rows = [
        t.removeprefix("<start>").rstrip("= ").replace(" ", "").split("+")
        for t in texts(task, task.draw(stream(4, "c"), 4000).prompt_BP)
    ]
    pairs = [(int(a), int(b)) for a, b in rows if len(a) == len(b) == 8]
    rng = stream(4, "uniform")
    uniform = [tuple(rng.integers(10**7, 10**8, 2).tolist()) for _ in range(4000)]
    ours = np.mean([longest_carry(a, b) >= 5 for a, b in pairs])
    theirs = np.mean([longest_carry(a, b) >= 5 for a, b in uniform])
    assert len(pairs) > 200
    assert ours > 4 * theirs > 0


@pytest.mark.parametrize(
    "prompt", ["<start> 1 + =", "<start> 1 2 =", "1 + 2 =", "<start> 1 + 2", "<start> 1 2 3 4 + 5 ="]
)
def test_what_is_not_a_sum_of_short_numbers_is_refused(prompt: str) -> None:
    with pytest.raises(DataError, match="row 0"):
        share(Addition(3), prompt, "3")


# ------------------------------------------------------------ sudoku


def is_grid(cells: Ints) -> bool:
    """Rows, columns and boxes, written out."""
    square = cells.reshape(4, 4).tolist()
    columns = [list(c) for c in zip(*square, strict=True)]
    boxes = [[square[r + i][c + j] for i in (0, 1) for j in (0, 1)] for r in (0, 2) for c in (0, 2)]
    return all(sorted(unit) == [1, 2, 3, 4] for unit in (*square, *columns, *boxes))


def num_fillings(puzzle: list[int]) -> int:
    """Solutions by trying every digit in every blank."""
    if 0 not in puzzle:
        return int(is_grid(np.array(puzzle)))
    cell = puzzle.index(0)
    row, column = divmod(cell, 4)
    total = 0
    for digit in range(1, 5):
        seen = {puzzle[row * 4 + c] for c in range(4)} | {puzzle[r * 4 + column] for r in range(4)}
        if digit not in seen:
            total += num_fillings([*puzzle[:cell], digit, *puzzle[cell + 1 :]])
    return total


def test_there_are_288_grids() -> None:
    assert grids().shape == (288, 16)
    assert len({tuple(g) for g in grids().tolist()}) == 288
    assert all(is_grid(g) for g in grids())
    assert num_fillings([1, 2, 3, 4, *[0] * 12]) == 288 // 24


def test_drawn_puzzles_have_one_solution_and_as_many_digits_as_wanted() -> None:
    draws = Sudoku().draw(stream(5, "sudoku"), 1500)
    puzzles = draws.prompt_BP[:, 1:] - BLANK
    assert (solutions(puzzles).sum(1) == 1).all()
    assert [num_fillings(p) for p in puzzles[:25].tolist()] == [1] * 25
    num_clues = (puzzles > 0).sum(1)
    assert set(num_clues.tolist()) == set(range(4, 13))
    # Some orders get stuck above 4 or 5 digits; from 7 on what was wanted is what is drawn.
    assert chisquare(np.bincount(num_clues)[7:]).pvalue > 1e-4
    assert (num_clues >= 7).mean() == pytest.approx(6 / 9, abs=0.05)


def test_every_grid_is_drawn_alike() -> None:
    answers = Sudoku().draw(stream(6, "grids"), 14400).answer_BL - BLANK
    _, counts = np.unique(answers, axis=0, return_counts=True)
    assert len(counts) == 288
    assert chisquare(counts).pvalue > 1e-4


def test_any_solution_of_a_puzzle_is_right_and_nothing_else() -> None:
    puzzle = np.array([1, 2, 3, 4, 3, 4, 1, 2, *[0] * 8])
    prompt = np.array([[START, *(BLANK + puzzle)]])
    fits = solutions(puzzle[None])[0]
    assert fits.sum() == num_fillings(puzzle.tolist()) > 1
    checked = Sudoku().check(np.repeat(prompt, 288, axis=0), BLANK + grids())
    assert (checked.is_right_B == fits).all()
    assert (checked.share_right_B[~fits] < 1).all()


def test_the_share_of_a_grid_counts_cells() -> None:
    grid = grids()[17]
    prompt = np.array([[START, *(BLANK + grid)]])
    wrong = grid.copy()
    wrong[[0, 5]] = wrong[[0, 5]] % 4 + 1
    answer = np.array([BLANK + wrong])
    assert Sudoku().check(prompt, answer).share_right_B[0] == 14 / 16
    answer[0, 3] = END
    assert Sudoku().check(prompt, answer).share_right_B[0] == 13 / 16


def test_a_puzzle_without_a_solution_is_refused() -> None:
    prompt = np.array([[START, BLANK + 1, BLANK + 1, *[BLANK] * 14]])
    with pytest.raises(DataError, match=r"row 0: .*no solution"):
        Sudoku().check(prompt, np.full((1, 16), BLANK + 1))
    with pytest.raises(DataError, match="16 cells"):
        Sudoku().check(prompt[:, :-1], np.full((1, 16), BLANK + 1))


# ------------------------------------------------------------ tiny math

STORY = (
    "<start> Ann has 1 2 pens . then Ann buys 7 more . later Ann loses 9 . next Ann has 3 times as many . "
    "how many pens does Ann have ?"
)
WORKED = "1 2 + 7 = 1 9 ; 1 9 - 9 = 1 0 ; 1 0 * 3 = 3 0 ; \\boxed{ 3 0 }"


def test_a_story_worked_by_hand() -> None:
    task = TinyMath()
    assert share(task, STORY, WORKED) == 1
    assert share(task, STORY, WORKED.replace("1 2 + 7", "7 + 1 2").replace("1 0 * 3", "3 * 1 0")) == 1
    assert share(task, STORY, WORKED.replace("1 9 - 9", "9 - 1 9")) == 3 / 4
    assert share(task, STORY, WORKED.replace("\\boxed{ 3 0 }", "\\boxed{ 3 1 }")) == 3 / 4
    assert share(task, STORY, WORKED.replace("= 1 9 ;", "= 1 8 ;")) == 3 / 4
    assert share(task, STORY, "\\boxed{ 3 0 }") == 0, "the working is part of the answer"
    assert share(task, STORY, WORKED.replace("\\boxed", "3 0 ; \\boxed")) == 3 / 5, "a line too many"
    assert share(task, STORY, WORKED + " ;") == 4 / 5
    assert share(task, STORY, WORKED.removesuffix(" }")) == 3 / 4
    assert share(task, STORY, WORKED + " <end> 7 7") == 1, "what follows the end is not read"


def test_stories_say_what_their_answers_work_out() -> None:
    task = TinyMath()
    draws = task.draw(stream(7, "stories"), 1500)
    num_steps: list[int] = []
    for story, worked in zip(texts(task, draws.prompt_BP), texts(task, draws.answer_BL), strict=True):
        total, *numbers = [int(n.replace(" ", "")) for n in re.findall(r"\d(?: \d)*", story)]
        *lines, box = worked.split(" ; ")
        for line, number, sentence in zip(lines, numbers, story.split(" . ")[1:], strict=False):
            sign = "*" if "times" in sentence else "-" if set(sentence.split()) & set(FEWER) else "+"
            after = {"+": total + number, "-": total - number, "*": total * number}[sign]
            assert line.replace(" ", "") == f"{total}{sign}{number}={after}"
            assert 1 <= after <= 99
            total = after
        assert box.replace(" ", "") == f"\\boxed{{{total}}}"
        assert len(lines) == len(numbers)
        num_steps.append(len(lines))
    assert chisquare(np.bincount(num_steps)[2:]).pvalue > 1e-4
    assert set(num_steps) == {2, 3}


def test_no_story_is_longer_than_it_may_be_and_one_is_as_long() -> None:
    task = TinyMath()
    draws = task.draw(stream(8, "long"), 4000)
    assert draws.prompt_BP.shape[1] <= task.max_prompt_len == 38
    assert (draws.answer_BL[:, -1] == END).all()
    longest = "<start> Ann has 1 0 pens . " + "then Ann has 2 times as many . " * 3 + "how many pens does Ann have ?"
    assert len(longest.split()) == task.max_prompt_len
    assert share(task, longest, "1 0 * 2 = 2 0 ; 2 0 * 2 = 4 0 ; 4 0 * 2 = 8 0 ; \\boxed{ 8 0 }") == 1


@pytest.mark.parametrize(
    "story", ["<start> Ann has pens . then Ann buys 7 more . how ?", "Ann has 2 pens", "<start> ?"]
)
def test_what_is_not_a_story_is_refused(story: str) -> None:
    with pytest.raises(DataError, match="row 0: not a prompt"):
        share(TinyMath(), story, WORKED)


# ------------------------------------------------------------ all of them


@pytest.mark.parametrize("task", [Chain(5), Addition(4), TinyMath()], ids=lambda task: task.name)
def test_prompts_of_a_batch_differ_in_length(task: TokenTask) -> None:
    lengths = (task.draw(stream(9, "ragged"), 64).prompt_BP != PAD).sum(1)
    assert len(set(lengths.tolist())) > 2


@pytest.mark.parametrize("task", [Chain(5), Addition(4), TinyMath(), Sudoku()], ids=lambda task: task.name)
def test_a_prompt_has_one_drawn_answer(task: TokenTask) -> None:
    assert task.entropy_nats == 0
    draws = task.draw(stream(10, "twice"), 3000)
    answer_of: dict[tuple[int, ...], tuple[int, ...]] = {}
    for prompt, answer in zip(draws.prompt_BP.tolist(), draws.answer_BL.tolist(), strict=True):
        assert answer_of.setdefault(tuple(prompt), tuple(answer)) == tuple(answer)


def test_the_verifier_of_chains_takes_one_answer_of_all() -> None:
    task = Chain(2, 3)
    prompt = tokens(task, "<start> 2 +1 *2 =")
    every = np.array(list(itertools.product(range(len(task.vocab)), repeat=2)))
    assert task.check(np.repeat(prompt, len(every), axis=0), every).is_right_B.sum() == 1
