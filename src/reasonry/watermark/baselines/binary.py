"""Christ, Gunn and Zamir's watermark (arXiv 2306.09194): tokens as bits of a Huffman code, each from a keyed uniform.

    code        Huffman's, for a law over the vocabulary that is given beforehand; a token is a path down a binary tree
    bit         1{u < P(bit = 1 | bits so far)}, P by the model's law of the token, u keyed by the context and the node
    score       v = -log u for a bit 1, -log(1 - u) for a bit 0: Exponential(1) without the mark
    p-value     P(Gamma(number of bits, 1) >= sum of v)
    e-process   that of the Gumbel scheme on r = 1 - exp(-v), uniform without the mark: bet by bet

The bits of a token make it a draw from the model's law. The tree changes neither this nor validity, only how the
entropy is spread over bits: a bit that is certain adds noise to the score and no mark, so a law close to the text's
helps (unigram counts), and the even law is safe.

As everywhere in this package u depends on the last ``context_tok`` tokens, and repeated contexts are drawn with
ordinary randomness and not scored. In the paper u depends on the number of the bit and on a start of the text that is
long enough to be unique, which makes the mark undetectable without the key but lost with any edit of the start.

Legend: V vocabulary, N scored tokens, B bits of them in a row, M inner nodes of the tree (V - 1).
"""

# pyright: strict
from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError
from reasonry.watermark.baselines.base import Floats, Ints, Reading, draw
from reasonry.watermark.baselines.key_words import open_uniforms
from reasonry.watermark.baselines.parsing import text_form
from reasonry.watermark.baselines.scored import Ids, check_vocab_size, context_before, token_ids
from reasonry.watermark.contexts import SeenContexts
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import Contexts, contexts_of, make_prf, token_words


class Path(NamedTuple):
    """A token's way down the tree.

    Attributes:
        node_B: The inner nodes passed, from the root.
        bit_B: What was chosen at each: 1 for the right child.
    """

    node_B: Ints
    bit_B: NDArray[np.bool_]


class HuffmanCode:
    """Huffman's code for a law over the vocabulary.

    The leaves are laid out from left to right, so that the tokens below a node are a range of them.

    Attributes:
        leaf_order_V: The tokens from left to right.
        low_M: First leaf below each inner node.
        middle_M: First leaf below its right child.
        high_M: Leaf after the last below it.
        child_M2: Left and right child: inner nodes by their index, token v as ``-1 - v``.
        root: Index of the root.
    """

    def __init__(self, law_V: Floats) -> None:
        num = len(law_V)
        self.child_M2 = _merge(law_V)
        self.root = num - 2
        self.leaf_order_V = np.empty(num, np.int64)
        self.low_M, self.middle_M, self.high_M = (np.empty(num - 1, np.int64) for _ in range(3))
        self._parent_M = np.full(num - 1, -1, np.int64)
        self._leaf_parent_V = np.empty(num, np.int64)
        self._lay_out()

    def path(self, token: int) -> Path:
        """The nodes and bits of a token."""
        nodes: list[int] = []
        bits: list[bool] = []
        child, node = -1 - token, int(self._leaf_parent_V[token])
        while node >= 0:
            nodes.append(node)
            bits.append(int(self.child_M2[node, 1]) == child)
            child, node = node, int(self._parent_M[node])
        return Path(np.array(nodes[::-1], np.int64), np.array(bits[::-1], np.bool_))

    def _lay_out(self) -> None:
        num_leaves = 0
        stack: list[tuple[int, int]] = [(self.root, 0)]  # a node, and how many of its children are done
        while stack:
            node, stage = stack.pop()
            if stage == 2:
                self.high_M[node] = num_leaves
                continue
            (self.low_M, self.middle_M)[stage][node] = num_leaves
            stack.append((node, stage + 1))
            child = int(self.child_M2[node, stage])
            if child >= 0:
                self._parent_M[child] = node
                stack.append((child, 0))
            else:
                self.leaf_order_V[num_leaves] = -1 - child
                self._leaf_parent_V[-1 - child] = node
                num_leaves += 1


