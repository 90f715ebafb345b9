"""Mazes by the names that users give them: as worked examples (``maze:small``) and as a task.

A maze and its images under rotations, reflections and renamings of colours are all in one split. The search of a maze
has random numbers of its own, from the seed and the maze, so it does not depend on what else is made.
"""

from __future__ import annotations

from typing import NamedTuple

from reasonry.core import seeds
from reasonry.core.task import Task
from reasonry.errors import ConfigError
from reasonry.tasks.maze.generate import draw_maze
from reasonry.tasks.maze.layout import DEFAULT_SIZE, Maze, fingerprint, size_for
from reasonry.tasks.maze.search import Search, search
from reasonry.tasks.maze.verifier import INSTRUCTION
from reasonry.tasks.maze.verifier import NAME as VERIFIER
from reasonry.tasks.maze.words import NUM_COSTS, answer_text, question_text, step_texts
from reasonry.tasks.reasoning_text import ReasoningText, Split, needed, split_of
from reasonry.tasks.text_task import text_task
from reasonry.tasks.word_problems.draw import Draw

NAME = "maze"
NUM_EXAMPLES = 2
_MAX_IN_VAIN = 20_000


class Solved(NamedTuple):
    """A maze with a search.

    Attributes:
        maze: The maze.
        search: Its events and the plan that they find.
    """

    maze: Maze
    search: Search

    def text(self) -> ReasoningText:
        """It in words."""
        steps = step_texts(self.search.events, self.maze.side)
        return ReasoningText(question_text(self.maze), steps, answer_text(self.search.plan))


def mazes(argument: str, *, num: int, seed: int, split: Split) -> list[Maze]:
    """``num`` different mazes of a split; the first ones do not depend on ``num``.

    Args:
        argument: Size, see `size_for`.
        num: How many.
        seed: Any integer.
        split: Which.

    Raises:
        ConfigError: Unknown size, or there are not so many.
    """
    size = size_for(argument)
    draw = Draw(seeds.derive(seed, NAME, size.name, split))
    found: dict[Maze, None] = {}
    num_in_vain = 0
    while len(found) < num:
        maze = draw_maze(size, draw)
        num_in_vain += 1
        if split_of(fingerprint(maze)) == split and maze not in found:
            found[maze] = None
            num_in_vain = 0
        if num_in_vain >= _MAX_IN_VAIN:
            raise ConfigError(
                f"only {len(found)} different mazes of size {size.name} were found for {split}, not {num}",
                place="num",
                remedy="Ask for fewer, or for a larger size.",
            )
    return list(found)


def solved(maze: Maze, seed: int) -> Solved:
    """A maze with a search of its own, from the seed and the maze.

    Raises:
        ConfigError: The goal cannot be reached, or there is no word for a cost of the search.
    """
    found = search(maze, Draw(seeds.derive(seed, NAME, "search", question_text(maze))))
    if found is None:
        raise ConfigError("the goal of the maze cannot be reached", place=NAME, remedy="Give one that has a plan.")
    if (most := max(event.cost for event in found.events)) >= NUM_COSTS:
        raise ConfigError(f"no word for a cost of {most}", place=NAME, remedy="Give a smaller maze.")
    return Solved(maze, found)


def texts(argument: str, *, num: int | None, seed: int, split: Split) -> list[ReasoningText]:
    """``num`` different mazes with searches and plans, in words; raises as `mazes`."""
    made = mazes(argument, num=needed(num, NAME), seed=seed, split=split)
    return [solved(maze, seed).text() for maze in made]


def from_spec(argument: str, *, num: int | None, seed: int) -> Task:
    """``maze`` or ``maze:small`` as a task: mazes of the test split, solved ones of the training split.

    Raises:
        ConfigError: Unknown size, or there are not so many mazes.
    """
    size = size_for(argument)

    return text_task(
        NAME,
        argument,
        lambda many, split: texts(argument, num=many, seed=seed, split=split),
        num=num,
        seed=seed,
        verifier=VERIFIER,
        instruction=INSTRUCTION,
        num_examples=NUM_EXAMPLES,
        source=f"{__name__} seed={seed} size={size.name or DEFAULT_SIZE}",
        about=lambda text: {"actions": len(text.answer.split()) - 1},
    )
