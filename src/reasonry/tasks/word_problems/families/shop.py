"""Shopping: a basket, discounts, and what it means for the purse."""

from __future__ import annotations

from reasonry.tasks.word_problems.story import Aside, Beat, Family, Story
from reasonry.tasks.word_problems.words import Noun, article, noun

# shop, things bought by the piece with their price range in $, one dear thing with its price range
__all__ = ("FAMILY",)

_SHOPS: tuple[tuple[str, tuple[tuple[Noun, int, int], ...], tuple[Noun, int, int]], ...] = (
    (
        "a stationery store",
        ((noun("notebook"), 2, 6), (noun("marker"), 2, 4), (noun("folder"), 2, 5), (noun("poster"), 3, 9)),
        (noun("backpack"), 18, 45),
    ),
    (
        "a toy store",
        ((noun("puzzle"), 5, 12), (noun("toy car"), 3, 8), (noun("kite"), 6, 14), (noun("yo-yo"), 2, 5)),
        (noun("board game"), 15, 35),
    ),
    (
        "a garden center",
        ((noun("flower pot"), 3, 9), (noun("rose bush", "rose bushes"), 8, 15), (noun("fern"), 2, 6)),
        (noun("garden hose"), 18, 40),
    ),
    (
        "a sports store",
        ((noun("water bottle"), 4, 12), (noun("tennis ball"), 2, 4), (noun("jump rope"), 5, 11)),
        (noun("soccer ball"), 14, 30),
    ),
    (
        "a bookstore",
        ((noun("paperback"), 6, 12), (noun("comic book"), 3, 7), (noun("calendar"), 8, 14)),
        (noun("atlas", "atlases"), 18, 40),
    ),
    (
        "a grocery store",
        (
            (noun("loaf of bread", "loaves of bread"), 2, 5),
            (noun("bag of rice", "bags of rice"), 3, 9),
            (noun("jar of honey", "jars of honey"), 5, 9),
            (noun("carton of eggs", "cartons of eggs"), 3, 6),
        ),
        (noun("turkey"), 18, 36),
    ),
    (
        "a clothing store",
        (
            (noun("shirt"), 8, 20),
            (noun("pair of socks", "pairs of socks"), 2, 6),
            (noun("scarf", "scarves"), 7, 15),
        ),
        (noun("jacket"), 30, 60),
    ),
    (
        "a bakery",
        (
            (noun("muffin"), 2, 4),
            (noun("loaf of rye bread", "loaves of rye bread"), 4, 7),
            (noun("pie"), 8, 15),
        ),
        (noun("birthday cake"), 20, 40),
    ),
)


def _enter(s: Story) -> tuple[str, list[tuple[Noun, int]], tuple[Noun, int]]:
    """A shop, its goods in random order with prices, and the dear thing with its price."""
    place, goods, (dear, low, high) = s.draw.pick(_SHOPS)
    priced = [(g, s.num(a, b)) for g, a, b in s.draw.sample(goods, len(goods))]
    s.scene["more"] = priced[-1][0]
    s.cast = [(priced[-1][0].one, priced[-1][1])]
    return place, priced[:-1], (dear, s.num(low, high))


def many(s: Story) -> None:
    place, goods, _ = _enter(s)
    (g, price), n = goods[0], s.num(2, 9)
    s.say(
        f"{s.who.name} buys {n} {g.many} at {place}. Each {g.one} costs ${price}.",
        f"At {place}, {s.who.name} buys {n} {g.many} for ${price} each.",
    )
    s.value = s.step(f"The {g.many} cost $@.", n, "*", price)


def dear(s: Story) -> None:
    place, _, (d, price) = _enter(s)
    s.say(
        f"{s.who.name} picks out {article(d.one)} that costs ${price} at {place}.",
        f"{s.who.name} wants to buy {article(d.one)} at {place}. Its price is ${price}.",
    )
    s.value = s.given(price)


def pair(s: Story) -> None:
    place, goods, (d, price) = _enter(s)
    g, other = goods[0]
    s.say(
        f"At {place}, {s.who.name} buys {article(d.one)} for ${price} and {article(g.one)} for ${other}.",
        f"{s.who.name} goes to {place} and buys {article(g.one)} for ${other} and {article(d.one)} for ${price}.",
    )
    s.value = s.step("The two things cost $@.", price, "+", other)


def many_and_dear(s: Story) -> None:
    place, goods, (d, price) = _enter(s)
    (g, each), n = goods[0], s.num(2, 8)
    s.say(f"At {place}, {s.who.name} buys {article(d.one)} for ${price} and {n} {g.many} for ${each} each.")
    cost = s.step(f"The {g.many} cost $@.", n, "*", each)
    s.value = s.step(f"With the {d.one}, that is $@.", cost, "+", price)


def two_kinds(s: Story) -> None:
    place, goods, _ = _enter(s)
    (g, p1), (h, p2) = goods[:2]
    n, m = s.num(2, 8), s.num(2, 8)
    s.say(
        f"{s.who.name} buys {n} {g.many} and {m} {h.many} at {place}. "
        f"Each {g.one} costs ${p1} and each {h.one} costs ${p2}.",
        f"At {place}, {s.who.name} buys {n} {g.many} at ${p1} each and {m} {h.many} at ${p2} each.",
    )
    first = s.step(f"The {g.many} cost $@.", n, "*", p1)
    second = s.step(f"The {h.many} cost $@.", m, "*", p2)
    s.value = s.step("Together they cost $@.", first, "+", second)


