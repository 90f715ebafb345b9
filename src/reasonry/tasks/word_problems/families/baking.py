"""Baking for a crowd: trays, dozens, what is burned or eaten, boxes and prices."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import noun

__all__ = ("FAMILY",)

_GOODS = (
    noun("muffin"),
    noun("cookie"),
    noun("cupcake"),
    noun("roll"),
    noun("pretzel"),
    noun("brownie"),
    noun("scone"),
    noun("meatball"),
    noun("pancake"),
    noun("dumpling"),
)
_WHERE = (
    "for a school fair",
    "for a party",
    "for the farmers' market",
    "for a picnic",
    "for a family reunion",
)


def trays(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    a, b, where = s.num(2, 9), s.num(4, 15), s.draw.pick(_WHERE)
    s.say(
        f"{s.who.name} makes {a} trays of {s.noun.many} {where}, with {b} {s.noun.many} on each tray.",
        f"{s.who.name} bakes {s.noun.many} {where}. There are {a} trays, and each tray holds {b} {s.noun.many}."
        if s.noun.one not in ("pancake", "dumpling", "meatball")
        else f"{s.who.name} cooks {s.noun.many} {where}. There are {a} trays, and each tray holds {b} {s.noun.many}.",
    )
    s.value = s.step(f"{s.who.name} makes @ {s.noun.many}.", a, "*", b)


def dozens(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    a, where = s.num(2, 9), s.draw.pick(_WHERE)
    s.say(f"{s.who.name} makes {a} dozen {s.noun.many} {where}.")
    s.value = s.step(f"A dozen is 12, so {s.who.name} makes @ {s.noun.many}.", a, "*", 12)


def batch(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    s.value = s.given(s.num(12, 60))
    s.say(f"{s.who.name} makes {s.value} {s.noun.many} {s.draw.pick(_WHERE)}.")


def two_people(s: Story) -> None:
    s.noun, q = s.draw.pick(_GOODS), s.companion().name
    a, b = s.given(s.num(10, 50)), s.num(3, 20)
    s.say(
        f"{q} makes {a} {s.noun.many}. {s.who.name} makes {b} more {s.noun.many} than {q}. "
        f"They put everything together {s.draw.pick(_WHERE)}."
    )
    own = s.step(f"{s.who.name} makes @ {s.noun.many}.", a, "+", b)
    s.value = s.step(f"Together they have @ {s.noun.many}.", own, "+", a)


def hourly(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    a, b = s.num(6, 30), s.num(2, 6)
    s.say(f"{s.who.name} can make {a} {s.noun.many} in an hour. {s.who.He} works for {b} hours.")
    s.value = s.step(f"In {b} hours, {s.who.name} makes @ {s.noun.many}.", a, "*", b)


def _rest(s: Story) -> str:
    return f"remaining {s.noun.many}" if s.reduced else s.noun.many


def spoiled(s: Story) -> None:
    n = s.less(s.value, 15)
    s.say(
        f"{n} {s.noun.many} get burned and have to be thrown away.",
        f"{s.who.His} {s.who.brother} drops {n} of the {s.noun.many} on the floor, and they have to be thrown away.",
    )
    s.change(f"Then there are @ {s.noun.many} left.", "-", n)
    s.reduced = True


def eaten(s: Story) -> None:
    a, b = s.num(2, 6), s.num(2, 5)
    s.say(
        f"{a} children come by and eat {b} {s.noun.many} each.",
        f"Then {a} neighbors get {b} {s.noun.many} each.",
    )
    gone = s.step(f"They take @ {s.noun.many}.", a, "*", b)
    s.change(f"Then there are @ {s.noun.many} left.", "-", gone)
    s.reduced = True


def extra(s: Story) -> None:
    a, b = s.num(2, 5), s.num(4, 12)
    s.say(f"Then {s.who.he} makes {a} more trays with {b} {s.noun.many} on each of them.")
    new = s.step(f"The new trays have @ {s.noun.many}.", a, "*", b)
    s.change(f"Then there are @ {s.noun.many}.", "+", new)
    s.reduced = False


def bring(s: Story) -> None:
    q, n = s.companion().name, s.num(4, 30)
    s.say(f"Then {q} brings {n} more {s.noun.many}.")
    s.change(f"Then there are @ {s.noun.many}.", "+", n)
    s.reduced = False


def share_gone(s: Story) -> None:
    f = s.share(s.value)
    s.say(
        f"After that, {s.who.he} gives {f.of} the {_rest(s)} to the fire station.",
        f"After that, {s.who.he} freezes {f.of} the {_rest(s)} for another day.",
    )
    gone = s.step(f"{f.why}{s.who.he} takes away @ {s.noun.many}.", s.value, "/", f.parts)
    s.change(f"Then there are @ {s.noun.many} left.", "-", gone)
    s.reduced = True


def half_gone(s: Story) -> None:
    s.say(
        f"In the first hour, half of the {_rest(s)} are eaten.",
        f"By noon, half of the {_rest(s)} are gone.",
    )
    s.change(f"Then there are @ {s.noun.many} left.", "/", 2)
    s.reduced = True


def left(s: Story) -> None:
    if s.reduced:
        s.say(f"How many {s.noun.many} are left?")
    else:
        s.say(f"How many {s.noun.many} are there in all?")


def boxes(s: Story) -> None:
    n = s.divisor(s.value, 3)
    rest = "the rest" if s.reduced else f"all of the {s.noun.many}"
    s.say(f"{s.who.He} packs {rest} into boxes of {n}. How many boxes does {s.who.he} fill?")
    s.change(f"{s.who.He} fills @ boxes.", "/", n)


def plates(s: Story) -> None:
    n = s.divisor(s.value)
    rest = "the rest" if s.reduced else f"all of the {s.noun.many}"
    s.say(
        f"{s.who.He} divides {rest} equally among {n} plates. How many {s.noun.many} are on each plate?",
        f"{n} families share {rest} equally. How many {s.noun.many} does each family get?",
    )
    s.change(f"Each gets @ {s.noun.many}.", "/", n)


def sell(s: Story) -> None:
    price = s.draw.between(2, 5)
    rest = "the rest" if s.reduced else f"all of the {s.noun.many}"
    s.say(f"{s.who.He} sells {rest} for ${price} each. How many dollars does {s.who.he} get?")
    s.change(f"{s.who.He} gets $@.", "*", price)


def profit(s: Story) -> None:
    price, cost = s.draw.between(2, 5), s.num(10, 60)
    rest = "the rest" if s.reduced else f"all of the {s.noun.many}"
    s.say(
        f"{s.who.He} sells {rest} for ${price} each. The ingredients cost ${cost}. "
        f"How many dollars of profit does {s.who.he} make?"
    )
    s.change(f"{s.who.He} gets $@.", "*", price)
    s.change("The profit is $@.", "-", cost)


def needed(s: Story) -> None:
    n = s.value + s.num(4, 40)
    s.say(f"{s.who.He} needs {n} {s.noun.many}. How many more {s.noun.many} does {s.who.he} have to make?")
    s.value = s.step(f"{s.who.He} has to make @ more.", n, "-", s.value)


FAMILY = Family(
    "baking",
    openers=(
        Beat("trays", 1, trays),
        Beat("dozens", 1, dozens),
        Beat("batch", 0, batch),
        Beat("hourly", 1, hourly),
        Beat("two_people", 2, two_people),
    ),
    middles=(
        Beat("spoiled", 1, spoiled, 1),
        Beat("extra", 2, extra, 2, group="more"),
        Beat("bring", 1, bring, 2, group="more"),
        Beat("share_gone", 2, share_gone, 3, group="fraction"),
        Beat("half_gone", 1, half_gone, 4, group="fraction"),
        Beat("eaten", 2, eaten, 5),
    ),
    closers=(
        Beat("left", 0, left),
        Beat("boxes", 1, boxes),
        Beat("plates", 1, plates),
        Beat("sell", 1, sell),
        Beat("needed", 1, needed),
        Beat("profit", 2, profit),
    ),
    asides=(
        Aside("The oven is {n} years old.", 2, 12),
        Aside("The oven has to warm up for {n} minutes first.", 8, 20),
        Aside("{He} learned the recipe {n} years ago.", 2, 15),
    ),
)
