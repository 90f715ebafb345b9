"""Trajectories on disk: a JSONL row for each decoding, read back exactly as they were.

    {"prompt_ids": [7, 4], "final_ids": [5, 5, 2], "nfe": 2, "seed": 11,
     "steps": [{"block": 0, "revealed": [0, 2], "tokens": [5, 2], "forced": false, "logp_plan": null, "logp_tok": -1.2},
               {"block": 0, "revealed": [1], "tokens": [5], "forced": true, "logp_plan": null, "logp_tok": -0.1}],
     "denoiser": "tiny", "denoiser_weights": "5f0c...", "policy": "threshold:0.9", "policy_weights": "",
     "config": "9a41...", "block_len": 32}

Padding is not written: reading pads prompts on the left to the longest. What decoding filled in behind an end token is
in ``final_ids`` and in no step. ``block`` is the row's first block with a mask at this step.

A replay gives the same log-probabilities only with the same model, policy and settings, so each row names them, with
fingerprints of weights and settings; `check_origin` compares them.

Shapes: B rows, P prompt, L answer, S steps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core import jsonl
from reasonry.core.config import fingerprint
from reasonry.errors import DataError
from reasonry.training.dultra.decoding import DecodingConfig
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.policies.base import UnmaskPolicy
from reasonry.training.dultra.trajectory import NEVER, Trajectory

if TYPE_CHECKING:
    from torch import Tensor

_SAMPLED = 256
"""Numbers of a tensor that go into its fingerprint, evenly spaced."""


class Origin(NamedTuple):
    """What decoded a trajectory.

    Attributes:
        denoiser: Its name.
        denoiser_weights: Fingerprint of its weights; empty when it has none.
        policy: Its name.
        policy_weights: Fingerprint of a planner's weights; empty for rules.
        config: Fingerprint of the `DecodingConfig`.
        block_len: Tokens of a block.
    """

    denoiser: str
    denoiser_weights: str
    policy: str
    policy_weights: str
    config: str
    block_len: int


class Saved(NamedTuple):
    """A file's content.

    Attributes:
        trajectory: All its rows.
        seeds_B: Of each row.
        origin: What decoded them.
    """

    trajectory: Trajectory
    seeds_B: tuple[int, ...]
    origin: Origin


def origin_of(denoiser: Denoiser, policy: UnmaskPolicy, config: DecodingConfig) -> Origin:
    """Names and fingerprints of what decodes, as it is now."""
    return Origin(
        denoiser=denoiser.name,
        denoiser_weights=weights_fingerprint(denoiser),
        policy=policy.name,
        policy_weights=weights_fingerprint(policy),
        config=fingerprint(config),
        block_len=min(config.block_len, config.answer_len),
    )


def weights_fingerprint(holder: object) -> str:
    """16 hex digits over the weights of a module, or of the modules that an object holds; empty without any.

    Of each tensor the name, the shape and 256 evenly spaced numbers count: enough to tell checkpoints and training
    steps apart in no time, not a proof that two models are equal.
    """
    import torch

    held = {"": holder} if isinstance(holder, torch.nn.Module) else getattr(holder, "__dict__", {})
    modules = {name: value for name, value in held.items() if isinstance(value, torch.nn.Module)}
    if not modules:
        return ""
    digest = hashlib.blake2b(digest_size=8)
    for owner, module in sorted(modules.items()):
        for name, tensor in module.state_dict().items():
            flat = tensor.detach().flatten()
            at = torch.linspace(0, max(len(flat) - 1, 0), min(_SAMPLED, len(flat)), dtype=torch.float64)
            sampled = flat[at.long().to(flat.device)].double().cpu().numpy().tobytes()
            head = f"{owner}.{name} {tuple(tensor.shape)} {tensor.dtype}".encode()
            digest.update(len(head).to_bytes(8, "little") + head + sampled)
    return digest.hexdigest()


def check_origin(saved: Saved, now: Origin, *, place: str = "trajectories") -> None:
    """Refuse to replay with something else than what decoded.

    Args:
        saved: What was read.
        now: `origin_of` what shall replay it.
        place: The file, for the message.

    Raises:
        DataError: Naming what differs.
    """
    for field, was, is_ in zip(Origin._fields, saved.origin, now, strict=True):
        if was != is_:
            raise DataError(
                f"decoded with {field} {was!r}, and would be replayed with {is_!r}",
                place=place,
                remedy="Replay with the same model, policy and settings: log-probabilities differ otherwise.",
            )


# ---------------------------------------------------------------- writing


def write(path: Path | str, trajectory: Trajectory, *, seeds_B: Sequence[int], origin: Origin) -> None:
    """Write a file of trajectories, whole or not at all.

    Args:
        path: Replaced when it exists.
        trajectory: Finished rows, on any device.
        seeds_B: Of each row.
        origin: What decoded them.
    """
    jsonl.write(Path(path), rows_of(trajectory, seeds_B=seeds_B, origin=origin))


def rows_of(trajectory: Trajectory, *, seeds_B: Sequence[int], origin: Origin) -> Iterator[dict[str, Any]]:
    """The rows of a file, one for each decoding."""
    t = trajectory
    prompts, attends, finals, revealed_ats = (
        x.tolist() for x in (t.prompt_BP, t.attend_BP, t.tokens_BL, t.revealed_at_BL)
    )
    forced, nfes, logp_toks = t.is_forced_BS.tolist(), t.nfe_B.tolist(), t.logp_tok_BS.tolist()
    logp_plans = None if t.logp_plan_BS is None else t.logp_plan_BS.tolist()
    for row, (seed, nfe) in enumerate(zip(seeds_B, nfes, strict=True)):
        final, revealed_at = finals[row], revealed_ats[row]
        places: list[list[int]] = [[] for _ in range(nfe)]
        for place, step in enumerate(revealed_at):
            if step != NEVER:
                places[step].append(place)
        # A position is masked at a step when it is revealed then or later, or never.
        first_masks = [
            min(place for place, at in enumerate(revealed_at) if at >= step or at == NEVER)
            for step in range(len(places))
        ]
        yield {
            "prompt_ids": [token for token, is_there in zip(prompts[row], attends[row], strict=True) if is_there],
            "final_ids": final,
            "nfe": nfe,
            "seed": int(seed),
            "steps": [
                {
                    "block": first_masks[step] // origin.block_len,
                    "revealed": revealed,
                    "tokens": [final[place] for place in revealed],
                    "forced": forced[row][step],
                    "logp_plan": None if logp_plans is None else logp_plans[row][step],
                    "logp_tok": logp_toks[row][step],
                }
                for step, revealed in enumerate(places)
            ],
            **origin._asdict(),
        }


# ---------------------------------------------------------------- reading


class _Row(NamedTuple):
    prompt: list[int]
    final: list[int]
    revealed_at: list[int]
    forced: list[bool]
    logp_plan: list[float | None]
    logp_tok: list[float]
    seed: int
    origin: Origin


def read(path: Path | str, *, pad_id: int) -> Saved:
    """Read a file of trajectories.

    Args:
        path: The file.
        pad_id: Put before shorter prompts.

    Raises:
        DataError: With file and line: a row that is none, that contradicts itself, or that was decoded by something
            else than the first one; or a file without rows.
    """
    path = Path(path)
    rows: list[_Row] = []
    for line, raw in enumerate(jsonl.read(path), 1):
        place = f"{path}:{line}"
        row = _read_row(raw, place)
        first = rows[0] if rows else row
        if row.origin != first.origin or len(row.final) != len(first.final):
            raise DataError(
                "decoded with another model, policy or settings than the first row",
                place=place,
                remedy="Keep what was decoded differently in different files.",
            )
        if (row.logp_plan[0] is None) != (first.logp_plan[0] is None):
            raise DataError("log-probabilities of the plan are in some rows only", place=place, remedy="Write it anew.")
        rows.append(row)
    if not rows:
        raise DataError("no trajectories", place=str(path), remedy="Decode something first.")
    return Saved(_batch(rows, pad_id), tuple(row.seed for row in rows), rows[0].origin)


def _read_row(raw: Mapping[str, Any], place: str) -> _Row:
    try:
        final, steps, nfe = [int(token) for token in raw["final_ids"]], list(raw["steps"]), int(raw["nfe"])
        row = _Row(
            prompt=[int(token) for token in raw["prompt_ids"]],
            final=final,
            revealed_at=[NEVER] * len(final),
            forced=[bool(step["forced"]) for step in steps],
            logp_plan=[None if step["logp_plan"] is None else float(step["logp_plan"]) for step in steps],
            logp_tok=[float(step["logp_tok"]) for step in steps],
            seed=int(raw["seed"]),
            origin=Origin(**{field: raw[field] for field in Origin._fields}),
        )
        revealed = [list(zip(step["revealed"], step["tokens"], strict=True)) for step in steps]
        is_sound = nfe == len(steps) > 0 and len({value is None for value in row.logp_plan}) == 1
        for step, found in enumerate(revealed):
            is_sound &= bool(found)
            for at, token in found:
                is_sound &= 0 <= at < len(final) and row.revealed_at[at] == NEVER and final[at] == token
                row.revealed_at[at] = step
    except (KeyError, TypeError, ValueError, IndexError) as e:
        raise DataError(f"not a trajectory: {e!r}", place=place, remedy="Remove the line, or write it anew.") from e
    if not is_sound:
        raise DataError(
            "a trajectory that contradicts itself: every step reveals positions that no other step does, with the "
            "tokens that the answer ends with, and nfe counts the steps",
            place=place,
            remedy="Remove the line, or write it anew.",
        )
    return row


def _batch(rows: Sequence[_Row], pad_id: int) -> Trajectory:
    import torch

    P = max(len(row.prompt) for row in rows)
    S = max(len(row.forced) for row in rows)

    def steps(values: Sequence[Sequence[Any]], filler: Any, dtype: torch.dtype) -> Tensor:
        return torch.tensor([[*v, *[filler] * (S - len(v))] for v in values], dtype=dtype)

    has_plan = rows[0].logp_plan[0] is not None
    ids = [[*[pad_id] * (P - len(row.prompt)), *row.prompt] for row in rows]
    return Trajectory(
        prompt_BP=torch.tensor(ids, dtype=torch.int64),
        attend_BP=torch.tensor([[i >= P - len(row.prompt) for i in range(P)] for row in rows], dtype=torch.bool),
        tokens_BL=torch.tensor([row.final for row in rows]),
        revealed_at_BL=torch.tensor([row.revealed_at for row in rows]),
        is_forced_BS=steps([row.forced for row in rows], False, torch.bool),
        nfe_B=torch.tensor([len(row.forced) for row in rows]),
        logp_plan_BS=steps([row.logp_plan for row in rows], 0.0, torch.float64) if has_plan else None,
        logp_tok_BS=steps([row.logp_tok for row in rows], 0.0, torch.float64),
    )
