"""Losses by hand, floors that no model may pass, and a bound that is one."""

import itertools
import math
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.tasks.token_tasks.find import make_task
from reasonry.training.dultra.denoiser import Denoised, Denoiser
from reasonry.training.dultra.elbo import (
    Normalise,
    Weight,
    diffusion_loss,
    likelihood_bound,
    masked_nll,
    training_loss,
)
from reasonry.training.dultra.masking import Canvas, Masked, Schedule, make_canvas
from reasonry.training.dultra.oracle import OracleDenoiser
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser, TinyDenoiserConfig


class _Fixed:
    """A denoiser whose logits are a function of the canvas."""

    name, width, max_len, mask_id, pad_id, end_id = "fixed", 0, None, 0, 1, 2

    def __init__(self, vocab_size: int, logits: Any) -> None:
        self.vocab_size, self.logits = vocab_size, logits

    def denoise(self, tokens_BN: Tensor, attend_BN: Tensor, *, with_hidden: bool = False) -> Denoised:
        return Denoised(self.logits(tokens_BN), None)


def _uniform(vocab_size: int) -> Denoiser:
    return _Fixed(vocab_size, lambda tokens: torch.full((*tokens.shape, vocab_size), 3.0))


def _canvas(num: int, length: int, vocab_size: int = 7) -> Canvas:
    answer = torch.as_tensor(seeds.stream(num, "answers").integers(2, vocab_size, (num, length)))
    return make_canvas(torch.full((num, 2), 3), answer, pad_id=1)


# ---------------------------------------------------------------- by hand


def _by_hand() -> tuple[Tensor, Canvas, Masked]:
    """Two rows of answers of 3 and 2 tokens; cross entropies of masked ones ln 2, ln 4, ln 8."""
    f, t = False, True
    canvas = Canvas(
        torch.tensor([[3, 4, 5], [9, 4, 5]]),
        torch.ones(2, 3, dtype=torch.bool),
        torch.tensor([[t, t, t], [f, t, t]]),
    )
    masked = Masked(torch.zeros(2, 3), torch.tensor([[t, t, f], [f, f, t]]), torch.tensor([2.0, 5.0]))
    logits = torch.full((2, 3, 10), -100.0)
    for (row, place), share in {(0, 0): 2, (0, 1): 4, (1, 2): 8}.items():
        token = int(canvas.tokens_BN[row, place])
        logits[row, place, token] = 0.0
        logits[row, place, 0] = math.log(share - 1)
    return logits, canvas, masked


@pytest.mark.parametrize(
    ("weight", "normalise", "units"),
    [
        ("scheduler", "token", (2 * 3 + 5 * 3) / 5),
        ("scheduler", "sequence", (2 * 3 / 3 + 5 * 3 / 2) / 2),
        ("scheduler", "batch", (2 * 3 + 5 * 3) / 2),
        ("uniform", "token", 6 / 3),
        ("uniform", "sequence", (3 / 2 + 3 / 1) / 2),
        ("uniform", "batch", 6 / 2),
    ],
)
def test_weights_and_divisors_are_as_worked_out_by_hand(weight: Weight, normalise: Normalise, units: float) -> None:
    logits, canvas, masked = _by_hand()
    loss = diffusion_loss(logits, canvas, masked, weight=weight, normalise=normalise)
    assert float(loss.value) == pytest.approx(units * math.log(2), rel=1e-5)
    assert loss.num_masked == 3
    assert loss.ce_sum_nats == pytest.approx(6 * math.log(2), rel=1e-5)


def test_a_row_without_masks_does_not_thin_the_mean_of_the_others() -> None:
    logits, canvas, masked = _by_hand()
    only_first = masked._replace(is_masked_BN=masked.is_masked_BN & torch.tensor([[True], [False]]))
    loss = diffusion_loss(logits, canvas, only_first, weight="uniform", normalise="sequence")
    assert float(loss.value) == pytest.approx(1.5 * math.log(2), rel=1e-5)


@pytest.mark.parametrize("weight", ["scheduler", "uniform"])
@pytest.mark.parametrize("normalise", ["token", "sequence", "batch"])
def test_without_masks_the_loss_is_zero_and_so_is_its_gradient_whatever_the_logits(
    weight: Weight, normalise: Normalise
) -> None:
    _, canvas, masked = _by_hand()
    logits = torch.full((2, 3, 10), 1e4, requires_grad=True)  # exp overflows: a loss of exp(logits).sum() * 0 is not 0
    nothing = masked._replace(is_masked_BN=torch.zeros(2, 3, dtype=torch.bool))
    loss = diffusion_loss(logits, canvas, nothing, weight=weight, normalise=normalise)
    loss.value.backward()
    assert float(loss.value.detach()) == 0.0 and loss.num_masked == 0
    assert logits.grad is not None and torch.equal(logits.grad, torch.zeros(2, 3, 10))
    assert not math.isfinite(float(logits.detach().exp().sum() * 0))


