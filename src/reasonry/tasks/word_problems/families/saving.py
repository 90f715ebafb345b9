"""Savings: pocket money, gifts, expenses and what the money is saved for."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun
from reasonry.tasks.word_problems.words import goal as goal_for

__all__ = ("FAMILY",)

_CHEAP = ("a magazine", "a sandwich", "a notebook", "a plant")
_DEARER = ("a present", "a T-shirt", "a bus pass", "a cookbook")


def _ask(s: Story, words: str) -> None:
    """How the last question ends if nothing else happens."""
    s.scene["ask"] = Noun(words, words)


def start(s: Story) -> None:
    s.value = s.given(s.num(12, 90))
    s.say(
        f"{s.who.name} has ${s.value} in a piggy bank.",
        f"{s.who.name} has saved ${s.value}.",
        f"There are ${s.value} in {s.who.name}'s savings jar.",
    )


def weekly(s: Story) -> None:
    a, n = s.num(3, 15), s.num(3, 10)
    s.say(
        f"{s.who.name} saves ${a} every week for {n} weeks.",
        f"For {n} weeks, {s.who.name} puts ${a} a week into a savings jar.",
    )
    _ask(s, "save in all")
    s.value = s.step(f"In {n} weeks, {s.who.name} saves $@.", a, "*", n)


def start_and_weekly(s: Story) -> None:
    c, a, n = s.num(6, 50), s.num(3, 15), s.num(3, 10)
    s.say(f"{s.who.name} has ${c} in a piggy bank and adds ${a} every week for {n} weeks.")
    new = s.step(f"In {n} weeks, {s.who.name} adds $@.", a, "*", n)
    _ask(s, "have in the end")
    s.value = s.step(f"Then {s.who.he} has $@.", new, "+", c)


def as_friend(s: Story) -> None:
    q, n = s.companion().name, s.num(8, 40)
    _ask(s, "have")
    if s.draw.below(2):
        k, words = s.factor()
        s.say(f"{q} has saved ${n}. {s.who.name} has saved {words} as much as {q}.")
        s.value = s.step(f"{s.who.name} has $@.", n, "*", k)
    else:
        m = s.num(4, 30)
        s.say(f"{q} has saved ${n}. {s.who.name} has saved ${m} more than {q}.")
        s.value = s.step(f"{s.who.name} has $@.", n, "+", m)


def spending(s: Story) -> None:
    a, b, n = s.num(6, 20), s.num(2, 9), s.num(3, 10)
    if b >= a:
        s.reject()
    s.say(
        f"Every week, {s.who.name} gets ${a} of pocket money, spends ${b} of it and saves the rest. "
        f"{s.who.He} does this for {n} weeks."
    )
    kept = s.step(f"{s.who.name} saves $@ a week.", a, "-", b)
    _ask(s, "save in all")
    s.value = s.step(f"In {n} weeks, {s.who.he} saves $@.", kept, "*", n)


def gift(s: Story) -> None:
    p, n = s.who, s.num(5, 40)
    s.say(
        f"{s.then()} {p.he} gets ${n} for {p.his} birthday.",
        f"{s.then()} {p.his} {p.uncle} gives {p.him} ${n}.",
        f"{s.then()} {p.he} sells an old toy for ${n}.",
    )
    s.change(f"Then {p.he} has $@.", "+", n)


def chores(s: Story) -> None:
    p, a, n = s.who, s.num(3, 15), s.num(2, 8)
    chore = s.draw.pick(
        (
            "rakes the leaves in {n} yards and gets ${a} for each yard",
            "washes {n} cars and gets ${a} for each car",
            "walks {n} dogs and gets ${a} for each dog",
        )
    )
    s.say(f"{s.then()} {p.he} {chore.format(n=n, a=a)}.")
    new = s.step(f"For the work, {p.he} gets $@.", n, "*", a)
    s.change(f"Then {p.he} has $@.", "+", new)


def expense(s: Story) -> None:
    p, n = s.who, s.less(s.value, 40)
    s.say(f"{s.then()} {p.he} spends ${n} on {s.draw.pick(_CHEAP if n < 9 else _DEARER)}.")
    s.change(f"Then {p.he} has $@.", "-", n)


def expenses(s: Story) -> None:
    p, a, n = s.who, s.num(2, 9), s.num(2, 6)
    what = s.draw.pick(("bus tickets", "comic books", "ice cream cones", "pens"))
    s.say(f"{s.then()} {p.he} buys {n} {what} for ${a} each.")
    gone = s.step(f"The {what} cost $@.", n, "*", a)
    s.change(f"Then {p.he} has $@.", "-", gone)


def give_share(s: Story) -> None:
    p, f = s.who, s.share(s.value)
    s.say(f"{s.then()} {p.he} gives {f.of} {p.his} money to an animal shelter.")
    gone = s.step(f"{f.why}{p.he} gives away $@.", s.value, "/", f.parts)
    s.change(f"Then {p.he} has $@.", "-", gone)


def give_half(s: Story) -> None:
    p = s.who
    s.say(f"{s.then()} {p.he} lends half of {p.his} money to {p.his} {p.brother}.")
    s.change(f"Then {p.he} has $@.", "/", 2)


def doubled(s: Story) -> None:
    p = s.who
    s.say(f"{s.then()} {p.his} parents double the money that {p.he} has.")
    s.change(f"Then {p.he} has $@.", "*", 2)


def now(s: Story) -> None:
    end = "have now" if s.num_middles else s.scene["ask"].one
    s.say(f"How many dollars does {s.who.name} {end}?", f"How much money does {s.who.name} {end}, in dollars?")


def goal(s: Story) -> None:
    price = s.value + s.num(4, 60)
    s.say(
        f"{s.who.He} wants to buy {s.draw.pick(goal_for(price))} for ${price}. "
        f"How many more dollars does {s.who.he} need?"
    )
    s.value = s.step(f"{s.who.He} needs $@ more.", price, "-", s.value)


def weeks_to_goal(s: Story) -> None:
    a, n = s.num(3, 15), s.num(3, 10)
    price = s.value + a * n
    s.say(
        f"{s.who.He} wants to buy {s.draw.pick(goal_for(price))} "
        f"for ${price} and will save ${a} a week from now on. "
        f"In how many weeks will {s.who.he} have enough money?"
    )
    rest = s.step(f"{s.who.He} needs $@ more.", price, "-", s.value)
    s.value = s.step("That takes @ weeks.", rest, "/", a)


def friend_more(s: Story) -> None:
    q, n = s.companion().name, s.value + s.num(3, 40)
    s.say(f"{q} has ${n}. How many dollars more than {s.who.name} does {q} have?")
    s.value = s.step(f"{q} has $@ more.", n, "-", s.value)


def months(s: Story) -> None:
    n = s.divisor(s.value, 2, 8)
    s.say(
        f"{s.who.He} spends all of {s.who.his} money over the next {n} months, the same amount each month. "
        f"How many dollars does {s.who.he} spend each month?"
    )
    s.change(f"{s.who.He} spends $@ each month.", "/", n)


FAMILY = Family(
    "saving",
    openers=(
        Beat("start", 0, start),
        Beat("weekly", 1, weekly),
        Beat("as_friend", 1, as_friend),
        Beat("start_and_weekly", 2, start_and_weekly),
        Beat("spending", 2, spending),
    ),
    middles=(
        Beat("gift", 1, gift),
        Beat("chores", 2, chores),
        Beat("expense", 1, expense),
        Beat("expenses", 2, expenses),
        Beat("give_share", 2, give_share, group="fraction"),
        Beat("give_half", 1, give_half, group="fraction"),
        Beat("doubled", 1, doubled, group="fraction"),
    ),
    closers=(
        Beat("now", 0, now),
        Beat("goal", 1, goal),
        Beat("friend_more", 1, friend_more),
        Beat("months", 1, months),
        Beat("weeks_to_goal", 2, weeks_to_goal),
    ),
    asides=(
        Aside("{He} is {n} years old.", 8, 16),
        Aside("{He} keeps the money in a box with {n} locks.", 2, 4),
        Aside("{He} opened a bank account {n} years ago.", 2, 6),
        Aside("{He} is saving with {n} friends from school.", 2, 6),
    ),
)
