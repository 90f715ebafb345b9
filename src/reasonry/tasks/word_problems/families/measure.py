"""Lengths, times and dozens: changing units, cutting, pouring, counting out."""

from __future__ import annotations

from typing import NamedTuple

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun, article, noun


class Change(NamedTuple):
    """A unit change that a pupil knows by heart.

    Attributes:
        big: The larger unit.
        small: The smaller unit.
        num: Small units in a big one.
        stuff: What is measured.
        uses: What it is used for in pieces: "bracelets".
    """

    big: Noun
    small: Noun
    num: int
    stuff: str
    uses: Noun


__all__ = ("FAMILY",)

_FOOT, _INCH, _YARD = noun("foot", "feet"), noun("inch", "inches"), noun("yard")
_METER, _CENTIMETER = noun("meter"), noun("centimeter")
_CHANGES = (
    Change(_FOOT, _INCH, 12, "ribbon", noun("bow")),
    Change(_FOOT, _INCH, 12, "wire", noun("hook")),
    Change(_YARD, _FOOT, 3, "rope", noun("swing")),
    Change(_YARD, _FOOT, 3, "cloth", noun("flag")),
    Change(_METER, _CENTIMETER, 100, "string", noun("bracelet")),
    Change(noun("gallon"), noun("cup"), 16, "juice", noun("bottle")),
    Change(noun("gallon"), noun("quart"), 4, "paint", noun("door")),
    Change(noun("pound"), noun("ounce"), 16, "clay", noun("pot")),
    Change(noun("pound"), noun("ounce"), 16, "flour", noun("cake")),
)


def _pick(s: Story) -> Change:
    change = s.draw.pick(_CHANGES)
    s.noun, s.scene["use"], s.scene["stuff"] = change.small, change.uses, Noun(change.stuff, change.stuff)
    return change


def _known(c: Change) -> str:
    return f"There are {c.num} {c.small.many} in {article(c.big.one)}"


def convert(s: Story) -> None:
    c, n = _pick(s), s.num(2, 9)
    s.say(f"{s.who.name} has {n} {c.big.many} of {c.stuff}. {_known(c)}.")
    s.value = s.step(f"That is @ {c.small.many}.", n, "*", c.num)


def pieces(s: Story) -> None:
    c, a, b = _pick(s), s.num(2, 9), s.num(3, 12)
    if c.small in (_INCH, _FOOT, _CENTIMETER):
        s.say(f"{s.who.name} has {a} pieces of {c.stuff}, and each piece is {b} {c.small.many} long.")
    else:
        where = "containers" if c.stuff in ("juice", "paint") else "bags"
        s.say(f"{s.who.name} has {a} {where} of {c.stuff} with {b} {c.small.many} in each.")
    s.value = s.step(f"{s.who.name} has @ {c.small.many} of {c.stuff}.", a, "*", b)


def amount(s: Story) -> None:
    c = _pick(s)
    s.value = s.given(s.num(12, 90))
    s.say(f"{s.who.name} has {s.value} {c.small.many} of {c.stuff}.")


def convert_and_more(s: Story) -> None:
    c, n = _pick(s), s.num(2, 6)
    m = s.draw.between(2, c.num - 1)
    s.say(f"{s.who.name} has {n} {c.big.many} and {m} {c.small.many} of {c.stuff}. {_known(c)}.")
    big = s.step(f"{n} {c.big.many} are @ {c.small.many}.", n, "*", c.num)
    s.value = s.step(f"With the rest, {s.who.name} has @ {c.small.many}.", big, "+", m)


def use(s: Story) -> None:
    n = s.less(s.value, 30)
    s.say(
        f"{s.who.He} uses {n} {s.noun.many} for a school project.",
        f"{s.who.He} gives {n} {s.noun.many} of it to {s.who.his} {s.who.brother}.",
    )
    s.change(f"Then {s.who.he} has @ {s.noun.many} left.", "-", n)
    s.reduced = True


