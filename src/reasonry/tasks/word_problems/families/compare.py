"""Comparisons along a chain of people: 5 more than, 3 fewer than, three times as many as, half as many as."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import PEOPLE, Noun, noun

# what, verb in the third person, verb in the infinitive, low, high
__all__ = ("FAMILY",)

_SCENES: tuple[tuple[Noun, str, str, int, int], ...] = (
    (noun("seashell"), "finds", "find", 6, 40),
    (noun("book"), "reads", "read", 3, 20),
    (noun("point"), "scores", "score", 6, 40),
    (noun("lap"), "swims", "swim", 4, 24),
    (noun("apple"), "picks", "pick", 8, 50),
    (noun("raffle ticket"), "sells", "sell", 6, 50),
    (noun("cookie"), "bakes", "bake", 10, 50),
    (noun("push-up"), "does", "do", 6, 30),
    (noun("photo"), "takes", "take", 8, 50),
    (noun("card"), "writes", "write", 4, 24),
    (noun("paper crane"), "folds", "fold", 5, 40),
    (noun("tree"), "plants", "plant", 4, 24),
    (noun("word"), "learns", "learn", 8, 40),
    (noun("can"), "recycles", "recycle", 10, 60),
)


def _next(s: Story) -> str:
    taken = {name for name, _ in s.cast}
    return s.draw.pick([p.name for p in PEOPLE if p.name not in taken])


def _join(s: Story, name: str, value: int) -> None:
    s.cast.append((name, value))
    s.value = value


def _does(s: Story) -> str:
    return s.scene["verb"].one


def start(s: Story) -> None:
    s.noun, does, do, low, high = s.draw.pick(_SCENES)
    s.scene["verb"] = Noun(does, do)
    n = s.given(s.num(low, high))
    s.say(f"{s.who.name} {does} {n} {s.noun.many}.")
    _join(s, s.who.name, n)


def start_days(s: Story) -> None:
    s.noun, does, do, low, high = s.draw.pick(_SCENES)
    s.scene["verb"] = Noun(does, do)
    a, b = s.num(low // 2, high // 3), s.num(2, 6)
    s.say(
        f"{s.who.name} {does} {a} {s.noun.many} a day for {b} days.",
        f"For {b} days, {s.who.name} {does} {a} {s.noun.many} each day.",
    )
    _join(s, s.who.name, s.step(f"In {b} days, {s.who.name} {does} @ {s.noun.many}.", a, "*", b))


def more(s: Story) -> None:
    (a, v), b, n = s.cast[-1], _next(s), s.num(2, 20)
    s.say(f"{b} {_does(s)} {n} more {s.noun.many} than {a}.")
    _join(s, b, s.step(f"{b} {_does(s)} @ {s.noun.many}.", v, "+", n))


def fewer(s: Story) -> None:
    (a, v), b, n = s.cast[-1], _next(s), s.less(s.value, 20)
    s.say(
        f"{b} {_does(s)} {n} fewer {s.noun.many} than {a}.",
        f"{a} {_does(s)} {n} more {s.noun.many} than {b}.",
    )
    _join(s, b, s.step(f"{b} {_does(s)} @ {s.noun.many}.", v, "-", n))


def times(s: Story) -> None:
    (a, v), b = s.cast[-1], _next(s)
    k, words = s.factor()
    s.multiplied |= k > 2
    s.say(f"{b} {_does(s)} {words} as many {s.noun.many} as {a}.")
    _join(s, b, s.step(f"{b} {_does(s)} @ {s.noun.many}.", v, "*", k))


def half(s: Story) -> None:
    (a, v), b = s.cast[-1], _next(s)
    s.say(
        f"{b} {_does(s)} half as many {s.noun.many} as {a}.",
        f"{a} {_does(s)} twice as many {s.noun.many} as {b}.",
    )
    _join(s, b, s.step(f"{b} {_does(s)} @ {s.noun.many}.", v, "/", 2))


def third(s: Story) -> None:
    (a, v), b = s.cast[-1], _next(s)
    s.multiplied = True
    k, words = s.draw.pick(((3, "a third"), (4, "a quarter"), (5, "a fifth")))
    s.say(f"{b} {_does(s)} {words} as many {s.noun.many} as {a}.")
    _join(s, b, s.step(f"{b} {_does(s)} @ {s.noun.many}.", v, "/", k))


def more_than_times(s: Story) -> None:
    (a, v), b, n = s.cast[-1], _next(s), s.num(2, 15)
    k, words = s.factor()
    s.multiplied |= k > 2
    s.say(f"{b} {_does(s)} {n} more than {words} as many {s.noun.many} as {a}.")
    part = s.step(f"{words} as many as {a} is @ {s.noun.many}.", v, "*", k)
    _join(s, b, s.step(f"{b} {_does(s)} @ {s.noun.many}.", part, "+", n))


def fewer_than_times(s: Story) -> None:
    (a, v), b = s.cast[-1], _next(s)
    k, words = s.factor()
    n = s.less(v, 12)
    s.multiplied |= k > 2
    s.say(f"{b} {_does(s)} {n} fewer than {words} as many {s.noun.many} as {a}.")
    part = s.step(f"{words} as many as {a} is @ {s.noun.many}.", v, "*", k)
    _join(s, b, s.step(f"{b} {_does(s)} @ {s.noun.many}.", part, "-", n))


def than_both(s: Story) -> None:
    if len(s.cast) < 2:
        s.reject()
    (a, v), (b, w), c = s.cast[-2], s.cast[-1], _next(s)
    both = s.step(f"{a} and {b} together {s.scene['verb'].many} @ {s.noun.many}.", v, "+", w)
    n = s.less(both, 15)
    s.say(f"{c} {_does(s)} {n} fewer {s.noun.many} than {a} and {b} together.")
    _join(s, c, s.step(f"{c} {_does(s)} @ {s.noun.many}.", both, "-", n))


def last(s: Story) -> None:
    name, do = s.cast[-1][0], s.scene["verb"].many
    if len(s.cast) > 1:
        s.say(f"How many {s.noun.many} does {name} {do}?")
    else:
        s.say(f"How many {s.noun.many} does {name} {do} in all?")


def first_and_last(s: Story) -> None:
    (a, v), (b, w) = s.cast[0], s.cast[-1]
    s.say(f"How many {s.noun.many} do {a} and {b} {s.scene['verb'].many} together?")
    s.value = s.step(f"Together, {a} and {b} {s.scene['verb'].many} @ {s.noun.many}.", v, "+", w)


def difference(s: Story) -> None:
    (a, v), (b, w) = s.cast[0], s.cast[-1]
    if not s.multiplied or v == w:
        s.reject()
    if v > w:
        a, v, b, w = b, w, a, v
    s.say(f"How many more {s.noun.many} does {b} {s.scene['verb'].many} than {a}?")
    s.value = s.step(f"The difference is @ {s.noun.many}.", w, "-", v)


def total(s: Story) -> None:
    names = [name for name, _ in s.cast]
    who = f"{', '.join(names[:-1])} and {names[-1]}"
    s.say(f"How many {s.noun.many} do {who} {s.scene['verb'].many} in all?")
    value = s.cast[0][1]
    for i, (name, v) in enumerate(s.cast[1:], 2):
        so_far = "In all, that is" if i == len(s.cast) else f"With {name}'s, that is"
        value = s.step(f"{so_far} @ {s.noun.many}.", value, "+", v)
    s.value = value


FAMILY = Family(
    "compare",
    openers=(Beat("start", 0, start), Beat("start_days", 1, start_days)),
    middles=(
        Beat("more", 1, more),
        Beat("fewer", 1, fewer),
        Beat("times", 1, times),
        Beat("half", 1, half),
        Beat("third", 1, third),
        Beat("more_than_times", 2, more_than_times),
        Beat("fewer_than_times", 2, fewer_than_times),
        Beat("than_both", 2, than_both, 1),
    ),
    closers=(
        Beat("last", 0, last),
        Beat("first_and_last", 1, first_and_last, min_middles=1),
        Beat("difference", 1, difference, min_middles=1),
        Beat("total", 0, total, cost_per_middle=1, min_middles=2),
    ),
    asides=(
        Aside("{name} is {n} years old.", 8, 15),
        Aside("There are {n} people in the group.", 12, 30),
        Aside("The prize for the winner is ${n}.", 5, 50),
    ),
)
