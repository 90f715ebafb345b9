"""Training the symbolic lab of out-of-context reasoning: counts of tokens against dense one-hot sequences.

Run ``python benchmarks/out_of_context_lab.py [--json] [--steps N] [--peer-steps N]``. One thread of a CPU each.

* fixed      1,000 steps of gradient descent with fixed attention, n = 20 groups of 1 bridge and 3 other subjects,
             factorised and combined;
* one-layer  2,000 steps of AdamW at the authors' scale: 128 tokens, sequences of 16, batches of 252, both
             parameterisations with weights as they begin in the authors' script;
* peer       the same training as a plain loop in the style of the authors' release, written here anew: sequences are
             built one by one in a Python loop, embedded as one-hot vectors (B, T, d), and every position is multiplied
             by every matrix, in float32 with torch. A few of its steps are timed, in turns with ours.

Before anything is timed the two are shown to be the same model: equal loss and gradients on the same sequences.
The ratio is seconds a step of the peer over ours. The peer computes in float32, ours in float64.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reasonry.core.seeds import stream
from reasonry.understanding.out_of_context.theory import one_layer
from reasonry.understanding.out_of_context.theory.fixed_attention import FixedAttention
from reasonry.understanding.out_of_context.theory.one_layer_training import OneLayer
from reasonry.understanding.out_of_context.theory.sequences import Vocabulary, counts_of
from reasonry.understanding.out_of_context.theory.table import Table, make_table

BATCH = 252
TURNS = 3


class DenseModel(nn.Module):
    """Linear attention over one-hot sequences, every position by every matrix."""

    def __init__(self, size: int, length: int, *, factorised: bool) -> None:
        super().__init__()
        self.embed = torch.eye(size)
        self.query = nn.Parameter(1e-4 * torch.ones(size, size))
        self.key = torch.eye(size)
        self.output = nn.Parameter(1e-4 * torch.ones(size, size))
        value = 1e-4 * torch.eye(size) if factorised else torch.eye(size)
        self.value = nn.Parameter(value, requires_grad=factorised)
        self.mask = torch.tril(torch.ones(length, length))

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits at the last position, (B, V)."""
        x = self.embed[tokens_BT]
        queries, keys, values = x @ self.query.T, x @ self.key.T, x @ self.value
        attention = (queries @ keys.transpose(1, 2)) * self.mask
        return ((attention @ values) @ self.output.T)[:, -1]


def one_by_one(table: Table, tokens: Vocabulary, rng: np.random.Generator) -> tuple[list[list[int]], list[int]]:
    """A batch, each sequence by itself."""
    n = table.num_groups
    bridges = [s for s in range(table.num_subjects) if table.is_bridge_S[s]]
    rest = [s for s in range(table.num_subjects) if not table.is_bridge_S[s]]
    sequences, answers = [], []
    for i in range(BATCH):
        kind = i * 3 // BATCH
        pool = rest if kind == 2 else bridges
        subject = pool[int(rng.integers(len(pool)))]
        relation = int(kind == 1)
        row = rng.integers(tokens.first_noise, tokens.eos, size=tokens.length - 1).tolist()
        first, second = sorted(rng.permutation(tokens.length - 1)[:2].tolist())
        row[first], row[second] = tokens.num_answers + subject, tokens.first_relation + relation
        sequences.append([*row, tokens.eos])
        answers.append(relation * n + int(table.group_S[subject]))
    return sequences, answers


