"""Budget of self-correction: attempts, tokens, seconds or money, whichever is used up first."""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reasonry.errors import ConfigError


@dataclass(frozen=True)
class Budget:
    """Limits besides the number of attempts. None sets no limit.

    What is spent is looked at before a round of attempts: those in flight are finished, so that at most one round goes
    beyond a limit.

    Attributes:
        max_tok: Prompt and completion tokens.
        max_s: Seconds of sampling and verifying. They are kept in the rows, so that a continued run counts them; the
            point at which such a run stops does not repeat on another machine.
        max_cost: Money, in the currency of the prices.
        prompt_price_per_mtok: Price of a million prompt tokens.
        completion_price_per_mtok: Price of a million completion tokens.
        scope: Whether the limits hold for all problems together or for each.

    Raises:
        ConfigError: A limit that is not positive, a negative price, or a limit on money without a price.
    """

    max_tok: int | None = None
    max_s: float | None = None
    max_cost: float | None = None
    prompt_price_per_mtok: float = 0.0
    completion_price_per_mtok: float = 0.0
    scope: Literal["run", "problem"] = "run"

    def __post_init__(self) -> None:
        for name in ("max_tok", "max_s", "max_cost"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ConfigError(f"{name}={limit} buys nothing", place="budget", remedy="Leave it out for no limit.")
        prices = (self.prompt_price_per_mtok, self.completion_price_per_mtok)
        if any(not (math.isfinite(p) and p >= 0) for p in prices):
            raise ConfigError(f"prices {prices} are not amounts of money", place="budget")
        if self.max_cost is not None and not any(prices):
            raise ConfigError(
                f"max_cost={self.max_cost} without a price is never reached",
                place="budget",
                remedy="Give completion_price_per_mtok and prompt_price_per_mtok.",
            )
        if self.scope not in ("run", "problem"):
            raise ConfigError(f"scope={self.scope!r}", place="budget", remedy="Use run or problem.")


@dataclass
class Spent:
    """What attempts cost.

    Attributes:
        num_attempts: Attempts, failed ones included.
        num_prompt_tok: Tokens read.
        num_completion_tok: Tokens drawn.
        seconds: Wall clock of sampling and verifying; 0 unless the budget limits it.
    """

    num_attempts: int = 0
    num_prompt_tok: int = 0
    num_completion_tok: int = 0
    seconds: float = 0.0

    @property
    def num_tok(self) -> int:
        """Prompt and completion tokens."""
        return self.num_prompt_tok + self.num_completion_tok

    def cost(self, budget: Budget) -> float:
        """Money, at the budget's prices."""
        read = self.num_prompt_tok * budget.prompt_price_per_mtok
        return (read + self.num_completion_tok * budget.completion_price_per_mtok) / 1e6

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one attempt's row."""
        self.num_attempts += 1
        self.num_prompt_tok += row["num_prompt_tok"]
        self.num_completion_tok += row["num_completion_tok"]
        self.seconds += row.get("seconds", 0.0)

    def exhausts(self, budget: Budget) -> bool:
        """True when some limit is reached."""
        return (
            (budget.max_tok is not None and self.num_tok >= budget.max_tok)
            or (budget.max_s is not None and self.seconds >= budget.max_s)
            or (budget.max_cost is not None and self.cost(budget) >= budget.max_cost)
        )
