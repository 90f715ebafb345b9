"""``reasonry pivots audit``: a verifier is tried on the demonstrations before it rewards anything.

Writes ``audit.json``; no model is sampled, unless the verifier asks a judge. Where there is a profile that this very
verifier judged, the categories of its zero rewards are broken down too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasonry.core import atomic
from reasonry.core.lock import RunLock
from reasonry.core.made_with import MADE_WITH
from reasonry.core.run import read_json
from reasonry.errors import DataError
from reasonry.training.pivotrl.audit import Audit, Problem, audit_verifier
from reasonry.training.pivotrl.candidate_file import CandidateFile
from reasonry.training.pivotrl.config import AuditConfig
from reasonry.training.pivotrl.policy_hash import identity_hash
from reasonry.training.pivotrl.profile_plan import drawn_order
from reasonry.training.pivotrl.profile_table import profile_file
from reasonry.training.pivotrl.profiling import profile_folder
from reasonry.training.pivotrl.records import Candidate, Profile, Verifier
from reasonry.training.pivotrl.rows import PROFILE, candidates_path, read_profiles
from reasonry.training.pivotrl.verifying import open_verifier

AUDIT = "audit.json"
FORMAT = 1
_MANY_JUDGED = 200
Say = Callable[[str], None]


@dataclass(frozen=True)
class Audited:
    """A finished audit.

    Attributes:
        config: As resolved.
        folder: Where ``audit.json`` is.
        audit: What was found.
        failed: Candidates whose demonstrations are not accepted, by id.
        num_candidates: Lines of the file; more than were tried where some were drawn.
        sha256: Of the file of candidates.
        notes: What a reader must know.
    """

    config: AuditConfig
    folder: Path
    audit: Audit
    failed: Mapping[str, Candidate]
    num_candidates: int
    sha256: str
    notes: tuple[str, ...]

    @property
    def problems(self) -> dict[Problem, str]:
        """Problems that were not allowed."""
        return {name: text for name, text in self.audit.problems.items() if name not in self.config.allow}

    def to_json(self) -> dict[str, Any]:
        """For ``audit.json`` and ``--json``."""
        return {
            "format": FORMAT,
            "candidates": {"sha256": self.sha256, "num": self.num_candidates},
            "settings": self.config.model_dump(mode="json", include={"num", "seed", "allow"}),
            "notes": list(self.notes),
            **self.audit.to_json(),
            "is_accepted": not self.problems,
        }


def audit_folder(config: AuditConfig, *, verifier: Verifier | None = None, say: Say = lambda line: None) -> Audited:
    """Try a verifier on a file of candidates, and write what was found.

    Args:
        config: Which candidates, which verifier, and what is allowed.
        verifier: Used instead of the one that the config names.
        say: Told what is doubtful.

    Raises:
        ConfigError: The verifier cannot be made.
        DataError: A file is damaged, or a profile was asked for that is of other candidates or another verifier.
        ResourceError: The folder is in use, or cannot be written.
    """
    path = candidates_path(config.folder.expanduser())
    file = CandidateFile(path)
    verifier = verifier or open_verifier(config.verifier, say=say)
    heads = file.heads
    if 0 < config.num < len(heads):
        drawn = {head.id for head in drawn_order(heads, config.seed)[: config.num]}
        heads = [head for head in heads if head.id in drawn]
    if config.verifier.judge and len(heads) > _MANY_JUDGED:
        say(f"note: the judge is asked several times about each of {len(heads):,} turns; --num draws fewer")
    candidates = [file.load(head) for head in heads]
    notes = [f"{len(heads):,} of {len(file.heads):,} turns were drawn"] if len(heads) < len(file.heads) else []
    profiles, why_not = _profiles(config, path, file, verifier)
    if why_not:
        notes.append(why_not)
    for note in notes:
        say(f"note: {note}")
    audit = audit_verifier(candidates, verifier, seed=config.seed, profiles=profiles)
    by_id = {candidate.id: candidate for candidate in candidates}
    folder = (config.run or path.parent / "audit").expanduser()
    found = Audited(
        config=config,
        folder=folder,
        audit=audit,
        failed={failure.candidate_id: by_id[failure.candidate_id] for failure in audit.failures},
        num_candidates=len(file.heads),
        sha256=file.sha256,
        notes=tuple(notes),
    )
    with RunLock(folder):
        atomic.write_json(folder / AUDIT, found.to_json())
    return found


def _profiles(config: AuditConfig, path: Path, file: CandidateFile, verifier: Verifier) -> tuple[list[Profile], str]:
    """The profiles whose zeros are broken down; or why there are none."""
    given = config.profile.expanduser() if config.profile else profile_folder(path)
    if config.profile is None and not (given / PROFILE).is_file():
        return [], ""
    source = profile_file(given)
    marker = source.parent / MADE_WITH
    made = read_json(marker) if marker.is_file() else {}
    of = (made.get("candidates") or {}).get("sha256", file.sha256)
    why = "" if of == file.sha256 else "is of another file of candidates"
    profiles: list[Profile] = []
    if not why:
        known = {head.id for head in file.heads}
        judge = identity_hash(verifier.identity)
        for profile in read_profiles(source):
            if profile.candidate_id not in known:
                why = f"holds {profile.candidate_id!r:.80}, which is not among the candidates"
            elif profile.verifier not in ("", judge):
                why = "was judged by another verifier"
            if why:
                break
            profiles.append(profile)
    if why and config.profile:
        raise DataError(
            f"the profile {why}",
            place=str(source),
            remedy="Give the one of these candidates and this verifier.",
        )
    return ([], f"the profile in {source.parent.name}/ {why}; its rewards are left out") if why else (profiles, "")
