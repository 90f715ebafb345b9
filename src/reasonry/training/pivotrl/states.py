"""How a state is put before a model: its messages and tools, as a chat template or an endpoint takes them.

    template  messages and tools as they are; the model's chat template, or the server, writes them down
    hermes    everything about tools as text, for templates that know none: the tools are described in the system
              message, calls of the history stand behind the content as ``<tool_call>`` JSON, and results are messages
              of the user within ``<tool_response>``, consecutive ones joined

The second is the public convention of Hermes and Qwen models in other words; `actions.read_action` reads back the
calls that it writes. Reasoning of the history is handed on untouched in both: whether it is shown is the chat
template's decision, and those that hide it before a newer question recognise a ``<tool_response>`` as no question.
"""

# pyright: strict
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from reasonry.core.messages import Json, Message, ToolCall, to_openai
from reasonry.errors import ConfigError
from reasonry.training.pivotrl.actions import action_text
from reasonry.training.pivotrl.records import Action, Candidate, Invocation

Format = Literal["template", "hermes"]

_PROBE, _PROBE_VALUE = "probe_of_tools", "quinoa"
_INTRODUCTION = """\
# Tools

These functions may be called. Each line between <tools> and </tools> describes one of them as JSON:
<tools>
{tools}
</tools>

To call a function, write its name and arguments as one JSON object between <tool_call> and </tool_call>; write one \
such block for each call:
<tool_call>
{{"name": "name of the function", "arguments": {{"name of an argument": "its value"}}}}
</tool_call>
Results come back between <tool_response> and </tool_response>."""


class Presented(NamedTuple):
    """What a sampler or a template is given.

    Attributes:
        messages: The conversation up to the action.
        tools: JSON schemas handed over beside it; empty where the messages describe them.
    """

    messages: tuple[Message, ...]
    tools: tuple[Json, ...]


def present(candidate: Candidate, tool_format: Format) -> Presented:
    """A candidate's state for a model.

    Args:
        candidate: Its ``prompt`` and ``tools`` are used, nothing else.
        tool_format: From `choose_tool_format`.
    """
    if tool_format == "template":
        return Presented(candidate.prompt, candidate.tools)
    return Presented(_hermes(candidate.prompt, candidate.tools), ())


def choose_tool_format(config_value: Literal["auto", "template", "hermes"], tokenizer: Any | None) -> Format:
    """How tools get to a model.

    Args:
        config_value: ``auto`` is ``template`` where that shows tools and calls, else ``hermes``.
        tokenizer: Of the model; None for an endpoint, whose server has the template.

    Raises:
        ConfigError: ``template`` is asked for, and the template does not show tools.
    """
    if config_value == "hermes":
        return "hermes"
    if tokenizer is None or template_renders_tools(tokenizer):
        return "template"
    if config_value == "template":
        raise ConfigError(
            "the model's chat template shows no tools, or no calls of the history",
            place="tool_format",
            remedy="Use tool_format hermes (or auto), which describes the tools in the system message.",
        )
    return "hermes"


def template_renders_tools(tokenizer: Any) -> bool:
    """Whether a chat template writes down the tools on offer, and the calls of earlier turns with their results.

    Found out by writing a conversation and looking for its parts. A template that refuses it counts as one that does
    not.
    """
    if not getattr(tokenizer, "chat_template", None):
        return False
    tool: Json = {
        "type": "function",
        "function": {
            "name": _PROBE,
            "description": "Looks up one thing.",
            "parameters": {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]},
        },
    }
    asked = Message("user", "Look it up.")
    # Nine letters and digits: templates of Mistral models refuse other ids.
    called = Message("assistant", "", (ToolCall(_PROBE, {"what": _PROBE_VALUE}, "call00001"),))
    answered = Message("tool", "seed of a goosefoot", tool_call_id="call00001", name=_PROBE)
    try:
        offered = _written(tokenizer, (asked,), (tool,))
        history = _written(tokenizer, (asked, called, answered), ())
    except template_errors():
        return False
    return _PROBE in offered and _PROBE_VALUE in history and answered.content in history


def template_errors() -> tuple[type[Exception], ...]:
    """What a chat template raises on a conversation that it cannot write down.

    Besides its own refusals these are Python's: a history that holds a call with broken arguments, as the model wrote
    them, is a TypeError to a template that goes through the arguments one by one.
    """
    from jinja2.exceptions import TemplateError

    return TemplateError, TypeError, ValueError, KeyError, AttributeError


def ends_in_reasoning(prompt: str) -> bool:
    """Whether a prompt opens the model's reasoning for it, as some templates do; for `actions.read_action`."""
    return prompt.rstrip().endswith("<think>")


def _written(tokenizer: Any, messages: Sequence[Message], tools: Sequence[Json]) -> str:
    offered: dict[str, Any] = {"tools": list(tools)} if tools else {}
    turns = [to_openai(m, parsed=True) for m in messages]
    return str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, **offered))


# ---------------------------------------------------------------- tools as text


def _hermes(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    out: list[Message] = []
    results: list[str] = []
    for message in messages:
        if message.role == "tool":
            results.append(f"<tool_response>\n{message.content}\n</tool_response>")
            continue
        if results:
            out.append(Message("user", "\n".join(results)))
            results = []
        out.append(_with_calls_as_text(message) if message.tool_calls else message)
    if results:
        out.append(Message("user", "\n".join(results)))
    return _with_tools(out, tools) if tools else tuple(out)


def _with_tools(messages: list[Message], tools: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    text = _INTRODUCTION.format(tools=lines)
    if messages and messages[0].role in ("system", "developer"):
        first = messages[0]
        said = f"{first.content}\n\n{text}" if first.content.strip() else text
        return (Message(first.role, said, name=first.name, extra=first.extra), *messages[1:])
    return (Message("system", text), *messages)


def _with_calls_as_text(message: Message) -> Message:
    calls = "\n".join(_call_text(call) for call in message.tool_calls)
    said = f"{message.content}\n{calls}" if message.content.strip() else calls
    return Message(message.role, said, name=message.name, extra=message.extra)


def _call_text(call: ToolCall) -> str:
    if isinstance(call.arguments, str):  # a broken call stays as broken as the model saw it
        return f'<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n</tool_call>'
    return action_text(Action("calls", (Invocation(call.name, call.arguments),)))
