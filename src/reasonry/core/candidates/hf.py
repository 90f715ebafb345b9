"""Scores from a model's weights: log-probabilities of whole candidates, with everything shared read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.core.candidates.base import CandidateQuestion, CandidateScores, check_scores
from reasonry.core.candidates.config import CandidateConfig
from reasonry.core.candidates.position import Encoded, QuestionEncoder
from reasonry.core.candidates.row_scores import RowScorer
from reasonry.core.candidates.tree import Row
from reasonry.core.models import LoadedModel
from reasonry.core.models.context import context_tok


class WeightsScorer:
    """A ``CandidateScorer`` over a transformers causal language model.

    Args:
        loaded: Model and tokenizer; also a model in training, which is scored in eval mode and given back as it was.
        config: How the prompt is put, what stands behind candidates, most tokens at once.

    Raises:
        ConfigError: A chat is wanted, and the tokenizer has no template.
    """

    def __init__(self, loaded: LoadedModel, config: CandidateConfig | None = None) -> None:
        self.config = config or CandidateConfig()
        self.loaded = loaded
        self._rows = RowScorer(loaded.model, batch_tok=self.config.batch_tok)
        self._encoder = QuestionEncoder(
            loaded.tokenizer,
            name=loaded.name,
            as_chat=self.config.prompt_as == "chat",
            ending=self.config.ending,
            limit_tok=context_tok(loaded.model),
        )
        self._num = dict.fromkeys(("questions", "merged", "shared_first_token", "nested"), 0)

    @property
    def identity(self) -> dict[str, Any]:
        """Model, number format, and how the prompt is put."""
        how = {"prompt_as": self.config.prompt_as, "ending": self.config.ending}
        return {"scorer": "weights", **self.loaded.identity, **how}

    def describe(self) -> dict[str, Any]:
        """``identity``, whether rows are packed (and why not), and counts of questions and tokens so far."""
        return {
            **self.identity,
            "kind": "sequence",
            **{f"num_{name}": num for name, num in self._num.items()},
            "unpacked_because": self._rows.unpacked_because,
            "num_rows_unpacked": self._rows.num_alone,
            "num_row_tok": self._rows.num_row_tok,
            "num_read_tok": self._rows.num_read_tok,
        }

    def score(self, questions: Sequence[CandidateQuestion]) -> list[CandidateScores]:
        """Log-probabilities of the candidates, in the order of the questions.

        Raises:
            DataError: A question that cannot be asked (see `QuestionEncoder.encode`), before any is scored; or scores
                that are no numbers.
        """
        encoded = self._encoder.encode(questions)
        logps = iter(self._rows.score([Row(ids, found.start) for found in encoded for ids in found.rows]))
        scores = [_scores_of(found, [next(logps) for _ in found.rows]) for found in encoded]
        check_scores(scores, questions, name=self.loaded.name)
        self._num["questions"] += len(encoded)
        self._num["merged"] += sum(found.merged for found in encoded)
        self._num["shared_first_token"] += sum(found.shared_first_token for found in encoded)
        self._num["nested"] += sum(found.nested for found in encoded)
        return scores


def _scores_of(found: Encoded, logps: Sequence[NDArray[np.float64]]) -> CandidateScores:
    logp = tuple(float(x.sum()) for x in logps)
    return CandidateScores(
        logp=logp,
        logp_per_tok=tuple(s / len(x) for s, x in zip(logp, logps, strict=True)),
        first_token=logp if found.shared_first_token else tuple(float(x[0]) for x in logps),
        shared_first_token=found.shared_first_token,
        kind="sequence",
        num_tok=tuple(len(x) for x in logps),
        merged=found.merged,
        nested=found.nested,
    )
