"""The kinds of scenes: one module each, with its openers, middles and closers.

The order is part of the generator: a family is drawn by position, so new ones go to the end.
"""

from __future__ import annotations

from reasonry.tasks.word_problems.families import (
    ages,
    backward,
    baking,
    compare,
    factory,
    farm,
    games,
    gathering,
    measure,
    parts,
    plot,
    practice,
    reading,
    recipe,
    sales,
    saving,
    shop,
    things,
    travel,
    work,
)

FAMILIES = (
    things.FAMILY,
    shop.FAMILY,
    compare.FAMILY,
    ages.FAMILY,
    work.FAMILY,
    travel.FAMILY,
    reading.FAMILY,
    saving.FAMILY,
    baking.FAMILY,
    recipe.FAMILY,
    farm.FAMILY,
    gathering.FAMILY,
    parts.FAMILY,
    factory.FAMILY,
    measure.FAMILY,
    plot.FAMILY,
    backward.FAMILY,
    practice.FAMILY,
    games.FAMILY,
    sales.FAMILY,
    sales.TICKETS,
)