def peer_steps(model: DenseModel, optimizer: Any, table: Table, tokens: Vocabulary, rng: Any, num: int) -> None:
    for _ in range(num):
        sequences, answers = one_by_one(table, tokens, rng)
        law = torch.softmax(model(torch.tensor(sequences)), -1)
        loss = -torch.log(law[torch.arange(BATCH), torch.tensor(answers)] + 1e-12).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def check_same(table: Table, tokens: Vocabulary, *, factorised: bool) -> float:
    """Largest difference of gradients on the same sequences, relative to the largest entry."""
    ours = OneLayer(table, "factorised" if factorised else "combined", init="default")
    theirs = DenseModel(tokens.size, tokens.length, factorised=factorised).double()
    theirs.embed, theirs.key, theirs.mask = theirs.embed.double(), theirs.key.double(), theirs.mask.double()
    with torch.no_grad():
        theirs.query[:, tokens.eos] = torch.tensor(ours.weights["query"])
        theirs.output.copy_(torch.tensor(ours.weights["output"] if factorised else ours.weights["combined"].T))
        if factorised:
            theirs.value.copy_(torch.tensor(ours.weights["value"]))
    sequences, answers = one_by_one(table, tokens, stream(0, "same"))
    step = one_layer.loss_and_gradients(ours.weights, counts_of(np.array(sequences), tokens), np.array(answers))
    loss = torch.nn.functional.cross_entropy(theirs(torch.tensor(sequences)), torch.tensor(answers))
    loss.backward()
    assert abs(loss.item() - step.loss) < 1e-10, "not the same model"
    assert theirs.output.grad is not None and theirs.query.grad is not None
    output = step.gradients["output"] if factorised else step.gradients["combined"].T
    gap = float(np.abs(theirs.output.grad.numpy() - output).max() / np.abs(output).max())
    query = step.gradients["query"]
    gap = max(gap, float(np.abs(theirs.query.grad.numpy()[:, tokens.eos] - query).max() / np.abs(query).max()))
    assert gap < 1e-9, f"gradients differ by {gap}"
    return gap


def seconds(call: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of the symbolic lab.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--steps", type=int, default=2000, help="of the one-layer model")
    parser.add_argument("--peer-steps", type=int, default=20, help="of the peer, in each of three turns")
    args = parser.parse_args()
    torch.set_num_threads(1)

    table = make_table(20, bridge=1, others=3)
    found: dict[str, Any] = {"steps": args.steps, "peer_steps": TURNS * args.peer_steps}
    for kind in ("factorised", "combined"):
        lab = FixedAttention(table, kind)  # pyright: ignore[reportArgumentType]
        found[f"fixed_{kind}_1000_s"] = seconds(partial(lab.advance, 0, 1000))
    for kind in ("factorised", "combined"):
        factorised = kind == "factorised"
        ours = OneLayer(table, kind)  # pyright: ignore[reportArgumentType]
        tokens = ours.tokens
        check_same(table, tokens, factorised=factorised)
        theirs = DenseModel(tokens.size, tokens.length, factorised=factorised)
        learnt = [weight for weight in theirs.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(learnt, lr=5e-3, weight_decay=0.03)
        rng = stream(0, "peer")
        peer_steps(theirs, optimizer, table, tokens, rng, 2)
        part, peer_s, ours_s = -(-args.steps // TURNS), 0.0, 0.0
        for turn in range(TURNS):
            ours_s += seconds(partial(ours.advance, turn * part, min(args.steps, (turn + 1) * part)))
            peer_s += seconds(partial(peer_steps, theirs, optimizer, table, tokens, rng, args.peer_steps))
        per_step, per_peer = ours_s / args.steps, peer_s / (TURNS * args.peer_steps)
        found |= {
            f"one_layer_{kind}_s": ours_s,
            f"one_layer_{kind}_ms_per_step": 1e3 * per_step,
            f"peer_{kind}_ms_per_step": 1e3 * per_peer,
            f"ratio_{kind}": per_peer / per_step,
        }
    if args.json:
        print(json.dumps(found))
        return 0
    for kind in ("factorised", "combined"):
        print(f"fixed attention, {kind}: 1,000 steps {found[f'fixed_{kind}_1000_s']:.2f} s")
    for kind in ("factorised", "combined"):
        print(
            f"one layer, {kind}: {args.steps:,} steps {found[f'one_layer_{kind}_s']:.1f} s, "
            f"{found[f'one_layer_{kind}_ms_per_step']:.2f} ms a step; plain loop "
            f"{found[f'peer_{kind}_ms_per_step']:.1f} ms: {found[f'ratio_{kind}']:.1f} times"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
