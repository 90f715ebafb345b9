"""Verifiers as configs name them, with the table of tools and the judge that they ask, and verdicts of many samples."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from reasonry.core.models import find_causal_lm
from reasonry.core.sampling import Sampler, make_sampler
from reasonry.core.sampling.lazy import LazySampler
from reasonry.core.work import Say
from reasonry.errors import ConfigError, ReasonryError
from reasonry.training.pivotrl.config import VerifierConfig
from reasonry.training.pivotrl.records import Verdict, Verifier
from reasonry.training.pivotrl.verifiers import ToolClasses, make_verifier

Item = TypeVar("Item")


def open_verifier(
    config: VerifierConfig, *, say: Say = lambda line: None, cache: Path | None = None, judge: Sampler | None = None
) -> Verifier:
    """The verifier that a config names.

    A judge's model is loaded when the first verdict, or the verifier's identity, is asked for.

    Args:
        config: What decides a verdict.
        say: Told what is doubtful about the settings.
        cache: Folder of completions of the judge, kept between runs.
        judge: Used instead of the one that the config names.

    Raises:
        ConfigError: An unknown verifier, option, rule or model; a part that is missing or of no use to it; or a table
            of tools that cannot be read.
    """
    if config.name.split(":")[0] == "judge" and not config.judge and judge is None:
        raise ConfigError("the verifier 'judge' needs a model", place="verifier", remedy="Give --verifier.judge MODEL.")
    if config.name.split(":")[0] == "env-effect":
        raise ConfigError(
            "the verifier 'env-effect' needs functions, which no config can name",
            place="verifier.name",
            remedy="Make it with make_verifier(..., snapshot=..., replay=...) in Python, and hand it over.",
        )
    judge = judge or open_judge(config, cache=cache)
    verifier = make_verifier(
        config.name,
        judge=judge,
        classes=_read_classes(config.classes) if config.classes else None,
        rules=config.rules or None,
        unordered=config.unordered,
    )
    for warning in getattr(verifier, "warnings", ()):
        say(f"warning: verifier {verifier.name}: {warning}")
    return verifier


def open_judge(config: VerifierConfig, *, cache: Path | None = None) -> Sampler | None:
    """The sampler of the judge that a config names, made when it is first asked; None where it names none.

    Raises:
        ConfigError: There is no such model.
    """
    if not config.judge:
        return None
    if not config.judge_endpoint.base_url:
        find_causal_lm(config.judge, config.judge_options)  # a slip in the name is found before hours of sampling

    def make() -> Sampler:
        return make_sampler(
            config.judge,
            config.judge_sampling,
            endpoint=config.judge_endpoint,
            options=config.judge_options,
            cache=cache,
        )

    return LazySampler(make)


def num_verdicts_at_once(config: VerifierConfig) -> int:
    """How many verdicts are worth having in flight: as many as a judge behind an endpoint is asked for at once."""
    return config.judge_endpoint.concurrency if config.judge and config.judge_endpoint.base_url else 1


def _read_classes(path: Path) -> ToolClasses:
    if path.suffix != ".json":
        return ToolClasses.read(path)
    try:
        table = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise ConfigError(f"no table of tool classes: {e}", place=str(path)) from e
    if not isinstance(table, dict):
        raise ConfigError(
            "no table of tool classes", place=str(path), remedy='Write {"name of the class": ["name of a tool"]}.'
        )
    return ToolClasses.of(table)


def verdicts(
    items: Iterable[Item], verify: Callable[[Item], Verdict], *, num_at_once: int = 1
) -> Iterator[tuple[Item, Verdict]]:
    """Items with their verdicts, in order.

    Args:
        items: Such as samples as they arrive. Where they end by an error, what came before is judged first.
        verify: The verdict on an item.
        num_at_once: Verdicts in flight, for a judge behind an endpoint. As many items are taken ahead.

    Raises:
        ReasonryError: What the items, or the verifier's judge, raised.
    """
    if num_at_once == 1:
        for item in items:
            yield item, verify(item)
        return
    flying: deque[tuple[Item, Future[Verdict]]] = deque()
    source, failure, has_ended = iter(items), None, False
    pool = ThreadPoolExecutor(num_at_once)
    try:
        while True:
            while not has_ended and len(flying) < num_at_once:
                try:
                    item = next(source)
                except StopIteration:
                    has_ended = True
                except ReasonryError as e:
                    failure, has_ended = e, True
                else:
                    flying.append((item, pool.submit(verify, item)))
            if not flying:
                break
            item, future = flying.popleft()
            yield item, future.result()
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
