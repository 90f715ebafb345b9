"""Sudoku of four rows: fill a grid so that rows, columns and the four 2 x 2 boxes hold 1 to 4 each.

    prompt   <start>, 16 cells from left to right and top to bottom, a digit or _
    answer   16 digits

There are 288 grids. A puzzle is made from a uniform one: cells are visited in random order and emptied unless the
puzzle would have a second solution, until only a number of digits are left that is uniform on 4 .. 12. (No puzzle with
fewer than 4 has one solution; where no further cell can be emptied, more digits are left.) So every drawn puzzle has
one solution, and the entropy is 0.

The verifier takes any puzzle that has a solution, and any of its solutions. Parts are the 16 cells; where there are
several solutions the one that agrees most is compared with. Four-row sudoku is a task of d1 (arXiv 2504.12216); this
generator is this package's own.

Shapes: B rows.
"""

# pyright: strict
from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reasonry.tasks.token_tasks.base import SPECIAL, Checked, Draws, Ints
from reasonry.tasks.token_tasks.rows import Bools, bad_prompt, check_shapes, vocabulary

NUM_CELLS = 16
START = len(SPECIAL)
BLANK = START + 1
"""Its token; those of 1 to 4 follow."""

_MIN_CLUES, _MAX_CLUES = 4, 12
_ALL = (1 << NUM_CELLS) - 1


def _units() -> Ints:
    """Cells of the rows, columns and boxes, shape (12, 4)."""
    cell = np.arange(NUM_CELLS).reshape(4, 4)
    boxes = cell.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    return np.concatenate([cell, cell.T, boxes])


UNITS = _units()


@functools.cache
def grids() -> Ints:
    """Every grid, shape (288, 16), digits 1 to 4."""
    rows = np.array(list(itertools.permutations(range(1, 5))), dtype=np.int64)
    found = rows
    for _ in range(3):  # one more row at a time; what breaks a column or a finished box goes at once
        found = np.concatenate([np.repeat(found, len(rows), axis=0), np.tile(rows, (len(found), 1))], axis=1)
        for unit in UNITS:
            inside = found[:, unit[unit < found.shape[1]]]
            is_kept = (np.diff(np.sort(inside, axis=1), axis=1) > 0).all(axis=1)
            found = found[is_kept]
    found.setflags(write=False)
    return found


@functools.cache
def _differing_cells() -> NDArray[np.uint16]:
    """Cells in which two grids differ, as 16 bits, shape (288, 288); all bits for a grid and itself."""
    every = grids()
    differ = (every[:, None] != every[None]) @ (1 << np.arange(NUM_CELLS))
    differ[np.diag_indices(len(every))] = _ALL
    return differ.astype(np.uint16)


def solutions(puzzle_BC: Ints) -> Bools:
    """Which of the 288 grids solve each puzzle, shape (B, 288).

    Args:
        puzzle_BC: Shape (B, 16), digits 1 to 4, and 0 where a cell is blank.
    """
    agrees_BG = np.ones((len(puzzle_BC), len(grids())), dtype=np.bool_)
    for cell in range(NUM_CELLS):
        clue_B1 = puzzle_BC[:, cell, None]
        agrees_BG &= (clue_B1 == 0) | (clue_B1 == grids()[:, cell])
    return agrees_BG


@dataclass(frozen=True)
class Sudoku:
    """The task ``sudoku``."""

    @property
    def name(self) -> str:
        """``sudoku``."""
        return "sudoku"

    @property
    def vocab(self) -> tuple[str, ...]:
        """The blank and four digits."""
        return vocabulary("<start>", "_", "1", "2", "3", "4")

    @property
    def max_prompt_len(self) -> int:
        """Of every prompt: 17."""
        return NUM_CELLS + 1

    @property
    def answer_len(self) -> int:
        """16."""
        return NUM_CELLS

    @property
    def entropy_nats(self) -> float:
        """0: one solution."""
        return 0.0

    def draw(self, rng: np.random.Generator, num: int) -> Draws:
        """``num`` rows."""
        which_B = rng.integers(0, len(grids()), num)
        wanted_B = rng.integers(_MIN_CLUES, _MAX_CLUES + 1, num)
        cells_BC = rng.permuted(np.broadcast_to(np.arange(NUM_CELLS), (num, NUM_CELLS)), axis=1)
        differ_BG = _differing_cells()[which_B]
        clues_B = np.full(num, _ALL, dtype=np.uint16)
        for cell_B in cells_BC.T:
            fewer_B = clues_B & ~(1 << cell_B).astype(np.uint16)
            # One solution is left as long as every other grid differs in a clue.
            is_unique_B = ((differ_BG & fewer_B[:, None]) != 0).all(1) & (fewer_B != 0)
            clues_B = np.where(is_unique_B & (np.bitwise_count(clues_B) > wanted_B), fewer_B, clues_B)
        grid_BC = grids()[which_B]
        is_clue_BC = (clues_B[:, None] >> np.arange(NUM_CELLS)) & 1 == 1
        puzzle_BC = BLANK + np.where(is_clue_BC, grid_BC, 0)
        start_B1 = np.full((num, 1), START, dtype=np.int64)
        return Draws(np.concatenate([start_B1, puzzle_BC], axis=1), BLANK + grid_BC)

    def check(self, prompt_BP: Ints, answer_BL: Ints) -> Checked:
        """Whether grids solve their puzzles.

        Raises:
            DataError: Shapes that do not go together, a prompt of another task, or a puzzle without a solution.
        """
        check_shapes(prompt_BP, answer_BL, answer_len=NUM_CELLS)
        agrees_BG = solutions(self._puzzles(prompt_BP))
        if len(bad := np.flatnonzero(~agrees_BG.any(1))):
            raise bad_prompt(int(bad[0]), "the puzzle has no solution")
        # Both are rows of one-hot cells: their product counts the cells in which they agree.
        onehot_BX = (answer_BL[..., None] - BLANK == np.arange(1, 5)).reshape(len(answer_BL), 4 * NUM_CELLS)
        onehot_GX = (grids()[..., None] == np.arange(1, 5)).reshape(len(grids()), 4 * NUM_CELLS)
        agreement_BG = onehot_BX.astype(np.float64) @ onehot_GX.T.astype(np.float64)
        num_right_B = np.where(agrees_BG, agreement_BG, 0).max(axis=1, initial=0)
        return Checked(num_right_B == NUM_CELLS, num_right_B / NUM_CELLS)

    def _puzzles(self, prompt_BP: Ints) -> Ints:
        wide = prompt_BP.shape[1] >= self.max_prompt_len
        prompt_BP = prompt_BP[:, -self.max_prompt_len :]
        puzzle_BC = prompt_BP[:, 1:] - BLANK
        good_B = (puzzle_BC >= 0).all(1) & (puzzle_BC <= 4).all(1) & (prompt_BP[:, 0] == START) if wide else None
        bad = [0][: len(prompt_BP)] if good_B is None else np.flatnonzero(~good_B)
        if len(bad):
            raise bad_prompt(int(bad[0]), "it is not <start> and 16 cells")
        return puzzle_BC
