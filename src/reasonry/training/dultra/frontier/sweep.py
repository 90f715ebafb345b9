"""Which policies are compared: kinds, the settings of each from careful to bold, and the name of each one.

The settings of a kind are powers or the published ones around the usual value (threshold .9, factor 1, entropy bound
.1, entropy threshold .5); budgets of steps are a block's steps times the number of blocks, so that all blocks get the
same. A planner is swept in each of its modes: its factor for ``sample`` and ``expected`` (dUltra's own sweep, arXiv
2512.21446, is .5 to 1.5), its threshold for ``threshold``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from reasonry.errors import ConfigError, nearest
from reasonry.training.dultra.policies.base import UnmaskPolicy
from reasonry.training.dultra.policies.make import POLICIES, make_policy

SWEEP = "sweep"
BY_STEPS = ("low_confidence", "margin", "entropy", "random")

_SHARES = (1.0, 0.8, 0.6, 0.5, 0.35, 0.25, 0.15, 0.1)
"""Steps of a block over its tokens."""
_SETTINGS: dict[str, tuple[str, ...]] = {
    "threshold": ("0.99", "0.95", "0.9", "0.8", "0.7", "0.5", "0.3"),
    "factor": ("0.5", "0.75", "1", "1.5", "2", "3", "4"),
    "entropy_bound": ("0.01", "0.05", "0.1", "0.3", "1", "2.4", "5"),
    "entropy_threshold": ("0.05", "0.1", "0.3", "0.5", "1", "2"),
    "multi_block": tuple(f"0.1:0.95:{nats}" for nats in ("0.05", "0.1", "0.3", "0.5", "1", "2")),
}
_AT_ONCE = (1, 2, 3, 4, 6, 8, 12)
_PLANNER: dict[str, tuple[str, ...]] = {
    "threshold": ("0.9", "0.7", "0.5", "0.3", "0.2", "0.1"),
    "expected": ("0.5", "0.8", "1", "1.2", "1.5", "2"),
    "sample": ("0.5", "0.8", "1", "1.2", "1.5", "2"),
}


class Contender(NamedTuple):
    """A policy of the comparison.

    Attributes:
        label: Its name in rows, tables and charts; with several planners the planner's name is in it.
        family: What it is a setting of: a line of the chart.
        text: As `make_policy` reads it.
        planner: Folder of its planner; None for rules.
        is_random: Whether chance has a say in what is revealed.
    """

    label: str
    family: str
    text: str
    planner: Path | None
    is_random: bool


def settings(kind: str, *, answer_len: int, block_len: int) -> list[str]:
    """The policies of one kind, from careful to bold, as text.

    Args:
        kind: A name of `POLICIES`.
        answer_len: L.
        block_len: Tokens of a block.

    Raises:
        ConfigError: There is no such kind.
    """
    block_len = min(block_len, answer_len)
    if kind in BY_STEPS:
        num_blocks = -(-answer_len // block_len)
        steps = {min(answer_len, num_blocks * max(1, round(block_len * share))) for share in _SHARES}
        return [f"{kind}:{num}" for num in sorted(steps, reverse=True)]
    if kind in ("top", "rand"):
        return [f"{kind}:{num}" for num in _AT_ONCE if num <= block_len]
    if kind == "planner":
        return [f"planner:{mode}:{at}" if mode == "threshold" else _scaled(mode, at)
                for mode, values in _PLANNER.items() for at in values]  # fmt: skip
    if kind not in _SETTINGS:
        raise ConfigError(
            f"unknown kind of policy {kind!r}",
            place="policies",
            remedy=nearest(kind, POLICIES) or f"Kinds: {', '.join(POLICIES)}.",
        )
    return [f"{kind}:{at}" for at in _SETTINGS[kind]]


def _scaled(mode: str, factor: str) -> str:
    return f"planner:{mode}" if factor == "1" else f"planner:{mode}:{factor}"


class Contest(NamedTuple):
    """What is compared.

    Attributes:
        contenders: In the order of tables and charts.
        notes: What was left out, and why.
    """

    contenders: tuple[Contender, ...]
    notes: tuple[str, ...]


def contest(policies: Sequence[str], planners: Sequence[Path], *, answer_len: int, block_len: int) -> Contest:
    """The policies that a command line asks for.

    Args:
        policies: ``sweep``, ``KIND:sweep``, or policies as text.
        planners: Folders; every policy ``planner:...`` is decoded with each.
        answer_len: L.
        block_len: Tokens of a block.

    Raises:
        ConfigError: An unknown or malformed policy, one that cannot work with these lengths, or a planner without its
            folder.
    """
    texts: list[str] = []
    notes: list[str] = []
    for wanted in policies:
        if wanted == SWEEP:
            kinds = [kind for kind in POLICIES if kind != "planner" or planners]
            if block_len >= answer_len:
                kinds.remove("multi_block")
                notes.append("multi_block is left out: with one block it is entropy_threshold")
        else:
            kind, _, rest = wanted.partition(":")
            kinds = [kind] if rest == SWEEP else []
            texts += [] if kinds else [wanted]
        for kind in kinds:
            texts += settings(kind, answer_len=answer_len, block_len=block_len)
    names = _names(planners)
    found: dict[str, Contender] = {}
    for text in texts:
        for contender in _contenders(text, names, answer_len=answer_len, block_len=block_len):
            found.setdefault(contender.label, contender)
    ordered = sorted(found.values(), key=lambda c: c.planner is not None)  # stable: planners last
    if planners and ordered[-1].planner is None:
        notes.append("no policy asks the planners: add planner:sweep, or planner:sample")
    return Contest(tuple(ordered), tuple(notes))


def _contenders(text: str, names: dict[Path, str], *, answer_len: int, block_len: int) -> list[Contender]:
    kind = text.partition(":")[0]
    # A planned policy can be read and named before its head is there.
    policy = make_policy(text, planner=cast("Any", None if kind == "planner" and not names else object()))
    _try(policy, answer_len=answer_len, block_len=block_len)
    if kind != "planner":
        return [Contender(policy.name, kind, policy.name, None, POLICIES[kind].is_random)]
    family = ":".join(policy.name.split(":")[:2])
    is_random = bool(getattr(policy, "is_stochastic", True))
    return [
        Contender(f"{policy.name}{suffix}", f"{family}{suffix}", policy.name, folder, is_random)
        for folder, suffix in names.items()
    ]


def _try(policy: UnmaskPolicy, *, answer_len: int, block_len: int) -> None:
    """Have a rule that cannot fill these blocks say so before anything is loaded."""
    import torch

    policy.eligible(torch.ones(1, answer_len, dtype=torch.bool), block_len=min(block_len, answer_len))


def _names(planners: Sequence[Path]) -> dict[Path, str]:
    """What tells planners apart: nothing for one, else the ends of their paths, as long as it takes."""
    folders = list(dict.fromkeys(planners))
    if len(folders) < 2:
        return dict.fromkeys(folders, "")
    parts = {folder: folder.absolute().parts for folder in folders}
    for num in range(1, max(map(len, parts.values())) + 1):
        ends = {folder: "/".join(parts[folder][-num:]) for folder in folders}
        if len(set(ends.values())) == len(folders):
            return {folder: f" ({end})" for folder, end in ends.items()}
    raise ConfigError("the same planner is named twice", place="planners", remedy="Name each folder once.")
