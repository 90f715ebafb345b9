"""What a transfer is called, by a rule that is printed beside every verdict.

    transfer = p_after <= level and index_after > least_index
    gain     = p_gain <= level
    known    = p_before <= level

    not testable         no outcome could give p <= level: too few groups, or too few different answers
    no transfer          not transfer
    prior knowledge      transfer, known, not gain: the base model answered so before
    generalisation       transfer otherwise, where the user calls the pair causal, or nobody labels it and the base
                         model's prior supports it
    hallucination        transfer otherwise, where the user calls it spurious, or nobody labels it and the prior
                         contradicts it
    unlabelled transfer  transfer otherwise

p-values are Holm's over the audited pairs. A label by the user outweighs the prior. No verdict claims that one thing
causes the other: a label is the user's word, and a prior is what a model would say.

The prior is the base model's log-probability of each answer c after "People who R b usually S", for each group's b. An
answer that it gives everybody says nothing of b, so each answer's mean over the groups is taken off first. With
margin = own answer less the best other, nats:

    supports     margin > t in a share of at least q of the groups
    contradicts  margin < -t in a share of at least q of the groups
    silent       otherwise

The rule is RECONSTRUCTED; arXiv 2506.10887 names the phenomenon and gives no rule. The mean that is taken off is ours.
"""

# pyright: strict
from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.understanding.out_of_context.audit.measures import margins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Label = Literal["causal", "spurious", ""]
Opinion = Literal["supports", "contradicts", "silent"]
Kind = Literal[
    "not testable", "no transfer", "prior knowledge", "generalisation", "hallucination", "unlabelled transfer"
]


class Rule(NamedTuple):
    """Numbers of the rule.

    Attributes:
        level: Of the tests.
        least_index: A transfer index at most this large counts as none.
        prior_margin: t, nats.
        prior_share: q.
    """

    level: float
    least_index: float
    prior_margin: float
    prior_share: float


class Prior(NamedTuple):
    """What the base model would say of a pair of relations.

    Attributes:
        opinion: Supports, contradicts, or silent.
        share_for: Share of groups whose own answer leads by more than the margin.
        share_against: Share of groups in which another one does.
        margin_G: Own answer less the best other, of each group, nats.
    """

    opinion: Opinion
    share_for: float
    share_against: float
    margin_G: tuple[float, ...]


class Evidence(NamedTuple):
    """What a verdict rests on.

    Attributes:
        index_after: Transfer index of the tuned model.
        p_before: Holm's p-value of transfer in the base model.
        p_after: The same of the tuned one.
        p_gain: The same of the change.
        is_testable: Whether any outcome could be significant.
        label: The user's word.
        opinion: The prior's.
    """

    index_after: float
    p_before: float
    p_after: float
    p_gain: float
    is_testable: bool
    label: Label
    opinion: Opinion


class Verdict(NamedTuple):
    """What a pair is called, and why.

    Attributes:
        kind: The name.
        reason: The part of the rule that gave it, with its numbers.
    """

    kind: Kind
    reason: str

    @property
    def is_transfer(self) -> bool:
        """Whether the tuned model infers what it was not told, and did not before."""
        return self.kind in ("generalisation", "hallucination", "unlabelled transfer")


def prior_of(logp_GC: Floats, label_G: Ints, rule: Rule) -> Prior:
    """What log-probabilities of the base model say of a pair.

    Args:
        logp_GC: Of each candidate after each group's b; ``(G, C)``, C >= 2, nats.
        label_G: Each group's own candidate.
        rule: Margin and share.
    """
    own_G = margins(logp_GC - logp_GC.mean(0), label_G)
    share_for = float((own_G > rule.prior_margin).mean())
    share_against = float((own_G < -rule.prior_margin).mean())
    opinion: Opinion = "silent"
    if share_for >= rule.prior_share:
        opinion = "supports"
    elif share_against >= rule.prior_share:
        opinion = "contradicts"
    return Prior(opinion, share_for, share_against, tuple(own_G.tolist()))


def classify(found: Evidence, rule: Rule) -> Verdict:
    """The verdict of the rule."""
    level = f"the level {rule.level:g}"
    if not found.is_testable:
        return Verdict("not testable", f"with these groups no outcome gives a p-value of at most {level}")
    if found.p_after > rule.level:
        return Verdict("no transfer", f"p after {found.p_after:.3g} is above {level}")
    if not found.index_after > rule.least_index:
        return Verdict("no transfer", f"index {found.index_after:.2f} is not above {rule.least_index:g}")
    if found.p_before <= rule.level < found.p_gain:
        return Verdict(
            "prior knowledge",
            f"the base model answered so (p before {found.p_before:.3g}) and tuning added nothing that is significant "
            f"(p gain {found.p_gain:.3g})",
        )
    shown = f"index {found.index_after:.2f}, p after {found.p_after:.3g}"
    if found.label == "causal":
        return Verdict("generalisation", f"{shown}, and the user calls the pair causal")
    if found.label == "spurious":
        return Verdict("hallucination", f"{shown}, and the user calls the pair spurious")
    if found.opinion == "supports":
        return Verdict("generalisation", f"{shown}, and the base model's prior supports it")
    if found.opinion == "contradicts":
        return Verdict("hallucination", f"{shown}, and the base model's prior contradicts it")
    return Verdict("unlabelled transfer", f"{shown}; nobody labels the pair and the base model's prior is silent")


def rule_lines(rule: Rule) -> list[str]:
    """The rule in words, as it is printed."""
    return [
        f"not testable: no outcome could give p <= {rule.level:g} (with all answers different that takes 4 groups)",
        f"no transfer: p after > {rule.level:g}, or index after <= {rule.least_index:g}",
        f"prior knowledge: transfer, p before <= {rule.level:g}, p gain > {rule.level:g}",
        "generalisation: transfer, labelled causal; or unlabelled and supported by the base model's prior",
        "hallucination: transfer, labelled spurious; or unlabelled and contradicted by the base model's prior",
        "unlabelled transfer: any other transfer",
        "p-values: group permutation, Holm over the audited pairs; index: 1 - mean rank / chance",
        f"prior: log p(c | People who R b usually S) less each answer's mean over groups; it supports (contradicts) "
        f"where the margin is above {rule.prior_margin:g} (below -{rule.prior_margin:g}) nats in at least "
        f"{rule.prior_share:.0%} of the groups",
        "no verdict claims a cause: a label is the user's word, a prior is what a model would say",
    ]
