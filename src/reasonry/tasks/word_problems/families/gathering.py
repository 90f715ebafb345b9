"""Groups of people: who comes, who leaves, seats, teams, tables and tickets."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun, noun

# event, who comes
__all__ = ("FAMILY",)

_EVENTS = (
    ("a school concert", noun("guest")),
    ("a science fair", noun("visitor")),
    ("a summer camp", noun("child", "children")),
    ("a chess festival", noun("player")),
    ("a street party", noun("neighbor")),
    ("a museum tour", noun("student")),
    ("a sports day", noun("student")),
    ("a poetry evening", noun("listener")),
    ("a picnic", noun("guest")),
    ("a book fair", noun("reader")),
)


def _event(s: Story) -> tuple[str, str]:
    event, s.noun = s.draw.pick(_EVENTS)
    s.scene["event"] = Noun(event, event)
    return event, s.noun.many


def count(s: Story) -> None:
    event, people = _event(s)
    s.value = s.given(s.num(20, 150))
    s.say(f"{s.value} {people} come to {event}.", f"There are {s.value} {people} at {event}.")


def buses(s: Story) -> None:
    event, people = _event(s)
    a, b = s.num(2, 8), s.num(5, 30)
    s.say(
        f"{a} buses bring {people} to {event}. There are {b} {people} on each bus.",
        f"{a} buses with {b} {people} each arrive at {event}.",
    )
    s.value = s.step(f"The buses bring @ {people}.", a, "*", b)


def two_groups(s: Story) -> None:
    event, people = _event(s)
    a, b = s.num(8, 70), s.num(6, 60)
    s.say(
        f"{a} {people} come to {event} by train and {b} {people} come by car.",
        f"{a} {people} come to {event} in the morning, and {b} other {people} join them at noon.",
    )
    s.value = s.step(f"In all, @ {people} come.", a, "+", b)


def twice_the_adults(s: Story) -> None:
    event, _ = _event(s)
    s.noun = noun("person", "people")
    a = s.given(s.num(6, 40))
    k, words = s.factor()
    s.say(f"{a} adults come to {event}. There are {words} as many children as adults.")
    kids = s.step("There are @ children.", a, "*", k)
    s.value = s.step("In all, there are @ people.", kids, "+", a)


def rows(s: Story) -> None:
    event, people = _event(s)
    a, b = s.num(3, 15), s.num(4, 16)
    s.say(f"At {event}, the {people} fill {a} rows of {b} chairs.")
    s.value = s.step(f"There are @ {people}.", a, "*", b)


def _rest(s: Story) -> str:
    return f"remaining {s.noun.many}" if s.reduced else s.noun.many


def leave(s: Story) -> None:
    n = s.less(s.value, 40)
    s.say(f"{s.then()} {n} {s.noun.many} go home.", f"{s.then()} {n} {s.noun.many} leave.")
    s.change(f"Then there are @ {s.noun.many}.", "-", n)
    s.reduced = True


def leave_share(s: Story) -> None:
    f = s.share(s.value)
    s.say(f"{s.then()} {f.of} the {_rest(s)} leave.")
    gone = s.step(f"{f.why}@ {s.noun.many} leave.", s.value, "/", f.parts)
    s.change(f"Then there are @ {s.noun.many}.", "-", gone)
    s.reduced = True


def leave_half(s: Story) -> None:
    s.say(f"{s.then()} half of the {_rest(s)} leave.")
    s.change(f"Then there are @ {s.noun.many}.", "/", 2)
    s.reduced = True


def leave_cars(s: Story) -> None:
    a, b = s.num(2, 6), s.num(2, 5)
    s.say(f"{s.then()} {a} cars drive away with {b} {s.noun.many} in each car.")
    gone = s.step(f"The cars take @ {s.noun.many} away.", a, "*", b)
    s.change(f"Then there are @ {s.noun.many}.", "-", gone)
    s.reduced = True


def arrive(s: Story) -> None:
    n = s.num(3, 40)
    s.say(f"{s.then()} {n} more {s.noun.many} arrive.", f"{s.then()} {n} other {s.noun.many} join them.")
    s.change(f"Then there are @ {s.noun.many}.", "+", n)
    s.reduced = False


def arrive_groups(s: Story) -> None:
    a, b = s.num(2, 6), s.num(3, 12)
    s.say(f"{s.then()} {a} groups of {b} {s.noun.many} arrive.")
    new = s.step(f"The groups bring @ {s.noun.many}.", a, "*", b)
    s.change(f"Then there are @ {s.noun.many}.", "+", new)
    s.reduced = False


def now(s: Story) -> None:
    if s.reduced:
        s.say(f"How many {s.noun.many} are left?", f"How many {s.noun.many} are still there?")
    elif s.num_middles:
        s.say(f"How many {s.noun.many} are there now?")
    else:
        s.say(f"How many {s.noun.many} are there in all?")


def _who(s: Story) -> str:
    return f"The {s.noun.many} who are still there" if s.reduced else f"All of the {s.noun.many}"


def tables(s: Story) -> None:
    n = s.divisor(s.value, 3, 12)
    s.say(f"{_who(s)} sit down at tables, {n} at each table. How many tables do they fill?")
    s.change("They fill @ tables.", "/", n)


def teams(s: Story) -> None:
    n = s.divisor(s.value, 2, 9)
    s.say(f"{_who(s)} form {n} teams of equal size for a game. How many {s.noun.many} are on each team?")
    s.change(f"Each team has @ {s.noun.many}.", "/", n)


def snacks(s: Story) -> None:
    n, what = s.draw.between(2, 5), s.draw.pick(("cookies", "sandwiches", "balloons", "ride tickets"))
    s.say(
        f"{_who(s)} get {n} {what} each. How many {what} is that?",
        f"{_who(s)} get {n} {what} each. How many {what} are needed?",
    )
    s.change(f"That is @ {what}.", "*", n)


def free_seats(s: Story) -> None:
    n = (s.value // 10 + s.num(1, 5)) * 10
    s.say(f"There are {n} chairs. How many chairs stay empty when {_who(s)[0].lower()}{_who(s)[1:]} sit down?")
    s.value = s.step("There are @ empty chairs.", n, "-", s.value)


def entry(s: Story) -> None:
    price = s.draw.between(2, 9)
    s.say(f"{_who(s)} pay ${price} each for lunch. How many dollars do they pay together?")
    s.change("Together they pay $@.", "*", price)


def tables_rent(s: Story) -> None:
    n, price = s.divisor(s.value, 3, 12), s.num(3, 12)
    s.say(
        f"{_who(s)} sit down at tables, {n} at each table. Renting a table costs ${price}. "
        f"How many dollars does it cost to rent the tables?"
    )
    s.change("They need @ tables.", "/", n)
    s.change("The tables cost $@.", "*", price)


FAMILY = Family(
    "gathering",
    openers=(
        Beat("count", 0, count),
        Beat("buses", 1, buses),
        Beat("two_groups", 1, two_groups),
        Beat("rows", 1, rows),
        Beat("twice_the_adults", 2, twice_the_adults),
    ),
    middles=(
        Beat("leave", 1, leave),
        Beat("leave_share", 2, leave_share, group="fraction"),
        Beat("leave_half", 1, leave_half, group="fraction"),
        Beat("leave_cars", 2, leave_cars),
        Beat("arrive", 1, arrive),
        Beat("arrive_groups", 2, arrive_groups),
    ),
    closers=(
        Beat("now", 0, now),
        Beat("tables", 1, tables),
        Beat("teams", 1, teams),
        Beat("snacks", 1, snacks),
        Beat("free_seats", 1, free_seats),
        Beat("entry", 1, entry),
        Beat("tables_rent", 2, tables_rent),
    ),
    asides=(
        Aside("The event is on the {n}th of May.", 4, 20),
        Aside("It is {n} degrees outside.", 55, 90),
        Aside("The place has {n} doors.", 2, 9),
    ),
)
