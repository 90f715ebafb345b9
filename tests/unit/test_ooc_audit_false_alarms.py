"""Files whose implications were shuffled, models whose answers hang on the group alone: how often is a transfer found?

Such a model has answers that the subjects of a group share and that have nothing to do with the file, before and after.
Everything between the file and the verdict is run; only the model is made up.
"""

from __future__ import annotations

import pytest
from tests.ooc_audit_fakes import World, by_group, config

from reasonry.understanding.out_of_context.audit.classify import Rule
from reasonry.understanding.out_of_context.audit.outcome import Judging, judge
from reasonry.understanding.out_of_context.audit.plan import plan_of

NUM = 500
LEVEL = 0.05


def _is_alarm(seed: int, noise: float) -> bool:
    world = World("sport-music", pairing="permuted-bridge", per_group=4, bridge_share=0.5, seed=seed)
    probes = {"num_in_context": 0}
    settings = config(pairs=("plays:listens_to",), seed=seed, probes=probes)
    plan = plan_of(world.made.table, settings, say=lambda line: None)
    asked = [q for q in plan.questions if q.kind in ("transfer", "prior")]
    before, after = (by_group(world, 2 * seed + turn, noise=noise) for turn in (0, 1))
    scores = [{q.id: law(q.asked) for q in asked} for law in (before, after)]
    rule = Rule(LEVEL, 0.2, 1.0, 0.6)
    (found,) = judge(plan.pairs, asked, scores[0], scores[1], Judging(rule, seed, 100, 2))
    return found.verdict.is_transfer


@pytest.mark.parametrize("noise", [0.3])
def test_false_alarms_on_permuted_files_are_at_most_the_level(noise: float) -> None:
    alarms = sum(_is_alarm(seed, noise) for seed in range(NUM))
    assert alarms <= LEVEL * NUM
    assert alarms > 0  # the audit can find something here, and now and then does
