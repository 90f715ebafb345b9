"""Recipes: amounts for more people, several batches, what is in the pantry and what must be bought."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun, noun

# dish, unit of the ingredient, ingredient, package
__all__ = ("FAMILY",)

_DISHES = (
    ("soup", noun("carrot"), "", "bag"),
    ("lemonade", noun("lemon"), "", "bag"),
    ("bread", noun("cup"), "flour", "bag"),
    ("stew", noun("potato", "potatoes"), "", "sack"),
    ("pancake batter", noun("egg"), "", "carton"),
    ("fruit salad", noun("orange"), "", "bag"),
    ("tomato sauce", noun("tomato", "tomatoes"), "", "crate"),
    ("granola", noun("cup"), "oats", "box"),
    ("chili", noun("ounce"), "beans", "can"),
    ("punch", noun("cup"), "juice", "bottle"),
    ("rice pudding", noun("ounce"), "rice", "bag"),
)


_BOTH_DAYS = "on both days together"


def _dish(s: Story) -> tuple[str, str]:
    """The dish and its ingredient in the plural: "cups of flour"."""
    dish, unit, stuff, package = s.draw.pick(_DISHES)
    s.noun = noun(unit.one, f"{unit.many} of {stuff}" if stuff else unit.many)
    s.scene["package"] = noun(package, "boxes" if package == "box" else f"{package}s")
    s.scene["like"] = Noun(f"for the {dish}", f"for the {dish}")
    return dish, s.noun.many


def batches(s: Story) -> None:
    dish, stuff = _dish(s)
    a, b = s.num(2, 9), s.num(2, 8)
    s.say(
        f"One batch of {dish} needs {a} {stuff}. {s.who.name} makes {b} batches.",
        f"{s.who.name} uses {a} {stuff} for each batch of {dish} and makes {b} batches.",
    )
    s.value = s.step(f"For the {dish}, {s.who.name} needs @ {stuff}.", a, "*", b)


def for_people(s: Story) -> None:
    dish, stuff = _dish(s)
    people, k, a = s.num(2, 6), s.num(2, 6), s.num(3, 9)
    s.say(
        f"A recipe of {dish} for {people} people needs {a} {stuff}. {s.who.name} cooks for {people * k} people.",
        f"{s.who.name} has a recipe of {dish} that needs {a} {stuff} and serves {people} people. "
        f"{s.who.He} has to serve {people * k} people.",
    )
    times = s.step(f"{s.who.name} has to make the recipe @ times.", people * k, "/", people)
    s.value = s.step(f"{s.who.He} needs @ {stuff}.", times, "*", a)


def per_person(s: Story) -> None:
    dish, stuff = _dish(s)
    a, n = s.num(2, 4), s.num(3, 12)
    s.say(f"{s.who.name} makes {dish} for {n} people and uses {a} {stuff} per person.")
    s.value = s.step(f"{s.who.name} needs @ {stuff}.", a, "*", n)


def two_dishes(s: Story) -> None:
    dish, stuff = _dish(s)
    a, b = s.num(3, 20), s.num(2, 15)
    s.scene["like"] = Noun(_BOTH_DAYS, _BOTH_DAYS)
    s.say(f"{s.who.name} needs {a} {stuff} for {dish} on Saturday and {b} {stuff} for {dish} on Sunday.")
    s.value = s.step(f"{s.who.name} needs @ {stuff}.", a, "+", b)


def some_extra(s: Story) -> None:
    n = s.num(2, 9)
    s.say(
        f"To be safe, {s.who.he} plans for {n} extra {s.noun.many}.",
        f"{s.who.He} adds {n} {s.noun.many} to be on the safe side.",
    )
    s.change(f"With that, {s.who.he} needs @ {s.noun.many}.", "+", n)


def twice_other(s: Story) -> None:
    k, words = s.factor()
    s.say(f"For another dish, {s.who.he} needs {words} as many {s.noun.many} as {s.scene['like'].one}.")
    other = s.step(f"For the other dish, {s.who.he} needs @ {s.noun.many}.", s.value, "*", k)
    s.change(f"For both dishes, {s.who.he} needs @ {s.noun.many}.", "+", other)


def at_home(s: Story) -> None:
    n = s.less(s.value, 30)
    s.say(f"{s.who.He} already has {n} {s.noun.many} at home and buys the rest.")
    s.change(f"{s.who.He} has to buy @ {s.noun.many}.", "-", n)
    s.reduced = True


def from_friends(s: Story) -> None:
    a, b = s.num(2, 5), s.num(2, 5)
    s.say(f"{a} friends bring {b} {s.noun.many} each, and {s.who.he} buys the rest.")
    have = s.step(f"The friends bring @ {s.noun.many}.", a, "*", b)
    s.change(f"{s.who.He} has to buy @ {s.noun.many}.", "-", have)
    s.reduced = True


def needed(s: Story) -> None:
    verb = "have to buy" if s.reduced else "need"
    s.say(f"How many {s.noun.many} does {s.who.name} {verb}?")


def packages(s: Story) -> None:
    n, pack = s.divisor(s.value, 3, 12), s.scene["package"]
    verb = "have to buy" if s.reduced else "need"
    s.say(f"There are {n} {s.noun.many} in each {pack.one}. How many {pack.many} does {s.who.name} {verb}?")
    s.change(f"That is @ {pack.many}.", "/", n)


def packages_cost(s: Story) -> None:
    n, price, pack = s.divisor(s.value, 3, 12), s.num(2, 9), s.scene["package"]
    rest = "the rest" if s.reduced else "everything"
    s.say(
        f"The store sells {pack.many} with {n} {s.noun.many} in each for ${price} per {pack.one}. "
        f"How many dollars does {s.who.name} pay for {rest}?"
    )
    s.change(f"{s.who.He} needs @ {pack.many}.", "/", n)
    s.change(f"{s.who.He} pays $@.", "*", price)


def days(s: Story) -> None:
    n = s.num(3, 7)
    if s.scene["like"].one == _BOTH_DAYS:
        s.reject()
    s.say(f"{s.who.He} does exactly this on {n} days. How many {s.noun.many} does {s.who.he} need in all?")
    s.change(f"On {n} days, that is @ {s.noun.many}.", "*", n)


FAMILY = Family(
    "recipe",
    openers=(
        Beat("batches", 1, batches),
        Beat("per_person", 1, per_person),
        Beat("two_dishes", 1, two_dishes),
        Beat("for_people", 2, for_people),
    ),
    middles=(
        Beat("some_extra", 1, some_extra, 2),
        Beat("twice_other", 2, twice_other, 1),
        Beat("at_home", 1, at_home, 3, group="pantry"),
        Beat("from_friends", 2, from_friends, 3, group="pantry"),
    ),
    closers=(
        Beat("needed", 0, needed),
        Beat("packages", 1, packages),
        Beat("days", 1, days, group="pantry"),
        Beat("packages_cost", 2, packages_cost),
    ),
    asides=(
        Aside("The cooking takes {n} minutes.", 15, 55),
        Aside("The kitchen has {n} windows.", 2, 5),
        Aside("The recipe is {n} years old.", 20, 90),
    ),
)