class ChristBinary:
    """The scheme under a key.

    Args:
        key: The secret.
        vocab_size: Tokens that the model chooses from.
        law: Weights of the tokens for the code, such as unigram counts; None for the even law. It is part of the mark:
            the reader needs the same.
        context_tok: Tokens before the next one on which its uniforms depend.
        prf: The keyed function.

    Raises:
        ConfigError: A parameter is out of range.
    """

    is_distortion_free = True

    def __init__(
        self,
        key: SecretKey,
        *,
        vocab_size: int,
        law: ArrayLike | None = None,
        context_tok: int = 4,
        prf: str = "mix64-v1",
    ) -> None:
        if context_tok < 1:
            raise ConfigError(f"a context of {context_tok} tokens", place="context_tok", remedy="Use at least 1.")
        self.name = text_form("binary", ChristBinary, context_tok=context_tok, prf=prf)
        self.vocab_size = check_vocab_size(vocab_size)
        self.context_tok = context_tok
        self.code = HuffmanCode(np.ones(vocab_size) if law is None else _checked_law(law, vocab_size))
        # A key of its own: the words of a context and a token are the Gumbel scheme's.
        self._prf = make_prf(prf, SecretKey(key.derive("baselines/binary", 32)))

    def start(self) -> BinaryMarker:
        """A marker for a new text."""
        return BinaryMarker(self)

    def uniforms(self, context: Contexts, node_B: Ints) -> Floats:
        """The keyed numbers of nodes: of one context, or of as many contexts as nodes."""
        return open_uniforms(token_words(self._prf.words(context).draw_N, node_B))

    def read(self, ids: Ids) -> Reading:
        """Test a text.

        Raises:
            DataError: ``ids`` are not token ids of the vocabulary.
        """
        from reasonry.watermark.baselines.gumbel import gumbel_log_e_path, gumbel_p_path

        ids_T = token_ids(ids, self.vocab_size)
        contexts = contexts_of(ids_T, self.context_tok)
        row_N = np.flatnonzero(SeenContexts().first_seen(contexts.hash_N))
        position_N = row_N + self.context_tok
        pivot_B, end_N = self._pivots(contexts, row_N, ids_T[position_N])
        return Reading(
            position_T=position_N,
            p_T=gumbel_p_path(pivot_B)[end_N],
            log_e_T=gumbel_log_e_path(pivot_B)[end_N],
            num_tok=len(ids_T),
            num_short_context=min(self.context_tok, len(ids_T)),
            num_duplicate=len(contexts.hash_N) - len(row_N),
        )

    def _pivots(self, contexts: Contexts, row_N: Ints, token_N: Ints) -> tuple[Floats, Ints]:
        """The numbers r of all bits in a row, and the index of each token's last bit."""
        if not len(token_N):
            return np.empty(0), np.empty(0, np.int64)
        known = {token: self.code.path(token) for token in map(int, np.unique(token_N))}
        paths = [known[token] for token in map(int, token_N)]
        num_bits_N = np.array([len(path.node_B) for path in paths])
        row_B = np.repeat(row_N, num_bits_N)
        u_B = self.uniforms(
            Contexts(contexts.hash_N[row_B], contexts.ids_NH[row_B]), np.concatenate([path.node_B for path in paths])
        )
        # v = -log u where the bit is 1: r = 1 - exp(-v) = 1 - u.
        bit_B = np.concatenate([path.bit_B for path in paths])
        return np.where(bit_B, 1 - u_B, u_B), np.cumsum(num_bits_N) - 1


class BinaryMarker:
    """Marks one text; knows which contexts it has used."""

    def __init__(self, scheme: ChristBinary) -> None:
        self._scheme = scheme
        self._seen = SeenContexts()

    def step(self, q_V: Floats, history: Sequence[int], rng: np.random.Generator) -> int:
        """See `reasonry.watermark.baselines.base.Marker`."""
        context = context_before(history, self._scheme.context_tok)
        if context is None or not self._seen.first_seen(context.hash_N)[0]:
            return draw(q_V, rng.random())
        code = self._scheme.code
        cumulative = np.concatenate([[0.0], np.cumsum(q_V[code.leaf_order_V])])
        node = code.root
        while node >= 0:
            low, middle, high = (float(cumulative[leaf[node]]) for leaf in (code.low_M, code.middle_M, code.high_M))
            # Where a side has no mass the difference is exactly zero, and u lies strictly between 0 and 1.
            u = float(self._scheme.uniforms(context, np.array([node]))[0])
            node = int(code.child_M2[node, int(u < (high - middle) / (high - low))])
        return -1 - node


def _merge(law_V: Floats) -> NDArray[np.int64]:
    """Children of each inner node, in the order in which Huffman's algorithm makes them.

    Leaves in ascending order and the nodes made so far, whose weights ascend, are two queues; the two lightest of
    their heads are joined. Of equals a leaf goes first, which keeps the tree flat.
    """
    order = np.argsort(law_V, kind="stable")
    leaves = deque(zip(law_V[order].tolist(), (-1 - order).tolist(), strict=True))
    made: deque[tuple[float, int]] = deque()

    def lightest() -> tuple[float, int]:
        return leaves.popleft() if leaves and (not made or leaves[0][0] <= made[0][0]) else made.popleft()

    children = np.empty((len(law_V) - 1, 2), np.int64)
    for node in range(len(children)):
        (left_weight, left), (right_weight, right) = lightest(), lightest()
        children[node] = left, right
        made.append((left_weight + right_weight, node))
    return children


def _checked_law(law: Any, vocab_size: int) -> Floats:
    weights = np.asarray(law)
    if weights.shape != (vocab_size,) or weights.dtype.kind not in "fiu":
        raise ConfigError(
            f"a law of shape {weights.shape} and type {weights.dtype}",
            place="law",
            remedy=f"Give {vocab_size} weights, one for each token.",
        )
    weights = weights.astype(np.float64)
    if not (np.isfinite(weights) & (weights >= 0)).all() or weights.sum() <= 0:
        raise ConfigError("the law has negative or infinite weights, or none above 0", place="law")
    return weights / weights.sum()
