"""Measurements behind the claims about the symbolic lab: two factors, their product, the closed forms, the controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from reasonry.core import optional
from reasonry.core.claims import Measurement
from reasonry.core.stats import spread
from reasonry.understanding.out_of_context.theory import svm
from reasonry.understanding.out_of_context.theory.closed_form import optimum
from reasonry.understanding.out_of_context.theory.fixed_attention import FixedAttention
from reasonry.understanding.out_of_context.theory.looks import NORMS, look, optima_of
from reasonry.understanding.out_of_context.theory.margins import held_out_margins
from reasonry.understanding.out_of_context.theory.table import make_table

if TYPE_CHECKING:
    from reasonry.understanding.out_of_context.theory.margins import Scores
    from reasonry.understanding.out_of_context.theory.table import Pairing, Table
    from reasonry.understanding.out_of_context.theory.transformer import SmallTransformer

Setting = Literal["fixed-attention", "authors"]


def factorised_generalises(
    *, num_groups: int, steps: int, authors_steps: int, num_seeds: int, seed: int
) -> Measurement:
    """Test loss of the product less that of two factors, as a share of log n: the least over settings and seeds.

    Settings are fixed attention with gradient descent, and the authors' scale with AdamW, trained attention and noise.
    One bridge and three other subjects in each group.

    Args:
        num_groups: n with fixed attention; 20 at the authors' scale.
        steps: With fixed attention.
        authors_steps: At the authors' scale.
        num_seeds: Trainings of each kind in each setting.
        seed: Of the first.
    """
    shares, floors, lines = list[float](), list[float](), list[str]()
    for setting, n, num_steps in (("fixed-attention", num_groups, steps), ("authors", 20, authors_steps)):
        table, floor = make_table(n, bridge=1, others=3), float(np.log(n))
        of_setting = list[str]()
        for s in range(seed, seed + num_seeds):
            two, product, least = _both(setting, table, num_steps, s)
            shares.append((product.loss - two.loss) / floor)
            floors.append(least / floor)
            of_setting.append(f"{two.loss:.3f} (right {two.accuracy:.0%}) and {product.loss:.3f}")
        lines.append(f"{setting}, log n {floor:.3f}: {'; '.join(of_setting)}")
    detail = (
        f"test loss of two factors and of their product, nats: {'. '.join(lines)}. Least loss of the product at any "
        f"look {min(floors):.4f} log n; range over {num_seeds} seeds and 2 settings"
    )
    return Measurement(min(shares), min(shares), max(shares), len(shares), seed, detail)


def _both(setting: str, table: Table, steps: int, seed: int) -> tuple[Scores, Scores, float]:
    """Scores on test questions of two factors and of the product, and the product's least loss at ten looks."""
    if setting == "fixed-attention":
        two, product = (FixedAttention(table, kind, seed=seed) for kind in ("factorised", "combined"))
    else:
        from reasonry.understanding.out_of_context.theory.one_layer_training import OneLayer

        two, product = (OneLayer(table, kind, seed=seed) for kind in ("factorised", "combined"))
    two.advance(0, steps)
    at, losses = 0, list[float]()
    for stop in np.linspace(0, steps, 11).astype(int)[1:].tolist():
        at = product.advance(at, stop)
        losses.append(product.scores(table.test).loss)
    return two.scores(table.test), product.scores(table.test), min(losses)


