"""A shop or a stand over several days, and tickets at two prices."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun, noun

__all__ = ("FAMILY", "TICKETS")

_GOODS = (
    noun("hot dog"),
    noun("cup of lemonade", "cups of lemonade"),
    noun("sandwich", "sandwiches"),
    noun("newspaper"),
    noun("bunch of flowers", "bunches of flowers"),
    noun("T-shirt"),
    noun("smoothie"),
    noun("taco"),
    noun("bagel"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_SHOWS = ("a puppet show", "a school play", "a magic show", "a concert", "a dance show", "a talent show")


def _add(s: Story, value: int) -> None:
    s.cast.append((_DAYS[len(s.cast)], value))
    s.value = value


def _now(s: Story) -> str:
    return _DAYS[len(s.cast)]


def first(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    n = s.given(s.num(8, 60))
    s.say(
        f"On Monday, {s.who.name} sells {n} {s.noun.many}.",
        f"{s.who.name} sells {s.noun.many} at a stand. On Monday, {s.who.he} sells {n} of them.",
    )
    _add(s, n)


def hours(s: Story) -> None:
    s.noun = s.draw.pick(_GOODS)
    a, b = s.num(4, 15), s.num(3, 8)
    s.say(
        f"{s.who.name} sells {s.noun.many} at a stand. On Monday, {s.who.he} sells {a} of them per hour for {b} hours."
    )
    _add(s, s.step(f"On Monday, {s.who.name} sells @ {s.noun.many}.", a, "*", b))


def more(s: Story) -> None:
    (day, v), today, n = s.cast[-1], _now(s), s.num(2, 30)
    s.say(f"On {today}, {s.who.he} sells {n} more than on {day}.")
    _add(s, s.step(f"On {today}, {s.who.he} sells @ {s.noun.many}.", v, "+", n))


def fewer(s: Story) -> None:
    (day, v), today, n = s.cast[-1], _now(s), s.less(s.value, 30)
    s.say(f"On {today}, {s.who.he} sells {n} fewer than on {day}.")
    _add(s, s.step(f"On {today}, {s.who.he} sells @ {s.noun.many}.", v, "-", n))


def times(s: Story) -> None:
    (day, v), today = s.cast[-1], _now(s)
    k, words = s.factor()
    s.say(f"On {today}, {s.who.he} sells {words} as many as on {day}.")
    _add(s, s.step(f"On {today}, {s.who.he} sells @ {s.noun.many}.", v, "*", k))


def half(s: Story) -> None:
    (day, v), today = s.cast[-1], _now(s)
    s.say(f"It rains on {today}, and {s.who.he} sells only half as many as on {day}.")
    _add(s, s.step(f"On {today}, {s.who.he} sells @ {s.noun.many}.", v, "/", 2))


def up_by_share(s: Story) -> None:
    (day, v), today, f = s.cast[-1], _now(s), s.share(s.value)
    percent = 100 // f.parts
    if "%" not in f.of:
        s.reject()
    s.say(f"On {today}, {s.who.he} sells {percent}% more than on {day}.")
    extra = s.step(f"{f.why}the increase is @ {s.noun.many}.", v, "/", f.parts)
    _add(s, s.step(f"On {today}, {s.who.he} sells @ {s.noun.many}.", v, "+", extra))


def last(s: Story) -> None:
    s.say(f"How many {s.noun.many} does {s.who.name} sell on {s.cast[-1][0]}?")


def total(s: Story) -> None:
    s.say(
        f"How many {s.noun.many} does {s.who.name} sell on these "
        f"{('', '', 'two', 'three', 'four', 'five')[len(s.cast)]} days in all?"
    )
    value = s.cast[0][1]
    for day, v in s.cast[1:]:
        value = s.step(f"With {day}, that makes @ {s.noun.many}.", value, "+", v)
    s.value = value


def total_income(s: Story) -> None:
    price = s.draw.between(2, 6)
    s.say(
        f"Each {s.noun.one} costs ${price}. How many dollars does {s.who.name} take in on all of these days together?"
    )
    value = s.cast[0][1]
    for day, v in s.cast[1:]:
        value = s.step(f"With {day}, that makes @ {s.noun.many}.", value, "+", v)
    s.value = s.step(f"{s.who.name} takes in $@.", value, "*", price)


def income(s: Story) -> None:
    price, day = s.draw.between(2, 6), s.cast[-1][0]
    s.say(f"Each {s.noun.one} costs ${price}. How many dollars does {s.who.name} take in on {day}?")
    s.value = s.step(f"On {day}, {s.who.name} takes in $@.", s.cast[-1][1], "*", price)


def goal(s: Story) -> None:
    day = s.cast[-1][0]
    n = s.value + s.num(3, 40)
    s.say(f"The goal for {day} was {n} {s.noun.many}. How many {s.noun.many} short of the goal is {s.who.he}?")
    s.value = s.step(f"The goal is missed by @ {s.noun.many}.", n, "-", s.value)


FAMILY = Family(
    "sales",
    openers=(Beat("first", 0, first), Beat("hours", 1, hours)),
    middles=(
        Beat("more", 1, more),
        Beat("fewer", 1, fewer),
        Beat("times", 1, times, group="factor"),
        Beat("half", 1, half, group="factor"),
        Beat("up_by_share", 2, up_by_share),
    ),
    closers=(
        Beat("last", 0, last),
        Beat("income", 1, income),
        Beat("goal", 1, goal),
        Beat("total", 0, total, cost_per_middle=1, min_middles=1),
        Beat("total_income", 1, total_income, cost_per_middle=1, min_middles=1),
    ),
    asides=(
        Aside("The stand opens at {n} o'clock.", 7, 11),
        Aside("The stand is {n} feet wide.", 5, 12),
        Aside("{He} has worked there for {n} months.", 2, 20),
    ),
)


def _tickets(s: Story) -> tuple[str, Noun]:
    s.noun = noun("ticket")
    return s.draw.pick(_SHOWS), s.noun


def one_price(s: Story) -> None:
    show, _ = _tickets(s)
    n, price = s.num(4, 40), s.num(2, 12)
    s.say(
        f"{n} people buy tickets for {show}. A ticket costs ${price}.",
        f"For {show}, {n} tickets are sold at ${price} each.",
    )
    s.value = s.step("The tickets bring in $@.", n, "*", price)


def two_prices(s: Story) -> None:
    show, _ = _tickets(s)
    a, b, p1, p2 = s.num(4, 30), s.num(4, 40), s.num(6, 15), s.num(2, 8)
    if p2 >= p1:
        s.reject()
    s.say(f"Tickets for {show} cost ${p1} for adults and ${p2} for children. {a} adults and {b} children buy tickets.")
    adults = s.step("The adults pay $@.", a, "*", p1)
    kids = s.step("The children pay $@.", b, "*", p2)
    s.value = s.step("Together they pay $@.", adults, "+", kids)


def children_price(s: Story) -> None:
    show, _ = _tickets(s)
    n, price = s.num(4, 30), s.num(3, 10) * 2
    s.say(f"A ticket for {show} costs ${price} for adults, and children pay half of that. {n} children buy tickets.")
    each = s.step("A ticket for a child costs $@.", price, "/", 2)
    s.value = s.step("The children pay $@.", each, "*", n)


def snacks(s: Story) -> None:
    n, price, what = s.num(3, 20), s.num(2, 6), s.draw.pick(("bags of popcorn", "drinks", "programs"))
    s.say(f"At the show, {n} {what} are also sold for ${price} each.")
    extra = s.step(f"The {what} bring in $@.", n, "*", price)
    s.change("With that, the income is $@.", "+", extra)


def donation(s: Story) -> None:
    n = s.num(5, 50)
    s.say(f"Somebody also donates ${n}.", f"A local store adds a gift of ${n}.")
    s.change("With that, the income is $@.", "+", n)


def rent(s: Story) -> None:
    n = s.less(s.value, 90)
    s.say(f"The hall costs ${n}, which is paid from the income.")
    s.change("After paying for the hall, $@ are left.", "-", n)
    s.reduced = True


def charity(s: Story) -> None:
    f = s.share(s.value)
    s.say(f"{f.of[0].upper()}{f.of[1:]} the {'remaining money' if s.reduced else 'money'} goes to charity.")
    gone = s.step(f"{f.why}charity gets $@.", s.value, "/", f.parts)
    s.change("After that, $@ are left.", "-", gone)
    s.reduced = True


def income_total(s: Story) -> None:
    if s.reduced:
        s.say("How many dollars are left?")
    elif s.num_middles:
        s.say("How many dollars is the income in all?", "How many dollars is that in all?")
    else:
        s.say(
            "How many dollars do the tickets bring in?",
            "How many dollars do they pay for the tickets in all?",
        )


def actors(s: Story) -> None:
    n = s.divisor(s.value, 2, 9)
    what = "The rest" if s.reduced else "The money"
    s.say(f"{what} is shared equally by {n} performers. How many dollars does each of them get?")
    s.change("Each of them gets $@.", "/", n)


def shows(s: Story) -> None:
    n = s.num(2, 6)
    verb = "are left" if s.reduced else "is that"
    s.say(f"There are {n} shows, and all of them go exactly like this. How many dollars {verb} in all?")
    s.change(f"From {n} shows, that is $@.", "*", n)


TICKETS = Family(
    "tickets",
    openers=(
        Beat("one_price", 1, one_price),
        Beat("children_price", 2, children_price),
        Beat("two_prices", 3, two_prices),
    ),
    middles=(
        Beat("snacks", 2, snacks, 1),
        Beat("donation", 1, donation, 2),
        Beat("rent", 1, rent, 3),
        Beat("charity", 2, charity, 4),
    ),
    closers=(Beat("income_total", 0, income_total), Beat("actors", 1, actors), Beat("shows", 1, shows)),
    asides=(
        Aside("The show starts at {n} o'clock.", 2, 8),
        Aside("The show takes {n} minutes.", 25, 95),
        Aside("There are {n} people on the stage.", 2, 12),
    ),
)
