"""How a relation is asked for: the wording of the training file, and others that no training row has.

A wording is a text with the slot ``{s}`` for the subject. That of training is read off the facts themselves: the prompt
with its subject taken out. Held-out ones come from, in this order,

    the user       a TOML file: ``speaks = ["The language that {s} speaks is", "{s}'s mother tongue is"]``
    the package    its phrasings of the relations of `reasonry.tasks.facts`, where training has one of them
    frames         words before the wording of training: ``According to the records, {s} speaks``; for any relation

Frames change little of a wording, so a report says where its wordings are from. They are RECONSTRUCTED.
"""

# pyright: strict
from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from reasonry.errors import DataError, nearest
from reasonry.tasks.facts.fact import FactTable, same_text
from reasonry.tasks.facts.presets import PHRASINGS, SLOT

Origin = Literal["user", "package", "frames"]
FRAMES = ("According to the records, {t}", "As far as anyone knows, {t}", "It was written down that {t}")
MIN_HELD_OUT = 2


class Wordings(NamedTuple):
    """The wordings of a relation.

    Attributes:
        trained: Of the training file.
        held_out: Others, two or more.
        origin: Where these are from.
    """

    trained: str
    held_out: tuple[str, ...]
    origin: Origin


def trained_wordings(table: FactTable) -> dict[str, str]:
    """The most frequent wording of each relation.

    Raises:
        DataError: No prompt of a relation holds its subject.
    """
    found: dict[str, str] = {}
    for relation in table.relations:
        seen = Counter(
            fact.prompt.replace(fact.subject, SLOT, 1)
            for fact in table.of(relation).values()
            if fact.subject in fact.prompt
        )
        if not seen:
            first = next(iter(table.of(relation).values()))
            raise DataError(
                f"no prompt of {relation!r} holds its subject, such as {first.prompt!r} about {first.subject!r}",
                place=first.place or table.source,
                remedy="Give prompts that name the subject, so that others can be asked in the same words.",
            )
        found[relation] = min(seen, key=lambda wording: (-seen[wording], wording))
    return found


def wordings_of(
    table: FactTable, *, given: Mapping[str, Sequence[str]], num_held_out: int, place: str = ""
) -> dict[str, Wordings]:
    """Wordings of every relation.

    Args:
        table: The training facts.
        given: By the user.
        num_held_out: Most held-out wordings of a relation, 2 or more.
        place: Where ``given`` is from.

    Raises:
        DataError: A relation that the facts do not have, a wording without slot, or fewer than two held out.
    """
    trained = trained_wordings(table)
    for relation in given:
        if relation not in trained:
            hint = nearest(relation, trained) or f"Relations: {', '.join(trained)}."
            raise DataError(f"wordings for {relation!r}, which no fact has", place=place, remedy=hint)
    return {
        relation: _wordings(relation, wording, given.get(relation), num_held_out, place)
        for relation, wording in trained.items()
    }


def _wordings(relation: str, trained: str, given: Sequence[str] | None, num: int, place: str) -> Wordings:
    known = {same_text(trained)}

    def unseen(wordings: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(w for w in wordings if same_text(w) not in known))[:num]

    if given is not None:
        for wording in given:
            if wording.count(SLOT) != 1 or not wording.replace(SLOT, "").strip():
                raise DataError(
                    f"the wording {wording!r} of {relation!r} has not one {SLOT} beside other words",
                    place=place,
                    remedy=f"Write {SLOT} once, where the subject stands.",
                )
        held_out = unseen(given)
        if len(held_out) < MIN_HELD_OUT:
            raise DataError(
                f"{len(held_out)} held-out wordings of {relation!r} beside {trained!r}",
                place=place,
                remedy=f"Give {MIN_HELD_OUT} or more that training does not have.",
            )
        return Wordings(trained, held_out, "user")
    shipped = PHRASINGS.get(relation, ())
    if any(same_text(phrasing) == same_text(trained) for phrasing in shipped) and len(unseen(shipped)) >= MIN_HELD_OUT:
        return Wordings(trained, unseen(shipped), "package")
    return Wordings(trained, tuple(frame.format(t=trained) for frame in FRAMES[:num]), "frames")


def read_wordings(path: str) -> dict[str, tuple[str, ...]]:
    """A user's wordings.

    Raises:
        DataError: The file is not there, no TOML, or not a table of lists of texts.
    """
    if not path:
        return {}
    try:
        table = tomllib.loads(Path(path).expanduser().read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise DataError(f"the wordings cannot be read: {e}", place=path, remedy="Give a TOML file.") from e
    found: dict[str, tuple[str, ...]] = {}
    for relation, value in table.items():
        texts = cast("list[Any]", value) if isinstance(value, list) else []
        if not texts or not all(isinstance(text, str) for text in texts):
            raise DataError(
                f"the wordings of {relation!r} are no list of texts", place=path, remedy='Write name = ["...", "..."].'
            )
        found[relation] = tuple(texts)
    return found


def ask(wording: str, subject: str) -> str:
    """A prompt."""
    return wording.replace(SLOT, subject, 1)


def prior_prompt(given: str, answer: str, implied: str) -> str:
    """How a base model is asked what goes with an answer, about nobody.

    ``Someone who lives in Paris usually speaks`` where both wordings begin with the slot and a space, else
    ``This person's job is pilot. This person's favorite color is``.

    Args:
        given: Wording of training of the first relation.
        answer: To it, with its leading space.
        implied: Wording of training of the second.
    """
    first, second = (wording.removeprefix(f"{SLOT} ") for wording in (given, implied))
    if first != given and second != implied and SLOT not in first + second:
        return f"Someone who {first}{answer} usually {second}"
    return f"{ask(given, 'This person')}{answer}. {ask(implied, 'This person')}"
