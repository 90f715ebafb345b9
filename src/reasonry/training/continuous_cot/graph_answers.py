"""Answers of a model to questions about graphs, and whether they are right.

An answer is *exactly* right when the target is the likeliest of all symbols behind [A], and right *of the candidates*
when it is likelier than the distractor. Methods that write their steps have to write [A] first; an answer that never
comes is wrong in both senses. At a stage before a question's last there is no answer yet: then a vertex is right that
may come next.

Legend: B rows, T columns, K most slots, D width, S tokens behind a question, V symbols, N vertices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reasonry.training.continuous_cot.graph_arrays import Bools
from reasonry.training.continuous_cot.graph_format import Format, Symbols, most_written_tok
from reasonry.training.continuous_cot.graph_rows import Asked, Tail, asking_tail, build, part_of, row_of, tail_part
from reasonry.training.continuous_cot.latent.backbone import evaluating
from reasonry.training.continuous_cot.latent.chain import chained_forward
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import Batch
from reasonry.training.continuous_cot.methods import Method
from reasonry.training.continuous_cot.source import HeldOut, Judged

Logits = NDArray[np.float32]


class Asking(NamedTuple):
    """Who is asked, and how.

    Attributes:
        model: In eval mode while it answers.
        form: How rows look.
        method: What stands in slots.
        batch_size: Rows at once.
    """

    model: LatentCausalLM
    form: Format
    method: Method
    batch_size: int

    def batches(self, asked: Asked, tail: Tail) -> Iterator[tuple[slice, Batch]]:
        """Questions in batches, with their places."""
        for start in range(0, len(asked.first_B), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield part, build(part_of(asked, part), tail_part(tail, part), self.form, fill=self.method.fill)

    def last_logits(self, asked: Asked, tail: Tail, *, placed_BKD: Tensor | None = None) -> Logits:
        """Logits (B, V) behind the last token of each row.

        Args:
            asked: The questions.
            tail: What follows them.
            placed_BKD: Fed in slots in place of thoughts, in one pass.
        """
        model = self.model
        found: list[Tensor] = []
        with torch.inference_mode(), evaluating(model):
            for part, batch in self.batches(asked, tail):
                batch = batch.to(model.device)
                last_B = batch.attend_BT.shape[1] - 1 - batch.attend_BT.flip(1).to(torch.int8).argmax(1)
                embeds_BTD = model.embed(batch)
                if placed_BKD is not None:
                    rows, columns = batch.is_thought_BT.nonzero(as_tuple=True)
                    order = batch.is_thought_BT.cumsum(1)[rows, columns] - 1
                    embeds_BTD[rows, columns] = placed_BKD[part][rows, order].to(embeds_BTD)
                    batch = batch._replace(is_thought_BT=torch.zeros_like(batch.is_thought_BT))
                chained = chained_forward(model.backbone, embeds_BTD, batch, feedback=model.feedback, how="auto")
                rows = torch.arange(len(last_B), device=last_B.device)
                found.append(model.backbone.logits(chained.hidden_BTD[rows, last_B]).float().cpu())
        return torch.cat(found).numpy()

    def thoughts(self, asked: Asked, tail: Tail) -> Tensor:
        """Thoughts (B, K, D) of all rows; zeros behind a row's last one."""
        most = int(tail.num_slots_B.max())
        found: list[Tensor] = []
        with torch.inference_mode(), evaluating(self.model):
            for _, batch in self.batches(asked, tail):
                own_BKD = self.model(batch.to(self.model.device)).thoughts_BKD
                found.append(torch.nn.functional.pad(own_BKD, (0, 0, 0, most - own_BKD.shape[1])))
        return torch.cat(found)

    def write(self, asked: Asked) -> list[list[int]]:
        """What the model writes behind each question, the end included where it came to it."""
        num, symbols = len(asked.first_B), self.form.symbols
        nothing = np.zeros((num, 0), np.int64)
        tail = asking_tail(np.zeros(num, np.int64), nothing, num_nodes=asked.graphs.num_nodes)
        texts: list[list[int]] = []
        for _, batch in self.batches(asked, tail):
            rows = [row_of(batch, number, fill="nothing") for number in range(len(batch.ids_BT))]
            texts += self.model.generate(
                [row.ids for row in rows],
                0,
                edges=[row.edges for row in rows if row.edges is not None] or None,
                max_new_tokens=most_written_tok(asked.graphs.max_hops),
                eos_token_id=symbols.end_id,
                do_sample=False,
            ).sequences
        return texts


def judge_written(asking: Asking, asked: Asked, *, split: HeldOut) -> list[Judged]:
    """Let the model write; then look at its answer once more, for what it thinks of the candidates."""
    symbols, num = asking.form.symbols, len(asked.first_B)
    texts = asking.write(asked)
    ids_BS = np.full((num, most_written_tok(asked.graphs.max_hops)), -1)
    is_answered_B = np.zeros(num, bool)
    for number, text in enumerate(texts):
        at = max((at for at, token in enumerate(text[:-1]) if token == symbols.answer_id), default=-1)
        is_answered_B[number] = at >= 0
        ids_BS[number, : at + 1] = text[: at + 1]
    tail = asking_tail(np.zeros(num, np.int64), ids_BS, num_nodes=asked.graphs.num_nodes)
    logits_BV = asking.last_logits(asked, tail)
    found: list[Judged] = []
    for number, text in enumerate(texts):
        judged = judge_answer(asked, logits_BV[number], symbols, number, split=split)
        if not is_answered_B[number]:
            shown = " ".join(map(symbols.text, text))
            judged = judged._replace(is_right=False, is_right_of_candidates=False, is_tie=False, answer=shown)
        found.append(judged._replace(num_tokens=len(text) - (text[-1] == symbols.end_id)))
    return found


def judge_answer(asked: Asked, logits_V: Logits, symbols: Symbols, number: int, *, split: HeldOut) -> Judged:
    """The likeliest symbol as an answer."""
    _, target, distractor = asked.graphs.question_G3[number].tolist()
    best = int(logits_V.argmax())
    is_tie = int((logits_V == logits_V[best]).sum()) > 1 or bool(logits_V[target] == logits_V[distractor])
    return Judged(
        is_right=best == target,
        is_right_of_candidates=bool(logits_V[target] > logits_V[distractor]),
        is_tie=is_tie,
        answer=symbols.text(best),
        num_tokens=1,
        num_thoughts=0,
        group=_hops(int(asked.graphs.hops_G[number])),
        id=f"{split}-{number}",
    )


def judge_step(
    asked: Asked, logits_V: Logits, right_N: Bools, symbols: Symbols, number: int, *, split: HeldOut
) -> Judged:
    """The likeliest symbol as a next step."""
    best = int(logits_V.argmax())
    return Judged(
        is_right=best < len(right_N) and bool(right_N[best]),
        is_right_of_candidates=None,
        is_tie=int((logits_V == logits_V[best]).sum()) > 1,
        answer=symbols.text(best),
        num_tokens=1,
        num_thoughts=0,
        group=_hops(int(asked.graphs.hops_G[number])),
        id=f"{split}-{number}",
    )


def _hops(num: int) -> str:
    return f"{num} hop" if num == 1 else f"{num} hops"
