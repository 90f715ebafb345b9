"""Made-up names: persons for the roots of a graph, "-pus" nouns for its other vertices.

Put together from parts, so that none of them means anything: what a model knows of the world does not help.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from reasonry.core import seeds
from reasonry.errors import ConfigError


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PERSON_STARTS = _words("Al Be Bri Cor Da El Fe Fi Gar Han Il Jo Kar Lo Lu Mar Ne No Or Per Ro Sa Se Ti To Ul Va Vi Yo")
_PERSON_ENDS = _words("bert da den la lan len lia lo mon na nor ric ris sa tin vin")
# Consonants only: then "a" is always the right article.
_NOUN_STARTS = _words("b bl br ch cl cr d dr f fl fr g gl gr h j k kl l m n p pl pr r s sc sh sl sn st t th tr v w y z")
_NOUN_MIDDLES = _words("am el em er im ir om or um un ix ol")
NOUN_END = "pus"

MAX_PERSONS = len(_PERSON_STARTS) * len(_PERSON_ENDS)
MAX_NOUNS = len(_NOUN_STARTS) * len(_NOUN_MIDDLES)


class Names(NamedTuple):
    """Names to choose from, all of them different.

    Attributes:
        persons: Capitalised.
        nouns: Lower case, each with the article "a".
    """

    persons: tuple[str, ...]
    nouns: tuple[str, ...]


@lru_cache(maxsize=16)
def make_names(*, num_persons: int = 24, num_nouns: int = 64, seed: int = 0) -> Names:
    """Different names in an order that depends on the seed.

    Args:
        num_persons: How many persons, up to `MAX_PERSONS`.
        num_nouns: How many nouns, up to `MAX_NOUNS`.
        seed: Decides which.

    Raises:
        ConfigError: There are not so many.
    """
    for field, num, most in (("num_persons", num_persons, MAX_PERSONS), ("num_nouns", num_nouns, MAX_NOUNS)):
        if not 0 <= num <= most:
            raise ConfigError(f"{field} = {num}", place=field, remedy=f"Use 0 to {most}.")
    rng = seeds.stream(seed, "graph names")
    persons = [start + end for start in _PERSON_STARTS for end in _PERSON_ENDS]
    nouns = [start + middle + NOUN_END for start in _NOUN_STARTS for middle in _NOUN_MIDDLES]
    return Names(
        tuple(persons[i] for i in rng.permutation(len(persons))[:num_persons].tolist()),
        tuple(nouns[i] for i in rng.permutation(len(nouns))[:num_nouns].tolist()),
    )