def times_price(s: Story) -> None:
    place, goods, (d, _) = _enter(s)
    g, price = goods[0]
    k, times = s.factor()
    s.say(
        f"At {place}, {article(g.one)} costs ${price}. {article(d.one).capitalize()} costs {times} as much. "
        f"{s.who.name} buys the {d.one}."
    )
    s.value = s.step(f"The {d.one} costs $@.", price, "*", k)


def more(s: Story) -> None:
    name, price = s.cast[0]
    g, n = s.scene["more"], s.num(2, 6)
    s.say(
        f"{s.who.He} also buys {n} {g.many} that cost ${price} each.",
        f"{s.who.He} adds {n} {g.many} at ${price} per {name}.",
    )
    extra = s.step(f"The {g.many} cost $@.", n, "*", price)
    s.change("Now everything costs $@.", "+", extra)


def one_more(s: Story) -> None:
    name, price = s.cast[0]
    s.say(f"{s.who.He} also buys {article(name)} for ${price}.")
    s.change("Now everything costs $@.", "+", price)


def share_off(s: Story) -> None:
    f = s.share(s.value)
    percent = 100 // f.parts
    if "%" in f.of:
        s.say(
            f"There is a sale today, and {s.who.he} gets a discount of {percent}% on everything.",
            f"With {s.who.his} student card, {s.who.he} gets {percent}% off the whole price.",
        )
    else:
        s.say(f"There is a sale today, and {s.who.he} gets {f.of} the price off.")
    off = s.step(f"{f.why}the discount is $@.", s.value, "/", f.parts)
    s.change("With the discount, the price is $@.", "-", off)


def half_price(s: Story) -> None:
    s.say("There is a sale today, and everything is half price.", "Today everything in the store is half off.")
    s.change("At half price, that is $@.", "/", 2)


def coupon(s: Story) -> None:
    n = s.less(s.value, 15)
    s.say(
        f"Then {s.who.he} uses a coupon that takes ${n} off the price.",
        f"{s.who.He} then uses a gift card to pay ${n} of the price.",
    )
    s.change(f"After that, {s.who.he} has to pay $@.", "-", n)


def delivery(s: Story) -> None:
    n = s.num(3, 12)
    s.say(
        f"{s.who.He} also pays ${n} to have everything delivered.",
        f"In addition, {s.who.he} pays ${n} for gift wrapping.",
    )
    s.change("With this service, it comes to $@.", "+", n)


def total(s: Story) -> None:
    s.say(
        f"How many dollars does {s.who.name} pay in all?",
        f"How much money does {s.who.name} spend, in dollars?",
    )


def change_back(s: Story) -> None:
    bill = next((b for b in (10, 20, 50, 100) if b > s.value), 0) or s.reject()
    s.say(
        f"{s.who.He} pays with a ${bill} bill. How many dollars does {s.who.he} get back?",
        f"{s.who.He} hands over a ${bill} bill. How much change does {s.who.he} get, in dollars?",
    )
    s.value = s.step(f"{s.who.He} gets $@ back.", bill, "-", s.value)


def money_left(s: Story) -> None:
    purse = (s.value // 10 + s.num(1, 5)) * 10
    s.say(
        f"{s.who.He} came with ${purse}. How many dollars does {s.who.he} have left?",
        f"Before that, {s.who.he} had ${purse} in {s.who.his} wallet. How much money is left, in dollars?",
    )
    s.value = s.step(f"{s.who.He} has $@ left.", purse, "-", s.value)


def short_of(s: Story) -> None:
    have = s.less(s.value, 200)
    s.say(f"{s.who.He} has only ${have}. How many more dollars does {s.who.he} need to pay for everything?")
    s.change(f"{s.who.He} needs $@ more.", "-", have)


def split(s: Story) -> None:
    n = s.divisor(s.value, 2, 8)
    s.say(
        f"This is a present from {n} friends, who share the cost equally. How many dollars does each friend pay?",
        f"The cost is split equally among {n} people. How much does each person pay, in dollars?",
    )
    s.change("Each of them pays $@.", "/", n)


def weeks_of_saving(s: Story) -> None:
    n = s.divisor(s.value, 3, 12)
    s.say(
        f"{s.who.He} saves ${n} each week. How many weeks does it take {s.who.him} to save the money for this?",
        f"{s.who.He} earns ${n} for every dog {s.who.he} walks. "
        f"How many dogs does {s.who.he} have to walk to pay for everything?",
    )
    s.change("The number needed is @.", "/", n)


FAMILY = Family(
    "shop",
    openers=(
        Beat("many", 1, many),
        Beat("dear", 0, dear),
        Beat("pair", 1, pair),
        Beat("times_price", 1, times_price),
        Beat("many_and_dear", 2, many_and_dear),
        Beat("two_kinds", 3, two_kinds),
    ),
    middles=(
        Beat("more", 2, more, 1, group="more"),
        Beat("one_more", 1, one_more, 1, group="more"),
        Beat("share_off", 2, share_off, 2, group="sale"),
        Beat("half_price", 1, half_price, 2, group="sale"),
        Beat("coupon", 1, coupon, 3),
        Beat("delivery", 1, delivery, 4),
    ),
    closers=(
        Beat("total", 0, total),
        Beat("change_back", 1, change_back),
        Beat("money_left", 1, money_left),
        Beat("short_of", 1, short_of),
        Beat("split", 1, split),
        Beat("weeks_of_saving", 1, weeks_of_saving),
    ),
    asides=(
        Aside("The store closes in {n} minutes.", 10, 55),
        Aside("{He} lives {n} miles from the store.", 2, 9),
        Aside("There are {n} people waiting in line.", 2, 9),
        Aside("{He} is {n} years old.", 12, 19),
    ),
)
