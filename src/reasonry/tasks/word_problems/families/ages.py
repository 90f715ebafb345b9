"""Ages: siblings, friends, parents and grandparents, now and in some years."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import TIMES

__all__ = ("FAMILY",)

_ADULTS = (
    "Mr. Lee",
    "Ms. Park",
    "Mr. Diaz",
    "Ms. Novak",
    "Mr. Okoye",
    "Ms. Silva",
    "Mr. Brandt",
    "Ms. Rossi",
)


def _join(s: Story, name: str, age: int, low: int, high: int) -> None:
    if not low <= age <= high:
        s.reject()
    s.cast.append((name, age))
    s.value = age


def age(s: Story) -> None:
    n = s.given(s.num(6, 16))
    s.say(f"{s.who.name} is {n} years old.")
    _join(s, s.who.name, n, 4, 20)


def in_years(s: Story) -> None:
    n = s.num(3, 9)
    then = n + s.num(5, 15)
    s.say(f"In {n} years, {s.who.name} will be {then} years old.")
    _join(s, s.who.name, s.step(f"Now {s.who.name} is @ years old.", then, "-", n), 4, 20)


def years_ago(s: Story) -> None:
    n, then = s.num(2, 7), s.num(4, 12)
    s.say(f"{n} years ago, {s.who.name} was {then} years old.")
    _join(s, s.who.name, s.step(f"Now {s.who.name} is @ years old.", then, "+", n), 4, 20)


def older(s: Story) -> None:
    (a, v), b, n = s.cast[-1], s.companion().name, s.num(2, 9)
    s.say(f"{b} is {n} years older than {a}.")
    _join(s, b, s.step(f"{b} is @ years old.", v, "+", n), 4, 24)


def younger(s: Story) -> None:
    (a, v), b = s.cast[-1], s.companion().name
    n = s.less(v, 9)
    s.say(f"{b} is {n} years younger than {a}.", f"{a} is {n} years older than {b}.")
    _join(s, b, s.step(f"{b} is @ years old.", v, "-", n), 3, 24)


def twice_as_old(s: Story) -> None:
    (a, v), b = s.cast[-1], s.companion().name
    s.say(f"{b} is twice as old as {a}.")
    _join(s, b, s.step(f"{b} is @ years old.", v, "*", 2), 6, 24)


def half_as_old(s: Story) -> None:
    (a, v), b = s.cast[-1], s.companion().name
    s.say(f"{b} is half as old as {a}.", f"{a} is twice as old as {b}.")
    _join(s, b, s.step(f"{b} is @ years old.", v, "/", 2), 3, 24)


def adult_times(s: Story) -> None:
    a, v = s.cast[-1]
    k, b = s.draw.between(3, 5), s.draw.pick(_ADULTS)
    s.multiplied = True
    s.say(
        f"Their teacher, {b}, is {TIMES[k]} as old as {a}."
        if len(s.cast) > 1
        else f"{a}'s teacher, {b}, is {TIMES[k]} as old as {a}."
    )
    _join(s, b, s.step(f"{b} is @ years old.", v, "*", k), 24, 66)


def adult_older(s: Story) -> None:
    a, v = s.cast[-1]
    n, b = s.draw.between(20, 40), s.draw.pick(_ADULTS)
    s.say(f"{a}'s coach, {b}, is {n} years older than {a}.")
    _join(s, b, s.step(f"{b} is @ years old.", v, "+", n), 24, 66)


def adult_more_than_times(s: Story) -> None:
    a, v = s.cast[-1]
    k, n, b = s.draw.between(3, 5), s.draw.between(2, 9), s.draw.pick(_ADULTS)
    s.multiplied = True
    s.say(f"{a}'s neighbor, {b}, is {n} years older than {TIMES[k]} {a}'s age.")
    part = s.step(f"{TIMES[k]} {a}'s age is @ years.", v, "*", k)
    _join(s, b, s.step(f"{b} is @ years old.", part, "+", n), 24, 66)


def elder(s: Story) -> None:
    a, v = s.cast[-1]
    if v < 24:
        s.reject()
    n = s.draw.between(21, 35)
    b = f"{a}'s mother"
    s.say(f"{b} is {n} years older than {a}.", f"{a} was born when {b} was {n} years old.")
    _join(s, b, s.step(f"{b} is @ years old.", v, "+", n), 48, 95)


def last(s: Story) -> None:
    s.say(f"How old is {s.cast[-1][0]}?", f"How many years old is {s.cast[-1][0]} now?")


def later(s: Story) -> None:
    (a, v), n = s.cast[-1], s.num(3, 12)
    s.say(f"How old will {a} be in {n} years?", f"How old will {a} be {n} years from now?")
    s.value = s.step(f"In {n} years, {a} will be @ years old.", v, "+", n)
    if s.value > 99:
        s.reject()


def earlier(s: Story) -> None:
    (a, v), n = s.cast[-1], s.less(s.value, 9)
    s.say(f"How old was {a} {n} years ago?")
    s.value = s.step(f"{n} years ago, {a} was @ years old.", v, "-", n)


def sum_of_two(s: Story) -> None:
    (a, v), (b, w) = s.cast[0], s.cast[-1]
    s.say(
        f"What is the sum of the ages of {a} and {b}?",
        f"If you add the ages of {a} and {b}, how many years do you get?",
    )
    s.value = s.step("The ages add up to @ years.", v, "+", w)


def difference(s: Story) -> None:
    (a, v), (b, w) = s.cast[0], s.cast[-1]
    if not s.multiplied:
        s.reject()
    s.say(f"How many years older is {b} than {a}?", f"How many years younger is {a} than {b}?")
    s.value = s.step("The difference in age is @ years.", w, "-", v)


def sum_later(s: Story) -> None:
    (a, v), (b, w), n = s.cast[0], s.cast[-1], s.given(s.num(2, 9))
    s.say(f"What will be the sum of the ages of {a} and {b} in {n} years?")
    first = s.step(f"In {n} years, {a} will be @ years old.", v, "+", n)
    second = s.step(f"In {n} years, {b} will be @ years old.", w, "+", n)
    if max(first, second) > 99:
        s.reject()
    s.value = s.step("The ages will add up to @ years.", first, "+", second)


def until(s: Story) -> None:
    a, v = s.cast[-1]
    n = (v // 10 + 1) * 10
    s.say(f"In how many years will {a} be {n} years old?")
    s.value = s.step(f"{a} will be {n} in @ years.", n, "-", v)


FAMILY = Family(
    "ages",
    openers=(Beat("age", 0, age), Beat("in_years", 1, in_years), Beat("years_ago", 1, years_ago)),
    middles=(
        Beat("older", 1, older, 1, group="add"),
        Beat("younger", 1, younger, 2, group="add"),
        Beat("twice_as_old", 1, twice_as_old, 1, group="times"),
        Beat("half_as_old", 1, half_as_old, 2, group="times"),
        Beat("adult_times", 1, adult_times, 3, group="adult"),
        Beat("adult_older", 1, adult_older, 3, group="adult"),
        Beat("adult_more_than_times", 2, adult_more_than_times, 3, group="adult"),
        Beat("elder", 1, elder, 4),
    ),
    closers=(
        Beat("last", 0, last, min_middles=1),
        Beat("later", 1, later, min_middles=1),
        Beat("earlier", 1, earlier, min_middles=1),
        Beat("sum_of_two", 1, sum_of_two, min_middles=1),
        Beat("difference", 1, difference, min_middles=1),
        Beat("until", 1, until, min_middles=1),
        Beat("sum_later", 3, sum_later, min_middles=1),
    ),
    asides=(
        Aside("{name}'s house number is {n}.", 11, 99),
        Aside("{name} has {n} cousins.", 2, 9),
        Aside("{name} lives {n} miles from school.", 2, 9),
    ),
)
