"""A language model and questions in words."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from reasonry.core.rows import Row
from reasonry.core.work import Say
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs import read_texts as files
from reasonry.tasks.reasoning_text import TEXTS, ReasoningText
from reasonry.tasks.reasoning_tokens import Grader, PieceMaker
from reasonry.training.continuous_cot.evaluate.answering import Reader, answer, end_ids_of
from reasonry.training.continuous_cot.evaluate.config import DEFAULT_DATA, EvalConfig, Thoughts
from reasonry.training.continuous_cot.evaluate.locate import Located
from reasonry.training.continuous_cot.evaluate.looks import embedding_norm, look
from reasonry.training.continuous_cot.evaluate.subject import Facts, make_row
from reasonry.training.continuous_cot.evaluate.weights import load, weights_identity
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import REFERENCE, Method, find_method
from reasonry.training.continuous_cot.text_config import TextTrainConfig, WordsConfig
from reasonry.training.continuous_cot.text_examples import Held, held, make_maker, steps_group
from reasonry.training.continuous_cot.text_rows import Stages, num_slots
from reasonry.training.continuous_cot.text_source import read_texts

_MARKERS_TOK = 2


class Words:
    """How a model reads and writes: what a prompt alone needs.

    Args:
        config: What was asked for.
        located: The model and its training.

    Attributes:
        latent: The model.
        maker: Makes its tokens.
        method: What its slots hold; None for a model without slots.
        own_slots: Slots it was trained with.
        max_new_tokens: Most tokens of a reply.

    Raises:
        ReasonryError: As `load` and `PieceMaker`.
        ConfigError: Thoughts for a method without slots.
    """

    def __init__(self, config: EvalConfig, located: Located) -> None:
        trained = located.trained
        assert trained is None or isinstance(trained, TextTrainConfig)
        words = trained.words if trained is not None else WordsConfig()
        self.latent = load(located, config.model_options)
        chat_template = words.chat_template if config.chat_template is None else config.chat_template
        self.marker = config.marker or words.marker
        self.maker: PieceMaker = make_maker(self.latent, marker=self.marker, chat_template=chat_template)
        self.chat_template = chat_template
        self.max_new_tokens = config.max_new_tokens or words.max_new_tokens
        self._is_taught = bool(self.latent.num_thoughts) or trained is not None
        wants_slots = any(config.counts)
        self.notes: list[str] = []
        method = located.method
        if method is None and (self.latent.num_thoughts or wants_slots):
            method = find_method(REFERENCE)
        if wants_slots and not self._is_taught:
            self.notes.append("the model was never taught to think: its latent token is new")
        if method is not None and method.fill == "nothing":
            if wants_slots:
                raise ConfigError(
                    f"thoughts for a model of {method.name}: {method.about}",
                    place="num_thoughts",
                    remedy="Leave num_thoughts and sweep out.",
                )
            method = None
        if any(kind != "own" for kind in config.thoughts) and (method is None or method.fill != "thought"):
            raise ConfigError(
                "there are no thoughts to replace" + (f" in a model of {method.name}" if method else ""),
                place="thoughts",
                remedy="Ask for own ones only, or give a model with thoughts.",
            )
        self.method: Method | None = method
        self.own_slots = self.latent.num_thoughts if method is not None else 0

    @property
    def slot(self) -> Any:
        """What stands in slots."""
        return "token" if self.method is not None and self.method.fill == "token" else "thought"

    def has_slots(self, slots: int | None) -> bool:
        """Whether markers stand there; without thoughts only where the model has learnt to read them."""
        return self.method is not None and (self._is_taught or slots != 0)

    def name_of(self, token_id: int) -> str:
        """How a token is shown."""
        tokenizer: Any = self.latent.tokenizer
        return str(tokenizer.decode([token_id], skip_special_tokens=False))


class TextSubject:
    """A `Subject` in words.

    Args:
        config: What was asked for.
        located: The model and its training.
        say: Told of questions that are left out.

    Raises:
        ReasonryError: As `Words`, and as reading the data.
        ConfigError: More thoughts than fit into the model's context.
    """

    def __init__(self, config: EvalConfig, located: Located, say: Say) -> None:
        self._words = words = Words(config, located)
        trained = located.trained if isinstance(located.trained, TextTrainConfig) else None
        self._data = config.data or (trained.data if trained is not None else DEFAULT_DATA)
        self._seed = config.seed if config.seed is not None else trained.seed if trained is not None else 0
        self._stages = None
        if trained is not None and not trained.thoughts.pad_to_max and words.own_slots:
            per_step = trained.thoughts.per_step
            self._stages = Stages(per_step, words.own_slots // per_step, pad_to_max=False)
        notes: list[str] = list(words.notes)

        def tell(line: str) -> None:
            notes.append(line)
            say(line)

        texts, split = self._read(config, trained)
        grader = Grader(words.maker, texts)
        self._reader = Reader(words.maker, grader, end_ids_of(words.latent, words.maker), words.max_new_tokens)
        context = words.latent.backbone.context_tok
        fixed = (0 if words.method is None else _MARKERS_TOK) + words.max_new_tokens
        room = context - fixed - words.own_slots if context else None
        self._held: Held = held(
            texts, words.maker, grader, most_question_tok=room, name=self._data, split=split, say=tell
        )
        self._check_room(config, fixed, context)
        if len(self._held.pieces) < config.num:
            tell(f"{self._data} has {len(self._held.pieces)} questions of the {split} split, not {config.num}")
        self._identity = {
            **weights_identity(located.name, config.model_options, words.latent),
            "method": words.method.name if words.method is not None else "",
            "marker": words.marker,
            "chat_template": words.chat_template,
            "max_new_tokens": words.max_new_tokens,
            "data": self._data if self._data.partition(":")[0] in TEXTS else "file",
            "split": split,
            "verifier": grader.verifier.name,
        }
        self._facts = Facts(
            name=located.label,
            questions=f"{self._data}, {split} split",
            num=len(self._held.pieces),
            method=words.method.name if words.method is not None else "",
            own_slots=None if self._stages is not None else words.own_slots,
            context_tok=context,
            embedding_norm=embedding_norm(words.latent),
            has_candidates=False,
            notes=tuple(notes),
        )

    @property
    def facts(self) -> Facts:
        """What is known of it."""
        return self._facts

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its answers, questions aside."""
        return self._identity

    @property
    def latent(self) -> LatentCausalLM:
        """The model."""
        return self._words.latent

    @property
    def fingerprints(self) -> list[str]:
        """Of each question and its right answer."""
        pairs = zip(self._held.texts, self._held.oracles, strict=True)
        texts = [f"{text.question}\0{oracle}".encode("utf-8", "surrogatepass") for text, oracle in pairs]
        return [hashlib.blake2b(text, digest_size=6).hexdigest() for text in texts]

    def answers(self, part: slice, *, slots: int | None, thoughts: Thoughts) -> list[Row]:
        """Rows of a batch of questions."""
        words, pieces = self._words, self._held.pieces[part]
        counts = [self._slots(len(each.steps)) if slots is None else slots for each in pieces]
        made = answer(
            words.latent,
            self._reader,
            [each.question for each in pieces],
            self._held.oracles[part],
            counts=counts if words.has_slots(slots) else None,
            slot=words.slot,
            thoughts=thoughts,
            seed=self._seed,
        )
        looks = look(words.latent, made.thoughts_BKD, counts, name_of=words.name_of)
        return [
            make_row(
                thoughts=thoughts,
                slots=slots,
                index=index,
                name=self._held.ids[index],
                group=steps_group(len(self._held.pieces[index].steps)),
                question=self._held.texts[index].question,
                oracle=self._held.oracles[index],
                grade=one.outcome.grade,
                answer=one.shown,
                reply=one.reply,
                is_right_of_candidates=None,
                is_tie=False,
                is_cut_off=one.is_cut_off,
                num_tokens=one.num_tokens,
                num_slots=count if words.method is not None else 0,
                seconds=made.seconds / len(pieces),
                look=seen,
            )
            for index, (one, seen, count) in enumerate(zip(made.answers, looks, counts, strict=True), part.start)
        ]

    def _slots(self, num_steps: int) -> int:
        stages = self._stages
        if stages is None:
            return self._words.own_slots
        return num_slots(stages, stage=stages.max_stage, num_steps=num_steps)

    def _read(self, config: EvalConfig, trained: TextTrainConfig | None) -> tuple[list[ReasoningText], str]:
        """Questions, and what they are a split of."""
        is_named = self._data.partition(":")[0] in TEXTS
        is_own = trained is not None and self._data == trained.data
        split = config.split
        if split == "auto":
            split = "all" if Path(self._data).is_file() and not is_named and not is_own else "test"
        if split != "all":
            return read_texts(self._data, split, config.num, seed=self._seed), split
        if is_named or not Path(self._data).is_file():
            raise DataError(
                "all rows of what is no file",
                place=self._data,
                remedy="Leave --split out, or give the path of a JSON or JSONL file.",
            )
        return list(files.read_texts(self._data, limit=config.num).items), split

    def _check_room(self, config: EvalConfig, fixed: int, context: int) -> None:
        longest = max(len(each.question) for each in self._held.pieces)
        wanted, most = max(config.counts, default=0), context - fixed - longest
        if context and wanted > most:
            raise ConfigError(
                f"{wanted} thoughts behind a question of {longest} tokens and before an answer of up to "
                f"{self._words.max_new_tokens} do not fit the model's context of {context}",
                place="sweep" if config.sweep else "num_thoughts",
                remedy=f"Ask for at most {max(most, 0)}, or lower --max-new-tokens.",
            )
