"""The denoiser that cannot be improved on: exact laws of masked tokens, for `Pairs` and `Ledger`.

Given every token that is not masked, prompt included, each masked position has a law; the oracle's logits are its
logarithms. No network, no error: what a decoding rule loses here it loses by revealing dependent tokens together.

    pairs    law(d)       ~ A(d) S(d + 3),      A, S: 1 where the token allows the digit, all 1 where it is masked
    letters  law(c)       ~ A(c) C(c)
    ledger   alpha_0      = [s = s_0]
             alpha_i(s)   ~ S_i(s) sum_d A_i(d) alpha_{i-1}(s - d)               forward, over the balance
             beta_K(s)    = 1
             beta_{i-1}(s) ~ sum_d A_i(d) S_i(s + d) beta_i(s + d)               backward
             law(s_i = s) ~ alpha_i(s) beta_i(s)
             law(d_i = d) ~ A_i(d) sum_s alpha_{i-1}(s) S_i(s + d) beta_i(s + d)

Messages are divided by their largest value. Because drawn digits are uniform, every message is then 0 or 1 and every
law is a point or uniform, exactly, so ties between positions are exact ties. By the chain rule, revealing an answer's
tokens in any order costs its entropy: the loss of a masked diffusion model (LLaDA, arXiv 2502.09992) with these laws is

    K (ln b + ln 10) / L nats per token      .9210 for K = 4, b = 10, L = 20;  .7824 for b = 5

and no model's is lower.

A canvas that no right answer completes, as decoding rules leave behind, has no laws. Then a token of the wrong kind
counts as masked; a masked position whose known neighbours contradict each other has the uniform law on its kind of
token; a known balance that contradicts what is known before it is believed by what comes after it. Positions that the
contradiction does not reach keep their laws.

Reconstructed: the paper has no oracle. Runs in float64 on the tokens' device.

Shapes: B rows, N canvas, P prompt, L answer length, V vocabulary, K entries, b base, X kinds of a field's token.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reasonry.errors import DataError
from reasonry.tasks.token_tasks import entries
from reasonry.tasks.token_tasks.base import END, MASK, PAD
from reasonry.tasks.token_tasks.entries import COPY, DIGIT, ENTRY_LEN, FIRST, LETTER, NUM_LETTERS, ORDERS, SECOND
from reasonry.tasks.token_tasks.ledger import Ledger
from reasonry.tasks.token_tasks.pairs import SHIFT, Pairs
from reasonry.training.dultra.denoiser import ORACLE, Denoised

IMPOSSIBLE_LOGP = -1e4
"""Logit of tokens that cannot stand there: finite, and zero after any softmax in float64."""


class OracleDenoiser:
    """Exact laws as a `Denoiser`.

    Args:
        task: What answers are drawn from.
    """

    def __init__(self, task: Pairs | Ledger) -> None:
        self.task = task
        self.mask_id, self.pad_id, self.end_id = MASK, PAD, END

    @property
    def name(self) -> str:
        """``oracle:pairs:4``, by which `checkpoints.open_denoiser` finds it."""
        return f"{ORACLE}:{self.task.name}"

    @property
    def vocab_size(self) -> int:
        """V."""
        return len(self.task.vocab)

    @property
    def width(self) -> int:
        """0: there are no hidden states."""
        return 0

    @property
    def max_len(self) -> int:
        """Of the canvas of every row: prompt and answer."""
        return self.task.max_prompt_len + self.task.answer_len

    def denoise(self, tokens_BN: Tensor, attend_BN: Tensor, *, with_hidden: bool = False) -> Denoised:
        """Log-probabilities, float64; a token that is known has the logit 0, and so has the prompt's.

        Args:
            tokens_BN: Padding, the task's prompt, and the whole answer.
            attend_BN: False on padding.
            with_hidden: Makes no difference; hidden states are None.

        Raises:
            DataError: A row is not a prompt and an answer of the task, or has masks in its prompt.
        """
        L, P = self.task.answer_len, self.task.max_prompt_len
        N = tokens_BN.shape[1]
        expected_N = torch.arange(N, device=tokens_BN.device) >= N - L - P
        if N < L + P or bool((attend_BN.bool() != expected_N).any()):
            raise DataError(
                f"the canvas of {N} tokens is not a prompt of {P} and an answer of {L}",
                place=self.name,
                remedy=f"Attend to the last {L + P} tokens of every row, and to no others.",
            )
        law_BLV = posterior(self.task, tokens_BN[:, N - L - P : N - L], tokens_BN[:, N - L :])
        logits_BNV = law_BLV.new_full((*tokens_BN.shape, self.vocab_size), IMPOSSIBLE_LOGP)
        logits_BNV.scatter_(2, tokens_BN[..., None], 0.0)
        logits_BNV[:, N - L :] = law_BLV.log().clamp(min=IMPOSSIBLE_LOGP)
        return Denoised(logits_BNV, None)


def posterior(task: Pairs | Ledger, prompt_BP: Tensor, answer_BL: Tensor) -> Tensor:
    """Law of the token of each position given all that are not masked, shape (B, L, V), float64.

    Args:
        task: What answers are drawn from.
        prompt_BP: Prompts, no padding.
        answer_BL: Answers, masked in places. The law of a token that is known is that token.

    Raises:
        DataError: A prompt that the task cannot have drawn.
    """
    (B, L), K, b, V = answer_BL.shape, task.num_entries, task.base, len(task.vocab)
    opening_B, order_BK4 = _read_prompt(task, prompt_BP)
    at_BK4 = order_BK4 + ENTRY_LEN * torch.arange(K, device=answer_BL.device)[:, None]
    token_BK4 = answer_BL.gather(1, at_BK4.view(B, -1)).view(B, K, -1)

    first_BKb, second_BKb = (_allowed(token_BK4[..., field], DIGIT, num=b) for field in (FIRST, SECOND))
    letter_id = entries.letter_id(b)
    letter_BKX, copy_BKX = (_allowed(token_BK4[..., field], letter_id, num=NUM_LETTERS) for field in (LETTER, COPY))
    if opening_B is None:
        both_BKb = _or_else(first_BKb * second_BKb.roll(-SHIFT, -1), torch.ones_like(first_BKb))
        law_of = {FIRST: both_BKb, SECOND: both_BKb.roll(SHIFT, -1)}
    else:
        law_of = dict(zip((FIRST, SECOND), _balance_laws(opening_B, first_BKb, second_BKb), strict=True))
    law_of[LETTER] = law_of[COPY] = _or_else(letter_BKX * copy_BKX, torch.ones_like(letter_BKX))

    law_BLV = first_BKb.new_zeros(B, L, V)
    law_BLV[:, ENTRY_LEN - 1 : K * ENTRY_LEN : ENTRY_LEN, entries.SEPARATOR] = 1.0
    law_BLV[:, K * ENTRY_LEN :, END] = 1.0
    row_B1 = torch.arange(B, device=answer_BL.device)[:, None]
    for field, law_BKX in law_of.items():
        low = DIGIT if field in (FIRST, SECOND) else letter_id
        padded_BKV = law_BLV.new_zeros(B, K, V)
        padded_BKV[..., low : low + law_BKX.shape[-1]] = law_BKX / law_BKX.sum(-1, keepdim=True)
        law_BLV[row_B1, at_BK4[..., field]] = padded_BKV
    known_BLV = torch.nn.functional.one_hot(answer_BL, V).to(law_BLV.dtype)
    return torch.where((answer_BL == MASK)[..., None], law_BLV, known_BLV)


def _read_prompt(task: Pairs | Ledger, prompt_BP: Tensor) -> tuple[Tensor | None, Tensor]:
    """Opening balances (B,), None when there are none, and the place of each field in its entry (B, K, 4)."""
    if isinstance(task, Ledger):
        opening_B, order_BK4 = (
            torch.tensor(a, device=prompt_BP.device) for a in task.read_prompt(prompt_BP.numpy(force=True))
        )
        return opening_B, order_BK4
    if bool((prompt_BP != entries.START).any()):
        raise DataError("not a prompt of this task: it is not <start>", place=task.name)
    return None, torch.tensor(ORDERS[0], device=prompt_BP.device).expand(len(prompt_BP), task.num_entries, -1)


def _allowed(token_BK: Tensor, low: int, *, num: int) -> Tensor:
    """1 where a field's token is that one or is not known, else 0; shape (B, K, ``num``)."""
    kind_X = torch.arange(low, low + num, device=token_BK.device)
    is_kind_BK = (token_BK >= low) & (token_BK < low + num)
    return ((token_BK[..., None] == kind_X) | ~is_kind_BK[..., None]).double()


