"""``reasonry pivots select``: candidates and their profile -> ``pivots.jsonl`` and ``selection.json``.

    pivots = { (s, a*) : var(s) > 0  and  mean(s) < lambda }

(PivotRL, arXiv 2603.21383, eq. 5. The paper does not publish lambda; .75 is RECONSTRUCTED, as are the methods mixed,
hard and entropy; random is a uniform draw from the profiled candidates, the paper's baseline.)

``pivots.jsonl`` holds lines of ``candidates.jsonl``, in their order, each with the numbers of its profile under
``profile``; ``selection.json`` tells what was kept and what not. Memory holds numbers only, and no state. Both files
depend on candidates, profile and config alone, and are written whole or not at all; where nothing is kept, what was
there stays.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.core import atomic
from reasonry.core.jsonl import JsonlWriter
from reasonry.core.lock import RunLock
from reasonry.errors import ConfigError, DataError, ResourceError
from reasonry.training.pivotrl.breakdown import by_label, by_turn
from reasonry.training.pivotrl.candidate_file import CandidateFile
from reasonry.training.pivotrl.choice import BAD_FIT, Choice, Worth, count_fates, fates, worth
from reasonry.training.pivotrl.config import SelectConfig
from reasonry.training.pivotrl.moments import Mask, Moments
from reasonry.training.pivotrl.profile_summary import DEEPEST
from reasonry.training.pivotrl.profile_table import Integers, ProfileTable, read_profile_table, rows_at
from reasonry.training.pivotrl.profiling import profile_folder
from reasonry.training.pivotrl.rows import PIVOTS, candidates_path
from reasonry.training.pivotrl.selection import Selection, kept_by_threshold, keys_of_ids, select
from reasonry.training.pivotrl.useful_groups import facts

SELECTION = "selection.json"
FORMAT = 1
Say = Callable[[str], None]


@dataclass(frozen=True)
class Chosen:
    """A finished selection.

    Attributes:
        config: As resolved.
        folder: Where the files are.
        pivots: The file of pivots; None where nothing was kept, and nothing was written.
        sha256: Its hash.
        choice: What was chosen.
        file: The candidates.
        profile: The profile that chose.
        fate_N: What became of each profile (`choice.FATES`).
        fresh: The second profile, which told what the pivots are worth; None without one.
    """

    config: SelectConfig
    folder: Path
    pivots: Path | None
    sha256: str
    choice: Choice
    file: CandidateFile
    profile: ProfileTable
    fate_N: NDArray[np.int8]
    fresh: ProfileTable | None = None

    @property
    def why_nothing(self) -> str:
        """Why no turn was kept; empty when some were."""
        return self.choice.counts.why_nothing()

    def to_json(self) -> dict[str, Any]:
        """For ``selection.json`` and ``--json``; the same whatever folder it stands in, but for a profile elsewhere."""
        return {
            "format": FORMAT,
            "candidates": {"sha256": self.file.sha256, "num": len(self.file.heads)},
            "pivots": {"sha256": self.sha256, "num": self.choice.counts.num_kept},
            "profile": _elsewhere(self.profile, self.folder),
            "fresh": _described(self.fresh, self.folder) if self.fresh else None,
            "settings": self.config.model_dump(mode="json", exclude={"folder", "out", "profile", "fresh"}),
            **self.choice.to_json(),
        }


def choose_pivots(config: SelectConfig, *, say: Say = lambda line: None) -> Chosen:
    """Choose pivots, and write them.

    Args:
        config: Which folder, and how to choose.
        say: Told what is doubtful.

    Returns:
        What was found; ``pivots`` is None, and no file is touched, where nothing is kept.

    Raises:
        ConfigError: A setting that lacks another, or a file that would be written over itself.
        DataError: Candidates, profile and fresh profile do not belong together, or a file is damaged.
        ResourceError: The folder is in use, or the disk is full.
    """
    source = candidates_path(config.folder.expanduser())
    folder = (config.out or source.parent).expanduser()
    target = folder / PIVOTS
    if target.resolve() == source.resolve():
        raise ConfigError(
            "the pivots would be written over the candidates",
            place=str(target),
            remedy="Name another folder with --out.",
        )
    if config.method == "random" and not config.num:
        raise ConfigError("random draws no number of turns", place="num", remedy="Say how many with --num.")
    file = CandidateFile(source)
    given = config.profile.expanduser() if config.profile else profile_folder(source)
    profile = read_profile_table(given, file, with_entropy=config.method == "entropy")
    chosen = _selected(config, file, profile)
    fresh = _read_fresh(config.fresh.expanduser(), file, profile, target) if config.fresh else None
    value = _worth(config, profile, chosen.mask_N, fresh)
    fate_N = fates(profile.moments, chosen.mask_N, threshold=config.threshold)
    heads = [file.heads[i] for i in profile.candidate_N.tolist()]
    depths = np.array([head.turn_index for head in heads], dtype=np.int64)
    choice = Choice(
        num_candidates=len(file.heads),
        num_without_profile=len(file.heads) - len(heads),
        k=profile.k,
        counts=chosen.counts,
        fates=count_fates(fate_N),
        by_threshold=kept_by_threshold(profile.moments),
        worth=value,
        facts=facts(num_samples=profile.k, threshold=config.threshold, group_size=config.group_size),
        by_turn=by_turn(profile.moments, chosen.mask_N, depths, deepest=DEEPEST),
        by_tool=by_label(profile.moments, chosen.mask_N, (head.tool for head in heads)),
        policy=profile.policy,
        verifier=profile.verifier,
        sampling=profile.sampling,
        notes=tuple(_notes(config, file, profile, chosen, value)),
    )
    for note in choice.notes:
        say(f"note: {note}")
    found = Chosen(config, folder, None, "", choice, file, profile, fate_N, fresh)
    return found if found.why_nothing else _written(found, chosen.mask_N, target)


def _selected(config: SelectConfig, file: CandidateFile, profile: ProfileTable) -> Selection:
    keys = None
    if config.num:  # by id, so that a draw does not depend on the order of the file
        keys = keys_of_ids((file.heads[i].id for i in profile.candidate_N.tolist()), seed=config.seed)
    return select(
        profile.moments,
        method=config.method,
        threshold=config.threshold,
        num=config.num or None,
        drop=config.drop,
        seed=config.seed,
        entropy_N=profile.entropy_N,
        key_N=keys,
    )


# ---------------------------------------------------------------- a fresh profile


def _read_fresh(given: Path, file: CandidateFile, profile: ProfileTable, target: Path) -> ProfileTable:
    """The second profile: of the same policy and verifier, drawn in the same way, from another seed."""
    pivots = hashlib.sha256(target.read_bytes()).hexdigest() if target.is_file() else ""
    fresh = read_profile_table(given, file, also_of=[pivots] if pivots else [])
    for what in ("policy", "verifier", "sampling"):
        was, now = getattr(profile, what), getattr(fresh, what)
        if was != now:
            raise DataError(
                f"the fresh profile is of {what} {now!r}, the one that selects of {was!r}",
                place=str(fresh.path),
                remedy="Profile the same model with the same settings and verifier, and another --seed.",
            )
    if shared := set(fresh.seeds) & set(profile.seeds):
        raise DataError(
            f"the fresh profile has the seed {min(shared)} of the one that selects: it holds the same samples",
            place=str(fresh.path),
            remedy="Profile again with another --seed (and --run).",
        )
    return fresh


def _worth(config: SelectConfig, profile: ProfileTable, mask_N: Mask, fresh: ProfileTable | None) -> Worth:
    kept = everything = None
    if fresh is not None:
        judged = fresh.moments.num_judged_N > 0
        is_pivot = np.isin(fresh.candidate_N, profile.candidate_N[mask_N])
        kept = _part(fresh.moments, np.flatnonzero(judged & is_pivot))
        if not len(kept.mean_N) and mask_N.any():
            raise DataError(
                "the fresh profile is of none of the pivots",
                place=str(fresh.path),
                remedy="Profile the candidates, or the pivots, again with another --seed.",
            )
        if np.isin(profile.candidate_N, fresh.candidate_N).all():
            everything = _part(fresh.moments, np.flatnonzero(judged & np.isin(fresh.candidate_N, profile.candidate_N)))
    return worth(
        profile.moments,
        mask_N,
        group_size=config.group_size,
        threshold=config.threshold,
        seed=config.seed,
        fresh_kept=kept,
        fresh_all=everything,
    )


def _part(moments: Moments, which: Integers) -> Moments:
    mean, var, judged, sampled = moments
    return Moments(mean[which], var[which], judged[which], sampled[which])


def _notes(
    config: SelectConfig, file: CandidateFile, profile: ProfileTable, chosen: Selection, value: Worth
) -> Iterator[str]:
    counts = chosen.counts
    if missing := len(file.heads) - counts.num_candidates:
        yield f"{missing:,} of {len(file.heads):,} candidates have no profile; they cannot be chosen"
    if not profile.sha256:
        yield "the profile does not say which file of candidates it is of; their ids alone were compared"
    if counts.num_missing:
        total = counts.num_rewards + counts.num_missing
        yield f"{counts.num_missing:,} of {total:,} samples have no verdict; they are in no mean"
    if counts.num_kept < config.num:
        yield f"{counts.num_kept:,} pivots, fewer than the {config.num:,} asked for: no more are eligible"
    if value.problem:
        yield f"the share of useful groups cannot be told: {value.problem}"
    for view in value.views:
        if view.method == "fresh" and view.scope == "kept" and view.num < counts.num_kept:
            yield f"the fresh profile covers {view.num:,} of {counts.num_kept:,} pivots with enough verdicts"
    if value.fit and (value.fit.is_at_edge or value.fit.total_variation > BAD_FIT):
        off = f"off by {value.fit.total_variation:.2f}"
        why = "all of them are alike, or never or always right" if value.fit.is_at_edge else off
        yield (
            f"the pass rates are not spread as a Beta distribution ({why}): "
            "the shrunk share is a guess; profile again with another --seed, and give it as --fresh"
        )


# ---------------------------------------------------------------- files


def _written(found: Chosen, mask_N: Mask, target: Path) -> Chosen:
    with RunLock(found.folder):
        for left in found.folder.glob(f"{atomic.TMP_PREFIX}{PIVOTS}-*"):  # by a command that was killed
            left.unlink(missing_ok=True)
        tmp = atomic.tmp_sibling(target)
        try:
            with JsonlWriter(tmp) as writer:
                writer.write_all(_rows(found, mask_N))
            with open(tmp, "rb") as f:
                sha256 = hashlib.file_digest(f, "sha256").hexdigest()
                os.fsync(f.fileno())
            os.replace(tmp, target)
            atomic.fsync_dir(found.folder)
        except OSError as e:
            raise ResourceError(f"cannot write: {e.strerror or e}", place=str(target), remedy="Free some space.") from e
        finally:
            tmp.unlink(missing_ok=True)
        done = Chosen(**{**found.__dict__, "pivots": target, "sha256": sha256})
        atomic.write_json(found.folder / SELECTION, done.to_json())
    return done


def _rows(found: Chosen, mask_N: Mask) -> Iterator[dict[str, Any]]:
    """Lines of the candidates as they stand, with the numbers of their profiles."""
    chosen = np.sort(found.profile.candidate_N[mask_N]).tolist()
    states = rows_at(found.file.path, [found.file.heads[i].at_byte for i in chosen])
    for i, state, numbers in zip(chosen, states, found.profile.rows(mask_N), strict=True):
        if not state.get("id") == numbers.pop("id", None) == found.file.heads[i].id:
            raise DataError("a file has changed", place=str(found.file.path), remedy="Run the same command again.")
        yield {**state, "profile": numbers}


def _elsewhere(profile: ProfileTable, folder: Path) -> str | None:
    """Where the profile is; None for where training looks for it anyhow, so that a folder can be moved."""
    there = profile.folder.resolve()
    return None if there == profile_folder(folder).resolve() else str(there)


def _described(profile: ProfileTable, folder: Path) -> dict[str, Any]:
    """A profile in a file that may be moved with its folder: where it is, seen from there, and what is in it."""
    where, root = profile.folder.resolve(), folder.resolve()
    with open(profile.path, "rb") as f:
        sha256 = hashlib.file_digest(f, "sha256").hexdigest()
    return {
        "folder": where.relative_to(root).as_posix() if where.is_relative_to(root) else str(where),
        "sha256": sha256,
        "num": len(profile.candidate_N),
        "k": profile.k,
        "seeds": list(profile.seeds),
    }
