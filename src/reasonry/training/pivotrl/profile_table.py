"""A profile as columns, one entry for each state, read as a stream: what a million of them cost is their numbers.

The file is checked against the candidates that it is said to be of: their hash where the run directory recorded one,
and their ids.
"""

# pyright: strict
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reasonry.core.made_with import MADE_WITH
from reasonry.core.messages import Json
from reasonry.core.run import read_json
from reasonry.errors import DataError
from reasonry.training.pivotrl.candidate_file import CandidateFile
from reasonry.training.pivotrl.moments import Floats, Mask, Moments, moments_of
from reasonry.training.pivotrl.records import Profile
from reasonry.training.pivotrl.rows import PROFILE, SAMPLES, read_profiles
from reasonry.training.pivotrl.selection import category_entropy

Integers = NDArray[np.int64]

_ONE_OF_EACH = ("policy", "verifier", "sampling")


@dataclass(frozen=True)
class ProfileTable:
    """A profile.

    Attributes:
        path: The file.
        candidate_N: Which line of the file of candidates each profile is of, from 0.
        moments: Means and variances of the rewards.
        at_byte_N: Where the lines begin.
        entropy_N: Of the verdicts' categories, nats; None where it was not asked for.
        k: Samples of most states.
        policy: Hash of the policy.
        verifier: Hash of the verifier.
        sampling: Hash of how actions were drawn.
        seeds: Roots of the samples.
        made_with: What the run directory says it was made with; empty for a file alone.
        sha256: Of the candidates it was made from; empty where nobody recorded it.
    """

    path: Path
    candidate_N: Integers
    moments: Moments
    at_byte_N: Integers
    entropy_N: Floats | None
    k: int
    policy: str
    verifier: str
    sampling: str
    seeds: tuple[int, ...]
    made_with: Mapping[str, Any]
    sha256: str

    @property
    def folder(self) -> Path:
        """The run directory."""
        return self.path.parent

    @property
    def policy_name(self) -> str:
        """The model's name; its hash where there is no name."""
        policy = self.made_with.get("policy")
        names = cast("Json", policy) if isinstance(policy, dict) else {}
        found: Any = names.get("model") or names.get("name")
        return found if isinstance(found, str) and found else self.policy

    def rows(self, which_N: Mask) -> Iterator[Json]:
        """The lines of some profiles as they stand, in the order of their candidates.

        Raises:
            DataError: The file has changed.
        """
        chosen = np.flatnonzero(which_N)
        chosen = chosen[np.argsort(self.candidate_N[chosen])]
        yield from rows_at(self.path, self.at_byte_N[chosen].tolist())


def profile_file(given: Path) -> Path:
    """The file of profiles that a run directory, or a file itself, stands for.

    Raises:
        DataError: There is none, or its run is not finished.
    """
    path = given / PROFILE if given.is_dir() else given
    if path.is_file():
        return path
    if (path.parent / SAMPLES).is_file():
        raise DataError(
            "the profile is not finished", place=str(path.parent), remedy="Run the command that began it again."
        )
    raise DataError("there is no profile", place=str(path), remedy="Make it with: reasonry pivots profile")


def read_profile_table(
    given: Path, file: CandidateFile, *, also_of: Collection[str] = (), with_entropy: bool = False
) -> ProfileTable:
    """Read a profile.

    Args:
        given: Its run directory, or a file of profiles.
        file: The candidates.
        also_of: Hashes of further files whose candidates are among them.
        with_entropy: Compute the entropy of the verdicts' categories.

    Raises:
        DataError: It is of other candidates, a line is damaged, or it mixes policies, verifiers or samplers.
    """
    path = profile_file(given)
    marker = path.parent / MADE_WITH
    made = read_json(marker) if marker.is_file() else {}
    sha256 = _recorded_hash(made)
    if sha256 and sha256 not in (file.sha256, *also_of):
        raise DataError(
            "the profile is of another file of candidates (their sha256 differs)",
            place=str(path.parent),
            remedy=f"It is not {file.path} as it is now: profile that one, or give the profile that belongs to it.",
        )
    stream = _Stream(path, {head.id: i for i, head in enumerate(file.heads)}, with_entropy)
    moments = moments_of(stream)
    if not stream.first:
        raise DataError("the file holds no profile", place=str(path), remedy="Make it with: reasonry pivots profile")
    return ProfileTable(
        path=path,
        candidate_N=np.array(stream.candidates, dtype=np.int64),
        moments=moments,
        at_byte_N=line_starts(path),
        entropy_N=np.array(stream.entropies, dtype=np.float64) if with_entropy else None,
        k=stream.sizes.most_common(1)[0][0],
        policy=stream.first.policy,
        verifier=stream.first.verifier,
        sampling=stream.first.sampling,
        seeds=tuple(sorted(stream.seeds)),
        made_with=made,
        sha256=sha256,
    )


class _Stream:
    """The profiles of a file, checked as they pass; iterate once."""

    def __init__(self, path: Path, line_of: Mapping[str, int], with_entropy: bool) -> None:
        self._path, self._line_of, self._with_entropy = path, line_of, with_entropy
        self.candidates: list[int] = []
        self.entropies: list[float] = []
        self.sizes: Counter[int] = Counter()
        self.seeds: set[int] = set()
        self.first: Profile | None = None

    def __iter__(self) -> Iterator[Profile]:
        seen = bytearray(len(self._line_of))
        for line, profile in enumerate(read_profiles(self._path), 1):
            at = self._line_of.get(profile.candidate_id)
            if at is None or seen[at]:
                why = "is not among the candidates" if at is None else "is there twice"
                raise DataError(
                    f"the profile of {profile.candidate_id!r:.80} {why}",
                    place=f"{self._path}:{line}",
                    remedy="Profile these candidates, or give the profile that belongs to them.",
                )
            seen[at] = 1
            self._check(profile, line)
            self.candidates.append(at)
            self.sizes[len(profile.rewards)] += 1
            self.seeds.add(profile.seed)
            if self._with_entropy:
                self.entropies.append(category_entropy(profile))
            yield profile

    def _check(self, profile: Profile, line: int) -> None:
        if self.first is None:
            self.first = profile
        for what in _ONE_OF_EACH:
            was, now = getattr(self.first, what), getattr(profile, what)
            if was != now:
                raise DataError(
                    f"the profile is of {what} {now!r:.60}, those before it are of {was!r:.60}",
                    place=f"{self._path}:{line}",
                    remedy="Their rewards cannot be compared: select from one at a time.",
                )


def rows_at(path: Path, starts: Sequence[int]) -> Iterator[Json]:
    """The objects on the lines that begin at some bytes; the file was read strictly before.

    Raises:
        DataError: It has changed since.
    """
    try:
        with open(path, "rb") as f:
            for start in starts:
                f.seek(start)
                yield cast("Json", json.loads(f.readline()))
    except (OSError, ValueError) as e:
        raise DataError(f"cannot be read again: {e}", place=str(path), remedy="Run the same command again.") from e


def line_starts(path: Path) -> Integers:
    """Where each line of a file begins.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with open(path, "rb") as f:
            sizes = np.fromiter((len(line) for line in f), dtype=np.int64)
    except OSError as e:
        raise DataError(f"cannot read: {e.strerror or e}", place=str(path)) from e
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)[:-1]]) if sizes.size else sizes


def _recorded_hash(made: Mapping[str, Any]) -> str:
    candidates = made.get("candidates")
    found: Any = cast("Json", candidates).get("sha256") if isinstance(candidates, dict) else None
    return found if isinstance(found, str) else ""