def use_each(s: Story) -> None:
    a, b, what = s.num(2, 8), s.num(2, 9), s.scene["use"]
    s.say(
        f"{s.who.He} makes {a} large {what.many} and uses {b} {s.noun.many} for each of them."
        if what.one not in ("door", "bottle")
        else f"{s.who.He} needs {b} {s.noun.many} of it for each of {a} large {what.many}."
    )
    gone = s.step(f"For the large {what.many}, {s.who.he} uses @ {s.noun.many}.", a, "*", b)
    s.change(f"Then {s.who.he} has @ {s.noun.many} left.", "-", gone)
    s.reduced = True


def buy(s: Story) -> None:
    n = s.num(3, 30)
    s.say(
        f"{s.who.He} buys {n} more {s.noun.many}.",
        f"{s.who.He} finds another {n} {s.noun.many} in a cabinet.",
    )
    s.change(f"Then {s.who.he} has @ {s.noun.many}.", "+", n)
    s.reduced = False


def waste_share(s: Story) -> None:
    f = s.share(s.value)
    s.say(f"{s.who.He} gives {f.of} the {'remaining ' if s.reduced else ''}{s.scene['stuff'].one} to a friend.")
    gone = s.step(f"{f.why}{s.who.he} gives away @ {s.noun.many}.", s.value, "/", f.parts)
    s.change(f"Then {s.who.he} has @ {s.noun.many} left.", "-", gone)
    s.reduced = True


def _rest(s: Story) -> str:
    return "the rest" if s.reduced else f"all of the {s.scene['stuff'].one}"


def left(s: Story) -> None:
    stuff = s.scene["stuff"].one
    tail = "left" if s.reduced else "now" if s.num_middles else "in all"
    s.say(f"How many {s.noun.many} of {stuff} does {s.who.name} have {tail}?")


def make(s: Story) -> None:
    n, what = s.divisor(s.value, 2, 12), s.scene["use"]
    s.say(
        f"{s.who.He} uses {_rest(s)} for small {what.many}, {n} {s.noun.many} for each. "
        f"How many small {what.many} is that enough for?"
    )
    s.change(f"It is enough for @ small {what.many}.", "/", n)


def worth(s: Story) -> None:
    price = s.draw.between(2, 6)
    one = s.noun.one
    stuff = s.scene["stuff"].one
    s.say(f"The {stuff} costs ${price} per {one}. How many dollars is {_rest(s)} worth?")
    s.change("It is worth $@.", "*", price)


def people(s: Story) -> None:
    n = s.divisor(s.value, 2, 9)
    s.say(f"{n} children share {_rest(s)} equally. How many {s.noun.many} does each child get?")
    s.change(f"Each child gets @ {s.noun.many}.", "/", n)


def missing(s: Story) -> None:
    n = s.value + s.num(3, 50)
    s.say(f"Next week, {s.who.he} needs {n} {s.noun.many}. How many more {s.noun.many} does {s.who.he} have to buy?")
    s.value = s.step(f"{s.who.He} has to buy @ {s.noun.many}.", n, "-", s.value)


FAMILY = Family(
    "measure",
    openers=(
        Beat("convert", 1, convert),
        Beat("pieces", 1, pieces),
        Beat("amount", 0, amount),
        Beat("convert_and_more", 2, convert_and_more),
    ),
    middles=(
        Beat("use", 1, use),
        Beat("use_each", 2, use_each),
        Beat("buy", 1, buy),
        Beat("waste_share", 2, waste_share),
    ),
    closers=(
        Beat("left", 0, left),
        Beat("make", 1, make),
        Beat("worth", 1, worth),
        Beat("people", 1, people),
        Beat("missing", 1, missing),
    ),
    asides=(
        Aside("{He} is {n} years old.", 8, 40),
        Aside("{He} has been a member of a craft club for {n} years.", 2, 7),
        Aside("{He} has {n} pairs of scissors.", 2, 5),
    ),
)