def _or_else(weight_BX: Tensor, other_BX: Tensor) -> Tensor:
    """Weights with 1 as their largest; the others where all are 0."""
    most_B1 = weight_BX.amax(-1, keepdim=True)
    return torch.where(most_B1 > 0, weight_BX / most_B1.clamp(min=1.0), other_BX)


def _balance_laws(opening_B: Tensor, change_BKb: Tensor, balance_BKb: Tensor) -> tuple[Tensor, Tensor]:
    """Laws of the changes and of the balances (B, K, b), not normalised, by forward and backward messages."""
    K, b = change_BKb.shape[1:]
    digit_b = torch.arange(b, device=change_BKb.device)
    less_bb = (digit_b[:, None] - digit_b) % b  # [s, d]: the balance before s, when the change was d
    plus_bb = (digit_b[:, None] + digit_b) % b  # [s, d]: the balance after s
    alpha_Bb = torch.nn.functional.one_hot(opening_B, b).to(change_BKb.dtype)
    alphas: list[Tensor] = [alpha_Bb]
    for i in range(K):
        reached_Bb = (alpha_Bb[:, less_bb] * change_BKb[:, i, None, :]).sum(-1)
        alpha_Bb = _or_else(reached_Bb * balance_BKb[:, i], balance_BKb[:, i])
        alphas.append(alpha_Bb)

    beta_Bb = torch.ones_like(alpha_Bb)
    changes: list[Tensor] = []
    balances: list[Tensor] = []
    for i in reversed(range(K)):
        balances.append(_or_else(alphas[i + 1] * beta_Bb, balance_BKb[:, i]))
        onward_Bbb = _or_else(balance_BKb[:, i] * beta_Bb, balance_BKb[:, i])[:, plus_bb]
        joint_Bb = (alphas[i][..., None] * onward_Bbb).sum(1)
        changes.append(_or_else(joint_Bb * change_BKb[:, i], change_BKb[:, i]))
        beta_Bb = (onward_Bbb * change_BKb[:, i, None, :]).sum(-1)
        beta_Bb = beta_Bb / beta_Bb.amax(-1, keepdim=True)
    return torch.stack(changes[::-1], 1), torch.stack(balances[::-1], 1)
