"""``pivots extract``: files of trajectories -> ``candidates.jsonl`` and ``extraction.json``.

    files -> trajectories (read, filtered, each once) -> turns -> states (one candidate each) -> lines

Memory holds the candidates' trajectories, each message once, and no rendered prompt. A line holds a whole state, so the
file grows with the square of a trajectory's length: T turns of n bytes each are n T (T + 1) / 2. The result depends on
the content of the files and their paths, not on the order they are given in; a command that is killed leaves the files
as they were.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reasonry.core import atomic
from reasonry.core.jsonl import JsonlWriter
from reasonry.core.lock import RunLock
from reasonry.core.progress import Progress
from reasonry.errors import ConfigError, DataError, ResourceError
from reasonry.training.pivotrl.config import ExtractConfig
from reasonry.training.pivotrl.extract.formats import Sources, find_sources
from reasonry.training.pivotrl.extract.grouping import States, state_keys
from reasonry.training.pivotrl.extract.intake import Entry, Intake
from reasonry.training.pivotrl.extract.lengths import PromptMeter
from reasonry.training.pivotrl.extract.results import Extraction
from reasonry.training.pivotrl.extract.rules import Drop, candidates_of
from reasonry.training.pivotrl.extract.schemas import ToolTable, read_tools
from reasonry.training.pivotrl.records import Candidate
from reasonry.training.pivotrl.rows import CANDIDATES, candidate_to_row

EXTRACTION = "extraction.json"
LARGE_BYTES = 2 * 2**30
_NUM_EXAMPLES = 5


def extract_candidates(config: ExtractConfig, *, say: Callable[[str], None]) -> Extraction:
    """Cut trajectories into candidates and write them.

    Args:
        config: Which files, and which turns count.
        say: Takes warnings.

    Returns:
        What was found; ``num_candidates`` is 0 where nothing is left, and both files say so.

    Raises:
        ConfigError: ``max_prompt_tok`` without a model.
        DataError: A path is wrong, or no file can be read.
        ResourceError: The folder is in use, or the disk is full.
    """
    if config.max_prompt_tok and not config.model:
        raise ConfigError(
            "max_prompt_tok counts tokens of no model", place="max_prompt_tok", remedy="Name one with --model."
        )
    given = read_tools(config.tools.expanduser()) if config.tools else ()
    sources = find_sources(config.logs, format=config.format)
    meter = None
    if config.max_prompt_tok:
        meter = PromptMeter(config.model, config.model_options, max_tok=config.max_prompt_tok)
    tools = ToolTable(given=given, infer=config.infer_tools)
    if config.infer_tools:
        for entry in _intake(config, sources).entries():
            tools.observe(entry.log)
    work = _Work(config, tools)
    intake = _intake(config, sources)
    with Progress("read", total=0, unit="trajectories") as progress:
        for entry in intake.entries():
            work.cut(entry)
            progress.advance()
    if work.num_bytes > LARGE_BYTES:
        say(
            f"{CANDIDATES} will hold about {work.num_bytes / 2**30:.1f} GiB: every turn repeats its history. "
            "Fewer logs, --domain or --max-prompt-tok make it smaller."
        )
    folder = config.out.expanduser()
    with RunLock(folder):
        path = folder / CANDIDATES
        for left in folder.glob(f"{atomic.TMP_PREFIX}{CANDIDATES}-*"):  # by a command that was killed
            left.unlink(missing_ok=True)
        tmp = atomic.tmp_sibling(path)
        try:
            tally = _write(tmp, work.states.candidates(), work, meter)
            found = _extraction(config, path, tmp, work, tally, intake, sources, tools)
            os.replace(tmp, path)
            atomic.write_json(found.report, found.to_json())
        except OSError as e:
            raise ResourceError(f"cannot write: {e.strerror or e}", place=str(path), remedy="Free some space.") from e
        finally:
            tmp.unlink(missing_ok=True)
    return found


class _Work:
    """Turns as they become candidates or are dropped."""

    def __init__(self, config: ExtractConfig, tools: ToolTable) -> None:
        self.config, self.tools = config, tools
        self.states = States(merge=config.group)
        self.num_turns = self.num_without_turns = self.num_bytes = 0
        self.drops: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = defaultdict(list)

    def cut(self, entry: Entry) -> None:
        """Cut a trajectory into turns."""
        log, messages = entry.log, entry.log.trajectory.messages
        offered = self.tools.tools_of(log)
        turns = candidates_of(log, domain=self.config.domain, parallel=self.config.parallel, tools=offered)
        keys = state_keys(messages, offered)
        self.num_turns += len(turns)
        self.num_without_turns += not turns
        for turn in turns:
            if isinstance(turn, Drop):
                self.drop(turn.reason, turn.place, turn.turn)
                continue
            num_before = len(self.states)
            self.states.add(turn, key=keys[turn.message_index], messages=messages)
            if len(self.states) > num_before:
                self.num_bytes += entry.prefix_bytes[turn.message_index]

    def drop(self, reason: str, place: str, turn: int, *, num: int = 1) -> None:
        """Count turns that are no candidates."""
        self.drops[reason] += num
        if len(self.examples[reason]) < _NUM_EXAMPLES:
            self.examples[reason].append(f"{place}, turn {turn}")


class _Tally:
    """What the candidates that were written are like."""

    def __init__(self) -> None:
        self.num = self.num_shared = self.num_ambiguous = self.num_without_schema = 0
        self.by_format, self.by_tool, self.by_turn = Counter[str](), Counter[str](), Counter[int]()

    def add(self, candidate: Candidate) -> None:
        """Count one."""
        self.num += 1
        self.num_shared += candidate.meta["num_trajectories"] > 1
        self.num_ambiguous += len(candidate.expected) > 1
        self.num_without_schema += not candidate.tools and any(action.calls for action in candidate.expected)
        self.by_format[candidate.meta["format"]] += 1
        self.by_turn[candidate.turn_index] += 1
        names = {call.name for action in candidate.expected for call in action.calls}
        self.by_tool.update(names | {"(text)" for action in candidate.expected if not action.calls})


def _intake(config: ExtractConfig, sources: Sources) -> Intake:
    return Intake(sources.files, outcome=config.outcome, max_log_bytes=config.max_log_bytes)


def _write(path: Path, candidates: Iterator[Candidate], work: _Work, meter: PromptMeter | None) -> _Tally:
    """Write the candidates that fit, and count them; those that do not are dropped."""
    tally = _Tally()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with JsonlWriter(path) as writer:
        for candidate in candidates:
            reason = meter.problem(candidate) if meter else ""
            if not reason:
                try:
                    writer.write(candidate_to_row(candidate))
                except DataError:  # longer, or nested more deeply, than a line may be
                    reason = "unwritable"
            if reason:
                about = candidate.meta
                work.drop(reason, about["source"], candidate.turn_index, num=about["num_trajectories"])
            else:
                tally.add(candidate)
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    return tally


def _extraction(
    config: ExtractConfig,
    path: Path,
    written: Path,
    work: _Work,
    tally: _Tally,
    intake: Intake,
    sources: Sources,
    tools: ToolTable,
) -> Extraction:
    with open(written, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    formats = {str(source.path): source.format for source in sources.files}
    return Extraction(
        path=path,
        report=path.with_name(EXTRACTION),
        num_candidates=tally.num,
        num_bytes=written.stat().st_size,
        sha256=sha256,
        num_turns=work.num_turns,
        drops=dict(sorted(work.drops.items(), key=lambda item: (-item[1], item[0]))),
        examples=dict(work.examples),
        files=[{"path": name, "format": formats[name], "num_read": num} for name, num in intake.by_file.items()],
        skipped=[str(p) for p in sources.skipped],
        num_read=intake.num_read,
        num_used=intake.num_used,
        num_without_turns=work.num_without_turns,
        num_duplicates=intake.num_duplicates,
        left_out=dict(intake.left_out),
        outcomes=dict(intake.outcomes),
        unread_reasons=dict(intake.unread_reasons),
        unread=intake.unread,
        num_shared=tally.num_shared,
        num_ambiguous=tally.num_ambiguous,
        num_without_schema=tally.num_without_schema,
        by_format=dict(tally.by_format),
        by_turn=[tally.by_turn[i] for i in range(max(tally.by_turn, default=-1) + 1)],
        by_tool=dict(sorted(tally.by_tool.items(), key=lambda item: (-item[1], item[0]))),
        inferred=tools.inferred,
        settings=_settings(config),
        notes=_notes(intake, tally, sources),
    )


def _settings(config: ExtractConfig) -> dict[str, Any]:
    settings = config.model_dump(mode="json", exclude={"out"})
    return {**settings, "logs": sorted(set(settings["logs"]))}


def _notes(intake: Intake, tally: _Tally, sources: Sources) -> list[str]:
    notes: list[str] = []
    if num := intake.splits["test"]:
        notes.append(f"{num} trajectories are of the split test: a model trained on them cannot be evaluated on it")
    if intake.num_nulls:
        notes.append(
            f"{intake.num_nulls:,} nulls in arguments of calls were left out ({intake.num_with_nulls:,} trajectories): "
            "a table gives all rows the same arguments, and a null that was written cannot be told from one filled in"
        )
    if tally.num_without_schema:
        notes.append(
            f"{tally.num_without_schema} candidates call tools in their text without a schema: their state must "
            "describe the tools, and arguments are not validated"
        )
    if sources.skipped:
        notes.append(f"{len(sources.skipped)} files of folders hold no trajectories of a known format")
    return notes
