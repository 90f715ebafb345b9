"""Which beats make up a problem of exactly k steps, and the problem itself.

A plan is an opener, up to `MAX_MIDDLES` different middles and a closer whose costs sum to k. Plans are drawn by
rejection; numbers are then drawn until the story holds only exact, sensible ones. Both loops draw from the
problem's own stream, so a problem depends on nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

from reasonry.tasks.word_problems.draw import Draw
from reasonry.tasks.word_problems.families import FAMILIES
from reasonry.tasks.word_problems.story import Beat, Family, RejectedError, Story

MAX_STEPS = 6
MAX_MIDDLES = 4
_TRIES_PER_PLAN = 30  # numbers for one plan before another plan is drawn
_TRIES_PER_FAMILY = 200  # plans before the family is given up: not every family has every grade


class Plan(NamedTuple):
    """The beats of a problem, in the order in which they are told."""

    family: Family
    opener: Beat
    middles: tuple[Beat, ...]
    closer: Beat

    @property
    def template(self) -> str:
        """Stable id: ``family/opener+middle+...+closer``."""
        return f"{self.family.name}/{'+'.join(b.name for b in (self.opener, *self.middles, self.closer))}"


class Draft(NamedTuple):
    """A finished story: the question's sentences, the solution's sentences and what is in them."""

    plan: Plan
    sentences: list[str]
    solution: list[str]
    quantities: list[int]
    answer: int
    num_distractors: int


def draw_plan(draw: Draw, family: Family, num_steps: int) -> Plan | None:
    """A plan of exactly ``num_steps`` calculations, or None when the family seems to have none."""
    for _ in range(_TRIES_PER_FAMILY):
        opener, closer = draw.pick(family.openers), draw.pick(family.closers)
        num = draw.below(min(MAX_MIDDLES, num_steps, len(family.middles)) + 1)
        rest = num_steps - opener.cost - closer.cost - (opener.cost_per_middle + closer.cost_per_middle) * num
        if rest < num:
            continue
        middles = draw.sample(family.middles, num)
        groups = [b.group for b in (opener, *middles, closer) if b.group]
        enough = all(num >= b.min_middles for b in (opener, *middles, closer))
        if enough and sum(b.cost for b in middles) == rest and len(set(groups)) == len(groups):
            return Plan(family, opener, tuple(sorted(middles, key=lambda b: b.rank)), closer)
    return None


def _distract(story: Story, family: Family) -> int:
    """Put sentences with unused numbers after the opener; how many depends on the grade."""
    draw = story.draw
    if story.num_steps < 4 or draw.below(3):
        return 0
    asides = draw.sample(family.asides, 2 if story.num_steps > 4 and draw.below(3) == 0 else 1)
    told: set[int] = set()
    for aside in asides:
        n = draw.between(aside.low, aside.high)
        # Never a number that the solution uses or yields: it must be possible to see that it was not needed.
        if n in told or n in story.quantities or n in story.results:
            raise RejectedError
        told.add(n)
        story.sentences.insert(1, aside.text.format(He=story.who.He, name=story.who.name, n=n))
    return len(asides)


def tell(draw: Draw, plan: Plan, num_steps: int) -> Draft:
    """Write the story of a plan with freshly drawn numbers.

    Raises:
        RejectedError: The numbers do not make a good problem.
    """
    story = Story(draw, num_steps, len(plan.middles))
    for story.position, beat in enumerate((plan.opener, *plan.middles, plan.closer)):
        beat.write(story)
    answer = story.results[-1]
    if answer in story.quantities:  # an answer that can be read off the question tests nothing
        raise RejectedError
    num_distractors = _distract(story, plan.family)
    return Draft(plan, story.sentences, story.solution, story.quantities, answer, num_distractors)


def compose_problem(draw: Draw, num_steps: int) -> Draft:
    """A problem of exactly ``num_steps`` calculations (1 to `MAX_STEPS`)."""
    while True:
        family = draw.pick(FAMILIES)
        plan = draw_plan(draw, family, num_steps)
        if plan is None:
            continue
        for _ in range(_TRIES_PER_PLAN):
            try:
                return tell(draw, plan, num_steps)
            except RejectedError:
                continue
