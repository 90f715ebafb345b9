"""Measurements behind the claims about models that write codes: all stages from scratch, for several seeds.

    saved        1 - tokens of a reply / those with CoT, means over the same test questions; codes and markers count
    right        share of questions answered right
    difference   right of one method less that of another, the mean over seeds with its t interval (95 %)

Everything differs with the seed: examples, codec, weights, order, m. All methods of a seed learn from the same
examples in the same order for as many steps, and answer the same questions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reasonry.core.claims import Measurement
from reasonry.core.stats import spread
from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.evaluate.results import BASELINE
from reasonry.training.latent_tokens.mixing.methods import REFERENCE

if TYPE_CHECKING:
    from reasonry.training.latent_tokens.evaluate.results import MethodResult

Results = Mapping[str, "MethodResult"]


def train_seeds(
    *, data: str, methods: Sequence[str], num_seeds: int, seed: int, folder: str = "", **settings: Any
) -> list[Results]:
    """What the models of each seed answer, by method.

    Args:
        data: Worked examples.
        methods: Ways to train.
        num_seeds: Repetitions.
        seed: The first.
        folder: Where to; a temporary one when empty.
        **settings: Of `whole_config.WholeConfig`, other than the defaults.

    Raises:
        ConfigError: Settings that do not fit.
    """
    from reasonry.core.config import from_dict
    from reasonry.training.latent_tokens.whole import train_whole
    from reasonry.training.latent_tokens.whole_config import WholeConfig

    found: list[Results] = []
    with tempfile.TemporaryDirectory() as temporary:
        for each in range(seed, seed + num_seeds):
            values = {
                **settings,
                "data": data,
                "seed": each,
                "finetune": {**settings.get("finetune", {}), "methods": list(methods)},
                "run": Path(folder or temporary) / f"seed-{each}",
            }
            done = train_whole(from_dict(WholeConfig, values))
            if done.evaluated is None:
                raise ConfigError("no questions are answered", place="answers.num", remedy="Give 1 or more.")
            found.append({result.name: result for result in done.evaluated.methods})
    return found


def fewer_tokens(*, least_difference: float = -0.02, **settings: Any) -> Measurement:
    """Share of tokens that codes save, the least of all seeds; 0 where they cost more right answers than is allowed.

    Args:
        least_difference: Right answers with codes less those with CoT, at least.
        **settings: Of `train_seeds`; both methods among its methods.
    """
    found = train_seeds(**settings)
    saved = [_saved(each) if _gain(each, REFERENCE, BASELINE) >= least_difference else 0.0 for each in found]
    return Measurement(min(saved), min(saved), max(saved), len(saved), settings["seed"], told(found))


def better_than(*, method: str, rivals: Sequence[str], **settings: Any) -> Measurement:
    """Right answers of a method less those of the best of others, mean over seeds with its t interval.

    Args:
        method: Whose.
        rivals: The best of these in each seed is compared with.
        **settings: Of `train_seeds`.
    """
    found = train_seeds(**settings)
    gains = spread(min(_gain(each, method, rival) for rival in rivals) for each in found)
    return Measurement(gains.mean, gains.low, gains.high, len(found), settings["seed"], told(found))


def told(found: Sequence[Results]) -> str:
    """Every method in words: right answers, tokens and codes of a reply, seed by seed."""
    parts: list[str] = []
    for name in found[0]:
        rows = [each[name] for each in found]
        right = ", ".join(f"{row.solved.value:.1%}" for row in rows)
        tokens = ", ".join(f"{row.tokens.value:.1f}" for row in rows)
        codes = ", ".join(f"{row.codes:.1f}" for row in rows)
        parts.append(f"{name} {right} right in {tokens} tokens ({codes} codes)")
    first = next(iter(found[0].values()))
    return f"{'; '.join(parts)}; {first.solved.of} questions and {len(found)} seeds"


def _saved(found: Results) -> float:
    return 1.0 - found[REFERENCE].tokens.value / found[BASELINE].tokens.value


def _gain(found: Results, method: str, rival: str) -> float:
    return found[method].solved.value - found[rival].solved.value
