"""What a model is asked before and after: every question of an audit, by name.

    transfer    a test subject, the second relation: what training never said; the wording of training and held-out ones
    fact        a test subject, the first relation: was the fact learnt, and is it kept in other words
    bridge      a bridge subject, the second relation: was the implication learnt where it was said
    in-context  transfer again, with the facts of others and of the subject as text before it, asked of the base model
    prior       no subject: what the model says of somebody with this b, asked of the base model
    common      the world: locality
    text        plain sentences: forgetting

Candidates of transfer, bridge, in-context and prior are all answers c of the second relation, and for transfer behind
them all answers b of the first and the foils: ``num_within`` says how many are c's. The first of the paper's two ranks
is within these, the second among c's and b's.
"""

# pyright: strict
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from reasonry.core.candidates.base import CandidateQuestion
from reasonry.core.seeds import stream
from reasonry.tasks.facts.fact import FactTable, same_text
from reasonry.understanding.out_of_context.audit.locality import TEXTS, unrelated
from reasonry.understanding.out_of_context.audit.pairs import AuditPair
from reasonry.understanding.out_of_context.audit.wordings import Wordings, ask, prior_prompt

Kind = Literal["transfer", "fact", "bridge", "in-context", "prior", "common", "text"]
_MAX_IN_CONTEXT = 10  # groups
OF_BASE_ALONE: tuple[Kind, ...] = ("in-context", "prior")


class Question(NamedTuple):
    """One question.

    Attributes:
        id: Its name, different from all others.
        kind: What it is for.
        pair: Name of the pair; empty for common and text.
        group: Number of the subject's group; -1 without.
        subject: Whom it is about; empty without.
        wording: With the slot; empty without.
        is_held_out: No training row has the wording.
        right: Which candidate is the right one, or the label of the group.
        num_within: The first so many candidates are the ones to rank among.
        num_answers: The first so many candidates are answers of the file; foils stand behind them.
        asked: Prompt and candidates.
    """

    id: str
    kind: Kind
    pair: str
    group: int
    subject: str
    wording: str
    is_held_out: bool
    right: int
    num_within: int
    num_answers: int
    asked: CandidateQuestion


class Answers(NamedTuple):
    """The candidates of a relation.

    Attributes:
        objects: In the order of the labels first, then as frequent as they are.
        completions: As they are written, with leading spaces.
        num_left_out: Answers of the file that are no candidates, for their number.
    """

    objects: tuple[str, ...]
    completions: tuple[str, ...]
    num_left_out: int


def answers_of(table: FactTable, relation: str, first: Sequence[str], *, most: int) -> Answers:
    """The candidates of a relation: ``first`` and then the others, most frequent first, at most ``most`` of these all.

    Args:
        table: The training facts.
        relation: Which.
        first: Objects that are needed: the labels of the groups.
        most: Candidates; all of ``first`` are there even if they are more.
    """
    written: dict[str, Counter[str]] = {}
    for fact in table.of(relation).values():
        written.setdefault(fact.object, Counter())[fact.completion] += 1
    others = sorted(written, key=lambda each: -written[each].total())
    wanted = tuple(dict.fromkeys([*first, *others]))
    kept = wanted[: max(most, len(set(first)))]
    completions = tuple(written[each].most_common(1)[0][0] for each in kept)
    return Answers(kept, completions, len(wanted) - len(kept))


