"""Loss of every label of a batch, sums of them, and looks at rows that are not trained on.

A look gives two losses: over all labels, which no two methods can be compared by; and over the tokens of the answer
alone, each read after the reasoning of its own row, which they can.

Legend: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from reasonry.core.learning import device_of
from reasonry.core.rows import Row as LogRow
from reasonry.training.latent_tokens.finetune.task import Task
from reasonry.training.latent_tokens.mixing.collating import Batch
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.loader import Loader
from reasonry.training.latent_tokens.mixing.methods import Method
from reasonry.training.latent_tokens.mixing.mixer import Mixer
from reasonry.training.latent_tokens.mixing.rows import IGNORED
from reasonry.training.latent_tokens.mixing.spans import Moment


class Scorer:
    """Gives -log p of labels.

    Args:
        model: A causal language model, with or without adapters.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        inner: Any = model
        inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
        # The rows of a large vocabulary are then computed for labels alone, and not for long prompts.
        self.cuts_logits = "logits_to_keep" in inspect.signature(inner.forward).parameters

    def __call__(self, batch: Batch) -> Tensor:
        """-log p of every label, 0 elsewhere; (B, T - 1), that of position t + 1 in column t."""
        first, device = first_label(batch.labels_BT), device_of(self.model)
        keep = batch.ids_BT.shape[1] - first + 1  # the token before a label predicts it
        cut = {"logits_to_keep": keep} if self.cuts_logits else {}
        logits_BTV = self.model(
            input_ids=batch.ids_BT.to(device), attention_mask=batch.attend_BT.to(device), use_cache=False, **cut
        ).logits[:, -keep:-1]
        found_BT = nn.functional.cross_entropy(
            logits_BTV.float().transpose(1, 2),
            batch.labels_BT[:, first:].to(device),
            ignore_index=IGNORED,
            reduction="none",
        )
        return nn.functional.pad(found_BT, (first - 1, 0))


class Losses(NamedTuple):
    """Sums over rows that are looked at.

    Attributes:
        nats: Over all labels.
        labels: How many.
        answer_nats: Over the labels of answers.
        answer_labels: How many.
    """

    nats: float = 0.0
    labels: int = 0
    answer_nats: float = 0.0
    answer_labels: int = 0

    def plus(self, other: Losses) -> Losses:
        """Both together."""
        return Losses(
            self.nats + other.nats,
            self.labels + other.labels,
            self.answer_nats + other.answer_nats,
            self.answer_labels + other.answer_labels,
        )


class Looks:
    """Looks at held-out rows of a method.

    Args:
        task: Examples, numbers, settings.
        method: Whose rows.
        scorer: Of the model.
    """

    def __init__(self, task: Task, method: Method, scorer: Scorer) -> None:
        self._task, self._method, self._scorer = task, method, scorer
        rows = task.examples.held_out
        self._answers = [len(row.answer_ids) for row in rows]
        self._rows = None
        if rows:
            mixer = Mixer(rows, method, ids=task.ids, settings=task.mixing, seed=task.seed)
            self._rows = Loader(mixer, pad_id=task.ids.pad)

    def is_due(self, done: int) -> bool:
        """Whether there is a look after ``done`` steps."""
        every = self._task.settings.looks.every
        is_last = done == self._task.length.num_steps
        return self._rows is not None and (is_last or bool(every and done % every == 0))

    @torch.no_grad()
    def __call__(self, done: int) -> LogRow:
        """Losses after ``done`` steps; always the same draws of m."""
        assert self._rows is not None
        self._scorer.model.eval()
        moment = self._task.moment(done)
        if not self._method.has_schedule:
            moment = Moment(0.0, moment.progress)
        size, sums = self._task.settings.looks.batch_size, Losses()
        for start in range(0, len(self._answers), size):
            numbers = range(start, min(start + size, len(self._answers)))
            batch = self._rows(numbers, moment)
            sums = sums.plus(losses(self._scorer(batch), batch, [self._answers[number] for number in numbers]))
        return {
            "held_out/loss": sums.nats / sums.labels,
            "held_out/answer_loss": sums.answer_nats / sums.answer_labels if sums.answer_labels else None,
        }


# ---------------------------------------------------------------- batches


def parts(batch: Batch, size: int) -> list[Batch]:
    """A batch in parts of so many rows."""
    cuts = [slice(start, start + size) for start in range(0, len(batch.ids_BT), size)]
    return [Batch(batch.ids_BT[cut], batch.attend_BT[cut], batch.labels_BT[cut]) for cut in cuts]


def first_label(labels_BT: Tensor) -> int:
    """The first column, from 1, in which any row has a label: nothing before it needs logits."""
    has_label_T = (labels_BT[:, 1:] != IGNORED).any(0)
    return 1 + int(has_label_T.int().argmax())


def learnt_parts(labels_BT: Tensor, ids: LatentIds) -> dict[str, float]:
    """Mean numbers of learnt tokens of a row, by what they are."""
    codes = (labels_BT >= ids.first_code) & (labels_BT < ids.first_code + ids.num_codes)
    markers = (labels_BT == ids.begin) | (labels_BT == ids.end)
    num, whole = len(labels_BT), int((labels_BT != IGNORED).sum())
    num_codes, num_markers = int(codes.sum()), int(markers.sum())
    return {
        "text_tok": (whole - num_codes - num_markers) / num,
        "codes": num_codes / num,
        "markers": num_markers / num,
    }


def losses(nats_BT: Tensor, batch: Batch, answers: Sequence[int]) -> Losses:
    """Sums over all labels, and over those of the last so many tokens of each row.

    Args:
        nats_BT: (B, T - 1).
        batch: Padded on the right.
        answers: Tokens of each row's answer.
    """
    is_label_BT = batch.labels_BT[:, 1:] != IGNORED
    ends_B = batch.attend_BT.sum(1)
    columns_T = torch.arange(1, batch.ids_BT.shape[1])
    is_answer_BT = (columns_T >= (ends_B - torch.tensor(answers))[:, None]) & is_label_BT
    found = nats_BT.double().cpu()
    return Losses(
        float(found[is_label_BT].sum()),
        int(is_label_BT.sum()),
        float(found[is_answer_BT].sum()),
        int(is_answer_BT.sum()),
    )
