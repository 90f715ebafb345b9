"""Work shifts: pay by the hour, tips, second jobs, taxes, and what the pay is for."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun, noun
from reasonry.tasks.word_problems.words import goal as goal_for

__all__ = ("FAMILY",)

_JOBS = (
    "at a bakery",
    "at a car wash",
    "at the town library",
    "as a lifeguard",
    "at a flower shop",
    "in a pizza place",
    "on a farm",
    "at a pet store",
    "as a waiter",
    "in a warehouse",
)
_PIECES = (
    (noun("lawn"), "mows", 6, 20),
    (noun("car"), "washes", 4, 12),
    (noun("dog"), "walks", 3, 10),
    (noun("window"), "cleans", 2, 8),
    (noun("chair"), "paints", 3, 9),
    (noun("bicycle"), "repairs", 8, 25),
)


_DAY, _WEEK = Noun("day", "days"), Noun("week", "weeks")


def hours(s: Story) -> None:
    s.scene["period"] = _DAY
    pay, n, job = s.num(6, 20), s.num(2, 9), s.draw.pick(_JOBS)
    s.say(
        f"{s.who.name} works {job} and earns ${pay} per hour. Today {s.who.he} works {n} hours.",
        f"Today, {s.who.name} works {n} hours {job} and gets ${pay} an hour.",
    )
    s.value = s.step(f"{s.who.name} earns $@.", pay, "*", n)


def days(s: Story) -> None:
    s.scene["period"] = _WEEK
    pay, n, d, job = s.num(8, 18), s.num(2, 8), s.num(2, 6), s.draw.pick(_JOBS)
    s.say(
        f"{s.who.name} works {job} for {n} hours a day and earns ${pay} per hour. This week {s.who.he} works {d} days."
    )
    time = s.step(f"{s.who.name} works @ hours this week.", n, "*", d)
    s.value = s.step(f"{s.who.He} earns $@.", time, "*", pay)


def pieces(s: Story) -> None:
    s.scene["period"] = _DAY
    what, does, low, high = s.draw.pick(_PIECES)
    pay, n = s.num(low, high), s.num(3, 9)
    s.say(
        f"Today, {s.who.name} {does} {n} {what.many} and gets ${pay} for each {what.one}.",
        f"{s.who.name} gets ${pay} for every {what.one} {s.who.he} {does}. Today {s.who.he} {does} {n} {what.many}.",
    )
    s.value = s.step(f"{s.who.name} earns $@.", pay, "*", n)


def two_days(s: Story) -> None:
    s.scene["period"] = _WEEK
    pay, a, b, job = s.num(8, 18), s.num(2, 8), s.num(2, 7), s.draw.pick(_JOBS)
    s.say(
        f"{s.who.name} works {job}. {s.who.He} works {a} hours on Saturday and {b} hours on Sunday, "
        f"and earns ${pay} per hour."
    )
    time = s.step(f"{s.who.name} works @ hours.", a, "+", b)
    s.value = s.step(f"{s.who.He} earns $@.", time, "*", pay)


def tips(s: Story) -> None:
    n = s.num(4, 25)
    s.say(f"{s.who.He} also gets ${n} in tips.", f"In addition, {s.who.he} gets a bonus of ${n}.")
    s.change(f"With that, {s.who.he} has $@.", "+", n)


def second_job(s: Story) -> None:
    pay, n = s.num(5, 15), s.num(2, 6)
    s.say(
        f"{s.who.He} also babysits for {n} hours at ${pay} per hour.",
        f"{s.who.He} also gives {n} music lessons and gets ${pay} for each lesson.",
    )
    extra = s.step("The second job brings $@.", n, "*", pay)
    s.change(f"From both jobs, {s.who.he} has $@.", "+", extra)


def fare(s: Story) -> None:
    n = s.less(s.value, 15)
    s.say(f"{s.who.He} spends ${n} on the taxi ride home.", f"{s.who.He} spends ${n} of this money on lunch.")
    s.change(f"After paying, {s.who.he} has $@.", "-", n)
    s.reduced = True


def tax(s: Story) -> None:
    f = s.share(s.value)
    s.say(f"{s.who.He} pays {f.of} everything {s.who.he} has earned in taxes.")
    gone = s.step(f"{f.why}{s.who.he} pays $@ in taxes.", s.value, "/", f.parts)
    s.change(f"After taxes, {s.who.he} has $@.", "-", gone)
    s.reduced = True


def give_half(s: Story) -> None:
    s.say(f"{s.who.He} gives half of {'the remaining' if s.reduced else 'all the'} money to {s.who.his} parents.")
    s.change(f"Then {s.who.he} has $@.", "/", 2)
    s.reduced = True


def earned(s: Story) -> None:
    if s.reduced:
        s.say(f"How many dollars does {s.who.name} have left?")
    else:
        s.say(
            f"How many dollars does {s.who.name} earn in all?",
            f"How much does {s.who.name} earn, in dollars?",
        )


def goal(s: Story) -> None:
    price = s.value + s.num(4, 80)
    s.say(
        f"With the money that is left, {s.who.he} wants to buy {s.draw.pick(goal_for(price))} for ${price}. "
        f"How many more dollars does {s.who.he} need?"
        if s.reduced
        else f"{s.who.He} wants to buy {s.draw.pick(goal_for(price))} that costs ${price}. "
        f"How many more dollars does {s.who.he} need?"
    )
    s.value = s.step(f"{s.who.He} needs $@ more.", price, "-", s.value)


def tickets(s: Story) -> None:
    price = s.divisor(s.value, 3, 12)
    thing = s.draw.pick(("books", "movie tickets", "plants", "T-shirts"))
    lead = "the rest of the money" if s.reduced else "all of the money"
    s.say(f"{s.who.He} spends {lead} on {thing} that cost ${price} each. How many {thing} does {s.who.he} buy?")
    s.change(f"{s.who.He} buys @ {thing}.", "/", price)


def again(s: Story) -> None:
    n = s.num(2, 8)
    lead = "keep" if s.reduced else "earn"
    one, many = s.scene["period"]
    s.say(
        f"If every {one} goes like this, how many dollars does {s.who.name} {lead} in {n} {many}?",
        f"{s.who.He} does exactly the same every {one}. How many dollars does {s.who.he} {lead} in {n} {many}?",
    )
    s.change(f"In {n} {many}, that is $@.", "*", n)


def jars(s: Story) -> None:
    n = s.divisor(s.value, 2, 6)
    lead = "what is left" if s.reduced else "all of it"
    s.say(
        f"{s.who.He} divides {lead} equally among {n} savings jars. How many dollars go into each jar?",
    )
    s.change("Each jar gets $@.", "/", n)


FAMILY = Family(
    "work",
    openers=(
        Beat("hours", 1, hours),
        Beat("pieces", 1, pieces),
        Beat("days", 2, days),
        Beat("two_days", 2, two_days),
    ),
    middles=(
        Beat("tips", 1, tips, 1),
        Beat("second_job", 2, second_job, 1),
        Beat("tax", 2, tax, 2),
        Beat("fare", 1, fare, 3),
        Beat("give_half", 1, give_half, 4),
    ),
    closers=(
        Beat("earned", 0, earned),
        Beat("goal", 1, goal),
        Beat("tickets", 1, tickets),
        Beat("again", 1, again),
        Beat("jars", 1, jars),
    ),
    asides=(
        Aside("{He} is {n} years old.", 17, 45),
        Aside("The way to work takes {n} minutes.", 10, 50),
        Aside("There are {n} other people on the team.", 2, 12),
    ),
)