def nuclear_norm_bias(
    *, num_groups: int, bridge: int, others: int, steps: int, num_seeds: int, seed: int
) -> Measurement:
    """Cosine of the weights that two factors learn with the nuclear-norm optimum, over initial weights.

    Args:
        num_groups: n.
        bridge: Bridge subjects of a group.
        others: Other subjects of a group.
        steps: Of gradient descent.
        num_seeds: Initial weights.
        seed: Of the first.
    """
    table = make_table(num_groups, bridge=bridge, others=others)
    optima = optima_of(table)
    found = {kind: list[dict[str, float]]() for kind in ("factorised", "combined")}
    for kind, rows in found.items():
        for s in range(seed, seed + (num_seeds if kind == "factorised" else 1)):  # the product begins at 0
            model = FixedAttention(table, kind, seed=s)  # pyright: ignore[reportArgumentType]
            model.advance(0, steps)
            rows.append(look(model, is_linear=True, optima=optima))
    mine = [row["cosine_nuclear"] for row in found["factorised"]]
    others_ = [row["cosine_frobenius"] for row in found["factorised"]]
    product, best = found["combined"][0], optimum(num_groups, bridge, others)
    norms = [row["nuclear_at_1"] for row in found["factorised"]]
    least = optimum(num_groups, bridge, others, norm="frobenius").frobenius_sq
    detail = (
        f"two factors: with the nuclear-norm optimum {min(mine):.3f} to {max(mine):.3f}, with the Frobenius-norm one "
        f"{min(others_):.3f} to {max(others_):.3f}, nuclear norm at margin 1 {min(norms):.2f} to {max(norms):.2f} "
        f"(least possible {best.nuclear:.2f}); their product: {product['cosine_nuclear']:.3f} and "
        f"{product['cosine_frobenius']:.3f}, squared Frobenius norm {product['frobenius_sq_at_1']:.2f} (least possible "
        f"{least:g}); {steps} steps, range over {num_seeds} initial weights"
    )
    return Measurement(float(np.mean(mine)), min(mine), max(mine), num_seeds, seed, detail)


def margin_formula(*, sizes: Sequence[Sequence[int]], seed: int) -> Measurement:
    """Largest deviation of the closed forms from a numerical solver: relative of norms, absolute of train margins.

    Test margins of solutions are in the detail: an optimum is flat there, and a solver stops with fewer digits.

    Args:
        sizes: (n, m_train, m_test) each.
        seed: Of nothing: all of it is exact.

    Raises:
        MissingDependencyError: cvxpy is not installed.
    """
    optional.need("cvxpy", extra="svm", why="to solve the maximum-margin problems numerically")
    deviations, margins, formulas = list[float](), list[float](), list[float]()
    for n, m_train, m_test in sizes:
        table = make_table(n, bridge=m_train, others=m_test)
        for norm in NORMS:
            exact, solved = optimum(n, m_train, m_test, norm=norm), svm.solve(table, norm=norm, solver="cvxpy")
            closed = svm.solve(table, norm=norm)
            value, found = (
                (exact.nuclear, solved.nuclear_norm) if norm == "nuclear" else (exact.frobenius_sq, solved.frobenius_sq)
            )
            deviations += [abs(found / value - 1), abs(closed.train_margin - 1)]
            margins.append(float(np.abs(solved.transfer - exact.within).max()))
            for pair, by_formula in zip(held_out_margins(closed.weights, table), exact[2:], strict=True):
                formulas += [abs(end - by_formula) for end in pair]
    worst = max(*deviations, *formulas)
    shown = ", ".join(f"({n}, {a}, {b}) {optimum(n, a, b).within:.5f}" for n, a, b in sizes)
    detail = (
        f"norms of {len(sizes)} sizes in both norms against CLARABEL: {max(deviations):.1e} relative; margins of the "
        f"closed weights against their formulas: {max(formulas):.1e}; of the solver's weights against min(sqrt(m_train "
        f"/ m_test), 1): {max(margins):.1e}; (n, m_train, m_test) margin: {shown}"
    )
    return Measurement(worst, worst, worst, len(sizes), seed, detail)


