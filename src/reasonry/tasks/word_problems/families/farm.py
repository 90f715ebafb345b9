"""Crops and animals: rows and yields, what is lost, crates and the market."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun, noun

# fruit, what it grows on
__all__ = ("FAMILY",)

_CROPS = (
    (noun("pumpkin"), noun("pumpkin vine")),
    (noun("tomato", "tomatoes"), noun("tomato plant")),
    (noun("pepper"), noun("pepper plant")),
    (noun("apple"), noun("small apple tree")),
    (noun("sunflower"), noun("sunflower plant")),
    (noun("melon"), noun("melon vine")),
    (noun("pear"), noun("small pear tree")),
    (noun("lemon"), noun("lemon tree")),
    (noun("cucumber"), noun("cucumber plant")),
    (noun("rose"), noun("rose bush", "rose bushes")),
)
_VEGETABLES = (
    noun("cabbage"),
    noun("onion"),
    noun("carrot"),
    noun("radish", "radishes"),
    noun("leek"),
    noun("beet"),
    noun("cauliflower"),
    noun("turnip"),
)


def _crop(s: Story) -> Noun:
    s.noun, plant = s.draw.pick(_CROPS)
    return plant


def rows(s: Story) -> None:
    s.noun = s.draw.pick(_VEGETABLES)
    a, b = s.num(3, 12), s.num(3, 15)
    s.say(
        f"{s.who.name} grows {a} rows of {s.noun.many} with {b} {s.noun.many} in each row.",
        f"In {s.who.name}'s garden there are {a} rows of {s.noun.many}. Each row has {b} {s.noun.many}.",
    )
    s.value = s.step(f"There are @ {s.noun.many}.", a, "*", b)


def yields(s: Story) -> None:
    plant = _crop(s)
    a, b = s.num(3, 12), s.num(3, 15)
    s.say(
        f"{s.who.name} has {a} {plant.many}. Each of them gives {b} {s.noun.many}.",
        f"{s.who.name} picks {b} {s.noun.many} from each of {a} {plant.many}.",
    )
    s.value = s.step(f"{s.who.name} gets @ {s.noun.many}.", a, "*", b)


def rows_and_yields(s: Story) -> None:
    plant = _crop(s)
    a, b, c = s.num(2, 6), s.num(3, 8), s.num(3, 12)
    s.say(f"{s.who.name} has {a} rows of {plant.many}, {b} in each row. Each of them gives {c} {s.noun.many}.")
    plants = s.step(f"There are @ {plant.many}.", a, "*", b)
    s.value = s.step(f"They give @ {s.noun.many}.", plants, "*", c)


def two_fields(s: Story) -> None:
    _crop(s)
    a, b = s.num(12, 90), s.num(10, 80)
    s.say(
        f"{s.who.name} picks {a} {s.noun.many} from one garden and {b} {s.noun.many} from another garden.",
        f"{s.who.name} picks {a} {s.noun.many} on Friday and {b} {s.noun.many} on Saturday.",
    )
    s.value = s.step(f"{s.who.name} picks @ {s.noun.many}.", a, "+", b)


def eggs(s: Story) -> None:
    s.noun = noun("egg")
    a, b = s.num(3, 12), s.num(2, 6)
    birds = s.draw.pick(("hens", "ducks"))
    s.say(
        f"{s.who.name} has {a} {birds}, and each of them lays {b} eggs a week. This week {s.who.he} collects them all."
    )
    s.value = s.step(f"{s.who.name} collects @ eggs.", a, "*", b)


def harvest(s: Story) -> None:
    _crop(s)
    s.value = s.given(s.num(15, 120))
    s.say(f"{s.who.name} harvests {s.value} {s.noun.many}.")


def _rest(s: Story) -> str:
    return f"remaining {s.noun.many}" if s.reduced else s.noun.many


def lost(s: Story) -> None:
    n = s.less(s.value, 30)
    s.say(
        f"Sadly, {n} of the {s.noun.many} are damaged and cannot be used.",
        f"{n} of the {s.noun.many} turn out to be bad.",
    )
    s.change(f"Then there are @ {s.noun.many} left.", "-", n)
    s.reduced = True


def share_bad(s: Story) -> None:
    f = s.share(s.value)
    s.say(
        f"{s.who.He} has to throw {f.of} the {_rest(s)} away.",
        f"{s.who.He} gives {f.of} the {_rest(s)} to a school kitchen.",
    )
    gone = s.step(f"{f.why}@ {s.noun.many} are gone.", s.value, "/", f.parts)
    s.change(f"Then there are @ {s.noun.many} left.", "-", gone)
    s.reduced = True


def neighbors(s: Story) -> None:
    a, b = s.num(2, 6), s.num(2, 9)
    s.say(f"{s.who.He} gives {b} {s.noun.many} to each of {a} neighbors.")
    gone = s.step(f"The neighbors get @ {s.noun.many}.", a, "*", b)
    s.change(f"Then there are @ {s.noun.many} left.", "-", gone)
    s.reduced = True


def more_come(s: Story) -> None:
    p, n = s.who, s.num(5, 40)
    s.say(f"{p.His} {p.uncle} brings {p.him} {n} more {s.noun.many}.")
    s.change(f"Then there are @ {s.noun.many}.", "+", n)
    s.reduced = False


def _all(s: Story) -> str:
    return f"the {s.noun.many} that are left" if s.reduced else f"all of the {s.noun.many}"


def left(s: Story) -> None:
    if s.reduced:
        s.say(f"How many {s.noun.many} are left?")
    else:
        s.say(f"How many {s.noun.many} are there in all?", f"How many {s.noun.many} does {s.who.name} have?")


def boxes(s: Story) -> None:
    n = s.divisor(s.value, 3, 12)
    s.say(f"{s.who.He} puts {_all(s)} into boxes, {n} in each box. How many boxes does {s.who.he} fill?")
    s.change(f"{s.who.He} fills @ boxes.", "/", n)


def boxes_sold(s: Story) -> None:
    n, price = s.divisor(s.value, 3, 12), s.num(4, 15)
    s.say(
        f"{s.who.He} puts {_all(s)} into boxes, {n} in each box, and sells every box for ${price}. "
        f"How many dollars does {s.who.he} get?"
    )
    s.change(f"{s.who.He} fills @ boxes.", "/", n)
    s.change(f"{s.who.He} gets $@.", "*", price)


def sold(s: Story) -> None:
    price = s.draw.between(2, 5)
    s.say(f"{s.who.He} sells {_all(s)} for ${price} each. How many dollars does {s.who.he} get?")
    s.change(f"{s.who.He} gets $@.", "*", price)


def shops(s: Story) -> None:
    n = s.divisor(s.value, 2, 9)
    s.say(f"{n} shops buy {_all(s)}, the same number each. How many {s.noun.many} does each shop get?")
    s.change(f"Each shop gets @ {s.noun.many}.", "/", n)


FAMILY = Family(
    "farm",
    openers=(
        Beat("rows", 1, rows),
        Beat("yields", 1, yields),
        Beat("two_fields", 1, two_fields),
        Beat("eggs", 1, eggs),
        Beat("harvest", 0, harvest),
        Beat("rows_and_yields", 2, rows_and_yields),
    ),
    middles=(
        Beat("lost", 1, lost, 1),
        Beat("share_bad", 2, share_bad, 2),
        Beat("more_come", 1, more_come, 3),
        Beat("neighbors", 2, neighbors, 4),
    ),
    closers=(
        Beat("left", 0, left),
        Beat("boxes", 1, boxes),
        Beat("sold", 1, sold),
        Beat("shops", 1, shops),
        Beat("boxes_sold", 2, boxes_sold),
    ),
    asides=(
        Aside("{He} gets up at {n} o'clock.", 4, 7),
        Aside("The nearest town is {n} miles away.", 5, 40),
        Aside("{He} has been a farmer for {n} years.", 2, 30),
        Aside("{He} has {n} dogs.", 2, 4),
    ),
)
