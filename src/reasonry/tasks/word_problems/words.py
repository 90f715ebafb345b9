"""Names, pronouns, nouns and fractions: what the scenes are written with.

Every count in a problem is at least 2, so a plural after a number is always right; the singular serves phrases
like "each jar".
"""

from __future__ import annotations

from typing import NamedTuple


class Noun(NamedTuple):
    """A countable noun in both numbers."""

    one: str
    many: str


def noun(one: str, many: str = "") -> Noun:
    """A noun; the plural is the singular with an "s" unless given."""
    return Noun(one, many or f"{one}s")


def article(word: str) -> str:
    """The word with its indefinite article, by sound: "an apple", "an hour", "a unicycle"."""
    vowel_sound = word[0] in "aeiou" and not word.startswith(("uni", "use", "eu", "one"))
    return f"{'an' if vowel_sound or word.startswith(('hour', 'honest')) else 'a'} {word}"


class Person(NamedTuple):
    """A name with its pronouns and the matching words for kin of the *other* gender.

    Everybody else in a person's story is of the other gender, so that a pronoun never has two readings.
    """

    name: str
    he: str
    his: str
    him: str
    brother: str
    uncle: str
    father: str

    @property
    def He(self) -> str:
        """The subject pronoun at the start of a sentence."""
        return self.he.capitalize()

    @property
    def His(self) -> str:
        """The possessive at the start of a sentence."""
        return self.his.capitalize()


_SHE = (
    "Mia Ava Emma Lily Zoe Nora Ruby Ella Maya Sofia Hana Aisha Priya Lucia Ingrid Chloe Julia Tara Leila "
    "Naomi Olivia Grace Wendy Rosa Fatima Yuki Carmen Amara Elena Beth Ada Dina Freya Greta Irene Jade "
    "Kira Laura Mei Nina Paula Rita Sara Thea Vera"
)
_HE = (
    "Leo Ben Sam Omar Noah Liam Jack Owen Ravi Diego Kenji Theo Max Lucas Ethan Felix Hugo Marco Amir Daniel "
    "Tom Victor Pablo Samuel Kofi Ivan Peter Jamal Oscar Eric Adam Boris Carlos David Emil "
    "Frank George Henry Jonas Karim Luke Mark Nico Paul Raj"
)
WOMEN = tuple(Person(n, "she", "her", "her", "brother", "uncle", "father") for n in _SHE.split())
MEN = tuple(Person(n, "he", "his", "him", "sister", "aunt", "mother") for n in _HE.split())
PEOPLE = WOMEN + MEN


def others(person: Person) -> tuple[Person, ...]:
    """The people a person's story may bring in beside them."""
    return MEN if person.he == "she" else WOMEN


class Share(NamedTuple):
    """A unit fraction 1 / ``parts`` in words.

    Attributes:
        of: As in "she sells ``of`` her eggs": "a third of", "25% of".
        parts: The divisor.
        why: Said in the solution where the divisor cannot be read off the words.
    """

    of: str
    parts: int
    why: str = ""


SHARES = (
    Share("a third of", 3),
    Share("one third of", 3),
    Share("a quarter of", 4),
    Share("one fourth of", 4),
    Share("a fifth of", 5),
    Share("one tenth of", 10),
    Share("25% of", 4, "25% is one fourth, so "),
    Share("20% of", 5, "20% is one fifth, so "),
    Share("10% of", 10, "10% is one tenth, so "),
)

_GOALS = (
    (40, ("a board game", "a soccer ball", "a lunch box", "a backpack")),
    (120, ("a skateboard", "a pair of boots", "a tent", "a pair of skates")),
    (10_000, ("a bicycle", "a guitar", "a tablet", "a camera")),
)


def goal(price: int) -> tuple[str, ...]:
    """Things to save for that may well cost ``price`` dollars."""
    return next(things for limit, things in _GOALS if price <= limit)


TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}
