"""Superposition while it is learnt: two numbers for each thought, cheap enough to be measured at every look.

    probe/auroc/c   P5: AUROC of <t_c, E_v>, frontier against what is not reachable, pooled over graphs
    probe/gap/c     P4: pre-softmax logit on frontier edges less that on other edges, where thought c is made; the mean
                    over graphs that have both (the index-matching logit of arXiv 2509.23365)

Thoughts beyond the stage are measured, too: whether step c + 1 works before it is trained is what there is to see.
`results` has both with intervals, for a model that is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from reasonry.tasks.graphs.graph import Graph, path_len, present
from reasonry.tasks.graphs.prosqa import GraphConfig
from reasonry.training.continuous_cot.graph_format import Format
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.probe.groups import edge_groups, vertex_groups
from reasonry.training.continuous_cot.probe.records import Observation
from reasonry.training.continuous_cot.probe.results import logit_gap
from reasonry.training.continuous_cot.probe.scores import Floats, auroc
from reasonry.training.continuous_cot.probe.subject import Question
from reasonry.training.continuous_cot.probe.trained import TrainedSubject, usual_edge_layer


def look(
    model: LatentCausalLM, form: Format, graphs: Sequence[Graph], *, sizes: GraphConfig, fixed_thoughts: int | None
) -> dict[str, float]:
    """Numbers for the log of a training, by name; those that cannot be measured are left out.

    Args:
        model: As it stands; in eval mode within the call.
        form: How its rows look.
        graphs: At least one, with vertices named as the model knows them.
        sizes: Of such graphs.
        fixed_thoughts: How often it thinks whatever the graph; None: once for every edge of the shortest path.
    """
    num_layers = int(model.backbone.model.config.get_text_config().num_hidden_layers)
    subject = TrainedSubject(
        model, form, name="", identity={}, sizes=sizes, has_attention=usual_edge_layer(form) <= num_layers
    )  # fmt: skip
    asked = [Question(number, graph, fixed_thoughts or path_len(graph)) for number, graph in enumerate(graphs)]
    seen = subject.observe(asked)
    found: dict[str, float] = {}
    for c in range(1, max(question.num_thoughts for question in asked) + 1):
        there = [each for each in seen if len(each.dots_CN) >= c]
        near, far = _dots(there, c)
        if (area := auroc(near, far)) is not None:
            found[f"probe/auroc/{c}"] = area
        gaps = [logit_gap(each, c, edge_groups(each.graph, c)) for each in there]
        known = [gap for gap in gaps if gap is not None]
        if known:
            found[f"probe/gap/{c}"] = float(np.mean(known))
    return found


def _dots(there: Sequence[Observation], c: int) -> tuple[Floats, Floats]:
    """Inner products with vertices of the frontier, and with those that are not reachable, of all graphs."""
    near, far = list[Floats](), list[Floats]()
    for each in there:
        groups, nodes = vertex_groups(each.graph, c), present(each.graph)
        near.append(each.dots_CN[c - 1][np.isin(nodes, groups.frontier)])
        far.append(each.dots_CN[c - 1][np.isin(nodes, groups.not_reachable)])
    return cast("Floats", np.concatenate(near)), cast("Floats", np.concatenate(far))
