"""One question, answered on the spot: ``reasonry eval continuous-cot MODEL --prompt TEXT``."""

from __future__ import annotations

from typing import Any, NamedTuple

from transformers import GenerationConfig

from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.config import GraphTrainConfig
from reasonry.training.continuous_cot.evaluate.answering import end_ids_of
from reasonry.training.continuous_cot.evaluate.config import EvalConfig
from reasonry.training.continuous_cot.evaluate.locate import locate
from reasonry.training.continuous_cot.evaluate.looks import Look, embedding_norm, look
from reasonry.training.continuous_cot.evaluate.text_subject import Words


class Reply(NamedTuple):
    """What a model makes of a question.

    Attributes:
        thoughts: What the slots held.
        num_slots: How many.
        text: What it wrote.
        answer: Behind the last marker; None without one.
        num_tokens: Written.
        is_cut_off: It ran into the limit.
        look: At the thoughts.
    """

    thoughts: str
    num_slots: int
    text: str
    answer: str | None
    num_tokens: int
    is_cut_off: bool
    look: Look


class Prompted(NamedTuple):
    """Replies to one question.

    Attributes:
        question: What was asked.
        replies: One for each kind of thoughts and number of them.
        embedding_norm: Mean length of token embeddings.
        notes: What a reader should know.
    """

    question: str
    replies: tuple[Reply, ...]
    embedding_norm: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        replies = [{**reply._asdict(), "look": reply.look._asdict()} for reply in self.replies]
        return {**self._asdict(), "replies": replies, "notes": list(self.notes)}


def answer_prompt(config: EvalConfig) -> Prompted:
    """Think and write once for every number of thoughts that is asked for.

    Raises:
        ConfigError: A model of symbolic graphs, or swapped thoughts with nothing to swap.
        ReasonryError: As `Words` and `LatentCausalLM.generate`.
    """
    located = locate(config.model, method=config.method)
    if isinstance(located.trained, GraphTrainConfig):
        raise ConfigError(
            "a question in words for a model of symbolic graphs",
            place="prompt",
            remedy="Leave --prompt out: it answers questions about graphs like those it was trained on.",
        )
    if "swapped" in config.thoughts:
        raise ConfigError("one question alone has no other's thoughts", place="thoughts", remedy="own or random.")
    words = Words(config, located)
    ids = words.maker.question(config.prompt)
    end_ids = end_ids_of(words.latent, words.maker)
    replies: list[Reply] = []
    for kind in config.thoughts:
        for count in config.counts or (words.own_slots,):
            if kind != "own" and not count:
                continue
            made = words.latent.generate(
                [ids],
                count,
                generation_config=GenerationConfig(do_sample=False),
                thoughts=kind,
                slot=words.slot,
                before=None if words.has_slots(count) else (),
                after=None if words.has_slots(count) else (),
                seed=config.seed or 0,
                max_new_tokens=words.max_new_tokens,
                eos_token_id=list(end_ids),
                pad_token_id=words.latent.tokens.pad_id,
            )
            text_ids = made.sequences[0]
            has_ended = bool(text_ids) and text_ids[-1] in end_ids
            text = words.maker.decode(text_ids[:-1] if has_ended else text_ids)
            seen = look(words.latent, made.thoughts_BKD, [count], name_of=words.name_of)[0]
            found = words.maker.answer_text(text, cut_off=not has_ended)
            replies.append(Reply(kind, count, text, found, len(text_ids) - has_ended, not has_ended, seen))
    return Prompted(config.prompt, tuple(replies), embedding_norm(words.latent), tuple(words.notes))