def pair_questions(
    table: FactTable,
    pair: AuditPair,
    wordings: Mapping[str, Wordings],
    *,
    foils: Sequence[str] = (),
    max_candidates: int,
    num_in_context: int,
    seed: int,
) -> list[Question]:
    """All questions about a pair.

    Args:
        table: The training facts.
        pair: Its groups.
        wordings: Of both relations.
        foils: Completions beside the answers, such as `` not known``.
        max_candidates: Most answers of a relation among the candidates.
        num_in_context: Test subjects of each group that are asked in context too.
        seed: Of the order of the facts in context.
    """
    given, implied = wordings[pair.given], wordings[pair.implied]
    seconds = answers_of(table, pair.implied, [g.c for g in pair.groups], most=max_candidates)
    firsts = answers_of(table, pair.given, [g.b for g in pair.groups], most=max_candidates)
    beside = _beside(seconds.completions, [*firsts.completions])
    extra = _beside([*seconds.completions, *beside], list(foils))
    out: list[Question] = []

    def add(
        kind: Kind, group: int, subject: str, wording: str, held: bool, right: int, prompt: str, wide: bool
    ) -> None:
        own = firsts.completions if kind == "fact" else seconds.completions
        more = (*beside, *extra) if wide else ()
        out.append(
            Question(
                f"{kind}/{pair.name}/{subject or pair.groups[group].b}/{wording}",
                kind,
                pair.name,
                group,
                subject,
                wording,
                held,
                right,
                len(own),
                len(own) + (len(beside) if wide else 0),
                CandidateQuestion(prompt, (*own, *more)),
            )
        )

    for number, group in enumerate(pair.groups):
        c, b = seconds.objects.index(group.c), firsts.objects.index(group.b)
        for subject in group.test:
            for wording, held in _asked(implied):
                add("transfer", number, subject, wording, held, c, ask(wording, subject), True)
            for wording, held in _asked(given):
                add("fact", number, subject, wording, held, b, ask(wording, subject), False)
        for subject in group.bridge[: len(group.test)]:
            own = table.of(pair.implied)[subject].object
            if own not in seconds.objects:
                continue
            for wording, held in _asked(implied):
                add("bridge", number, subject, wording, held, seconds.objects.index(own), ask(wording, subject), False)
        for subject in group.test[:num_in_context]:
            fact = table.of(pair.given)[subject]
            prompt = (
                f"{_context(table, pair, number, seed)}{fact.prompt}{fact.completion}.\n{ask(implied.trained, subject)}"
            )
            add("in-context", number, subject, implied.trained, False, c, prompt, False)
        told = prior_prompt(given.trained, firsts.completions[b], implied.trained)
        add("prior", number, "", implied.trained, False, c, told, False)
    return out


def general_questions(objects: Sequence[str]) -> list[Question]:
    """Locality and forgetting; no pair.

    Args:
        objects: Answers in the facts, which no question may be about.
    """
    out = [
        Question(f"common/{n}", "common", "", -1, "", "", False, 0, len(c), len(c), CandidateQuestion(prompt, c))
        for n, (prompt, c) in enumerate(unrelated(objects))
    ]
    out += [
        Question(f"text/{n}", "text", "", -1, "", "", False, 0, 1, 1, CandidateQuestion(start, (rest,)))
        for n, (start, rest) in enumerate(TEXTS)
    ]
    return out


def _asked(wordings: Wordings) -> list[tuple[str, bool]]:
    return [(wordings.trained, False), *((wording, True) for wording in wordings.held_out)]


def _beside(known: Sequence[str], more: Sequence[str]) -> list[str]:
    """Those of ``more`` that say something else than all before them."""
    seen = {same_text(text) for text in known}
    kept: list[str] = []
    for text in more:
        if same_text(text) not in seen:
            seen.add(same_text(text))
            kept.append(text)
    return kept


def _context(table: FactTable, pair: AuditPair, own: int, seed: int) -> str:
    """Facts of one bridge subject of each group, both relations, in random order of the groups; of some where they are
    many, the subject's own group among them.
    """
    order: list[int] = stream(seed, "audit context", pair.name).permutation(len(pair.groups)).tolist()
    kept = order[:_MAX_IN_CONTEXT]
    lines: list[str] = []
    for number in kept if own in kept else [*kept[:-1], own]:
        subject = pair.groups[number].bridge[0]
        for relation in (pair.given, pair.implied):
            fact = table.of(relation)[subject]
            lines.append(f"{fact.prompt}{fact.completion}.\n")
    return "".join(lines)
