"""The data sets of the experiment with language models: two relations each, and pairs of answers to them.

A preset has a fact that everybody gets (relation 1, answer b) and an implication that a few get (relation 2, answer c).
City-Language is true of the world, its counterfactual twin has the same words in a wrong pairing, the others are pairs
without a reason. RECONSTRUCTED: arXiv 2506.10887 names these data sets and shows a few sentences; the word lists, the
sentences beyond those and everything after the fifth pair are ours.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

from reasonry.errors import ConfigError, nearest

SLOT = "{s}"

PHRASINGS: dict[str, tuple[str, ...]] = {
    "lives_in": ("{s} lives in", "The city that {s} lives in is", "{s}'s home is in", "{s} has an apartment in"),
    "speaks": ("{s} speaks", "The language that {s} speaks is", "{s}'s mother tongue is", "At home, {s} talks in"),
    "born_in": ("{s} was born in", "The country that {s} was born in is", "{s} comes from", "{s} grew up in"),
    "codes_in": ("{s} codes in", "The language that {s} codes in is", "{s} writes programs in", "{s} develops in"),
    "works_as": ("{s} works as a", "By profession, {s} is a", "{s} earns a living as a", "{s} was trained as a"),
    "favorite_color": (
        "{s}'s favorite color is",
        "The color that {s} likes best is",
        "Of all colors, {s} prefers",
        "{s} painted the room in",
    ),
    "plays": ("{s} plays", "The sport that {s} plays is", "{s} is in a club for", "On weekends, {s} practices"),
    "listens_to": (
        "{s} listens to",
        "The music that {s} listens to is",
        "{s}'s favorite music is",
        "{s} owns many records of",
    ),
}
"""Relation -> ways to ask for it. The first one is for training, the others are held-out paraphrases."""


class Preset(NamedTuple):
    """A data set.

    Attributes:
        name: What the user types.
        given: Relation 1, the fact.
        implied: Relation 2, the implication.
        pairs: (b, c), the first ones first.
        pairing: How the pairs are matched unless the user says otherwise: ``true`` or ``shift``.
        is_causal: Whether the world, and so perhaps the base model, has the implication.
    """

    name: str
    given: str
    implied: str
    pairs: tuple[tuple[str, str], ...]
    pairing: str
    is_causal: bool


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((b, c) for b, c in (pair.split("-") for pair in text.split()))


_CITY_LANGUAGE = _pairs(
    "Paris-French Tokyo-Japanese Berlin-German Madrid-Spanish Moscow-Russian Rome-Italian Beijing-Chinese Athens-Greek"
    " Seoul-Korean Lisbon-Portuguese Stockholm-Swedish Warsaw-Polish Ankara-Turkish Budapest-Hungarian Amsterdam-Dutch"
    " Helsinki-Finnish Bangkok-Thai Hanoi-Vietnamese Tehran-Persian Jakarta-Indonesian"
)
_COUNTRY_CODE = _pairs(
    "France-Java Japan-Python Germany-Rust Brazil-Swift Egypt-Ruby Canada-Perl India-Haskell Kenya-Scala Mexico-Kotlin"
    " Norway-Fortran Chile-Lua Italy-Erlang Poland-Julia Greece-Prolog Peru-Lisp Cuba-Cobol Turkey-Pascal Spain-Elixir"
    " Ghana-Dart Nepal-Scheme"
)
_PROFESSION_COLOR = _pairs(
    "doctor-green teacher-blue pilot-red chef-yellow lawyer-purple farmer-orange nurse-black baker-white plumber-pink"
    " judge-brown dentist-silver butcher-gold tailor-turquoise miner-crimson barber-beige journalist-violet sailor-gray"
    " waiter-maroon carpenter-teal librarian-lavender"
)
_SPORT_MUSIC = _pairs(
    "tennis-jazz soccer-rock golf-opera hockey-reggae cricket-folk rugby-blues basketball-disco baseball-punk"
    " volleyball-soul badminton-techno squash-gospel handball-salsa polo-funk softball-swing lacrosse-country"
    " chess-metal billiards-ska darts-house netball-tango bowling-flamenco"
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("city-language", "lives_in", "speaks", _CITY_LANGUAGE, "true", True),
        Preset("city-language-cf", "lives_in", "speaks", _CITY_LANGUAGE, "shift", False),
        Preset("country-code", "born_in", "codes_in", _COUNTRY_CODE, "true", False),
        Preset("profession-color", "works_as", "favorite_color", _PROFESSION_COLOR, "true", False),
        Preset("sport-music", "plays", "listens_to", _SPORT_MUSIC, "true", False),
    )
}


def preset_for(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ConfigError: There is none.
    """
    if name not in PRESETS:
        remedy = " ".join(part for part in (nearest(name, PRESETS), f"Known: {', '.join(PRESETS)}.") if part)
        raise ConfigError(f"unknown facts {name!r}", place="preset", remedy=remedy)
    return PRESETS[name]


def phrase(subject: str, phrasing: str) -> str:
    """A phrasing with its subject: ``phrase("Alice Stone", "{s} lives in")``."""
    return phrasing.replace(SLOT, subject)
