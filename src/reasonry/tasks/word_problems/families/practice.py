"""Time spent: minutes a day, several activities, hours in the end."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun

__all__ = ("FAMILY",)

_ACTS = (
    "practices the piano",
    "practices the violin",
    "trains for a race",
    "studies Spanish",
    "does yoga",
    "draws",
    "practices chess",
    "plays the drums",
)
_MORE = (
    "studying math",
    "cleaning the house",
    "writing letters",
    "working in the garden",
    "sewing",
    "cooking",
    "repairing a bicycle",
    "painting",
)


def _activity(s: Story) -> str:
    """Something to do that the story has not named yet."""
    done = {name for name, _ in s.cast}
    act = s.draw.pick([a for a in _MORE if a not in done])
    s.cast.append((act, 0))
    return act


_ONE, _MANY = Noun("that", ""), Noun("all of that together", "")


def daily(s: Story) -> None:
    s.scene["that"] = _MANY
    act, a, d = s.draw.pick(_ACTS), s.num(2, 9) * s.draw.pick((2, 5)), s.num(3, 6)
    s.say(
        f"This week, {s.who.name} {act} on {d} days, for {a} minutes each time.",
        f"{s.who.name} {act} for {a} minutes a day. This week, {s.who.he} does this on {d} days.",
    )
    s.value = s.step(f"On {d} days, that is @ minutes.", a, "*", d)


def twice_a_day(s: Story) -> None:
    s.scene["that"] = _MANY
    act, a, b, d = s.draw.pick(_ACTS), s.num(2, 7) * 5, s.num(2, 7) * 5, s.num(3, 6)
    s.say(
        f"{s.who.name} {act} for {a} minutes every morning and {b} minutes every evening. "
        f"This week, {s.who.he} does this on {d} days."
    )
    day = s.step("In a day, that is @ minutes.", a, "+", b)
    s.value = s.step(f"In {d} days, that is @ minutes.", day, "*", d)


def once(s: Story) -> None:
    s.scene["that"] = _ONE
    s.value = s.given(s.num(2, 12) * s.draw.pick((3, 5)))
    s.say(f"This week, {s.who.name} {s.draw.pick(_ACTS)} for {s.value} minutes.")


def hours(s: Story) -> None:
    s.scene["that"] = _ONE
    n = s.num(2, 6)
    s.say(f"This week, {s.who.name} {s.draw.pick(_ACTS)} for {n} hours.")
    s.value = s.step("An hour has 60 minutes, so that is @ minutes.", n, "*", 60)


def also(s: Story) -> None:
    n = s.num(2, 12) * 5
    s.say(f"On one evening, {s.who.he} also spends {n} minutes {_activity(s)}.")
    s.change("With that, it is @ minutes.", "+", n)


def also_times(s: Story) -> None:
    k, words = s.factor()
    s.say(f"In addition, {s.who.he} spends {words} as much time {_activity(s)} as on {s.scene['that'].one}.")
    extra = s.step("The second activity takes @ minutes.", s.value, "*", k)
    s.change("Both activities take @ minutes.", "+", extra)


def also_daily(s: Story) -> None:
    a, d = s.num(2, 9) * 5, s.num(2, 6)
    s.say(f"On {d} afternoons, {s.who.he} also spends {a} minutes {_activity(s)}.")
    extra = s.step(f"On {d} afternoons, that is @ minutes.", a, "*", d)
    s.change("In all, it is @ minutes.", "+", extra)


def total(s: Story) -> None:
    s.say("How many minutes is that in all?", "How many minutes does all of this take?")


def in_hours(s: Story) -> None:
    s.say("How many hours is that in all?", "How many hours does all of this take?")
    s.change("An hour has 60 minutes, so that is @ hours.", "/", 60)


def target(s: Story) -> None:
    n = (s.value // 30 + s.num(1, 5)) * 30
    s.say(f"{s.who.His} goal for the week is {n} minutes in all. How many minutes are missing?")
    s.value = s.step("There are @ minutes missing.", n, "-", s.value)


def weeks(s: Story) -> None:
    n = s.num(2, 6)
    s.say(f"{s.who.He} does the same every week. How many minutes is that in {n} weeks?")
    s.change(f"In {n} weeks, that is @ minutes.", "*", n)


def weeks_in_hours(s: Story) -> None:
    n = s.num(2, 6)
    s.say(f"{s.who.He} does the same every week. How many hours is that in {n} weeks?")
    s.change(f"In {n} weeks, that is @ minutes.", "*", n)
    s.change("An hour has 60 minutes, so that is @ hours.", "/", 60)


FAMILY = Family(
    "practice",
    openers=(
        Beat("daily", 1, daily),
        Beat("once", 0, once),
        Beat("hours", 1, hours),
        Beat("twice_a_day", 2, twice_a_day),
    ),
    middles=(
        Beat("also_times", 2, also_times, 1),
        Beat("also", 1, also, 2),
        Beat("also_daily", 2, also_daily, 3),
    ),
    closers=(
        Beat("total", 0, total),
        Beat("in_hours", 1, in_hours),
        Beat("target", 1, target),
        Beat("weeks", 1, weeks),
        Beat("weeks_in_hours", 2, weeks_in_hours),
    ),
    asides=(
        Aside("{He} is {n} years old.", 8, 18),
        Aside("{He} started this hobby {n} years ago.", 2, 9),
        Aside("{He} lives on the {n}th floor.", 4, 9),
    ),
)
