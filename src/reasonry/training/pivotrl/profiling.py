"""``reasonry pivots profile``: K actions of the starting model in every state, judged as they come.

    draw a_1 .. a_K ~ pi_0(. | s)        one whole assistant message each; no tool is run
    r_k = V(s, a_k, a*)                  the verifier's reward; None where it has no verdict

(PivotRL, arXiv 2603.21383. K = 8 is what NVIDIA's recipes ask for at least; the limit of 1024 new tokens is
RECONSTRUCTED. Temperature and top-p of 1 are the paper's.)

Files: ``samples.jsonl`` (one sample a line, see `sample_rows`; in the end in the order of candidates and indices),
``profile.jsonl`` (one state a line), ``audit.json`` (the verifier on the demonstrations), ``made_with.json`` (policy,
sampler, verifier, tool format, candidates, sizes), ``costs.jsonl`` and ``judge_costs.jsonl`` (seconds and tokens per
session) and ``results.json`` (no clock in it). More states and more samples can be added later; other settings are
another run.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic, jsonl
from reasonry.core.costs import CostLog, total_costs
from reasonry.core.made_with import MadeWith
from reasonry.core.models import find_causal_lm, load_tokenizer
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.sampling import Sampler, make_sampler
from reasonry.core.sampling.lazy import LazySampler
from reasonry.core.work import Say, recovered, working
from reasonry.errors import ConfigError, ResourceError
from reasonry.training.pivotrl.candidate_file import CandidateFile, Head
from reasonry.training.pivotrl.config import ProfileConfig
from reasonry.training.pivotrl.policy_hash import identity_hash, policy_identity, sampling_identity, tokenizer_of
from reasonry.training.pivotrl.profile_audit import audit_once, read_audit
from reasonry.training.pivotrl.profile_plan import Size, drawn_order, grown, steps
from reasonry.training.pivotrl.profile_summary import Summary, summarise
from reasonry.training.pivotrl.records import Profile, Verifier
from reasonry.training.pivotrl.rejudging import Rejudging, adopted
from reasonry.training.pivotrl.rows import CANDIDATES, PROFILE, SAMPLES, candidates_path, profile_to_row
from reasonry.training.pivotrl.sample_rows import Kept, Key, check_samples, kept, profile_of
from reasonry.training.pivotrl.sampling_states import Sampling, check_template
from reasonry.training.pivotrl.states import choose_tool_format
from reasonry.training.pivotrl.verifying import num_verdicts_at_once, open_judge, open_verifier

VERB = "pivots profile"
JUDGE_COSTS = "judge_costs.jsonl"
_MOST_REASONS = 5


class Profiled(NamedTuple):
    """A finished profile.

    Attributes:
        config: As resolved.
        folder: The run directory.
        file: The candidates.
        profiles: In the order of the file of candidates; states that were left out have none.
        summary: What they say.
        audit: What the audit of the verifier found (`Audit.to_json`).
        costs: Sums of the cost log of sampling.
        judge_costs: Likewise of the verifier's judge.
    """

    config: ProfileConfig
    folder: Path
    file: CandidateFile
    profiles: tuple[Profile, ...]
    summary: Summary
    audit: Mapping[str, Any]
    costs: Mapping[str, float]
    judge_costs: Mapping[str, float]


def profile_candidates(
    config: ProfileConfig,
    *,
    sampler: Sampler | None = None,
    verifier: Verifier | None = None,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Profiled:
    """Profile (or go on profiling) the states of a file of candidates.

    Args:
        config: The resolved config.
        sampler: Used instead of the one that the config names.
        verifier: Likewise.
        say: Told a line for people.
        open_run: Called once with the open run and its determinism level, before the first sample.

    Raises:
        ConfigError: A setting that no profile can have, such as temperature 0 or a model without a chat template.
        RunMismatchError: The run began with other settings, candidates, another model or verifier.
        DataError: A file is damaged, or no state could be sampled.
        Interrupted: The user asked to stop; run the same command again.
        ReasonryError: See the errors of its parts. Finished samples are in the run directory.
    """
    source = Rejudging(config.samples) if config.samples else None
    config = adopted(config, source.config) if source else config
    if config.sampling.temperature == 0:
        raise ConfigError(
            "at temperature 0 all samples of a state are one, and no state has a variance",
            place="sampling.temperature",
            remedy="Sample as in training: --sampling.temperature 1.",
        )
    path = candidates_path(config.folder)
    file = CandidateFile(path)
    drawn = drawn_order(file.heads, config.seed)
    size = Size(min(config.num or len(drawn), len(drawn)), config.k)
    if size.num_states < config.num:
        say(f"{size.num_states} states of the {config.num} asked for: the file has no more")
    config = config.with_(num=size.num_states)  # so that it can grow from there
    folder = config.run or _default_folder(config)
    num_at_once = num_verdicts_at_once(config.verifier) if verifier is None else 1
    judge = open_judge(config.verifier, cache=config.cache) if verifier is None else None
    given = verifier
    verifier = given or open_verifier(config.verifier, say=say, judge=judge)
    if source is not None:
        source.check(file)
    elif not (folder / "run.json").exists():  # a refusal leaves no run directory behind
        _check_model(config, sampler, any(head.has_tools for head in drawn[: size.num_states]))
    with Run(VERB, config, folder=folder, seed=config.seed, warn=say) as run:
        made = MadeWith(folder)
        made.check("candidates", {"sha256": file.sha256, "num": len(file.heads)})
        sizes = grown([Size(*pair) for pair in made.get("sizes") or []], size)
        wanted = {head.id: size.k for head in drawn[: size.num_states]}
        rows = recovered(run, SAMPLES, say)
        check_samples(rows, run.path(SAMPLES), wanted)
        samples: dict[Key, Kept] = dict(map(kept, rows))
        del rows
        if len(samples) < size.num_states * size.k:
            made.put("sizes", sizes)
            made.check("verifier", verifier.identity)
            judging = CostLog(run.path(JUDGE_COSTS), [judge] if judge else [])
            audit_once(run, file, drawn[: size.num_states], verifier, config, say=say)
            plan = list(steps(drawn, sizes))
            if source is not None:
                found = source.rows(plan, run, made, open_run)
                new = source.judged(found, file, verifier, skip=samples.keys(), num_at_once=num_at_once)
                samplers: list[Sampler] = []
            else:
                lazy = LazySampler(lambda: sampler or _make_sampler(config))
                lazy.on_made = lambda inner: _opened(run, made, config, inner, open_run)
                sampling = Sampling(config, file, lazy, verifier, tool_format=lambda: made.get("tool_format"))
                new = sampling.rows(plan, done=samples, num_at_once=num_at_once)
                samplers = [lazy]
            _stored(run, samples, new, size, samplers, judging, say)
        else:
            if given is not None:
                made.check("verifier", given.identity)
            if sampler is not None:
                made.check("sampler", sampler.identity)
            open_run(run, "finished")
        _in_order(run, [(head.id, i) for head in file.heads if head.id in wanted for i in range(size.k)], samples)
        return _finished(run, config, made, file, samples, say)


def profile_folder(folder: Path) -> Path:
    """Where the profile of a folder, or of a file, of candidates is when nobody says: beside the candidates."""
    if folder.is_dir():
        return folder / "profile"
    return folder.parent / ("profile" if folder.name == CANDIDATES else f"profile-{folder.stem}")


def _default_folder(config: ProfileConfig) -> Path:
    usual = profile_folder(config.folder)
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", config.verifier.name)
    return usual.with_name(f"{usual.name}-{slug}") if config.samples else usual


# ---------------------------------------------------------------- before the first sample


def _make_sampler(config: ProfileConfig) -> Sampler:
    return make_sampler(
        config.model,
        config.sampling,
        seed=config.seed,
        endpoint=config.endpoint,
        options=config.model_options,
        batch_size=config.batch_size,
        cache=config.cache,
    )


def _check_model(config: ProfileConfig, sampler: Sampler | None, has_tools: bool) -> None:
    if sampler is not None:
        tokenizer = tokenizer_of(sampler)
    elif config.endpoint.base_url:
        tokenizer = None
    else:
        find_causal_lm(config.model, config.model_options)
        tokenizer = load_tokenizer(config.model, config.model_options).tokenizer
    check_template(config, tokenizer)
    if has_tools:
        choose_tool_format(config.tool_format, tokenizer)


def _opened(
    run: Run, made: MadeWith, config: ProfileConfig, sampler: Sampler, open_run: Callable[[Run, str], None]
) -> None:
    tokenizer = tokenizer_of(sampler)
    check_template(config, tokenizer)
    made.check("policy", policy_identity(sampler))
    made.check("sampler", sampler.identity)
    made.check("tool_format", _tool_format(config, tokenizer))
    run.record_environment(sampler.determinism)
    open_run(run, sampler.determinism)


def _tool_format(config: ProfileConfig, tokenizer: Any) -> str:
    try:
        return choose_tool_format(config.tool_format, tokenizer)
    except ConfigError:
        return "template"  # refused before where a state has tools: here none has


# ---------------------------------------------------------------- samples


def _stored(
    run: Run,
    samples: dict[Key, Kept],
    new: Iterator[Row],
    size: Size,
    samplers: Sequence[Sampler],
    judging: CostLog,
    say: Say,
) -> None:
    total = size.num_states * size.k
    with (
        jsonl.JsonlWriter(run.path(SAMPLES)) as writer,
        working(run, "profiling", total=total, done=len(samples), samplers=samplers, say=say) as work,
    ):
        try:
            for row in new:
                writer.write(row)
                key, found = kept(row)
                samples[key] = found
                judging.tick()
                work.tick()
        finally:
            with contextlib.suppress(ResourceError):  # a first error is the one to tell
                judging.write()


def _in_order(run: Run, keys: Sequence[Key], samples: Mapping[Key, Kept]) -> None:
    """Bring the file into the order of candidates and indices, whatever order the samples came in."""
    if list(samples) == keys:
        return
    rows = {(row["id"], row["index"]): row for row in recovered(run, SAMPLES, lambda line: None)}
    jsonl.write(run.path(SAMPLES), (rows[key] for key in keys))


# ---------------------------------------------------------------- results


def _finished(
    run: Run, config: ProfileConfig, made: MadeWith, file: CandidateFile, samples: Mapping[Key, Kept], say: Say
) -> Profiled:
    hashes = {
        "policy": identity_hash(made.get("policy")),
        "verifier": identity_hash(made.get("verifier")),
        "sampling": identity_hash(sampling_identity(config.sampling, made.get("tool_format"))),
    }
    profiles: list[Profile] = []
    sampled: list[Head] = []
    left_out: Counter[str] = Counter()
    for head in (head for head in file.heads if (head.id, 0) in samples):
        drawn = [samples[head.id, i] for i in range(config.k)]
        profile = profile_of(head.id, drawn, seed=config.seed, **hashes)
        if profile is None:
            left_out[re.sub(r"\d[\d,.]*", "N", drawn[0].reason)[:200]] += 1
        else:
            profiles.append(profile)
            sampled.append(head)
    reasons = dict(left_out.most_common(_MOST_REASONS))
    if rest := left_out.total() - sum(reasons.values()):
        reasons["other"] = rest
    found = summarise(sampled, profiles, k=config.k, left_out=reasons, max_truncated=config.max_truncated)
    jsonl.write(run.path(PROFILE), map(profile_to_row, profiles))
    atomic.write_json(run.path("results.json"), found.to_json())
    for line in found.warnings:
        say(f"warning: {line}")
    costs, judge_costs = (total_costs(run.path(name)) for name in ("costs.jsonl", JUDGE_COSTS))
    return Profiled(config, run.folder, file, tuple(profiles), found, read_audit(run.folder), costs, judge_costs)
