"""Games: points by round and by kind, bonuses and penalties, records, rivals and prizes."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story

__all__ = ("FAMILY",)

_GAMES = ("a card game", "a board game", "a quiz", "a video game", "a word game", "a dice game")


def stars(s: Story) -> None:
    a, b, v, w = s.num(3, 12), s.num(2, 8), s.draw.between(2, 4), s.draw.between(5, 10)
    s.say(
        f"In a video game, {s.who.name} collects {a} silver stars worth {v} points each "
        f"and {b} gold stars worth {w} points each."
    )
    silver = s.step("The silver stars bring @ points.", a, "*", v)
    gold = s.step("The gold stars bring @ points.", b, "*", w)
    s.value = s.step(f"{s.who.name} gets @ points.", silver, "+", gold)


def every_round(s: Story) -> None:
    a, b, game = s.num(4, 20), s.num(3, 8), s.draw.pick(_GAMES)
    s.say(
        f"{s.who.name} plays {b} rounds of {game} and scores {a} points in every round.",
        f"In {game}, {s.who.name} scores {a} points in each of {b} rounds.",
    )
    s.value = s.step(f"In {b} rounds, {s.who.name} scores @ points.", a, "*", b)


def hits(s: Story) -> None:
    a, b = s.num(2, 9), s.num(3, 10)
    game = s.draw.pick(("a ring toss game", "a bean bag game", "an arcade game", "a dart game"))
    s.say(f"In {game}, every hit is worth {b} points. {s.who.name} hits {a} times.")
    s.value = s.step(f"{s.who.name} gets @ points.", a, "*", b)


def two_rounds(s: Story) -> None:
    a, b, game = s.num(4, 30), s.num(3, 25), s.draw.pick(_GAMES)
    s.say(
        f"{s.who.name} scores {a} points in the first round of {game} and {b} points in the second round.",
        f"In {game}, {s.who.name} gets {a} points for speed and {b} points for skill.",
    )
    s.value = s.step(f"In the game, {s.who.name} scores @ points.", a, "+", b)


def wins(s: Story) -> None:
    a, b, v = s.num(3, 9), s.num(2, 8), s.draw.between(2, 5)
    s.say(
        f"In {s.draw.pick(_GAMES)}, {s.who.name} gets {v} points for each round that {s.who.he} wins "
        f"and a single point for each tie. {s.who.He} wins {a} rounds and has {b} ties."
    )
    won = s.step("The wins bring @ points.", a, "*", v)
    s.value = s.step("With the ties, that is @ points.", won, "+", b)


def so_far(s: Story) -> None:
    s.value, game = s.given(s.num(6, 40)), s.draw.pick(_GAMES)
    s.say(f"{s.who.name} has {s.value} points in {game}.", f"{s.who.name} scores {s.value} points in {game}.")


def bonus(s: Story) -> None:
    n = s.num(3, 20)
    s.say(f"Then {s.who.he} gets a bonus of {n} points.", f"In the next round, {s.who.he} gets {n} more points.")
    s.change(f"Then {s.who.he} has @ points.", "+", n)


def penalty(s: Story) -> None:
    n = s.less(s.value, 15)
    s.say(f"For a wrong move, {s.who.he} loses {n} points.")
    s.change(f"Then {s.who.he} has @ points.", "-", n)


def penalties(s: Story) -> None:
    a, b = s.num(2, 5), s.num(2, 6)
    s.say(f"{s.who.He} makes {a} mistakes and loses {b} points for each of them.")
    gone = s.step(f"For the mistakes, {s.who.he} loses @ points.", a, "*", b)
    s.change(f"Then {s.who.he} has @ points.", "-", gone)


def doubled(s: Story) -> None:
    s.say(f"Then {s.who.he} gets a lucky spin, and {s.who.his} points are doubled.")
    s.change(f"Then {s.who.he} has @ points.", "*", 2)


def score(s: Story) -> None:
    s.say(
        f"How many points does {s.who.name} have in the end?"
        if s.num_middles
        else f"How many points does {s.who.name} get in all?"
    )


def record(s: Story) -> None:
    n = s.value + s.num(3, 40)
    s.say(
        f"The record is {n} points. How many points below the record is {s.who.name}?",
        f"To win a prize, {s.who.he} needs {n} points. How many points are missing?",
    )
    s.value = s.step("The difference is @ points.", n, "-", s.value)


def rival(s: Story) -> None:
    q = s.companion().name
    k, words = s.factor()
    s.say(f"{q} has {words} as many points as {s.who.name}. How many points does {q} have?")
    s.change(f"{q} has @ points.", "*", k)


def rival_total(s: Story) -> None:
    q, n = s.companion().name, s.num(2, 15)
    s.say(f"{q} has {n} points more than {s.who.name}. How many points do they have together?")
    other = s.step(f"{q} has @ points.", s.value, "+", n)
    s.change("Together they have @ points.", "+", other)


def prizes(s: Story) -> None:
    n = s.divisor(s.value, 3, 12)
    s.say(f"Points can be traded for prizes, and a prize costs {n} points. How many prizes can {s.who.he} get?")
    s.change(f"{s.who.He} can get @ prizes.", "/", n)


FAMILY = Family(
    "games",
    openers=(
        Beat("every_round", 1, every_round),
        Beat("hits", 1, hits),
        Beat("two_rounds", 1, two_rounds),
        Beat("so_far", 0, so_far),
        Beat("wins", 2, wins),
        Beat("stars", 3, stars),
    ),
    middles=(
        Beat("bonus", 1, bonus),
        Beat("penalty", 1, penalty),
        Beat("penalties", 2, penalties),
        Beat("doubled", 1, doubled),
    ),
    closers=(
        Beat("score", 0, score),
        Beat("record", 1, record),
        Beat("rival", 1, rival),
        Beat("prizes", 1, prizes),
        Beat("rival_total", 2, rival_total),
    ),
    asides=(
        Aside("{He} is {n} years old.", 8, 17),
        Aside("There are {n} people watching.", 11, 90),
        Aside("{He} has owned this game for {n} months.", 2, 20),
    ),
)
