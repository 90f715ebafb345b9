"""States as the text that a trainer may tokenize by itself, proven to give the template's own tokens.

Trainers take a prompt as text and put it through the tokenizer again, and two things go wrong in silence: a tokenizer
that adds a beginning-of-sequence token puts a second one before a text that has it already, and a tool that a trainer
cannot hand to the template never appears. So a state is rendered here, tools and all, and the text is accepted only if

    tokenizer(text).input_ids == tokenizer.apply_chat_template(messages, tools, tokenize=True)

for the text as it is, or without a beginning-of-sequence token at its start. Anything else is refused: training on
other tokens than were sampled from when the turns were profiled would go unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from reasonry.core.messages import Message, to_openai
from reasonry.errors import ConfigError, DataError
from reasonry.training.pivotrl.states import Presented, ends_in_reasoning, template_errors

_TAIL_TOK = 32  # "<think>" and a line's end are as many characters at most, and so as many tokens


class Rendered(NamedTuple):
    """A prompt.

    Attributes:
        text: What a trainer tokenizes, adding its special tokens.
        ids: What it gets then: the tokens of the chat template.
    """

    text: str
    ids: tuple[int, ...]


def render(tokenizer: Any, presented: Presented, *, place: str = "") -> Rendered:
    """The prompt of a state, as text that tokenizes to what the chat template gives.

    Args:
        tokenizer: Of the model.
        presented: From `states.present`.
        place: What errors name.

    Raises:
        DataError: The template refuses the conversation.
        ConfigError: A tool on offer is not in the prompt, or no text tokenizes to the template's tokens.
    """
    text = prompt_text(tokenizer, presented, place=place)
    for name in _names(presented):
        if not any(written in text for written in (name, json.dumps(name)[1:-1])):
            raise ConfigError(
                f"the chat template does not show the tool {name!r}",
                place=place,
                remedy="Use tool_format hermes, which describes the tools in the system message.",
            )
    wanted = prompt_ids(tokenizer, presented, place=place)
    for variant in _variants(tokenizer, text):
        if tuple(tokenizer(variant)["input_ids"]) == wanted:
            return Rendered(variant, wanted)
    raise ConfigError(
        "the tokens of the rendered text are not those of the chat template: tokenizer and template disagree about "
        "what a text begins with",
        place=place or "chat template",
        remedy="Use engine minimal, which trains on tokens and not on text; or mend the tokenizer's template.",
    )


def prompt_text(tokenizer: Any, presented: Presented, *, place: str = "") -> str:
    """The prompt as the chat template writes it; of a base model without one, the turns as paragraphs.

    Raises:
        DataError: The template refuses the conversation.
    """
    if not getattr(tokenizer, "chat_template", None):
        return "\n\n".join(m.content for m in presented.messages) + "\n"
    try:
        return str(_templated(tokenizer, presented, tokenize=False))
    except template_errors() as e:
        raise DataError(
            f"the chat template refuses the conversation: {e}",
            place=place,
            remedy="Leave the turn out, or use a model whose template takes such conversations.",
        ) from e


def prompt_ids(tokenizer: Any, presented: Presented, *, place: str = "") -> tuple[int, ...]:
    """The tokens of a state, as a local sampler makes them.

    Raises:
        DataError: The template refuses the conversation.
    """
    text = prompt_text(tokenizer, presented, place=place)  # says what the template refuses
    if not getattr(tokenizer, "chat_template", None):
        return tuple(tokenizer(text)["input_ids"])
    return tuple(_templated(tokenizer, presented, tokenize=True)["input_ids"])


def opens_reasoning(tokenizer: Any, ids: Sequence[int]) -> bool:
    """Whether a prompt ends by opening the model's reasoning; told by its last tokens."""
    return ends_in_reasoning(str(tokenizer.decode(list(ids[-_TAIL_TOK:]))))


def _templated(tokenizer: Any, presented: Presented, *, tokenize: bool) -> Any:
    offered: dict[str, Any] = {"tools": list(presented.tools)} if presented.tools else {}
    turns = [_turn(m) for m in presented.messages]
    return tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=tokenize, **offered)


def _turn(message: Message) -> dict[str, Any]:
    return to_openai(message, parsed=True)  # templates write arguments down as JSON by themselves


def _variants(tokenizer: Any, text: str) -> Iterator[str]:
    yield text
    start = getattr(tokenizer, "bos_token", None)
    if start and text.startswith(start):
        yield text[len(start) :]


def _names(presented: Presented) -> Iterator[str]:
    for tool in presented.tools:
        nested = tool.get("function")
        body = nested if isinstance(nested, dict) else tool
        name = body.get("name")
        if isinstance(name, str):
            yield name
