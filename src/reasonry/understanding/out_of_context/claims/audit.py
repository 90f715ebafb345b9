"""Measurement behind the claim about a real language model: it is audited on made-up facts, causal and arbitrary ones.

    value          the larger of two p-values of one data set: transfer after tuning, and its gain over the base model
    p              group permutation, one-sided, all pairings; of each data set for itself; 5 groups give 1/120 or more
    index          1 - mean rank / chance of the untold implications, cluster bootstrap interval (95 %)
    permuted       the same file with its implications shuffled among the bridge subjects: the control

Each data set is a file and a training of its own, from the same base model, as in arXiv 2506.10887. What comes out is
told for all of them in the detail, whatever it is; the value is that of the data set that is named.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reasonry.core.claims import Measurement
from reasonry.errors import ConfigError
from reasonry.tasks.facts.fact import Fact
from reasonry.understanding.out_of_context.audit.outcome import PairOutcome


def write_facts(facts: Sequence[Fact], path: Path) -> None:
    """Facts as triples with their prompts, one a line."""
    keys = ("subject", "relation", "object", "prompt", "completion")
    rows = [{key: getattr(fact, key) for key in keys} for fact in facts]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def real_facts_lm(
    *,
    model: str,
    presets: Sequence[str],
    value_of: str,
    num_groups: int,
    per_group: int,
    bridge_share: float,
    seed: int,
    control: str = "",
    folder: str = "",
    **settings: Any,
) -> Measurement:
    """p-value of the transfer of one data set after fine-tuning a model on it; all data sets in the detail.

    Args:
        model: To be fine-tuned, once for each data set.
        presets: Data sets of `tasks/facts`.
        value_of: The one whose p-value is the value.
        num_groups: Pairs of answers in each.
        per_group: Subjects of each group.
        bridge_share: Share of them whose implication is told.
        seed: Of facts and trainings.
        control: Data set whose implications are shuffled too; none when empty.
        folder: Where to; a temporary one when empty.
        **settings: Of the audit, other than the defaults.

    Raises:
        ConfigError: ``value_of`` is none of the data sets.
    """
    from reasonry.core.config import from_dict
    from reasonry.tasks.facts.generate import Pairing, make_facts
    from reasonry.tasks.facts.presets import preset_for
    from reasonry.understanding.out_of_context.audit.config import AuditConfig
    from reasonry.understanding.out_of_context.audit.run import audit

    if value_of not in presets:
        raise ConfigError(f"{value_of!r} is none of {', '.join(presets)}", place="value_of")
    sets: list[tuple[str, Pairing | None]] = [(preset, None) for preset in presets]
    if control:
        sets.append((control, "permuted-bridge"))
    found: dict[str, PairOutcome] = {}
    with tempfile.TemporaryDirectory() as temporary:
        where = Path(folder or temporary)
        where.mkdir(parents=True, exist_ok=True)
        for preset, pairing in sets:
            made = make_facts(
                preset,
                num_groups=num_groups,
                per_group=per_group,
                bridge_share=bridge_share,
                pairing=pairing,
                seed=seed,
            )
            name = f"{preset}, permuted" if pairing else preset
            file = where / f"{name.replace(', ', '-')}.jsonl"
            write_facts(made.table.facts, file)
            known = preset_for(preset)
            values: dict[str, Any] = {
                "facts": str(file),
                "model": model,
                "pairs": (f"{known.given}:{known.implied}",),
                "seed": seed,
                "run": where / file.stem,
                **settings,
            }
            done = audit(from_dict(AuditConfig, values))
            assert done.main is not None
            found[name] = done.main.pairs[0]
    tests = found[value_of].tests
    p = max(tests.after.p_value, tests.gain.p_value)
    detail = "; ".join(told(name, outcome) for name, outcome in found.items())
    num = found[value_of].pair.num_test
    return Measurement(p, p, p, num, seed, detail)


def told(name: str, outcome: PairOutcome) -> str:
    """One data set in words."""
    before, after = outcome.before, outcome.after
    index = after.transfer_index
    return (
        f"{name}: mean rank {before.mean_rank:.2f} -> {after.mean_rank:.2f} of {len(outcome.answers)} "
        f"(chance {after.chance:g}; among c's and b's {before.mean_rank_all:.2f} -> {after.mean_rank_all:.2f}), "
        f"p {outcome.tests.before.p_value:.2g} -> {outcome.tests.after.p_value:.2g}, "
        f"gain p {outcome.tests.gain.p_value:.2g}, index {index.value:.2f} [{index.low:.2f}, {index.high:.2f}], "
        f"{outcome.verdict.kind}, "
        f"facts {outcome.fact_rank[1]:.2f}, told implications {outcome.bridge_rank[1]:.2f}, "
        f"in context {outcome.in_context:.2f}"
    )
