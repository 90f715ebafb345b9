"""Trips: legs, speeds, return ways, fuel."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun

__all__ = ("FAMILY",)

_DRIVE = Noun("drives", "drive")
# verbs and the range of speed in miles per hour
_WAYS = (
    (_DRIVE, 20, 60),
    (Noun("bikes", "bike"), 6, 14),
    (Noun("hikes", "hike"), 2, 4),
    (Noun("sails", "sail"), 4, 12),
)
_PLACES = (
    "the beach",
    "the lake",
    "the museum",
    "a friend's house",
    "the mountains",
    "the market",
    "the zoo",
)


def _way(s: Story, ways: int = len(_WAYS)) -> tuple[str, int]:
    """A verb and a speed; the family's noun is the mile."""
    s.noun = Noun("mile", "miles")
    s.scene["verb"], low, high = s.draw.pick(_WAYS[:ways])
    speed = s.num(low, high)
    return s.scene["verb"].one, speed // 5 * 5 if low == 20 else speed


def speed(s: Story) -> None:
    goes, v = _way(s)
    t = s.num(2, 6)
    s.say(
        f"{s.who.name} {goes} at {v} miles per hour for {t} hours.",
        f"{s.who.name} {goes} for {t} hours at a speed of {v} miles per hour.",
    )
    s.value = s.step(f"In {t} hours, {s.who.name} {goes} @ miles.", v, "*", t)


def legs(s: Story) -> None:
    goes, _ = _way(s, 2)
    a, b = s.num(3, 30), s.num(2, 25)
    p1, p2 = s.draw.sample(_PLACES, 2)
    s.say(f"{s.who.name} {goes} {a} miles from home to {p1} and then {b} miles from there to {p2}.")
    s.value = s.step(f"{s.who.name} {goes} @ miles.", a, "+", b)


def first_day(s: Story) -> None:
    goes, _ = _way(s, 2)
    s.value = s.given(s.num(6, 40))
    s.say(
        f"{s.who.name} {goes} {s.value} miles in the morning.",
        f"{s.who.name} is on a trip and {goes} {s.value} miles before lunch.",
    )


def each_day(s: Story) -> None:
    goes, _ = _way(s, 2)
    a, b = s.num(4, 30), s.num(3, 7)
    s.say(
        f"{s.who.name} {goes} {a} miles a day for {b} days.",
        f"For {b} days, {s.who.name} {goes} {a} miles each day.",
    )
    s.value = s.step(f"In {b} days, {s.who.name} {goes} @ miles.", a, "*", b)


def leg(s: Story) -> None:
    goes, n = s.scene["verb"].one, s.num(3, 30)
    s.say(
        f"{s.then()} {s.who.he} {goes} another {n} miles.",
        f"After a short rest, {s.who.he} {goes} {n} more miles.",
    )
    s.change("That makes @ miles.", "+", n)


def second_speed(s: Story) -> None:
    goes, t = s.scene["verb"].one, s.num(2, 5)
    _, low, high = next(w for w in _WAYS if w[0] == s.scene["verb"])
    v = s.num(low, high)
    v = v // 5 * 5 if low == 20 else v
    s.say(f"After a break, {s.who.he} {goes} for {t} more hours at {v} miles per hour.")
    extra = s.step(f"After the break, {s.who.he} {goes} @ miles.", v, "*", t)
    s.change("That makes @ miles.", "+", extra)


def times_as_far(s: Story) -> None:
    goes = s.scene["verb"].one
    k, words = s.factor()
    s.say(f"The next day, {s.who.he} {goes} {words} as far as on this whole day.")
    extra = s.step(f"The next day, {s.who.he} {goes} @ miles.", s.value, "*", k)
    s.change("On both days together, that makes @ miles.", "+", extra)


def back(s: Story) -> None:
    s.say(f"Then {s.who.he} goes back home by exactly the same way.")
    s.change("There and back, that makes @ miles.", "*", 2)


def every_year(s: Story) -> None:
    n = s.num(3, 8)
    s.say(f"{s.who.He} makes this whole trip {n} times a year.")
    s.change("In a year, that makes @ miles.", "*", n)
    s.reduced = True  # from here on the distance is that of a year


def distance(s: Story) -> None:
    period = " in a year" if s.reduced else " in all"
    s.say(
        f"How many miles does {s.who.name} {s.scene['verb'].many}{period}?",
        f"What is the whole distance{period if s.reduced else ''}, in miles?",
    )


def miles_left(s: Story) -> None:
    n = s.value + s.num(3, 60)
    what = "this year" if s.reduced else "on this trip"
    s.say(
        f"{s.who.He} wants to {s.scene['verb'].many} {n} miles {what}. How many miles are still to go?",
        f"{s.who.His} goal {what} is {n} miles. How many more miles does {s.who.he} need to {s.scene['verb'].many}?",
    )
    s.value = s.step("There are still @ miles to go.", n, "-", s.value)


def time_left(s: Story) -> None:
    if s.reduced:
        s.reject()
    _, low, high = next(w for w in _WAYS if w[0] == s.scene["verb"])
    v, t = s.draw.between(low, high), s.num(2, 6)
    n = s.value + v * t
    s.say(
        f"The whole way is {n} miles long. If {s.who.he} does the rest at {v} miles per hour, "
        f"how many hours will the rest take?"
    )
    rest = s.step("There are @ miles left.", n, "-", s.value)
    s.value = s.step("The rest takes @ hours.", rest, "/", v)


def gallons(s: Story) -> None:
    if s.scene["verb"] != _DRIVE:
        s.reject()
    n = s.divisor(s.value, 10, 40)
    s.say(f"{s.who.His} car goes {n} miles on a gallon of gas. How many gallons does {s.who.he} use?")
    s.change(f"{s.who.He} uses @ gallons of gas.", "/", n)


def gas_cost(s: Story) -> None:
    price = s.draw.between(3, 5)
    if s.scene["verb"] != _DRIVE:
        s.reject()
    n = s.divisor(s.value, 10, 40)
    s.say(
        f"{s.who.His} car goes {n} miles on a gallon of gas, and a gallon costs ${price}. "
        f"How many dollars does {s.who.he} spend on gas?"
    )
    s.change(f"{s.who.He} uses @ gallons of gas.", "/", n)
    s.change("The gas costs $@.", "*", price)


FAMILY = Family(
    "travel",
    openers=(
        Beat("speed", 1, speed),
        Beat("legs", 1, legs),
        Beat("first_day", 0, first_day),
        Beat("each_day", 1, each_day, group="second"),
    ),
    middles=(
        Beat("leg", 1, leg, 1),
        Beat("second_speed", 2, second_speed, 1, group="second"),
        Beat("times_as_far", 2, times_as_far, 2, group="second"),
        Beat("back", 1, back, 3, group="second"),
        Beat("every_year", 1, every_year, 4),
    ),
    closers=(
        Beat("distance", 0, distance),
        Beat("miles_left", 1, miles_left),
        Beat("time_left", 2, time_left),
        Beat("gallons", 1, gallons),
        Beat("gas_cost", 2, gas_cost),
    ),
    asides=(
        Aside("{He} leaves home with {n} sandwiches.", 2, 6),
        Aside("{He} takes {n} photos on the way.", 5, 60),
        Aside("{He} carries a bag that weighs {n} pounds.", 5, 25),
        Aside("{He} is {n} years old.", 20, 60),
    ),
)
