"""Transcripts: what the base model learned from, and what an expert demonstrates.

    corpus       desk: right at the decision with the competence of its cell, at the closing word with .85, before with
                 ``world.routine``; hotel: .98 everywhere; forms drawn from `FORM_PRIOR`, call by call
    demonstrator right, apart from ``world.noise`` at the decision and at the closing word; always in form 7, which the
                 corpus holds in 2 % of its calls: strict matching starves of reward, and imitation moves the style

A wrong action is another call of the same kind (a decision for a decision, a look-up for a look-up, with the customer's
own number) or another word. The closing word follows from the decision that was taken.

    <desk> <usr> INTENT d d d d <eot>   <ast> ACTION <obs> ANSWER <eot>   ...   <ast> ACTION

Shapes: B episodes, T turns, W tokens.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reasonry.tasks.desk import forms
from reasonry.tasks.desk.configs import Mask, World
from reasonry.tasks.desk.tokens import PAD, compact, digits, vocabulary
from reasonry.tasks.desk.world import (
    NUM_ARGUMENTS,
    WORDS,
    Cells,
    Domain,
    Episodes,
    Floats,
    Ints,
    answers,
    call_codes,
    competence,
    draw_episodes,
    right_tools,
    say_codes,
)

_CONTEXT = -1
_CLOSING = 0.85
_HOTEL = 0.98


class Transcripts(NamedTuple):
    """Whole episodes as tokens.

    Attributes:
        episodes: What was wanted.
        code_BT: The actions.
        form_BT: Their forms.
        tokens_BW: Everything, padded on the right.
        turn_BW: Turn whose action a token is part of, -1 for the context and for padding.
    """

    episodes: Episodes
    code_BT: Ints
    form_BT: Ints
    tokens_BW: Ints
    turn_BW: Ints

    def at(self, rows: Ints) -> Transcripts:
        """Some of them."""
        return Transcripts(self.episodes.at(rows), *(field[rows] for field in self[1:]))

    def prompts(self, turn: int) -> Ints:
        """The states of one turn, shape (B, W'), ``<ast>`` at their end, padded on the right."""
        start_B1 = np.asarray((self.turn_BW == turn).argmax(axis=1), dtype=np.int64)[:, None]
        column_W = np.arange(self.tokens_BW.shape[1], dtype=np.int64)
        is_before = np.less(column_W, start_B1)
        return np.where(is_before, self.tokens_BW, PAD)[:, : int(start_B1.max())]

    def actions(self, world: World, turn: int) -> Ints:
        """The actions of one turn as tokens, shape (B, 7)."""
        return forms.write(world.name, self.code_BT[:, turn], self.form_BT[:, turn])


def openings(world: World, episodes: Episodes) -> Ints:
    """What customers say, shape (B, 8)."""
    vocab = vocabulary(world.name)
    domain, user, end = vocab.encode([f"<{episodes.domain}>", "<usr>", "<eot>"])
    intents = np.array(vocab.encode(world.attributes[0].values))
    one = np.ones((episodes.num, 1), dtype=np.int64)
    intent = intents[episodes.cell_BA[:, :1]]
    return np.concatenate(
        [domain * one, user * one, intent, digits(episodes.uid_B), digits(episodes.oid_B), end * one], axis=1
    )


def observations(world: World, episodes: Episodes, code_B: Ints) -> Ints:
    """What the environment answers, shape (B, 3)."""
    vocab = vocabulary(world.name)
    observed, end = vocab.encode(["<obs>", "<eot>"])
    answer = vocab.encode(answers(world, episodes, code_B))
    return np.array([[observed, a, end] for a in answer], dtype=np.int64).reshape(episodes.num, 3)


def transcribe(world: World, episodes: Episodes, code_BT: Ints, form_BT: Ints) -> Transcripts:
    """Write episodes down, with the answers that their actions get."""
    mark = np.full((episodes.num, 1), vocabulary(world.name).token_of["<ast>"])
    parts = [openings(world, episodes)]
    turns = [np.full_like(parts[0], _CONTEXT)]
    for turn in range(world.num_turns):
        action = forms.write(world.name, code_BT[:, turn], form_BT[:, turn])
        pieces = [mark, action]
        if turn < world.num_turns - 1:
            pieces.append(observations(world, episodes, code_BT[:, turn]))
        parts += pieces
        turns += [np.full_like(p, turn if p is action else _CONTEXT) for p in pieces]
    tokens, turn_of = compact(np.concatenate(parts, axis=1), np.concatenate(turns, axis=1))
    return Transcripts(episodes, code_BT, form_BT, tokens, np.where(tokens == PAD, _CONTEXT, turn_of))


def act(world: World, episodes: Episodes, right_BT: Mask, rng: np.random.Generator) -> Ints:
    """Actions that are right where ``right_BT`` says so, shape (B, T)."""
    tool = right_tools(world, episodes)
    decisions = np.array(world.decisions)
    others = np.setdiff1d(np.arange(len(world.tools)), decisions)
    for turn in range(world.num_turns - 1):
        wrong = np.flatnonzero(~right_BT[:, turn])
        kind = decisions if turn == world.decision_turn else others
        place = np.asarray(np.searchsorted(kind, tool[wrong, turn]), dtype=np.int64)
        tool[wrong, turn] = kind[(place + rng.integers(1, len(kind), len(wrong))) % len(kind)]
    last = say_codes(world, episodes, tool[:, world.decision_turn])
    base = len(world.tools) * NUM_ARGUMENTS
    other = base + (last - base + rng.integers(1, len(WORDS), len(last))) % len(WORDS)
    last = np.where(right_BT[:, -1], last, other)
    return np.concatenate([call_codes(world, tool, episodes), last[:, None]], axis=1)


def corpus_accuracy(world: World, episodes: Episodes) -> Floats:
    """Probability of the right action in the corpus, shape (B, T)."""
    if episodes.domain == "hotel":
        return np.full((episodes.num, world.num_turns), _HOTEL)
    accuracy = np.full((episodes.num, world.num_turns), world.routine)
    accuracy[:, world.decision_turn] = competence(world.name)[tuple(episodes.cell_BA.T)]
    accuracy[:, -1] = _CLOSING
    return accuracy


def draw_corpus(rng: np.random.Generator, num: int, *, world: World, domain: Domain) -> Transcripts:
    """Transcripts of the base model's corpus."""
    episodes = draw_episodes(rng, num, world=world, domain=domain)
    right = rng.random((num, world.num_turns)) < corpus_accuracy(world, episodes)
    form = rng.choice(forms.NUM_FORMS, size=(num, world.num_turns), p=forms.FORM_PRIOR)
    return transcribe(world, episodes, act(world, episodes, right, rng), form)


def draw_demonstrations(
    rng: np.random.Generator, num: int, *, world: World, cells: Cells = "demonstrated"
) -> Transcripts:
    """Transcripts of the expert."""
    episodes = draw_episodes(rng, num, world=world, cells=cells)
    right = np.ones((num, world.num_turns), dtype=np.bool_)
    for turn in (world.decision_turn, world.num_turns - 1):
        right[:, turn] = rng.random(num) >= world.noise
    form = np.full((num, world.num_turns), forms.DEMONSTRATED_FORM)
    return transcribe(world, episodes, act(world, episodes, right, rng), form)
