"""Parts of a whole: colors, kinds and shares, and the rest."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun, noun

# whole, things, how the things may be grouped, six kinds
__all__ = ("FAMILY",)

_SCENES: tuple[tuple[Noun, Noun, str, tuple[str, ...]], ...] = (
    (noun("bag"), noun("marble"), "piles", ("red", "blue", "green", "yellow", "white", "black")),
    (noun("vase"), noun("tulip"), "bunches", ("red", "pink", "yellow", "white", "orange", "purple")),
    (noun("parking lot"), noun("car"), "rows", ("red", "blue", "white", "black", "silver", "green")),
    (
        noun("fish tank"),
        noun("fish", "fish"),
        "groups",
        ("gold", "striped", "black", "blue", "silver", "spotted"),
    ),
    (noun("box", "boxes"), noun("button"), "piles", ("brown", "gray", "white", "black", "green", "purple")),
    (noun("drawer"), noun("T-shirt"), "stacks", ("blue", "gray", "red", "white", "green", "orange")),
    (noun("big net"), noun("balloon"), "bunches", ("gold", "silver", "pink", "blue", "white", "purple")),
    (
        noun("toolbox", "toolboxes"),
        noun("screw"),
        "piles",
        ("brass", "steel", "copper", "iron", "zinc", "silver"),
    ),
    (noun("garden bed"), noun("rose"), "rows", ("red", "white", "pink", "yellow", "orange", "purple")),
    (noun("tin"), noun("bead"), "strings", ("red", "blue", "gold", "white", "black", "purple")),
)


def _scene(s: Story) -> tuple[Noun, str]:
    whole, s.noun, groups, kinds = s.draw.pick(_SCENES)
    s.scene["groups"] = Noun(groups, groups)
    s.cast = [(kind, 0) for kind in s.draw.sample(kinds, len(kinds))]
    return whole, s.noun.many


def _kind(s: Story) -> str:
    return s.cast.pop()[0]


def whole(s: Story) -> None:
    place, things = _scene(s)
    s.value = s.given(s.num(3, 20) * s.draw.pick((3, 4, 5, 6, 10)))
    s.say(
        f"There are {s.value} {things} in a {place.one}.",
        f"{s.who.name} counts {s.value} {things} in a {place.one}.",
    )


def several(s: Story) -> None:
    place, things = _scene(s)
    a, b = s.num(2, 8), s.num(5, 20)
    s.say(f"There are {a} {place.many} with {b} {things} in each.")
    s.value = s.step(f"In all, there are @ {things}.", a, "*", b)


def two_wholes(s: Story) -> None:
    place, things = _scene(s)
    a, b = s.num(10, 60), s.num(8, 50)
    s.say(f"One {place.one} has {a} {things} and another has {b} {things}.")
    s.value = s.step(f"In all, there are @ {things}.", a, "+", b)


def share_of_all(s: Story) -> None:
    f, kind, things = s.share(s.value), _kind(s), s.noun.many
    s.say(f"{f.of[0].upper()}{f.of[1:]} the {things} are {kind}.")
    part = s.step(f"{f.why}@ {things} are {kind}.", s.value, "/", f.parts)
    s.change(f"The other {things} are @.", "-", part)


def given(s: Story) -> None:
    n, kind = s.less(s.value, 40), _kind(s)
    s.say(f"{n} of the {s.noun.many} are {kind}.", f"Exactly {n} {s.noun.many} are {kind}.")
    s.change(f"Without these, there are @ {s.noun.many}.", "-", n)


def given_and_times(s: Story) -> None:
    n, k1, k2 = s.given(s.less(s.value // 2, 20)), _kind(s), _kind(s)
    k, words = s.factor()
    s.say(f"{n} {s.noun.many} are {k1}, and {words} as many are {k2}.")
    other = s.step(f"@ {s.noun.many} are {k2}.", n, "*", k)
    both = s.step(f"@ {s.noun.many} are {k1} or {k2}.", other, "+", n)
    s.change(f"Without these, there are @ {s.noun.many}.", "-", both)


def two_given(s: Story) -> None:
    a, b, k1, k2 = s.num(2, 20), s.num(2, 20), _kind(s), _kind(s)
    s.say(f"{a} {s.noun.many} are {k1} and {b} {s.noun.many} are {k2}.")
    both = s.step(f"@ {s.noun.many} are {k1} or {k2}.", a, "+", b)
    s.change(f"Without these, there are @ {s.noun.many}.", "-", both)


def half_of_rest(s: Story) -> None:
    kind = _kind(s)
    s.say(f"Half of the other {s.noun.many} are {kind}.")
    s.change(f"The other half is @ {s.noun.many}.", "/", 2)


def share_of_rest(s: Story) -> None:
    f, kind, things = s.share(s.value), _kind(s), s.noun.many
    s.say(f"Of the other {things}, {f.of.removesuffix(' of')} are {kind}.")
    part = s.step(f"{f.why}@ {things} are {kind}.", s.value, "/", f.parts)
    s.change(f"Without these, there are @ {things}.", "-", part)


def rest(s: Story) -> None:
    kind, things = _kind(s), s.noun.many
    s.say(
        f"The remaining {things} are {kind}. How many {things} are {kind}?",
        f"All of the remaining {things} are {kind}. How many {kind} {things} are there?",
    )


def rest_groups(s: Story) -> None:
    kind, things, groups, n = _kind(s), s.noun.many, s.scene["groups"].many, s.divisor(s.value, 2, 9)
    s.say(
        f"The remaining {things} are {kind}. The {kind} {things} form {n} equal {groups}. "
        f"How many {things} are in each of these {groups}?"
    )
    s.change(f"There are @ {things} in each.", "/", n)


def rest_taken(s: Story) -> None:
    kind, things = _kind(s), s.noun.many
    n = s.less(s.value, 20)
    s.say(
        f"The remaining {things} are {kind}. Then {n} of the {kind} {things} are taken away. "
        f"How many {kind} {things} are left?"
    )
    s.change(f"There are @ {kind} {things} left.", "-", n)


FAMILY = Family(
    "parts",
    openers=(Beat("whole", 0, whole), Beat("several", 1, several), Beat("two_wholes", 1, two_wholes)),
    middles=(
        Beat("share_of_all", 2, share_of_all, 1),
        Beat("given", 1, given, 2),
        Beat("two_given", 2, two_given, 2, group="two"),
        Beat("given_and_times", 3, given_and_times, 2, group="two"),
        Beat("half_of_rest", 1, half_of_rest, 3, group="rest", min_middles=2),
        Beat("share_of_rest", 2, share_of_rest, 3, group="rest", min_middles=2),
    ),
    closers=(
        Beat("rest", 0, rest, min_middles=1),
        Beat("rest_groups", 1, rest_groups, min_middles=1),
        Beat("rest_taken", 1, rest_taken, min_middles=1),
    ),
    asides=(
        Aside("{name} needs {n} minutes to count them.", 2, 15),
        Aside("{name} first saw them {n} days ago.", 2, 20),
        Aside("They have been there for {n} months.", 2, 11),
    ),
)
