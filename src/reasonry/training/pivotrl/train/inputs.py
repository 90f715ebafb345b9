"""What training starts from: the pivots, and the profile that they were chosen by.

Pivots are pivots of one policy, drawn from in one way and judged by one verifier. `disagreements` says where training
would differ from the profile: another model, template or number format, other sampling, another verifier, another way
in which tools get into the prompt. None of these is refused, because each may be meant; all are told.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reasonry.core import config as configs
from reasonry.core import jsonl
from reasonry.core.made_with import MADE_WITH
from reasonry.core.messages import Json
from reasonry.core.run import read_json
from reasonry.core.sampling.config import SamplingConfig
from reasonry.errors import ConfigError, DataError
from reasonry.training.pivotrl.config import AS_PROFILED, ProfileConfig, TrainConfig, VerifierConfig
from reasonry.training.pivotrl.profiling import profile_folder
from reasonry.training.pivotrl.records import Candidate
from reasonry.training.pivotrl.rows import CANDIDATES, PIVOTS, PROFILE, candidates_path, read_candidates, read_profiles

SELECTION = "selection.json"
_DRAWN_BY = ("temperature", "top_p", "top_k")


@dataclasses.dataclass(frozen=True)
class ProfileUsed:
    """The profile that pivots were chosen by.

    Attributes:
        folder: Its run directory.
        config: Its settings.
        policy: Identity of the policy.
        verifier: Identity of the verifier.
        tool_format: How tools got into the prompt.
        num_samples: Actions sampled, over all states.
        longest_tok: Longest action of a pivot, tokens.
        num_truncated: Actions of pivots that were cut off.
    """

    folder: Path
    config: ProfileConfig
    policy: Json
    verifier: Json
    tool_format: str
    num_samples: int
    longest_tok: int
    num_truncated: int = 0


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What training starts from.

    Attributes:
        pivots: The turns that are trained on.
        pool: Every candidate, to be profiled again; the pivots where there are no others.
        sha256: Of the file of pivots.
        profile: None where there is none.
    """

    pivots: tuple[Candidate, ...]
    pool: tuple[Candidate, ...]
    sha256: str
    profile: ProfileUsed | None

    @property
    def verifier(self) -> VerifierConfig | None:
        """The verifier of the profile."""
        return self.profile.config.verifier if self.profile else None


def read_inputs(config: TrainConfig) -> Inputs:
    """Read pivots, candidates and profile of a folder; of a file, it alone and what is beside it.

    Raises:
        DataError: There are no pivots, or a file is damaged.
    """
    path = candidates_path(config.folder, PIVOTS)
    if not path.stat().st_size:
        raise DataError(
            "there are no pivots: no turn was selected",
            place=str(path),
            remedy="Look at selection.json for why; give pivots select a higher --threshold, or more candidates.",
        )
    pivots = tuple(read_candidates(path))
    pool = pivots
    everything = path.parent / CANDIDATES
    if (config.reprofile_every or config.reprofile_when) and everything.is_file():
        known = {c.id for c in pivots}
        pool = (*pivots, *(c for c in read_candidates(everything) if c.id not in known))
    with open(path, "rb") as f:
        digest = hashlib.file_digest(f, "sha256").hexdigest()
    return Inputs(pivots, pool, digest, _profile_used(path, {c.id for c in pivots}))


