"""Collections: somebody owns things, gets some, gives some away, puts the rest somewhere."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun, noun

# what, what it is sold in, what it is kept in
__all__ = ("FAMILY",)

_SCENES: tuple[tuple[Noun, Noun, Noun], ...] = (
    (noun("sticker"), noun("pack"), noun("folder")),
    (noun("marble"), noun("bag"), noun("jar")),
    (noun("trading card"), noun("pack"), noun("binder")),
    (noun("seashell"), noun("bucket"), noun("glass bowl")),
    (noun("toy car"), noun("set"), noun("box", "boxes")),
    (noun("bead"), noun("bag"), noun("jar")),
    (noun("pencil"), noun("box", "boxes"), noun("cup")),
    (noun("crayon"), noun("box", "boxes"), noun("tin")),
    (noun("postcard"), noun("set"), noun("envelope")),
    (noun("comic book"), noun("bundle"), noun("drawer")),
    (noun("button"), noun("bag"), noun("tin")),
    (noun("stamp"), noun("envelope"), noun("album")),
    (noun("building block"), noun("box", "boxes"), noun("basket")),
    (noun("glow stick"), noun("pack"), noun("bag")),
)


def _scene(s: Story) -> tuple[str, Noun]:
    s.noun, s.scene["pack"], s.scene["place"] = s.draw.pick(_SCENES)
    return s.noun.many, s.scene["pack"]


def has(s: Story) -> None:
    things, _ = _scene(s)
    s.value = s.given(s.num(8, 60))
    s.say(
        f"{s.who.name} has {s.value} {things}.",
        f"There are {s.value} {things} in {s.who.name}'s collection.",
        f"{s.who.name} owns {s.value} {things}.",
    )


def packs(s: Story) -> None:
    things, pack = _scene(s)
    a, b = s.num(2, 9), s.num(3, 12)
    s.say(
        f"{s.who.name} has {a} {pack.many} of {things}, with {b} {things} in each {pack.one}.",
        f"{s.who.name} buys {a} {pack.many} of {things}. Each {pack.one} has {b} {things} in it.",
    )
    s.value = s.step(f"{s.who.name} has @ {things}.", a, "*", b)


def every_day(s: Story) -> None:
    things, _ = _scene(s)
    a, b = s.num(3, 9), s.num(2, 10)
    s.say(
        f"{s.who.name} collects {b} {things} every day for {a} days.",
        f"For {a} days, {s.who.name} gets {b} {things} a day.",
    )
    s.value = s.step(f"In {a} days, {s.who.name} gets @ {things}.", a, "*", b)


def two_sorts(s: Story) -> None:
    things, _ = _scene(s)
    a, b = s.num(5, 40), s.num(4, 30)
    s.say(
        f"{s.who.name} has {a} old {things} and {b} new {things}.",
        f"{s.who.name} keeps {a} {things} at home and {b} {things} at school.",
        f"{s.who.name} has {a} large {things} and {b} small {things}.",
    )
    s.value = s.step(f"{s.who.name} has @ {things}.", a, "+", b)


def packs_and_loose(s: Story) -> None:
    things, pack = _scene(s)
    a, b, c = s.num(2, 8), s.num(4, 12), s.num(3, 20)
    s.say(
        f"{s.who.name} has {a} {pack.many} of {b} {things} each, and {c} loose {things}.",
        f"{s.who.name} has {c} single {things} and also {a} {pack.many} with {b} {things} in each.",
    )
    packed = s.step(f"The {pack.many} hold @ {things}.", a, "*", b)
    s.value = s.step(f"With the others, {s.who.name} has @ {things}.", packed, "+", c)


def as_friend(s: Story) -> None:
    things, _ = _scene(s)
    friend, n = s.companion().name, s.num(4, 25)
    k, times = s.factor()
    s.say(f"{friend} has {n} {things}. {s.who.name} has {times} as many {things} as {friend}.")
    s.value = s.step(f"{s.who.name} has @ {things}.", n, "*", k)


def gain(s: Story) -> None:
    p, things, n, then = s.who, s.noun.many, s.num(3, 30), s.then()
    s.say(
        f"{then} {p.his} {p.uncle} gives {p.him} {n} more {things}.",
        f"{then} {p.he} finds {n} more {things} in a closet.",
        f"{then} {p.he} wins {n} more {things} at a fair.",
    )
    s.change(f"Then {p.he} has @ {things}.", "+", n)
    s.reduced = False


def gain_packs(s: Story) -> None:
    p, things, pack, then = s.who, s.noun.many, s.scene["pack"], s.then()
    a, b = s.num(2, 6), s.num(3, 10)
    s.say(
        f"{then} {p.he} buys {a} new {pack.many} with {b} {things} in each {pack.one}.",
        f"{then} {p.he} gets {a} {pack.many} as a gift, and each {pack.one} has {b} {things} in it.",
    )
    new = s.step(f"The new {pack.many} have @ {things}.", a, "*", b)
    s.change(f"Then {p.he} has @ {things}.", "+", new)
    s.reduced = False


def lose(s: Story) -> None:
    p, things, then = s.who, s.noun.many, s.then()
    n = s.less(s.value, 40)
    s.say(
        f"{then} {p.he} gives {n} {things} to {p.his} {p.brother}.",
        f"{then} {p.he} loses {n} {things}.",
        f"{then} {p.he} gives {n} {things} to a neighbor.",
    )
    s.change(f"Then {p.he} has @ {things}.", "-", n)
    s.reduced = True


def give_each(s: Story) -> None:
    p, things, then = s.who, s.noun.many, s.then()
    a, b = s.num(2, 6), s.num(2, 8)
    s.say(
        f"{then} {p.he} gives {b} {things} to each of {p.his} {a} cousins.",
        f"{then} {p.he} gives {a} classmates {b} {things} each.",
    )
    gone = s.step(f"{p.He} gives away @ {things}.", a, "*", b)
    s.change(f"Then {p.he} has @ {things}.", "-", gone)
    s.reduced = True


def give_half(s: Story) -> None:
    p, things, then = s.who, s.noun.many, s.then()
    s.say(
        f"{then} {p.he} gives half of {p.his} {things} to {p.his} {p.brother}.",
        f"{then} {p.he} gives half of {p.his} {things} to a children's hospital.",
    )
    s.change(f"The other half is @ {things}.", "/", 2)
    s.reduced = True


def give_share(s: Story) -> None:
    p, things, then = s.who, s.noun.many, s.then()
    f = s.share(s.value)
    s.say(
        f"{then} {p.he} gives {f.of} {p.his} {things} to the school.",
        f"{then} {p.he} trades {f.of} {p.his} {things} for a poster.",
    )
    gone = s.step(f"{f.why}{p.he} gives away @ {things}.", s.value, "/", f.parts)
    s.change(f"Then {p.he} has @ {things}.", "-", gone)
    s.reduced = True


def double(s: Story) -> None:
    p, then = s.who, s.then()
    s.say(
        f"{then} {p.he} doubles the number of {s.noun.many} in {p.his} collection.",
        f"{then} {p.he} gets enough {s.noun.many} to double {p.his} collection.",
    )
    s.change(f"Twice as many is @ {s.noun.many}.", "*", 2)
    s.reduced = False


def now(s: Story) -> None:
    p = s.who
    if s.reduced:
        s.say(f"How many {s.noun.many} does {p.name} have left?", f"How many {s.noun.many} are left?")
    elif s.num_middles:
        s.say(f"How many {s.noun.many} does {p.name} have now?")
    else:
        s.say(
            f"How many {s.noun.many} does {p.name} have in all?",
            f"How many {s.noun.many} is that altogether?",
        )


def into_places(s: Story) -> None:
    p, things, place = s.who, s.noun.many, s.scene["place"]
    n = s.divisor(s.value)
    s.say(
        f"{p.He} puts all of {p.his} {things} into {n} {place.many}, with the same number in each. "
        f"How many {things} are in each {place.one}?",
        f"{p.He} shares all of {p.his} {things} equally among {n} {place.many}. "
        f"How many {things} go into each {place.one}?",
    )
    s.change(f"Each {place.one} gets @ {things}.", "/", n)


def places_needed(s: Story) -> None:
    p, things, place = s.who, s.noun.many, s.scene["place"]
    n = s.divisor(s.value, 3)
    s.say(
        f"{p.He} puts all of {p.his} {things} into {place.many}, {n} in each. How many {place.many} does {p.he} need?",
        f"Each {place.one} holds {n} {things}. How many {place.many} does {p.name} need for all of {p.his} {things}?",
    )
    s.change(f"{p.He} needs @ {place.many}.", "/", n)


def sell(s: Story) -> None:
    p, things, price = s.who, s.noun.many, s.num(2, 6)
    s.say(
        f"{p.He} sells all of {p.his} {things} for ${price} each. How many dollars does {p.he} get?",
        f"In the end {p.he} sells every {s.noun.one} for ${price}. How much money does {p.he} make, in dollars?",
    )
    s.change(f"{p.He} gets $@.", "*", price)


def goal(s: Story) -> None:
    p, goal_ = s.who, s.value + s.num(3, 40)
    s.say(f"{p.He} wants to have {goal_} {s.noun.many}. How many more {s.noun.many} does {p.he} need?")
    s.value = s.step(f"{p.He} needs @ more {s.noun.many}.", goal_, "-", s.value)


def fewer_than_friend(s: Story) -> None:
    p, things, q = s.who, s.noun.many, s.companion().name
    n = s.value + s.num(3, 30)
    s.say(f"{q} has {n} {things}. How many fewer {things} does {p.name} have than {q}?")
    s.value = s.step(f"{p.name} has @ fewer {things} than {q}.", n, "-", s.value)


def together(s: Story) -> None:
    p, things, q = s.who, s.noun.many, s.companion().name
    if s.draw.below(2):
        n = s.num(3, 20)
        s.say(f"{q} has {n} more {things} than {p.name} has now. How many {things} do they have together?")
        other = s.step(f"{q} has @ {things}.", s.value, "+", n)
    else:
        n = s.less(s.value, 20)
        s.say(f"{q} has {n} fewer {things} than {p.name} has now. How many {things} do they have together?")
        other = s.step(f"{q} has @ {things}.", s.value, "-", n)
    s.change(f"Together they have @ {things}.", "+", other)


FAMILY = Family(
    "things",
    openers=(
        Beat("has", 0, has),
        Beat("packs", 1, packs),
        Beat("every_day", 1, every_day),
        Beat("two_sorts", 1, two_sorts),
        Beat("as_friend", 1, as_friend),
        Beat("packs_and_loose", 2, packs_and_loose),
    ),
    middles=(
        Beat("gain", 1, gain),
        Beat("gain_packs", 2, gain_packs),
        Beat("lose", 1, lose),
        Beat("give_each", 2, give_each),
        Beat("give_half", 1, give_half, group="fraction"),
        Beat("give_share", 2, give_share, group="fraction"),
        Beat("double", 1, double, group="fraction"),
    ),
    closers=(
        Beat("now", 0, now),
        Beat("into_places", 1, into_places),
        Beat("places_needed", 1, places_needed),
        Beat("sell", 1, sell),
        Beat("goal", 1, goal),
        Beat("fewer_than_friend", 1, fewer_than_friend),
        Beat("together", 2, together),
    ),
    asides=(
        Aside("{He} is {n} years old.", 7, 15),
        Aside("{He} started the collection {n} months ago.", 3, 20),
        Aside("The shop with the best prices is {n} blocks away.", 2, 9),
        Aside("{He} shows the collection to {n} people.", 2, 12),
    ),
)
