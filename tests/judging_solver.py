"""The simulated solver as its own judge: strategies that ask a model can be run without one."""

from __future__ import annotations

import re

from reasonry.core.sampling import Request
from reasonry.core.sampling.scripted import SimulatedSolver


class JudgingSolver(SimulatedSolver):
    """Grades a reply by the last digit of the number that it gives, and prefers the higher grade of two."""

    def answer(self, request: Request, index: int) -> str:
        if not request.id.startswith("judge-"):
            return super().answer(request, index)
        text = request.messages[-1].content
        grades = [1 + int(digit) for digit in re.findall(r"(?m)^#### -?[\d.]*(\d)$", text)]
        if "better" in text and len(grades) == 2:
            return "[[A]]" if grades[0] > grades[1] else "[[B]]" if grades[1] > grades[0] else "[[tie]]"
        return f"Grade: {grades[0]}" if grades else "I cannot tell."
