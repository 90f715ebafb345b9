"""Cross entropy of the fixed-attention model and its gradients, in closed form.

Attention that puts the same weight on subject and relation and none on the rest leaves logits(s, r) = W (e_s + e_r)
(arXiv 2506.10887, section 4). With the matrix F (Q, C) of ones at the two columns of each question,

    L = mean_q [ logsumexp_a (F W^T)_qa - (F W^T)_{q, a*(q)} ]        (sum over q when asked for)
    dL/dW = (softmax(F W^T) - onehot(a*))^T F / Q

    factorised  W = W_O W_V^T      dL/dW_O = dL/dW W_V,   dL/dW_V = (dL/dW)^T W_O
    combined    W itself
    frozen      W = W_O W_V^T, W_V stays as drawn

F has two ones in a row, so F W^T gathers and adds two rows of W^T, and F^T G adds rows of G up where they belong:
nothing of size (Q, C) is ever built. The loss and 1 - p are computed from margins and keep their precision when all
answers are certain.

Shapes as in `table`; C = |S| + 2 columns, H width of the factors.
"""

# pyright: strict
from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from scipy import sparse  # pyright: ignore[reportMissingTypeStubs]

from reasonry.understanding.out_of_context.theory.table import Floats, Ints, Questions


class Descent(NamedTuple):
    """Loss, and its gradient by the transposed weights.

    Attributes:
        loss: Mean over questions, nats.
        gradient_CA: dL/dW^T.
    """

    loss: float
    gradient_CA: Floats


class FixedAttentionLoss:
    """The loss of some questions as a function of W^T.

    Args:
        questions: At least one.
        num_subjects: |S|; the columns after them are relations.
    """

    def __init__(self, questions: Questions, num_subjects: int) -> None:
        num = len(questions)
        assert num, "a loss needs questions"
        columns_Q2 = np.stack([questions.subject_Q, num_subjects + questions.relation_Q], 1)
        rows = np.repeat(np.arange(num), 2)
        shape = (num, num_subjects + 2)
        ones = np.ones(2 * num)
        self._features: Any = sparse.csr_array((ones, (rows, columns_Q2.ravel())), shape=shape)
        self._transposed: Any = sparse.csr_array((ones, (columns_Q2.ravel(), rows)), shape=shape[::-1])
        self._answer_Q: Ints = questions.answer_Q
        self._rows = np.arange(num)

    def __call__(self, weights_CA: Floats) -> Descent:
        """Loss and gradient at W^T."""
        logits_QA = cast("Floats", self._features @ weights_CA)
        loss_Q, error_QA = loss_and_error(logits_QA, self._rows, self._answer_Q)
        error_QA /= len(self._rows)
        return Descent(float(loss_Q.mean()), cast("Floats", self._transposed @ error_QA))


def loss_and_error(logits_QV: Floats, rows_Q: Ints, answer_Q: Ints) -> tuple[Floats, Floats]:
    """Cross entropy of each question, (Q,), and softmax - onehot, (Q, V), which takes the place of the logits.

    With the shift m = max(0, largest -h) both stay finite, and where m = 0 nothing is lost beside 1:
    the loss is log1p(sum of exp(-h)), the error of the right answer minus that of all others.
    """
    logits_QV -= logits_QV[rows_Q, answer_Q][:, None]
    logits_QV[rows_Q, answer_Q] = -np.inf
    most_Q = np.maximum(logits_QV.max(1), 0.0)
    logits_QV -= most_Q[:, None]
    np.exp(logits_QV, out=logits_QV)
    others_Q = logits_QV.sum(1)
    own_Q = np.exp(-most_Q)
    logits_QV /= (own_Q + others_Q)[:, None]
    logits_QV[rows_Q, answer_Q] = -others_Q / (own_Q + others_Q)
    return most_Q + np.log1p(others_Q + np.expm1(-most_Q)), logits_QV
