"""A conversation with its reply as the tokens that a reward model reads.

With a chat template: the template over messages and reply, the reply as an assistant turn, nothing added. The template
is the authority on special tokens, so none are added on top of it (a second begin token shifts scores).

Without one, by the kind of tokenizer:
    with a separator token (BERT and kin)   the pair (prompt, reply), as such reward models are trained
    without                                 prompt, line break, reply
This fallback is a guess about how the model was trained; `ConversationEncoder.note` says so for the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core.messages import Message, to_openai
from reasonry.core.scoring.base import Item, prompt_text
from reasonry.errors import ConfigError, DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_UNLIMITED_TOK = 10**7  # tokenizers without a limit of their own give a number of 30 digits


class Row(NamedTuple):
    """Token ids of one item; ``type_ids`` (BERT's segments) where the tokenizer makes them, of the same length."""

    ids: list[int]
    type_ids: list[int] | None


class ConversationEncoder:
    """Turns items into tokens.

    Raises:
        ConfigError: The chat template leaves the reply out.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, name: str) -> None:
        self._tokenizer: Any = tokenizer  # several classes with one interface, which has no common type
        self._name = name
        self._has_template = bool(tokenizer.chat_template)
        pair_needs_more = self._tokenizer.num_special_tokens_to_add(pair=True) > (
            self._tokenizer.num_special_tokens_to_add(pair=False)
        )
        self._is_pair = self._tokenizer.sep_token_id is not None and pair_needs_more
        self._special = [t for t in set(self._tokenizer.all_special_tokens) if t.strip()]
        if self._has_template:
            ask = (Message("user", "Is 2 + 2 = 4?"),)
            if self.encode(Item(ask, "Yes.")).ids == self.encode(Item(ask, "No, 2 + 2 = 5.")).ids:
                raise ConfigError(
                    "the chat template leaves the reply out, so every reply would get the same score",
                    place=name,
                    remedy="Give the tokenizer the template that the reward model was trained with.",
                )

    @property
    def form(self) -> str:
        """template, pair or text: which of the three forms above is in use."""
        return "template" if self._has_template else "pair" if self._is_pair else "text"

    @property
    def note(self) -> str:
        """What a report should say about the form; empty with a chat template."""
        if self._has_template:
            return ""
        how = "as a pair of texts" if self._is_pair else "as plain text"
        return f"the tokenizer has no chat template: prompt and reply are given {how}"

    @property
    def limit_tok(self) -> int:
        """The tokenizer's own limit, tokens; 0 without one."""
        limit = int(self._tokenizer.model_max_length or 0)
        return limit if limit < _UNLIMITED_TOK else 0

    def encode(self, item: Item) -> Row:
        """Tokens of one item, whole whatever their number.

        Raises:
            DataError: The chat template refuses the conversation, or nothing is left of it.
        """
        if self._has_template:
            row = Row(self._templated([*item.messages, Message("assistant", item.reply)]), None)
        else:
            prompt = prompt_text(item.messages)
            # As a batch of one: given by itself, a pair with an empty reply is taken for a single text.
            texts = [(prompt, item.reply)] if self._is_pair else [f"{prompt}\n{item.reply}"]
            found: dict[str, Any] = self._tokenizer(texts, truncation=False, verbose=False)
            types = found.get("token_type_ids")
            row = Row(list(found["input_ids"][0]), None if types is None else list(types[0]))
        if not row.ids:
            raise DataError("prompt and reply are empty", place=self._name, remedy="Give it some text to score.")
        return row

    def _templated(self, messages: Sequence[Message]) -> list[int]:
        import jinja2

        try:
            return list(self._tokenizer.apply_chat_template([to_openai(m) for m in messages])["input_ids"])
        except (jinja2.TemplateError, TypeError, ValueError, KeyError) as e:
            roles = ", ".join(m.role for m in messages)
            raise DataError(
                f"the chat template refuses a conversation of {roles}: {' '.join(str(e).split())[:200]}",
                place=self._name,
                remedy="Some reward models know no system turns or tools: move their text into the first user turn.",
            ) from e

    def has_special(self, item: Item) -> bool:
        """A special token of the tokenizer stands written out in the item, where it acts as the token itself."""
        texts = [*(m.content for m in item.messages), item.reply]
        return any(token in text for text in texts for token in self._special)
