"""The tokens that set thoughts apart from text, and their rows in the embedding and in the head.

    question <|start-latent|> <|latent|> ... <|latent|> <|end-latent|> answer

Names and initialisation follow the code of Coconut (Hao et al. 2024): the new rows begin as copies of another token's,
"<<" where nothing else is said; when that is several tokens to the tokenizer, as their mean. A vocabulary of symbols
may have no markers at all: then the latent token stands alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor

from reasonry.core.models.quiet import quiet_transformers
from reasonry.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

START, LATENT, END = "<|start-latent|>", "<|latent|>", "<|end-latent|>"
INIT_FROM = "<<"


class LatentTokens(NamedTuple):
    """Ids with a meaning of their own.

    Attributes:
        latent_id: Stands in latent slots.
        start_id: Before the slots; None without markers.
        end_id: Behind them; None without markers.
        pad_id: Fills batches up; never attended to, so that any token will do.
    """

    latent_id: int
    start_id: int | None = None
    end_id: int | None = None
    pad_id: int = 0

    @property
    def before(self) -> tuple[int, ...]:
        """What stands before the slots."""
        return () if self.start_id is None else (self.start_id,)

    @property
    def after(self) -> tuple[int, ...]:
        """What stands behind the slots."""
        return () if self.end_id is None else (self.end_id,)

    def ids(self) -> tuple[int, ...]:
        """Start, latent and end, as far as they are there."""
        return (*self.before, self.latent_id, *self.after)

    def check(self, model: PreTrainedModel) -> None:
        """Refuse ids that the model does not have, or that it never trains.

        Raises:
            ConfigError: An id beyond the vocabulary, one id for two things, or a slot's embedding that is held at zero.
        """
        embedding: Any = model.get_input_embeddings()
        size, ids = int(embedding.weight.shape[0]), self.ids()
        if not all(0 <= token_id < size for token_id in (*ids, self.pad_id)):
            raise ConfigError(
                f"token ids {(*ids, self.pad_id)} for {size} embeddings",
                place="tokens",
                remedy="Give ids of the model's vocabulary.",
            )
        if len(set(ids)) < len(ids):
            raise ConfigError(f"one id for two things: {self}", place="tokens")
        held = getattr(embedding, "padding_idx", None)
        if held in ids:
            raise ConfigError(
                f"the model holds the embedding of token {held} fixed: it is the padding of its config",
                place="tokens",
                remedy="Choose another id for the latent token and its markers.",
            )


def add_tokens(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, init_from: str = INIT_FROM
) -> LatentTokens:
    """Add the three tokens to a tokenizer and their rows to its model; what is there already stays as it is.

    Args:
        model: Changed in place; embeddings are added only where the model has no spare ones.
        tokenizer: Changed in place.
        init_from: Text whose tokens' rows the new ones begin as.

    Raises:
        ConfigError: ``init_from`` is no token, or the tokenizer names tokens beyond the model's.
    """
    known = tokenizer.get_vocab()
    names = (START, LATENT, END)
    source = tokenizer.encode(init_from, add_special_tokens=False)
    if not source:
        raise ConfigError(f"init_from {init_from!r} is no token", place="init_from", remedy="Give some text.")
    new = [name for name in names if name not in known]
    tokenizer.add_tokens(new, special_tokens=True)
    ids = cast("list[int]", tokenizer.convert_tokens_to_ids(list(names)))
    num_rows = int(cast("Tensor", model.get_input_embeddings().weight).shape[0])
    if len(tokenizer) > num_rows:
        with quiet_transformers():
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    new_ids = [token_id for name, token_id in zip(names, ids, strict=True) if name in new]
    _copy_rows(model, new_ids, source)
    pad_id = tokenizer.pad_token_id
    pad_id = tokenizer.eos_token_id if pad_id is None else pad_id
    start_id, latent_id, end_id = ids
    return LatentTokens(latent_id, start_id, end_id, pad_id if isinstance(pad_id, int) else latent_id)


@torch.no_grad()
def _copy_rows(model: PreTrainedModel, ids: list[int], source: list[int]) -> None:
    """Rows of ``source``, averaged, into those of ``ids``: of embedding and head, and once where these are one."""
    head: Any = model.get_output_embeddings()
    embedding: Any = model.get_input_embeddings()
    weights: list[Tensor] = [embedding.weight]
    if head is not None and head.weight is not embedding.weight:
        weights.append(head.weight)
    if head is not None and getattr(head, "bias", None) is not None:
        weights.append(head.bias)
    for weight in weights:
        weight[ids] = weight[source].mean(0)
