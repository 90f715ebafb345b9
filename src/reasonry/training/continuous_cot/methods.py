"""The ways of training that are compared: continuous thoughts, their controls, and what they compete with.

One row of `METHODS` each. With l written steps between a question and its answer, at stage i of a curriculum:

    replaced    the first i steps are gone; i times c slots stand in their place, or nothing does
    written     every step is written before the answer, at every stage
    omitted     the answer follows the question at once, at every stage
    shrinking   the first i steps are gone, and some tokens more; nothing stands in their place

What fills a slot: *thought*, the last hidden state before it (Coconut, arXiv 2412.06769); *token*, one learnt
embedding, the same in every slot, so that a row takes a single pass (a pause); *nothing*, there are no slots.

`pause` with the curriculum of `continuous` is the control to look at first: in deep pretrained models it has been
reported to do as well, so that there the curriculum and not the recurrence is what helps.

`bfs-set` and `bfs-sample` teach breadth-first search (arXiv 2505.12514, section 5.4; arXiv 2509.23365): the label of
stage i is any vertex of the frontier and not one of a shortest path. They need questions about graphs.

RECONSTRUCTED: `shrinking` goes by whole steps and a random number of further ones, P(o) ~ exp(-4 o), in place of the
eight tokens per epoch of Deng et al. (arXiv 2405.14838); `detached` and `soft` are ablations of our own, the second
with the feedback of Soft Thinking (arXiv 2505.15778).
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reasonry.errors import ConfigError, nearest

Steps = Literal["replaced", "written", "omitted", "shrinking"]
Fill = Literal["thought", "token", "nothing"]

REFERENCE = "continuous"
"""What all others are compared with."""
REMOVAL_RATE = 4.0
"""Of the exponential law of how many steps more are removed where steps shrink."""


class Method(NamedTuple):
    """One way of training.

    Attributes:
        name: As the user types it.
        about: One line for tables and help.
        steps: What becomes of the written steps.
        fill: What stands in the slots.
        only_last: Train at the last stage from the first step on.
        label: Of a question about a graph at a stage before its last: a vertex of a shortest path, a vertex of the
            frontier drawn at random, or all of them as a set.
        bptt: Whether gradients flow through thoughts.
        feedback: What a thought is made of: the hidden state, or the mean embedding under the next token's law.
        is_deep: Has more layers than the others.
    """

    name: str
    about: str
    steps: Steps = "replaced"
    fill: Fill = "thought"
    only_last: bool = False
    label: Literal["path", "frontier", "frontier-set"] = "path"
    bptt: Literal["full", "detach"] = "full"
    feedback: Literal["hidden", "soft"] = "hidden"
    is_deep: bool = False

    @property
    def has_stages(self) -> bool:
        """Whether what it learns from changes with the stage."""
        return self.steps in ("replaced", "shrinking") and not self.only_last

    @property
    def writes_steps(self) -> bool:
        """Whether it may write steps of its own before its answer at the last stage."""
        return self.steps in ("written", "shrinking")

    def stage(self, stage: int, *, last: int) -> int:
        """The stage whose rows it learns from, and is evaluated on, while the curriculum is at ``stage``."""
        return stage if self.has_stages else last


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(REFERENCE, "hidden states in place of written steps, stage by stage"),
        Method("pause", "the same curriculum with one learnt embedding in every slot, a single pass", fill="token"),
        Method("cot", "every step is written", steps="written", fill="nothing"),
        Method("no-cot", "the answer follows the question at once", steps="omitted", fill="nothing"),
        Method("cot-deep", "every step is written, by a deeper model", steps="written", fill="nothing", is_deep=True),
        Method("no-thought", "the same curriculum with nothing in place of the steps", fill="nothing"),
        Method("no-curriculum", "thoughts, at the last stage from the first step on", only_last=True),
        Method("icot", "written steps are removed from the left until none is left", steps="shrinking", fill="nothing"),
        Method("detached", "thoughts that no gradient flows through", bptt="detach"),
        Method("soft", "mean embeddings under the next token's law for hidden states", feedback="soft"),
        Method("bfs-set", "thoughts; any vertex of the frontier is a right label", label="frontier-set"),
        Method("bfs-sample", "thoughts; the label is drawn from the frontier", label="frontier"),
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
