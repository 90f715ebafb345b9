"""Profiles with another verifier, from samples that are there: nothing is sampled again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from reasonry.core import jsonl
from reasonry.core.config import flatten, from_dict, read_toml
from reasonry.core.made_with import MadeWith
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.errors import ConfigError, DataError, RunMismatchError
from reasonry.training.pivotrl.candidate_file import CandidateFile
from reasonry.training.pivotrl.config import ProfileConfig
from reasonry.training.pivotrl.profile_plan import Cell
from reasonry.training.pivotrl.records import Action, Candidate, Verifier
from reasonry.training.pivotrl.rows import SAMPLES
from reasonry.training.pivotrl.sample_rows import Key, action_of, check_samples, rejudged_row
from reasonry.training.pivotrl.verifying import verdicts

_OWN = ("folder", "run", "samples", "cache", "max_truncated", "batch_size")
"""Settings of the new profile; those of its verifier are, too."""


def adopted(config: ProfileConfig, source: ProfileConfig) -> ProfileConfig:
    """The settings of the samples, with the verifier of ``config``.

    Raises:
        RunMismatchError: ``config`` asks for something else than the samples are: another model, more of them.
    """
    usual = {key: value for key, value, _ in flatten(ProfileConfig())}
    have = {key: value for key, value, _ in flatten(source)}
    for key, value, _ in flatten(config):
        if key.split(".")[0] in (*_OWN, "verifier") or value in (usual.get(key), have.get(key)):
            continue
        if key in ("k", "num") and value <= have[key]:
            continue
        raise RunMismatchError(
            f"the samples have {key} = {have.get(key)!r}, not {value!r}",
            place=str(config.samples),
            remedy="Judging again changes the verifier alone; leave the other settings out.",
        )
    size = {key: have[key] if getattr(config, key) == usual[key] else getattr(config, key) for key in ("k", "num")}
    own = {key: getattr(config, key) for key in (*_OWN, "verifier")}
    return source.with_(**{key: v.model_dump() if key == "verifier" else v for key, v in own.items()}, **size)


class Rejudging:
    """The samples of a finished profile.

    Args:
        folder: Its run directory.

    Raises:
        ConfigError: It is none.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / SAMPLES).is_file() or not (folder / "config.toml").is_file():
            raise ConfigError(
                "holds no samples of a profile", place=str(folder), remedy="Give the run directory of pivots profile."
            )
        self.folder = folder
        self.config = from_dict(ProfileConfig, read_toml(folder / "config.toml"), place=str(folder / "config.toml"))
        self.made = MadeWith(folder)

    def check(self, file: CandidateFile) -> None:
        """Refuse other candidates than those that were sampled.

        Raises:
            RunMismatchError: They are.
        """
        if (self.made.get("candidates") or {}).get("sha256") != file.sha256:
            raise RunMismatchError(
                "the samples are of another file of candidates",
                place=str(self.folder),
                remedy=f"It is not {file.path} as it is now; profile that one by itself.",
            )

    def rows(
        self, plan: Sequence[Sequence[Cell]], run: Run, made: MadeWith, open_run: Callable[[Run, str], None]
    ) -> Iterator[Row]:
        """The samples that a plan wants, in the order of their file. What they were made with is recorded.

        Raises:
            DataError: The profile is not finished, or a row of it is none.
        """
        for name in ("policy", "sampler", "tool_format"):
            made.check(name, self.made.get(name))
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        path = self.folder / SAMPLES
        found = list(jsonl.read(path))
        check_samples(found, path, {str(row.get("id")): self.config.k for row in found})
        wanted = {(head.id, i) for cells in plan for head, indices in cells for i in indices}
        if missing := len(wanted - {(row["id"], row["index"]) for row in found}):
            raise DataError(
                f"{missing} of {len(wanted)} samples are not there",
                place=str(path),
                remedy="Finish that profile first, with the command that began it.",
            )
        return (row for row in found if (row["id"], row["index"]) in wanted)

    def judged(
        self, rows: Iterator[Row], file: CandidateFile, verifier: Verifier, *, skip: Collection[Key], num_at_once: int
    ) -> Iterator[Row]:
        """The rows with new verdicts."""
        heads = {head.id: head for head in file.heads}
        todo = [row for row in rows if (row["id"], row["index"]) not in skip]
        yield from (row for row in todo if row["action"] is None)

        def read() -> Iterator[tuple[Row, Candidate, Action]]:
            candidate: Candidate | None = None
            for row in todo:
                if row["action"] is None:
                    continue
                if candidate is None or candidate.id != row["id"]:
                    candidate = file.load(heads[row["id"]])
                place = f"{self.folder / SAMPLES}: sample {row['index']} of {row['id']!r}"
                yield row, candidate, action_of(row, place=place)

        for (row, *_), verdict in verdicts(read(), lambda s: verifier.verify(s[1], s[2]), num_at_once=num_at_once):
            yield rejudged_row(row, verdict)