def test_infinite_logits_where_nothing_is_masked_do_no_harm() -> None:
    logits, canvas, masked = _by_hand()
    expected = float(diffusion_loss(logits, canvas, masked).value)
    logits[~masked.is_masked_BN] = math.inf
    logits.requires_grad_()
    loss = diffusion_loss(logits, canvas, masked)
    loss.value.backward()
    assert float(loss.value.detach()) == expected
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert (logits.grad[~masked.is_masked_BN] == 0).all()


def test_cross_entropies_stand_where_masks_do() -> None:
    logits, canvas, masked = _by_hand()
    nll = masked_nll(logits.bfloat16(), canvas.tokens_BN, masked.is_masked_BN)
    assert nll.dtype == torch.float32
    wanted = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]]) * math.log(2)
    assert torch.allclose(nll, wanted, atol=2e-2)
    assert (nll[~masked.is_masked_BN] == 0).all()


# ---------------------------------------------------------------- floors


@pytest.mark.parametrize("weight", ["scheduler", "uniform"])
@pytest.mark.parametrize("normalise", ["token", "sequence", "batch"])
def test_uniform_logits_cost_ln_v(weight: Weight, normalise: Normalise) -> None:
    canvas = _canvas(40_000, 20)
    loss = training_loss(_uniform(7), canvas, seeds.stream(0, "u"), weight=weight, normalise=normalise)
    assert loss.num_masked > 300_000
    per_batch = 1.0
    if normalise == "batch":
        per_batch = 20.0 if weight == "scheduler" else 10.0  # positions of a row, and masks of a row on average
    assert float(loss.value) == pytest.approx(per_batch * math.log(7), rel=0.01)


def test_under_the_cosine_schedule_too() -> None:
    schedule: Schedule = "cosine"
    loss = training_loss(_uniform(7), _canvas(40_000, 20), seeds.stream(0, "u"), schedule=schedule)
    assert float(loss.value) == pytest.approx(math.log(7), rel=0.01)


def test_the_bound_of_uniform_logits_is_exact_at_every_draw() -> None:
    found = likelihood_bound(_uniform(7), _canvas(5, 12), seeds.stream(0, "b"), num_draws=6)
    assert torch.allclose(found.bound_B, torch.full((5,), -12 * math.log(7), dtype=torch.float64))
    assert found.stderr_B.max() < 1e-4 and found.num_draws == 6


@pytest.mark.parametrize(("name", "nats_per_tok"), [("ledger:4", 0.9210), ("ledger:4:5", 0.7824), ("pairs:4", 0.9210)])
def test_exact_posteriors_cost_the_entropy_of_the_task(name: str, nats_per_tok: float) -> None:
    task = make_task(name)
    assert task.entropy_nats is not None
    assert task.entropy_nats / task.answer_len == pytest.approx(nats_per_tok, abs=5e-5)
    rng = seeds.stream(0, name)
    draws = task.draw(rng, 400)
    canvas = make_canvas(torch.as_tensor(draws.prompt_BP), torch.as_tensor(draws.answer_BL), pad_id=1)
    oracle = OracleDenoiser(cast("Any", task))
    bound = likelihood_bound(oracle, canvas, rng, num_draws=40, batch_size=400)
    # Every answer of these tasks is as likely as every other, so the bound of each is minus the entropy.
    error = float(bound.bound_B.std()) / math.sqrt(400)
    assert abs(float(bound.bound_B.mean()) + task.entropy_nats) < 4 * error < 0.3
    losses = [float(training_loss(oracle, canvas, rng).value) for _ in range(8)]
    assert np.mean(losses) == pytest.approx(nats_per_tok, rel=0.04)


# ---------------------------------------------------------------- a bound on the likelihood

V, L = 5, 3


def _exact(law: Tensor) -> Denoiser:
    """Exact posterior marginals of a joint law (V, V, V) over answers, given what is not masked."""

    def logits(tokens: Tensor) -> Tensor:
        out = torch.zeros(*tokens.shape, V)
        for row, canvas in enumerate(tokens.tolist()):
            known = [slice(None) if t == 0 else slice(t, t + 1) for t in canvas[-L:]]
            left = law[tuple(known)]
            for place in range(L):
                marginal = left.sum(tuple(p for p in range(L) if p != place))
                if canvas[-L + place] == 0:
                    out[row, -L + place] = (marginal / marginal.sum()).log()
        return out

    return _Fixed(V, logits)


