"""What a transfer is called: every branch of the printed rule, and what a prior says."""

from __future__ import annotations

import numpy as np
import pytest

from reasonry.understanding.out_of_context.audit.classify import (
    Evidence,
    Rule,
    classify,
    prior_of,
    rule_lines,
)

RULE = Rule(level=0.05, least_index=0.2, prior_margin=1.0, prior_share=0.6)
GAINED = Evidence(
    index_after=0.9, p_before=0.6, p_after=0.01, p_gain=0.01, is_testable=True, label="", opinion="silent"
)


def test_a_base_model_that_knew_is_prior_knowledge_whatever_the_label() -> None:
    known = GAINED._replace(p_before=0.01, p_gain=1.0)
    for label in ("causal", "spurious", ""):
        assert classify(known._replace(label=label), RULE).kind == "prior knowledge"


def test_a_base_model_that_knew_a_little_and_learnt_more_is_a_transfer() -> None:
    assert classify(GAINED._replace(p_before=0.01, p_gain=0.01), RULE).kind == "unlabelled transfer"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"is_testable": False}, "not testable"),
        ({"p_after": 0.051}, "no transfer"),
        ({"index_after": 0.2}, "no transfer"),
        ({"index_after": float("nan")}, "no transfer"),
        ({}, "unlabelled transfer"),
        ({"label": "causal"}, "generalisation"),
        ({"label": "spurious"}, "hallucination"),
        ({"opinion": "supports"}, "generalisation"),
        ({"opinion": "contradicts"}, "hallucination"),
        ({"label": "causal", "opinion": "contradicts"}, "generalisation"),
        ({"label": "spurious", "opinion": "supports"}, "hallucination"),
        ({"p_gain": 0.2}, "unlabelled transfer"),
    ],
)
def test_every_branch(changes: dict[str, object], kind: str) -> None:
    verdict = classify(GAINED._replace(**changes), RULE)
    assert verdict.kind == kind
    assert verdict.is_transfer == (kind in ("generalisation", "hallucination", "unlabelled transfer"))


def test_a_prior_supports_contradicts_or_is_silent() -> None:
    label = np.arange(4)
    assert prior_of(5 * np.eye(4), label, RULE).opinion == "supports"
    assert prior_of(5 * np.roll(np.eye(4), 1, axis=1), label, RULE).opinion == "contradicts"
    assert prior_of(0.1 * np.eye(4), label, RULE).opinion == "silent"


def test_an_answer_that_the_base_model_gives_everybody_says_nothing() -> None:
    bias = np.tile([0.0, 0.0, 9.0, 0.0], (4, 1))
    found = prior_of(bias, np.arange(4), RULE)
    assert (found.opinion, found.share_for, found.share_against) == ("silent", 0.0, 0.0)
    assert prior_of(bias + 5 * np.eye(4), np.arange(4), RULE).opinion == "supports"


def test_the_printed_rule_has_its_numbers_and_claims_no_cause() -> None:
    text = "\n".join(rule_lines(RULE))
    assert "0.05" in text
    assert "60%" in text
    assert "no verdict claims a cause" in text
    for kind in ("not testable", "no transfer", "prior knowledge", "generalisation", "hallucination", "unlabelled"):
        assert kind in text
