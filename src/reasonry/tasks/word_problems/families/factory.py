"""Production: machines and workers at a rate, defects, orders and boxes."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import noun

__all__ = ("FAMILY",)

_GOODS = (
    noun("chair"),
    noun("lamp"),
    noun("toy robot"),
    noun("clock"),
    noun("basket"),
    noun("mug"),
    noun("umbrella"),
    noun("candle"),
    noun("phone case"),
    noun("shoe box", "shoe boxes"),
    noun("bicycle bell"),
)


def _good(s: Story) -> str:
    """The goods; named as good ones as soon as there were bad ones."""
    return f"good {s.noun.many}" if s.reduced else s.noun.many


def machine(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    a, b = s.num(4, 40), s.num(3, 9)
    s.say(
        f"A machine makes {a} {s.noun.many} per hour. Today it runs for {b} hours.",
        f"In a workshop, {a} {s.noun.many} are made every hour. Today the workshop is open for {b} hours.",
    )
    s.value = s.step(f"In {b} hours, @ {s.noun.many} are made.", a, "*", b)


def two_machines(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    a, b, t = s.num(4, 30), s.num(3, 30), s.num(3, 9)
    s.say(
        f"One machine makes {a} {s.noun.many} per hour and a "
        f"second machine makes {b} {s.noun.many} per hour. "
        f"Today both machines run for {t} hours."
    )
    both = s.step(f"Together the machines make @ {s.noun.many} per hour.", a, "+", b)
    s.value = s.step(f"In {t} hours, they make @ {s.noun.many}.", both, "*", t)


def faster(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    a, t = s.num(4, 20), s.num(3, 8)
    k, words = s.factor()
    s.say(
        f"An old machine makes {a} {s.noun.many} per hour. A new machine is {words} as fast. "
        f"Today only the new machine is used, for {t} hours."
    )
    rate = s.step(f"The new machine makes @ {s.noun.many} per hour.", a, "*", k)
    s.value = s.step(f"In {t} hours, it makes @ {s.noun.many}.", rate, "*", t)


def workers(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    a, b = s.num(3, 12), s.num(3, 15)
    s.say(
        f"In a workshop, each of {a} workers makes {b} {s.noun.many} a day.",
        f"{a} workers each make {b} {s.noun.many} in one day.",
    )
    s.value = s.step(f"In a day, they make @ {s.noun.many}.", a, "*", b)


def stock(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    s.value = s.given(s.num(15, 90))
    s.say(f"A small factory makes {s.value} {s.noun.many} in the morning.")


def defects(s: Story) -> None:
    n = s.less(s.value, 20)
    s.say(
        f"{n} of the {s.noun.many} are broken and cannot be sold.",
        f"A test finds {n} bad {s.noun.many}, which are taken out.",
    )
    s.change(f"That leaves @ good {s.noun.many}.", "-", n)
    s.reduced = True


def defect_share(s: Story) -> None:
    f = s.share(s.value)
    s.say(f"{f.of[0].upper()}{f.of[1:]} the {s.noun.many} do not pass the final test and are taken out.")
    bad = s.step(f"{f.why}@ {s.noun.many} are taken out.", s.value, "/", f.parts)
    s.change(f"That leaves @ good {s.noun.many}.", "-", bad)
    s.reduced = True


def from_storage(s: Story) -> None:
    n = s.num(5, 40)
    s.say(f"Another {n} {_good(s)} are brought from a storage room.")
    s.change(f"Then there are @ {_good(s)}.", "+", n)


def from_crates(s: Story) -> None:
    a, b = s.num(2, 6), s.num(3, 12)
    s.say(f"In addition, there are {a} crates with {b} {_good(s)} in each from last week.")
    old = s.step(f"The crates hold @ {s.noun.many}.", a, "*", b)
    s.change(f"Then there are @ {_good(s)}.", "+", old)


def several_days(s: Story) -> None:
    n = s.num(3, 6)
    s.say(f"This goes on in exactly the same way for {n} days in all.")
    s.change(f"In {n} days, that makes @ {_good(s)}.", "*", n)


def left(s: Story) -> None:
    s.say(f"How many {_good(s)} is that in all?")


def boxes(s: Story) -> None:
    n = s.divisor(s.value, 3, 12)
    s.say(f"The {_good(s)} are packed into boxes of {n}. How many boxes are filled?")
    s.change("They fill @ boxes.", "/", n)


def order(s: Story) -> None:
    n = s.value + s.num(5, 60)
    s.say(f"A customer orders {n} {s.noun.many}. How many more {s.noun.many} have to be made for this order?")
    s.value = s.step(f"@ more {s.noun.many} are needed.", n, "-", s.value)


def stores(s: Story) -> None:
    n = s.divisor(s.value, 2, 9)
    s.say(f"The {_good(s)} go to {n} stores in equal numbers. How many {s.noun.many} does each store get?")
    s.change(f"Each store gets @ {s.noun.many}.", "/", n)


def income(s: Story) -> None:
    price = s.draw.between(2, 9)
    s.say(f"Each of the {_good(s)} is sold for ${price}. How many dollars is that in all?")
    s.change("They bring in $@.", "*", price)


def boxes_price(s: Story) -> None:
    n, price = s.divisor(s.value, 3, 12), s.num(6, 25)
    s.say(
        f"The {_good(s)} are packed into boxes of {n}, and each box is sold for ${price}. "
        "How many dollars is that in all?"
    )
    s.change("They fill @ boxes.", "/", n)
    s.change("The boxes bring in $@.", "*", price)


FAMILY = Family(
    "factory",
    openers=(
        Beat("machine", 1, machine),
        Beat("workers", 1, workers),
        Beat("stock", 0, stock),
        Beat("two_machines", 2, two_machines),
        Beat("faster", 2, faster),
    ),
    middles=(
        Beat("defects", 1, defects, 1, group="defects"),
        Beat("defect_share", 2, defect_share, 1, group="defects"),
        Beat("several_days", 1, several_days, 2),
        Beat("from_storage", 1, from_storage, 3),
        Beat("from_crates", 2, from_crates, 4),
    ),
    closers=(
        Beat("left", 0, left),
        Beat("boxes", 1, boxes),
        Beat("order", 1, order),
        Beat("stores", 1, stores),
        Beat("income", 1, income),
        Beat("boxes_price", 2, boxes_price),
    ),
    asides=(
        Aside("The building has {n} windows.", 12, 90),
        Aside("The company is {n} years old.", 11, 80),
        Aside("The lunch break takes {n} minutes.", 25, 55),
    ),
)
