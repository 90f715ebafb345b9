"""Rectangles: area, fence, tiles and what they cost."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import noun

__all__ = ("FAMILY",)

_PLOTS = ("a garden", "a playground", "a dog park", "a school yard", "a lawn", "a back yard", "a picnic area")


def area(s: Story) -> None:
    a, b = s.num(4, 20), s.num(3, 15)
    if a <= b:
        s.reject()
    s.noun = noun("square yard", "square yards")
    s.say(f"{s.who.name} measures {s.draw.pick(_PLOTS)}. It is {a} yards long and {b} yards wide.")
    s.cast = [("long", a), ("wide", b)]
    s.value = s.step("Its area is @ square yards.", a, "*", b)


def area_by_width(s: Story) -> None:
    b = s.given(s.num(3, 12))
    k, words = s.factor()
    s.noun = noun("square yard", "square yards")
    s.say(f"{s.who.name} measures {s.draw.pick(_PLOTS)}. It is {b} yards wide and {words} as long as it is wide.")
    length = s.step("It is @ yards long.", b, "*", k)
    s.cast = [("long", length), ("wide", b)]
    s.value = s.step("Its area is @ square yards.", length, "*", b)


def longer(s: Story) -> None:
    b, n = s.given(s.num(3, 12)), s.num(2, 9)
    s.noun = noun("square yard", "square yards")
    s.say(
        f"{s.who.name} measures {s.draw.pick(_PLOTS)}. "
        f"It is {b} yards wide, and its length is {n} yards more than its width."
    )
    length = s.step("It is @ yards long.", b, "+", n)
    s.cast = [("long", length), ("wide", b)]
    s.value = s.step("Its area is @ square yards.", length, "*", b)


def taken(s: Story) -> None:
    n = s.less(s.value, 40)
    s.say(
        f"{n} square yards of it are covered with stones.",
        f"A bench and a path take up {n} square yards of it.",
    )
    s.change("That leaves @ square yards free.", "-", n)
    s.reduced = True


def taken_rectangle(s: Story) -> None:
    a, b = s.num(2, 8), s.num(2, 6)
    if a <= b or a >= s.cast[0][1] or b >= s.cast[1][1]:
        s.reject()
    s.say(f"In one corner, there is a pond that is {a} yards long and {b} yards wide.")
    pond = s.step("The pond takes up @ square yards.", a, "*", b)
    s.change("That leaves @ square yards free.", "-", pond)
    s.reduced = True


def half(s: Story) -> None:
    s.say(
        "Half of the free area is covered with wood chips."
        if s.reduced
        else "Half of its area is covered with wood chips."
    )
    s.change("That leaves @ square yards free.", "/", 2)
    s.reduced = True


def share(s: Story) -> None:
    f = s.share(s.value)
    s.say(f"{s.who.He} covers {f.of} {'the free area' if s.reduced else 'its area'} with sand.")
    sand = s.step(f"{f.why}the sand covers @ square yards.", s.value, "/", f.parts)
    s.change("That leaves @ square yards free.", "-", sand)
    s.reduced = True


def _rest(s: Story) -> str:
    return "the free area" if s.reduced else "the whole area"


def left(s: Story) -> None:
    if s.reduced:
        s.say("How many square yards are still free?")
    else:
        s.say("How many square yards is its area?", "What is its area in square yards?")


def seed(s: Story) -> None:
    n = s.divisor(s.value, 4, 20)
    s.say(f"A bag of grass seed is enough for {n} square yards. How many bags does {s.who.he} need for {_rest(s)}?")
    s.change(f"{s.who.He} needs @ bags.", "/", n)


def seed_cost(s: Story) -> None:
    n, price = s.divisor(s.value, 4, 20), s.num(4, 15)
    s.say(
        f"A bag of grass seed is enough for {n} square yards and costs ${price}. "
        f"How many dollars does the seed for {_rest(s)} cost?"
    )
    s.change(f"{s.who.He} needs @ bags.", "/", n)
    s.change("The seed costs $@.", "*", price)


def flowers(s: Story) -> None:
    n = s.draw.between(2, 6)
    s.say(
        f"{s.who.He} plants flowers on {_rest(s)}, {n} flowers on each square yard. "
        f"How many flowers does {s.who.he} need?"
    )
    s.change(f"{s.who.He} needs @ flowers.", "*", n)


def cost(s: Story) -> None:
    n = s.draw.between(2, 9)
    s.say(f"A new lawn costs ${n} per square yard. How many dollars does a new lawn for {_rest(s)} cost?")
    s.change("The lawn costs $@.", "*", n)


def minutes(s: Story) -> None:
    n = s.divisor(s.value, 3, 15)
    s.say(f"{s.who.He} can rake {n} square yards per minute. How many minutes does it take to rake {_rest(s)}?")
    s.change("It takes @ minutes.", "/", n)


FAMILY = Family(
    "plot",
    openers=(Beat("area", 1, area), Beat("area_by_width", 2, area_by_width), Beat("longer", 2, longer)),
    middles=(
        Beat("taken", 1, taken, 1),
        Beat("taken_rectangle", 2, taken_rectangle, 2),
        Beat("half", 1, half, 3, group="fraction"),
        Beat("share", 2, share, 3, group="fraction"),
    ),
    closers=(
        Beat("left", 0, left),
        Beat("seed", 1, seed),
        Beat("flowers", 1, flowers),
        Beat("cost", 1, cost),
        Beat("minutes", 1, minutes),
        Beat("seed_cost", 2, seed_cost),
    ),
    asides=(
        Aside("It was laid out {n} years ago.", 11, 60),
        Aside("It takes {n} minutes to get there.", 2, 45),
        Aside("{He} shows it to {n} friends.", 2, 9),
    ),
)
