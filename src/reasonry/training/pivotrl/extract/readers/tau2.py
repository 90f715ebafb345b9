"""Results of tau2-bench: every simulation of a file is a trajectory of the agent.

{"info": {"environment_info": {"domain_name", "policy", "tool_defs"}}, "tasks": [...],
 "simulations": [{"id", "task_id", "trial", "messages": [...], "reward_info": {"reward"}, "termination_reason"}]}

messages        ``role``, ``content``, ``tool_calls`` of ``{"id", "name", "arguments", "requestor"}``; a result has the
                ``id`` of its call, a ``requestor`` and ``error``
dual control    the user has tools too. Calls with ``requestor`` ``user`` and their results are between the user and the
                world; the agent does not see them. They are left out, and counted in the metadata
greeting        with which the agent begins before anybody spoke is a constant: context
system          the policy of the simulation, or of the environment. What the agent writes around it is not in the file
tools           ``tool_defs`` where they were saved (rarely): name -> ``{"name", "doc", "params"}``. Else give --tools
directories     results.json beside ``simulations/ID.json``, one simulation each: these are read, with the environment
                of that results.json
voice           a spoken message is opaque. A full-duplex simulation keeps ticks instead of messages, and is not read
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from reasonry.core.messages import Json
from reasonry.training.pivotrl.extract.lines import peek, rows
from reasonry.training.pivotrl.extract.logs import Log, Unread
from reasonry.training.pivotrl.extract.readers.fields import (
    Broken,
    Chat,
    a_call,
    a_list,
    an_object,
    counted,
    maybe_object,
    named,
    nested_tool,
    objects,
    sibling,
    verdict,
)

FORMAT = "tau2"
_ABOUT = ("trial", "termination_reason", "mode")


def recognise(path: Path) -> bool:
    """Whether it holds simulations, or is one."""
    first = peek(path)
    return bool(first) and (isinstance(first[0].get("simulations"), list) or _is_simulation(first[0]))


def read(path: Path) -> Iterator[Log | Unread]:
    """Simulations of a file.

    Raises:
        DataError: It cannot be read.
    """
    for row in rows(path):
        if isinstance(row, Unread):
            yield row
        elif _is_simulation(row.value):
            world = _world(sibling(path.parent.parent / "results.json"))
            yield counted(_or_unread(row.value, world, row.place, path.stem), row)
        else:
            world = _world(row.value)
            simulations = row.value.get("simulations")
            if not isinstance(simulations, list):
                yield Unread(row.place, "no results", f"simulations is {type(simulations).__name__}, not a list")
                continue
            for i, simulation in enumerate(cast("list[Any]", simulations)):
                one = _or_unread(simulation, world, f"{row.place}: simulation {i}", f"{path.stem}/{i}")
                yield counted(one, row) if i == 0 else one  # the row lost them once


def _is_simulation(row: Json) -> bool:
    return "termination_reason" in row and "task_id" in row and ("messages" in row or "ticks" in row)


def _world(results: Json) -> Json:
    return maybe_object(maybe_object(results.get("info")).get("environment_info"))


def _or_unread(value: Any, world: Json, place: str, name: str) -> Log | Unread:
    try:
        return _simulation(an_object(value, "the simulation"), world, place, name)
    except Broken as e:
        return Unread(place, "no simulation", str(e))


def _simulation(value: Json, world: Json, place: str, name: str) -> Log:
    chat, num_users, has_begun = Chat(), 0, False
    if not value.get("messages") and value.get("ticks"):
        raise Broken("it has ticks and no messages: a full-duplex conversation has no turns")
    policy = value.get("policy") or world.get("policy")
    if isinstance(policy, str) and policy:
        chat.say("system", policy)
    caller: dict[str, int] = {}
    for i, message in enumerate(_flat(value.get("messages"))):
        role: Any = message.get("role")
        what = f"messages[{i}]"
        calls = list(objects(message.get("tool_calls"), f"{what}.tool_calls"))
        if (role == "tool" and message.get("requestor") == "user") or (role == "user" and calls):
            num_users += 1
            continue
        if role not in ("system", "user", "assistant", "tool"):
            raise Broken(f"{what}: unknown role {role!r:.80}")
        answers = ""
        if role == "assistant":
            made = tuple(
                a_call(call.get("name"), call.get("arguments"), call.get("id"), what=what)
                for call in calls
                if call.get("requestor") != "user"
            )
            at = chat.say(
                "assistant", message.get("content"), calls=made, context="" if has_begun or made else "greeting"
            )
            caller |= {call.id: at for call in made if call.id}
        else:
            answers = named(message.get("id")) if role == "tool" else ""
            at = chat.say(role, message.get("content"), answers=answers)
        has_begun = has_begun or role != "system"
        if message.get("is_audio") is True:
            chat.opaque.setdefault(at, "audio")
        if message.get("error") is True and answers in caller:
            chat.failed[caller[answers]] = "the result is marked as an error"
    about = {key: value[key] for key in _ABOUT if isinstance(value.get(key), str | int)}
    domain = {"domain": world["domain_name"]} if isinstance(world.get("domain_name"), str) else {}
    return chat.log(
        named(value.get("id")) or name,
        format=FORMAT,
        place=place,
        tools=_tools(world.get("tool_defs")),
        outcome=verdict(maybe_object(value.get("reward_info")).get("reward"), "reward"),
        metadata={
            **domain,
            **about,
            "task_id": named(value.get("task_id")),
            "num_messages_of_the_user_alone": num_users,
        },
    )


def _flat(messages: Any) -> Iterator[Json]:
    """Messages; results of calls made at once may stand in one."""
    for i, message in enumerate(objects(messages, "messages")):
        if message.get("role") == "tool" and message.get("tool_messages") is not None:
            yield from objects(message["tool_messages"], f"messages[{i}].tool_messages")
        else:
            yield message


def _tools(defined: Any) -> tuple[Json, ...]:
    if defined is None:
        return ()
    items = cast("Json", defined).values() if isinstance(defined, dict) else a_list(defined, "tool_defs")
    tools: list[Json] = []
    for tool in objects(list(items), "tool_defs"):
        if isinstance(tool.get("params"), dict) and isinstance(tool.get("name"), str):
            tools.append(
                nested_tool(
                    {"name": tool["name"], "description": str(tool.get("doc") or ""), "parameters": tool["params"]}
                )
            )
        else:
            tools.append(nested_tool(tool))
    return tuple(tools)
