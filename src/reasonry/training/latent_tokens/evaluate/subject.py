"""A model that is asked: loaded, with the rules that its replies are written by, and rows of what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from reasonry.core import optional
from reasonry.core.models.config import Dtype, ModelConfig
from reasonry.core.models.context import context_tok
from reasonry.core.models.load import load_causal_lm
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.rows import Row
from reasonry.core.run import read_json
from reasonry.errors import DataError, ResourceError
from reasonry.training.latent_tokens.evaluate.config import EvalConfig
from reasonry.training.latent_tokens.evaluate.locate import Located
from reasonry.training.latent_tokens.evaluate.questions import Judge, Question, make_maker
from reasonry.training.latent_tokens.evaluate.setup import Setup
from reasonry.training.latent_tokens.fingerprint import check_fingerprint, tokenizer_fingerprint

if TYPE_CHECKING:
    from reasonry.core.models import LoadedModel
    from reasonry.training.latent_tokens.codes.saving import Codes
    from reasonry.training.latent_tokens.evaluate.generation import Reply, Rules

Ids = tuple[int, ...]


class Subject:
    """A model that is asked.

    Args:
        config: How.
        located: Which model.
        setup: What all models share.

    Attributes:
        loaded: The model and its tokenizer.
        maker: Makes its tokens.

    Raises:
        ReasonryError: As `load_causal_lm` and `PieceMaker`.
        ConfigError: Another tokenizer than the codes were learnt with, or codes that are not those of its vocabulary.
    """

    def __init__(self, config: EvalConfig, located: Located, setup: Setup) -> None:
        optional.need("torch", extra="hf", why="to evaluate a model")
        optional.need("transformers", extra="hf", why="to evaluate a model")
        from reasonry.training.latent_tokens.mixing.merged import check_tokenizer

        self._config, self.located, self.setup = config, located, setup
        with quiet_transformers():
            self.loaded: LoadedModel = load_causal_lm(located.name, _options(located, config.model_options))
        tokenizer = self.loaded.tokenizer
        if located.config is not None:
            check_tokenizer(located.config, tokenizer, place=located.name)
            if setup.tokenizer_fingerprint:
                check_fingerprint(tokenizer, setup.tokenizer_fingerprint, place=located.name)
        self.maker = make_maker(tokenizer, located.ids, marker=setup.marker, chat_template=setup.chat_template)
        self.context_tok = context_tok(self.loaded.model)
        loose: Any = tokenizer
        self._num_tokens = max(loose.get_vocab().values()) + 1
        self.rules = self._rules()

    @property
    def num_pauses(self) -> int:
        """That prompts end in."""
        config = self.located.config
        return config.num_pauses if config is not None and config.ids is not None else 0

    @property
    def is_stable(self) -> bool:
        """float32 on a CPU does not let rows of a batch disturb each other beyond rounding."""
        return self.loaded.identity["dtype"] == "float32" and self.loaded.identity["device"] == "cpu"

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its replies, questions aside."""
        config, rules = self.located.config, self.rules
        return {
            **self.loaded.identity,
            "method": self.located.label,
            "codes_hash": config.codes_hash if config is not None else "",
            "tokenizer": tokenizer_fingerprint(self.loaded.tokenizer),
            "max_new_tokens": rules.sampling.max_new_tokens,
            "max_codes": self.max_codes,
            "num_pauses": self.num_pauses,
        }

    @property
    def max_codes(self) -> int:
        """Most codes of a run."""
        config, per = self.located.config, self.setup.codes_per_chunk
        wanted = self._config.max_codes or (config.max_codes if config is not None else 0) or 16
        return max(1, wanted // per) * per

    def _rules(self) -> Rules:
        from reasonry.training.latent_tokens.evaluate.generation import Rules, end_ids_of
        from reasonry.training.latent_tokens.mixing.constraint import CodeConstraint

        config, located, method = self._config, self.located, self.located.method
        ids, constrain = located.ids, None
        end_ids = end_ids_of(self.loaded.model, self.loaded.tokenizer)
        pad_id = self.loaded.tokenizer.pad_token_id
        banned: Ids = (pad_id,) if isinstance(pad_id, int) and pad_id not in end_ids else ()
        if config.constraint and ids is not None:
            if located.writes_codes:
                constrain = CodeConstraint(
                    ids,
                    num_tokens=self._num_tokens,
                    max_codes=self.max_codes,
                    codes_per_chunk=self.setup.codes_per_chunk,
                    once=method is not None and method.goes != "some",
                )
            else:
                banned = (*banned, *ids.added)
        return Rules(
            sampling=config.sampling(self.setup.max_new_tokens),
            end_ids=end_ids,
            num_tokens=self._num_tokens,
            ids=ids,
            constrain=constrain,
            banned=banned,
            force=config.latent_prefix == "force" and located.writes_codes,
            seed=self.setup.seed,
            batch_size=config.batch_size,
        )

    # ------------------------------------------------------------ prompts and rows

    def prompt(self, question: Ids) -> Ids:
        """What it reads: the question, and pauses behind it where it was trained with them."""
        ids = self.located.ids
        if not self.num_pauses or ids is None or ids.pause is None:
            return question
        return (*question, *(ids.pause,) * self.num_pauses)

    def check_room(self, prompt: Ids) -> None:
        """Refuse a prompt that leaves no room.

        Raises:
            DataError: It is as long as the context, or longer.
        """
        if self.context_tok and len(prompt) + len(self.rules.prefix) >= self.context_tok:
            raise DataError(
                f"the prompt has {len(prompt)} tokens, the model's context holds {self.context_tok}",
                place="prompt",
                remedy="Shorten it, or use a model with a longer context.",
            )

    def replies(self, wanted: Sequence[tuple[Question, Sequence[int]]]) -> Iterator[list[Reply]]:
        """Replies to questions, wave by wave.

        Args:
            wanted: Questions, and which samples.
        """
        from reasonry.training.latent_tokens.evaluate.generation import Asked, replies

        asked = [Asked(question.id, self.prompt(question.prompt_ids), indices) for question, indices in wanted]
        yield from replies(self.loaded.model, self.rules, asked)

    def rows(
        self, replies: Sequence[Reply], questions: Mapping[str, Question], judge: Judge, codes: Codes | None
    ) -> list[Row]:
        """Rows of ``answers.jsonl``.

        Args:
            replies: Of one wave.
            questions: By id.
            judge: Grades them.
            codes: Reads codes back; None: they are not.
        """
        from reasonry.training.latent_tokens.evaluate.reading_back import read_back
        from reasonry.training.latent_tokens.mixing.counting import split

        setup, ids = self.setup, self.located.ids
        parts = [split(reply.ids, ids) for reply in replies]
        runs = [
            (run.ids, questions[reply.id].prompt_ids)
            for reply, part in zip(replies, parts, strict=True)
            for run in part.runs
            if run.kind == "latent"
        ]
        texts = iter(read_back(codes, runs) if codes is not None and runs else [None] * len(runs))
        rows: list[Row] = []
        for reply, part in zip(replies, parts, strict=True):
            question = questions[reply.id]
            graded = judge.grade(self.maker.decode(reply.ids), question, cut_off=reply.is_cut_off)
            rows.append(
                {
                    "method": self.located.label,
                    "id": reply.id,
                    "index": reply.sample,
                    "grade": graded.outcome.grade,
                    "answer": graded.outcome.answer,
                    "reason": graded.outcome.reason,
                    "is_optimal": graded.is_optimal,
                    "is_cut_off": reply.is_cut_off,
                    "num_tok": part.num_tok,
                    "num_text": part.num_text + part.num_pauses,
                    "num_codes": part.num_codes,
                    "num_markers": part.num_markers,
                    "num_stray": part.num_stray,
                    "equivalent_tok": part.num_text + part.num_codes / setup.codes_per_chunk * setup.chunk_tok,
                    "parts": [
                        {"codes": list(run.ids), "meaning": next(texts)}
                        if run.kind == "latent"
                        else {"text": self.maker.decode(run.ids)}
                        for run in part.runs
                    ],
                    "ids": list(reply.ids),
                    "seconds": reply.seconds,
                }
            )
        return rows


def _options(located: Located, options: ModelConfig) -> ModelConfig:
    """The number format that a trained model was saved in, unless another is named."""
    if located.config is not None and options.dtype == "auto":
        try:
            saved = read_json(Path(located.name) / "config.json")
        except DataError as e:
            raise ResourceError(e.problem, place=located.name) from e
        dtype = saved.get("dtype") or saved.get("torch_dtype")
        if dtype in get_args(Dtype):
            return options.with_(dtype=dtype)
    return options
