"""``maze-plan``: right is a legal plan that ends on the goal; ``maze-plan:optimal`` asks for a shortest one.

Any plan that keeps the rules is right, not the oracle's alone, so the question decides and the oracle answer is unused.
The maze may stand anywhere in the question, behind an instruction or within the marks of a chat template.
"""

from __future__ import annotations

from reasonry.core.outcome import Outcome
from reasonry.core.task import Problem
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.maze.check import Failing, PlanVerdict, check_actions
from reasonry.tasks.maze.words import answer_text, parse_plan, parse_question, question_in

NAME = "maze-plan"
INSTRUCTION = (
    "This is a grid of cells x y; x goes right, y goes down. From the start, reach the goal. Actions: up, down, left, "
    "right, pick. A closed door opens for its key alone, which is used up. pick takes the key of the cell you are on "
    "and leaves there the key you carried; you carry one at most. "
    "End with the actions on one line, like: plan right up pick left"
)
_OPTIMAL = "optimal"
_REASONS: dict[Failing, str] = {
    "": "goal reached",
    "no plan": "no plan",
    "not at goal": "ends beside the goal",
    "edge": "leaves the grid",
    "wall": "into a wall",
    "door": "into a closed door",
    "no key": "no key to pick up",
    "word": "a word that is no action",
}


class MazePlanVerifier:
    """Follows the plan of a reply through the maze of the question.

    Args:
        detail: Empty, or ``optimal``.

    Raises:
        ConfigError: Another detail.
    """

    def __init__(self, detail: str = "") -> None:
        if detail not in ("", _OPTIMAL):
            raise ConfigError(
                f"verifier {NAME!r} takes no {':' + detail!r}",
                place="verifier",
                remedy=f"Write {NAME} or {NAME}:{_OPTIMAL}.",
            )
        self._needs_shortest = detail == _OPTIMAL
        self.name = f"{NAME}:{detail}" if detail else NAME

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """The last plan of the text, ``plan right up``; None when there is none, or the text broke off inside it."""
        plan = parse_plan(text)
        if plan is None or (cut_off and parse_plan(text.rpartition("\n")[2]) is not None):
            return None
        return answer_text(plan)

    def verdict(self, text: str, problem: Problem, *, cut_off: bool = False) -> PlanVerdict:
        """All that is known about the plan of a reply.

        Raises:
            DataError: The question is no maze.
        """
        found = self.extract(text, cut_off=cut_off)
        maze = parse_question(question_in(problem.question))
        return check_actions(maze, None if found is None else parse_plan(found))

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """Right, wrong with the kind of its first mistake, or ungradable: no plan, or no maze to follow it in."""
        found = self.extract(text, cut_off=cut_off)
        if found is None:
            return Outcome("ungradable", None, "cut off before an answer" if cut_off else "no answer found")
        try:
            verdict = self.verdict(text, problem, cut_off=cut_off)
        except DataError as e:
            return Outcome("ungradable", found, e.problem)
        is_right = verdict.is_optimal if self._needs_shortest else verdict.reaches_goal
        reason = _REASONS[verdict.failing] if verdict.is_optimal or verdict.failing else "longer than needed"
        return Outcome("right" if is_right else "wrong", found, reason)
