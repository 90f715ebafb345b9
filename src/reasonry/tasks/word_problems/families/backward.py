"""Indirect questions: the end is known, the beginning is asked for, so every event has to be undone."""

from __future__ import annotations

from collections.abc import Callable

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import noun

__all__ = ("FAMILY",)

_THINGS = (
    noun("marble"),
    noun("sticker"),
    noun("coin"),
    noun("cookie"),
    noun("balloon"),
    noun("pencil"),
    noun("ribbon"),
    noun("shell"),
    noun("apple"),
    noun("postcard"),
    noun("candle"),
    noun("flower"),
)


def _later(s: Story, value: int, undo: Callable[[], None]) -> None:
    """The hidden quantity becomes ``value``; ``undo`` will be the calculation back from there."""
    if not 2 <= value <= 400:
        s.reject()
    s.value = value
    s.undo.append(undo)


def start(s: Story) -> None:
    s.noun = s.draw.pick(_THINGS)
    s.value = s.num(4, 60)
    s.say(
        f"{s.who.name} has some {s.noun.many}.",
        f"{s.who.name} starts the day with a basket of {s.noun.many}.",
    )


def gives(s: Story) -> None:
    p, n, things = s.who, s.less(s.value, 30), s.noun.many
    s.say(
        f"{s.then()} {p.he} gives {n} {things} to {p.his} {p.brother}.",
        f"{s.then()} {p.he} gives {n} of the {things} away.",
    )
    _later(s, s.value - n, lambda: s.change(f"Before giving some to others, {p.name} had @ {things}.", "+", n))


def gets(s: Story) -> None:
    p, n, things = s.who, s.num(3, 25), s.noun.many
    s.say(
        f"{s.then()} {p.he} gets {n} more {things}.",
        f"{s.then()} {p.his} {p.uncle} gives {p.him} {n} {things}.",
    )
    _later(s, s.value + n, lambda: s.change(f"Before getting new ones, {p.name} had @ {things}.", "-", n))


def gets_packs(s: Story) -> None:
    p, a, b, things = s.who, s.num(2, 5), s.num(2, 8), s.noun.many
    s.say(f"{s.then()} {p.he} buys {a} bags with {b} {things} in each.")

    def undo() -> None:
        new = s.step(f"The bags held @ {things}.", a, "*", b)
        s.change(f"Before buying the bags, {p.name} had @ {things}.", "-", new)

    _later(s, s.value + a * b, undo)


def gives_each(s: Story) -> None:
    p, a, b, things = s.who, s.num(2, 5), s.num(2, 6), s.noun.many
    s.say(f"{s.then()} {p.he} gives {b} {things} to each of {a} friends.")

    def undo() -> None:
        gone = s.step(f"The friends got @ {things}.", a, "*", b)
        s.change(f"Before the friends came, {p.name} had @ {things}.", "+", gone)

    _later(s, s.value - a * b, undo)


def doubles(s: Story) -> None:
    p, things = s.who, s.noun.many
    s.say(f"{s.then()} {p.he} buys as many {things} as {p.he} already has, which doubles the number.")
    _later(s, s.value * 2, lambda: s.change(f"Before doubling, {p.name} had @ {things}.", "/", 2))


def gives_half(s: Story) -> None:
    p, things = s.who, s.noun.many
    if s.value % 2:
        s.reject()
    s.say(f"{s.then()} {p.he} gives half of {p.his} {things} to a friend.")
    _later(s, s.value // 2, lambda: s.change(f"Before giving half away, {p.name} had @ {things}.", "*", 2))


def keeps_share(s: Story) -> None:
    p, things = s.who, s.noun.many
    k, words = s.draw.pick(((3, "a third"), (4, "a quarter"), (5, "a fifth")))
    if s.value % k:
        s.reject()
    s.say(f"{s.then()} {p.he} gives most of the {things} away and keeps only {words} of them.")
    _later(s, s.value // k, lambda: s.change(f"Before that, {p.name} had @ {things}.", "*", k))


def first(s: Story) -> None:
    p, things, now = s.who, s.noun.many, s.value
    s.say(
        f"Now {p.he} has {now} {things}. How many {things} did {p.name} have at the beginning?",
        f"In the end, {p.he} has {now} {things}. How many {things} did {p.he} have at first?",
    )
    for undo in reversed(s.undo):
        undo()


def first_difference(s: Story) -> None:
    p, things, now, q = s.who, s.noun.many, s.value, s.companion().name
    n = s.num(2, 20)
    s.say(
        f"Now {p.he} has {now} {things}. {q} has {n} more {things} than {p.name} had at the beginning. "
        f"How many {things} does {q} have?"
    )
    for undo in reversed(s.undo):
        undo()
    s.change(f"{q} has @ {things}.", "+", n)


FAMILY = Family(
    "backward",
    openers=(Beat("start", 0, start),),
    middles=(
        Beat("gives", 1, gives),
        Beat("gets", 1, gets),
        Beat("gets_packs", 2, gets_packs),
        Beat("gives_each", 2, gives_each),
        Beat("doubles", 1, doubles, group="fraction"),
        Beat("gives_half", 1, gives_half, group="fraction"),
        Beat("keeps_share", 1, keeps_share, group="fraction"),
    ),
    closers=(
        Beat("first", 0, first, min_middles=1),
        Beat("first_difference", 1, first_difference, min_middles=2),
    ),
    asides=(
        Aside("{He} is {n} years old.", 7, 15),
        Aside("{He} has {n} cousins.", 2, 9),
        Aside("{He} has to be home in {n} minutes.", 25, 55),
    ),
)