def _by_all_orders(denoiser: Denoiser, canvas: Canvas) -> Tensor:
    """Log-probability of the answers when they are filled in one by one, for each of the L! orders, shape (L!, B)."""
    found: list[Tensor] = []
    for order in itertools.permutations(range(-L, 0)):
        tokens = canvas.tokens_BN.masked_fill(canvas.is_answer_BN, 0)
        total = torch.zeros(len(tokens), dtype=torch.float64)
        for place in order:
            logp = denoiser.denoise(tokens, canvas.attend_BN).logits_BNV[:, place].double().log_softmax(-1)
            total += logp.gather(1, canvas.tokens_BN[:, place, None])[:, 0]
            tokens[:, place] = canvas.tokens_BN[:, place]
        found.append(total)
    return torch.stack(found).detach()


def _all_answers() -> Canvas:
    answers = torch.tensor(list(itertools.product(range(1, V), repeat=L)))
    return make_canvas(torch.full((len(answers), 1), 2), answers, pad_id=1)


def test_the_bound_of_an_exact_model_is_the_likelihood_itself() -> None:
    law = torch.as_tensor(seeds.stream(0, "law").gamma(0.3, size=(V, V, V))) + 1e-3
    law[0], law[:, 0], law[:, :, 0] = 0, 0, 0
    law /= law.sum()
    canvas = _all_answers()
    wanted = law[tuple(canvas.tokens_BN[:, -L:].T)].log()
    assert torch.allclose(_by_all_orders(_exact(law), canvas), wanted.expand(6, -1), atol=1e-4)
    found = likelihood_bound(_exact(law), canvas, seeds.stream(1, "mc"), num_draws=90, batch_size=512)
    z = (found.bound_B - wanted) / found.stderr_B
    assert float(z.abs().max()) < 4.5 and abs(float(z.mean())) < 0.5


def test_the_bound_is_below_the_likelihood_of_a_model_that_is_not_exact() -> None:
    config = TinyDenoiserConfig(vocab_size=V, max_len=L + 1, num_layers=2, num_heads=2, width=16)
    denoiser = TinyDenoiser(config)
    with torch.no_grad():
        denoiser.network.head.weight.mul_(3)
    canvas = _all_answers()
    orders = _by_all_orders(denoiser, canvas)
    bound, likelihood = orders.mean(0), orders.logsumexp(0) - math.log(6)  # of filling in a random order
    found = likelihood_bound(denoiser, canvas, seeds.stream(1, "mc"), num_draws=300, batch_size=2048)
    z = (found.bound_B - bound) / found.stderr_B
    assert float(z.abs().max()) < 4.5 and abs(float(z.mean())) < 0.5
    assert float((likelihood - bound).min()) > 0 and float((likelihood - bound).mean()) > 0.05
    assert (found.bound_B < likelihood + 4 * found.stderr_B).all()


def test_the_number_of_masks_covers_the_answer_evenly() -> None:
    seen: list[int] = []

    def count(tokens: Tensor) -> Tensor:
        seen.extend((tokens == 0).sum(1).tolist())
        return torch.zeros(*tokens.shape, 7)

    likelihood_bound(_Fixed(7, count), _canvas(3, 8), seeds.stream(0, "k"), num_draws=8, batch_size=5)
    assert [sorted(seen[row * 8 : row * 8 + 8]) for row in range(3)] == [list(range(1, 9))] * 3


def test_one_draw_has_no_error() -> None:
    with pytest.raises(ConfigError, match="num_draws = 1"):
        likelihood_bound(_uniform(7), _canvas(1, 3), seeds.stream(0, "k"), num_draws=1)


def test_training_lowers_the_loss_and_stays_above_the_floor() -> None:
    # One free token, said three times: the entropy is ln 4, and a third of it falls on each position.
    model = TinyDenoiser(TinyDenoiserConfig(vocab_size=7, max_len=4, num_layers=1, num_heads=2, width=32))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    rng = seeds.stream(0, "training")

    def batch(num: int) -> Canvas:
        answers = torch.as_tensor(rng.integers(3, 7, (num, 1))).repeat(1, 3)
        return make_canvas(torch.full((num, 1), 2), answers, pad_id=1)

    for _ in range(250):
        loss = training_loss(model, batch(64), rng, weight="uniform").value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    bound = likelihood_bound(model, batch(200), rng, num_draws=12, batch_size=2400)
    nats, error = -float(bound.bound_B.mean()), float(bound.bound_B.std()) / math.sqrt(200)
    assert math.log(4) - 4 * error < nats < math.log(4) + 0.1
