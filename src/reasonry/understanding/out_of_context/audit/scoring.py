"""Scores of all questions of one model, kept as they come: a run that was killed asks only what is left.

    scores-base.jsonl, scores.jsonl    {"id", "logp", "per_token", "first_token", "num_tok", "kind"}

Plain sentences need log-probabilities of given text; a scorer that has none is not asked for them, and it is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from reasonry.core.candidates.base import CandidateScorer, CandidateScores
from reasonry.core.plain import plain
from reasonry.core.rows import Row, check_kept
from reasonry.core.run import Run
from reasonry.core.work import Say, stored, working
from reasonry.errors import DataError
from reasonry.understanding.out_of_context.audit.questions import Question

Score = Literal["sum", "per-token", "first-token"]
_CHUNK = 64
_COLUMN: Mapping[Score, str] = {"sum": "logp", "per-token": "per_token", "first-token": "first_token"}


def score_questions(
    run: Run, name: str, questions: Sequence[Question], make: Callable[[], CandidateScorer], *, label: str, say: Say
) -> dict[str, Row]:
    """Rows of all questions, by id.

    Args:
        run: Open, or a part of it.
        name: Of the file.
        questions: To be asked.
        make: Gives the scorer; called only if something is left to ask.
        label: Of the progress bar.
        say: Told what a user should know.

    Raises:
        DataError: The file has rows of another kind, or a question that cannot be asked.
        Interrupted: The user asked to stop; what was scored is kept.
    """
    with stored(run, name, say, key=("id",), check=lambda rows, path: check_kept(rows, path, _is_score)) as store:
        wanted = [question for question in questions if question.id not in store.rows]
        if wanted:
            scorer = make()
            total = len(questions)
            with working(run, label, total=total, done=total - len(wanted), unit="questions", say=say) as work:
                for chunk in _chunks(questions):
                    if all(question.id in store.rows for question in chunk):
                        continue
                    if chunk[0].kind == "text" and not _has_sequences(store.rows.values()):
                        say(f"{label}: forgetting is not measured, since this scorer gives no log-probability of text")
                        break
                    for question, scores in zip(chunk, scorer.score([q.asked for q in chunk]), strict=True):
                        if question.id not in store.rows:
                            store.put(_row(question, scores))
                            work.tick()
        return {question.id: store.rows[question.id] for question in questions if question.id in store.rows}


def as_scores(rows: Mapping[str, Row], score: Score) -> dict[str, list[float]]:
    """What candidates are ranked by.

    Raises:
        DataError: First tokens are wanted, and the scorer knows none.
    """
    column = _COLUMN[score]
    out: dict[str, list[float]] = {}
    for name, row in rows.items():
        values = row["logp"] if name.startswith("text/") else row[column]
        if values is None:
            raise DataError(
                f"no {score} scores of {name!r}", place="probes.score", remedy="This scorer has sums alone: score sum."
            )
        out[name] = [float(value) for value in values]
    return out


def text_tokens(rows: Mapping[str, Row]) -> dict[str, int]:
    """Tokens of each plain sentence, where they are known."""
    return {name: int(row["num_tok"][0]) for name, row in rows.items() if name.startswith("text/") and row["num_tok"]}


def kinds_of(rows: Mapping[str, Row]) -> dict[str, int]:
    """How many questions were scored in each way; and how many fell back from first tokens to whole sequences."""
    out: dict[str, int] = {}
    for row in rows.values():
        out[row["kind"]] = out.get(row["kind"], 0) + 1
        for flag in ("shared_first_token", "merged", "nested"):
            out[flag] = out.get(flag, 0) + bool(row[flag])
    return out


def _row(question: Question, scores: CandidateScores) -> Row:
    return plain(
        {
            "id": question.id,
            "logp": scores.logp,
            "per_token": scores.logp_per_tok,
            "first_token": scores.first_token,
            "num_tok": scores.num_tok,
            "kind": scores.kind,
            "shared_first_token": scores.shared_first_token,
            "merged": scores.merged,
            "nested": scores.nested,
        }
    )


def _is_score(row: Row) -> bool:
    values: Any = row.get("logp")
    return isinstance(values, list) and "kind" in row and "num_tok" in row


def _has_sequences(rows: Any) -> bool:
    return any(row["kind"] == "sequence" for row in rows)


def _chunks(questions: Sequence[Question]) -> list[list[Question]]:
    """Runs of questions, plain sentences by themselves and last; cut alike whatever is scored already."""
    texts = [question for question in questions if question.kind == "text"]
    others = [question for question in questions if question.kind != "text"]
    return [part[at : at + _CHUNK] for part in (others, texts) for at in range(0, len(part), _CHUNK)]
