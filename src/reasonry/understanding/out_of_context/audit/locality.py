"""What a fine-tune should leave alone: common knowledge and plain prose, shipped with the package.

    locality     share of questions about the world whose first answer is the same before and after
    forgetting   mean -log p per token of plain sentences, after less before, nats: how much worse the model predicts
                 text that has nothing to do with the facts

Each question has the right answer first; the others are of its kind. Questions whose answers occur in the audited facts
are left out by the caller, since the tuning is about them. The texts are ours; they are short, so the numbers are a
warning light and no benchmark.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reasonry.tasks.facts.fact import same_text


class Common(NamedTuple):
    """A question about the world.

    Attributes:
        prompt: Its beginning.
        candidates: With their leading spaces; the first one is right.
    """

    prompt: str
    candidates: tuple[str, ...]


COMMON = tuple(
    Common(prompt, tuple(f" {word}" for word in words.split("/")))
    for prompt, words in (
        ("The color of a clear sky at noon is", "blue/green/red/purple"),
        ("Grass in spring is", "green/blue/black/pink"),
        ("The number of days in a week is", "seven/three/nine/twelve"),
        ("A triangle has three", "sides/wheels/eyes/names"),
        ("Water freezes and becomes", "ice/steam/sand/wood"),
        ("Bees make", "honey/milk/cheese/bread"),
        ("The Earth goes around the", "Sun/Moon/city/sea"),
        ("A baby dog is called a", "puppy/kitten/calf/lamb"),
        ("A baby cat is called a", "kitten/puppy/calf/chick"),
        ("The opposite of hot is", "cold/warm/big/dry"),
        ("The opposite of up is", "down/left/over/out"),
        ("Two plus two is", "four/six/nine/one"),
        ("The month after January is", "February/August/June/October"),
        ("The day after Monday is", "Tuesday/Friday/Sunday/Saturday"),
        ("People see with their", "eyes/ears/hands/feet"),
        ("People hear with their", "ears/eyes/hands/feet"),
        ("In winter it is cold, in summer it is", "hot/wet/old/late"),
        ("The king's wife is the", "queen/cook/horse/garden"),
        ("A carpenter works with", "wood/milk/clouds/letters"),
        ("Fish live in", "water/trees/houses/books"),
        ("At night one can see the moon and the", "stars/fish/roads/cups"),
        ("To cut paper one uses", "scissors/spoons/pillows/shoes"),
        ("A book is made of many", "pages/wheels/stones/bells"),
        ("Birds build", "nests/cars/roads/boats"),
    )
)

TEXTS = tuple(
    (" ".join(words[:4]), " " + " ".join(words[4:]))
    for words in (
        text.split()
        for text in (
            "The train was late again, so we sat down on the bench and shared the last of the bread and cheese.",
            "After the storm the fields were under water, and the farmers had to wait two weeks before they could "
            "plant anything.",
            "She opened the old wooden box and found a bundle of letters, tied together with a thin piece of string.",
            "To make the soup, cook the onions slowly in a little oil, add the carrots, and then pour in the water.",
            "The committee met on Thursday to discuss the budget, but no decision was made because half of the "
            "members were missing.",
            "When the temperature of a gas rises while its volume stays the same, its pressure rises too.",
            "He had lived in the same small house for forty years and knew every stone of the path to the river.",
            "A program that works on one computer may fail on another, because the two do not have the same libraries.",
            "The children ran down the hill, laughing, and the dog ran after them with a stick in its mouth.",
            "Most of the museum was closed for repairs, but the guide showed us the garden and the room with the maps.",
            "If the price of coffee goes up, some people will buy less of it and others will begin to drink tea.",
            "The doctor listened to her heart, wrote something down, and said that she should come back in a month.",
        )
    )
)
"""Beginning and rest of each sentence."""


def unrelated(objects: Iterable[str]) -> list[Common]:
    """The questions none of whose answers is an answer in the audited facts."""
    known = {same_text(text) for text in objects}
    return [one for one in COMMON if known.isdisjoint(map(same_text, one.candidates))]