def rank_four(*, steps: int, num_seeds: int, seed: int) -> Measurement:
    """Test loss with value factors of width 3 less that with width 4, at the authors' scale, nats.

    Args:
        steps: Of AdamW.
        num_seeds: Trainings of each width.
        seed: Of the first.
    """
    from reasonry.understanding.out_of_context.theory.one_layer_training import OneLayer

    table = make_table(20, bridge=1, others=3)
    found: dict[int, list[Scores]] = {}
    for width in (4, 3):
        for s in range(seed, seed + num_seeds):
            model = OneLayer(table, "factorised", init="default", width=width, seed=s)
            model.advance(0, steps)
            found.setdefault(width, []).append(model.scores(table.test))
    gaps = [three.loss - four.loss for three, four in zip(found[3], found[4], strict=True)]
    shown = "; ".join(
        f"width {width}: " + ", ".join(f"{score.loss:.3f} (right {score.accuracy:.0%})" for score in scores)
        for width, scores in found.items()
    )
    detail = f"test loss after {steps} steps: {shown}; range over {num_seeds} seeds"
    return Measurement(float(np.mean(gaps)), min(gaps), max(gaps), num_seeds, seed, detail)


def sample_efficient(*, steps: int, per_group: int, num_seeds: int, seed: int) -> Measurement:
    """Mean rank of the right implication with one bridge subject in a group, small transformers; chance is 2.

    Args:
        steps: Of AdamW.
        per_group: Subjects of a group, the bridge included; 5 groups.
        num_seeds: Trainings.
        seed: Of the first.
    """
    table = make_table(5, bridge=1, others=per_group - 1)
    scores = [_transformer(table, steps, s).scores(table.test) for s in range(seed, seed + num_seeds)]
    found = spread([score.rank_within for score in scores])
    all_of_them = [score.rank_all for score in scores]
    detail = (
        f"among the 5 implications: {', '.join(f'{score.rank_within:.2f}' for score in scores)}; among all 10 answers, "
        f"where the subject's own fact often stays first: {', '.join(f'{rank:.2f}' for rank in all_of_them)}; {steps} "
        f"steps, t interval over {num_seeds} trainings"
    )
    return Measurement(found.mean, found.low, found.high, num_seeds, seed, detail)


def controls_are_null(*, steps: int, fixed_steps: int, num_seeds: int, num_fixed_seeds: int, seed: int) -> Measurement:
    """Transfer index 1 - rank / chance under permuted bridges, small transformers; 0 is chance, 1 full transfer.

    Args:
        steps: Of the transformers; 5 groups of 4 bridge and 16 other subjects.
        fixed_steps: Of two factors with fixed attention, which are in the detail.
        num_seeds: Permutations and trainings of transformers.
        num_fixed_seeds: Likewise with fixed attention.
        seed: Of the first.
    """
    indices = dict[str, list[float]]()
    kinds: tuple[Pairing, ...] = ("permuted-bridge", "no-bridge", "true")
    for pairing in kinds:
        for s in range(seed, seed + num_fixed_seeds):
            table = make_table(5, bridge=4, others=16, pairing=pairing, seed=s)
            model = FixedAttention(table, "factorised", seed=s)
            model.advance(0, fixed_steps)
            indices.setdefault(pairing, []).append(_index(model.scores(table.test)))
    mine = list[float]()
    for s in range(seed, seed + num_seeds):
        table = make_table(5, bridge=4, others=16, pairing="permuted-bridge", seed=s)
        mine.append(_index(_transformer(table, steps, s).scores(table.test)))
    found = spread(mine)
    shown = ", ".join(f"{name} {np.mean(values):+.3f}" for name, values in indices.items())
    detail = (
        f"among implications, {steps} steps; t interval over {num_seeds} permutations, each its own training; two "
        f"factors with fixed attention, means over {num_fixed_seeds}: {shown}"
    )
    return Measurement(found.mean, found.low, found.high, num_seeds, seed, detail)


def _index(score: Scores) -> float:
    return 1 - score.rank_within / score.chance_within


def _transformer(table: Table, steps: int, seed: int) -> SmallTransformer:
    from reasonry.understanding.out_of_context.theory.transformer import SmallTransformer

    model = SmallTransformer(table, seed=seed)
    model.advance(0, steps)
    return model