def _profile_used(pivots: Path, ids: set[str]) -> ProfileUsed | None:
    folder = profile_folder(pivots.parent)
    selection = pivots.parent / SELECTION
    if selection.is_file():
        named = read_json(selection).get("profile")
        if isinstance(named, str) and named:
            folder = Path(named)
    if not (folder / MADE_WITH).is_file() or not (folder / "config.toml").is_file():
        return None
    made = read_json(folder / MADE_WITH)
    try:
        stored = tomllib.loads((folder / "config.toml").read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise DataError(f"the profile's config cannot be read: {e}", place=str(folder / "config.toml")) from e
    settings = configs.from_dict(ProfileConfig, stored, place=str(folder / "config.toml"))
    num, longest, truncated = 0, 0, 0
    if (folder / PROFILE).is_file():
        for profile in read_profiles(folder / PROFILE):
            num += len(profile.rewards)
            if profile.candidate_id in ids:
                longest = max(longest, *profile.num_completion_tok, 0)
                truncated += profile.num_truncated
    return ProfileUsed(
        folder=folder,
        config=settings,
        policy=_object(made.get("policy")),
        verifier=_object(made.get("verifier")),
        tool_format=str(made.get("tool_format") or ""),
        num_samples=num,
        longest_tok=longest,
        num_truncated=truncated,
    )


def as_profiled(config: TrainConfig, profile: ProfileUsed | None) -> TrainConfig:
    """The config with actions drawn as for the profile, where it does not say how.

    Strings that end an answer are not taken over: training has no place for them, and `disagreements` tells.
    """
    usual = profile.config.sampling if profile else AS_PROFILED
    return config.with_(sampling=config.sampling.over(usual).model_dump())


def disagreements(
    profile: ProfileUsed,
    *,
    policy: Mapping[str, Any],
    verifier: Mapping[str, Any],
    tool_format: str,
    drawn: SamplingConfig,
) -> list[str]:
    """Where training differs from the profile that its pivots were chosen by, one line each.

    Args:
        profile: That profile.
        policy: Of the model that is trained, from `policy_hash.loaded_policy`.
        verifier: Identity of the verifier that rewards.
        tool_format: How tools get into the prompt.
        drawn: How actions are drawn.
    """
    found: list[str] = []
    if profile.policy and (keys := _differing(profile.policy, policy)):
        values = ", ".join(f"{key} {profile.policy.get(key)!s:.40} -> {policy.get(key)!s:.40}" for key in keys)
        found.append(f"the pivots were profiled with another policy ({values}); they may be none for this one")
    before = profile.config.sampling
    for name in _DRAWN_BY:
        was, now = getattr(before, name), getattr(drawn, name)
        if was != now:
            found.append(f"the pivots were profiled at {name} {was}, training draws at {now}")
    if before.stop:
        found.append(
            f"the profile cut answers off at any of {list(before.stop)}, training at the model's own end alone"
        )
    if profile.verifier and profile.verifier != dict(verifier):
        keys = ", ".join(_differing(profile.verifier, verifier))
        found.append(f"the pivots were judged by another verifier (differs in {keys})")
    if profile.tool_format and profile.tool_format != tool_format:
        found.append(f"the pivots were profiled with tool_format {profile.tool_format}, training uses {tool_format}")
    if profile.longest_tok > drawn.max_new_tokens:
        found.append(
            f"actions of the profile had up to {profile.longest_tok} tokens, training cuts them off at "
            f"{drawn.max_new_tokens}: raise --sampling.max-new-tokens"
        )
    if profile.num_truncated and drawn.max_new_tokens > before.max_new_tokens:
        found.append(
            f"the profile cut {profile.num_truncated} actions of pivots off at {before.max_new_tokens} tokens, "
            f"training lets them go on to {drawn.max_new_tokens}"
        )
    return found


def check_sampling(sampling: SamplingConfig) -> None:
    """Refuse sampling that nothing can be learned from.

    Raises:
        ConfigError: Temperature 0, or strings that end an answer.
    """
    if sampling.temperature == 0:
        raise ConfigError(
            "at temperature 0 all actions of a group are one, and no group has a signal",
            place="sampling.temperature",
            remedy="Sample as the pivots were profiled: --sampling.temperature 1.",
        )
    if sampling.stop:
        raise ConfigError(
            "strings that end an answer hide from the policy how its turn ends",
            place="sampling.stop",
            remedy="Leave them out; a turn ends with the model's own end token.",
        )


def check_steps(config: TrainConfig) -> None:
    """Refuse a last step amid those on the same samples: it could not be gone on from.

    Raises:
        ConfigError: The number of steps is no multiple of ``num_iterations``.
    """
    if config.num_steps % config.num_iterations:
        raise ConfigError(
            f"{config.num_steps} steps, {config.num_iterations} on the same samples",
            place="num_steps",
            remedy=f"Give a multiple of {config.num_iterations}.",
        )


def metrics_rows(folder: Path) -> list[Json]:
    """What a run has logged."""
    path = folder / "metrics.jsonl"
    return jsonl.recover(path).rows if path.exists() else []


def _differing(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [key for key in {**was, **now} if was.get(key) != now.get(key)]


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
