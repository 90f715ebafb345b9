"""Reading a book: pages done, pages to go, days and minutes that takes."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import noun

__all__ = ("FAMILY",)

_KINDS = (
    "a mystery novel",
    "a book about whales",
    "a fantasy novel",
    "a book about space",
    "an adventure story",
    "a history book",
    "a book of fairy tales",
    "a science book",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _day(s: Story) -> str:
    """The next day of the week; the story moves on."""
    s.cast.append(("", 0))
    return _DAYS[len(s.cast) - 1]


def book(s: Story) -> None:
    s.noun = noun("page")
    s.value = s.given(s.num(4, 20) * s.draw.pick((3, 4, 5, 6, 10)))
    s.say(
        f"{s.who.name} is reading {s.draw.pick(_KINDS)} that has {s.value} pages.",
        f"{s.who.name} borrows {s.draw.pick(_KINDS)} with {s.value} pages.",
    )


def chapters(s: Story) -> None:
    a, b = s.num(3, 12), s.num(4, 20)
    s.say(f"{s.who.name} is reading {s.draw.pick(_KINDS)}. It has {a} chapters with {b} pages in each chapter.")
    s.value = s.step("The book has @ pages.", a, "*", b)


def two_books(s: Story) -> None:
    a, b = s.num(20, 90), s.num(12, 70)
    s.say(
        f"{s.who.name} has to read two short books for school. The first has {a} pages and the second has {b} pages.",
    )
    s.value = s.step("The two books have @ pages.", a, "+", b)


def some(s: Story) -> None:
    n, day = s.less(s.value, 50), _day(s)
    s.say(f"On {day}, {s.who.he} reads {n} pages.", f"{s.who.He} reads {n} pages on {day}.")
    s.change("Then there are @ pages left.", "-", n)


def some_days(s: Story) -> None:
    n, days = s.num(3, 15), [_day(s) for _ in range(s.draw.between(2, 3))]
    d = len(days)
    s.say(
        f"From {days[0]} to {days[-1]}, {s.who.he} reads {n} pages each day."
        if d == 3
        else f"On both {days[0]} and {days[-1]}, {s.who.he} reads {n} pages."
    )
    done = s.step(f"On these {d} days, {s.who.he} reads @ pages.", n, "*", d)
    s.change("Then there are @ pages left.", "-", done)


def two_sittings(s: Story) -> None:
    a, b, day = s.num(3, 20), s.num(2, 20), _day(s)
    s.say(f"On {day}, {s.who.he} reads {a} pages in the morning and {b} pages in the evening.")
    done = s.step(f"On {day}, {s.who.he} reads @ pages.", a, "+", b)
    s.change("Then there are @ pages left.", "-", done)


def half(s: Story) -> None:
    day = _day(s)
    s.say(
        f"On {day}, {s.who.he} reads half of the pages that are left."
        if len(s.cast) > 1
        else f"On {day}, {s.who.he} reads half of the pages."
    )
    s.change("Then there are @ pages left.", "/", 2)


def share(s: Story) -> None:
    f, day = s.share(s.value), _day(s)
    s.say(
        f"On {day}, {s.who.he} reads {f.of} the pages that are left."
        if len(s.cast) > 1
        else f"On {day}, {s.who.he} reads {f.of} the pages."
    )
    done = s.step(f"{f.why}on {day} {s.who.he} reads @ pages.", s.value, "/", f.parts)
    s.change("Then there are @ pages left.", "-", done)


def left(s: Story) -> None:
    if s.num_middles:
        s.say(
            f"How many pages does {s.who.name} still have to read?",
            "How many pages are left?",
            f"How many more pages does {s.who.he} have to read?",
        )
    else:
        s.say(f"How many pages does {s.who.name} have to read in all?")


def _rest(s: Story) -> str:
    return "the rest" if s.num_middles else "all of the pages"


def days_to_finish(s: Story) -> None:
    n = s.divisor(s.value, 2, 25)
    s.say(
        f"{s.who.He} plans to read {_rest(s)} at {n} pages a day. How many days will that take?",
        f"If {s.who.he} reads {_rest(s)} at {n} pages a day, how many days does {s.who.he} need?",
    )
    s.change("That takes @ days.", "/", n)


def pages_a_day(s: Story) -> None:
    n = s.divisor(s.value, 2, 10)
    s.say(
        f"{s.who.He} wants to read {_rest(s)} in {n} days, the same number of pages each day. "
        f"How many pages does {s.who.he} have to read each day?"
    )
    s.change(f"{s.who.He} has to read @ pages each day.", "/", n)


def minutes(s: Story) -> None:
    n = s.draw.between(2, 4)
    s.say(f"{s.who.He} needs {n} minutes for each page. How many minutes does it take {s.who.him} to read {_rest(s)}?")
    s.change("That takes @ minutes.", "*", n)


def hours(s: Story) -> None:
    n = s.draw.between(2, 6)
    s.say(f"{s.who.He} needs {n} minutes for each page. How many hours does it take {s.who.him} to read {_rest(s)}?")
    s.change("That takes @ minutes.", "*", n)
    s.change("An hour has 60 minutes, so that is @ hours.", "/", 60)


def speed(s: Story) -> None:
    n = s.divisor(s.value, 8, 40)
    s.say(
        f"{s.who.He} reads {n} pages an hour. How many hours does it take {s.who.him} to read {_rest(s)}?",
    )
    s.change("That takes @ hours.", "/", n)


FAMILY = Family(
    "reading",
    openers=(Beat("book", 0, book), Beat("chapters", 1, chapters), Beat("two_books", 1, two_books)),
    middles=(
        Beat("some", 1, some),
        Beat("some_days", 2, some_days),
        Beat("two_sittings", 2, two_sittings),
        Beat("half", 1, half, group="fraction"),
        Beat("share", 2, share, group="fraction"),
    ),
    closers=(
        Beat("left", 0, left),
        Beat("days_to_finish", 1, days_to_finish),
        Beat("pages_a_day", 1, pages_a_day),
        Beat("minutes", 1, minutes),
        Beat("hours", 2, hours),
        Beat("speed", 1, speed),
    ),
    asides=(
        Aside("{He} is {n} years old.", 8, 15),
        Aside("There are {n} pictures on the cover.", 2, 5),
        Aside("{He} has {n} other books at home.", 12, 60),
        Aside("The library is {n} blocks from {name}'s home.", 2, 9),
    ),
)
