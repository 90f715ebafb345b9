"""The ways of training that are compared: codes for some of the reasoning, other choices of which, baselines, controls.

One row of `METHODS` each. What goes of t_c tokens of reasoning, in chunks of L:

    drawn       the first m tokens, with m from a law (`laws.py`), anew in every epoch
    every       every full chunk
    growing     the first chunks, more of them at every stage of training, in the end every full one
    some        each full chunk with a probability, independently, anew in every epoch
    none        nothing
    whole       all of it, the tail behind the last full chunk included
    shrinking   the first tokens, more of them as training goes on, and a few at random

and what stands there instead: *codes*, its own, between markers; *others*, codes of other examples; *pauses*, as many
learnt tokens as there are codes on average; *nothing*.

Controls: `truncated` is `latent` without the codes, and tells whether they carry anything. `shuffled` has as many codes
as `latent`, of other examples, and tells whether it is their content or the room they give.

Published in Token Assorted (arXiv 2502.03275): latent, all, curriculum, poisson, cot, sol-only, icot (Deng et al.,
arXiv 2405.14838), pause (Goyal et al., arXiv 2310.02226). The controls are not. RECONSTRUCTED: the probability of
`poisson`, the stages of `curriculum`, and how many pauses there are.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reasonry.errors import ConfigError, nearest

Goes = Literal["drawn", "every", "growing", "some", "none", "whole", "shrinking"]
Instead = Literal["codes", "others", "pauses", "nothing"]

REFERENCE = "latent"
"""What all others are compared with."""


class Method(NamedTuple):
    """One way of training.

    Attributes:
        name: As the user types it.
        about: One line for tables and help.
        goes: What of the reasoning is not written.
        instead: What stands in its place.
    """

    name: str
    about: str
    goes: Goes
    instead: Instead = "nothing"

    @property
    def has_codes(self) -> bool:
        """Whether its rows hold codes, its own or others': the vocabulary must."""
        return self.instead in ("codes", "others")

    @property
    def has_pauses(self) -> bool:
        """Whether prompts end in pauses, at inference too."""
        return self.instead == "pauses"

    @property
    def is_drawn(self) -> bool:
        """Whether an example is another row in every epoch."""
        return self.goes in ("drawn", "some", "shrinking")

    @property
    def has_schedule(self) -> bool:
        """Whether its rows change as training goes on."""
        return self.goes in ("growing", "shrinking")


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(REFERENCE, "codes for the first m tokens, m drawn for each example and epoch", "drawn", "codes"),
        Method("all", "codes for every full chunk", "every", "codes"),
        Method("curriculum", "codes from the left, for more and more chunks until all", "growing", "codes"),
        Method("poisson", "codes for chunks at random places", "some", "codes"),
        Method("cot", "the whole reasoning as text", "none"),
        Method("sol-only", "the answer follows the question at once", "whole"),
        Method("icot", "tokens of the reasoning are removed from the left until none is left", "shrinking"),
        Method("pause", "learnt pauses in place of the reasoning", "whole", "pauses"),
        Method("truncated", "control: the first m tokens are gone and nothing stands for them", "drawn"),
        Method("shuffled", "control: codes of other examples for the first m tokens", "drawn", "others"),
    )
}


def find_method(name: str) -> Method:
    """The method of a name.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in METHODS:
        remedy = " ".join(filter(None, (nearest(name, METHODS), f"Methods: {', '.join(METHODS)}.")))
        raise ConfigError(f"unknown method {name!r}", place="methods", remedy=remedy)
    return METHODS[name]


def find_methods(names: Sequence[str]) -> tuple[Method, ...]:
    """The methods of several names, in their order.

    Raises:
        ConfigError: None is named, one is unknown, or one is named twice.
    """
    if not names:
        raise ConfigError("no method", place="methods", remedy=f"Name one or more of {', '.join(METHODS)}.")
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise ConfigError(f"method {twice!r} is named twice", place="methods", remedy="Name each once.")
    return tuple(map(find_method, names))
