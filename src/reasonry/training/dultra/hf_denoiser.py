"""Any masked language model of transformers as a denoiser: BERT, RoBERTa, ModernBERT and their kin.

They were trained at one share of masks (0.15 or 0.3) and not at all of them, so that their words on a canvas of masks
alone are poor until they are trained further (`elbo`); nothing else sets them apart from a masked diffusion model.

Positions are counted from a row's first attended token, from where the model begins to count (RoBERTa: behind the
number of its padding token). A model that takes no positions is given its rows pushed to the left instead.

Shapes: B rows, N canvas, D width, V vocabulary.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from torch import Tensor, nn

from reasonry.core.models.context import context_tok
from reasonry.errors import ConfigError
from reasonry.training.dultra.denoiser import Denoised
from reasonry.training.dultra.masking import attended_keys, positions

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class SpecialTokens(NamedTuple):
    """Tokens with a meaning of their own.

    Attributes:
        mask_id: Stands for what is not known yet.
        pad_id: Fills prompts on the left; never attended to, so that any token will do.
        end_id: Ends an answer, and fills what comes after; None when there is none.
    """

    mask_id: int
    pad_id: int
    end_id: int | None

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> SpecialTokens:
        """Those of a tokenizer; an answer ends in its end of text, or else in its separator.

        Raises:
            ConfigError: It has no mask token.
        """
        if (mask_id := _only_id(tokenizer, "mask")) is None:
            raise ConfigError(
                "the tokenizer has no mask token",
                place=str(tokenizer.name_or_path),
                remedy="Give the ids: SpecialTokens(mask_id, pad_id, end_id).",
            )
        end_id = _only_id(tokenizer, "eos")
        end_id = _only_id(tokenizer, "sep") if end_id is None else end_id
        pad_id = _only_id(tokenizer, "pad")
        if pad_id is None:
            pad_id = mask_id if end_id is None else end_id
        return cls(mask_id, pad_id, end_id)


def _only_id(tokenizer: PreTrainedTokenizerBase, name: str) -> int | None:
    found = getattr(tokenizer, f"{name}_token_id", None)
    return found if isinstance(found, int) else None


class HfDenoiser(nn.Module):
    """A masked language model of transformers. Computes with gradients where they are on.

    Args:
        model: Of ``AutoModelForMaskedLM``; put into eval mode.
        special: Its special tokens, or its tokenizer.
        name: For tables and saved planners; by default the name that the model was loaded by.

    Attributes:
        model: As given.
        name, vocab_size, width, max_len, mask_id, pad_id, end_id: As `Denoiser` has them.

    Raises:
        ConfigError: The tokenizer has no mask token.
    """

    def __init__(
        self, model: PreTrainedModel, special: SpecialTokens | PreTrainedTokenizerBase, *, name: str = ""
    ) -> None:
        super().__init__()
        special = special if isinstance(special, SpecialTokens) else SpecialTokens.of(special)
        self.model = model.eval()
        self.name, self.vocab_size, self.width = describe(model, name)
        self.max_len = context_tok(model) or None
        self.mask_id, self.pad_id, self.end_id = special
        self._takes_positions = "position_ids" in inspect.signature(model.forward).parameters
        self._first_position = _first_position(model)

    def denoise(self, tokens_BN: Tensor, attend_BN: Tensor, *, with_hidden: bool = False) -> Denoised:
        """One forward pass; see `Denoiser`. Logits and hidden states are float32 whatever the weights are.

        Raises:
            ConfigError: A row is longer than ``max_len``.
        """
        position_BN = positions(attend_BN, max_len=self.max_len, name=self.name)
        inputs: dict[str, Tensor] = {"input_ids": tokens_BN, "attention_mask": attended_keys(attend_BN).long()}
        order_BN = None
        if self._takes_positions:
            inputs["position_ids"] = position_BN + self._first_position
        elif not bool(attend_BN.all()):
            order_BN = (~attend_BN).long().argsort(dim=1, stable=True)
            inputs = {key: value.gather(1, order_BN) for key, value in inputs.items()}
        last_hidden: list[Tensor] = []

        def note(module: nn.Module, arguments: Any, output: Any) -> None:
            del module, arguments
            last_hidden.append(output[0])

        base = cast("nn.Module", self.model.base_model)
        hook = base.register_forward_hook(note) if with_hidden else None
        try:
            logits_BNV = self.model(**inputs).logits.float()
        finally:
            if hook is not None:
                hook.remove()
        hidden_BND = last_hidden[0].float() if with_hidden else None
        if order_BN is not None:
            back_BN1 = order_BN.argsort(1)[..., None]
            logits_BNV = logits_BNV.gather(1, back_BN1.expand_as(logits_BNV))
            hidden_BND = None if hidden_BND is None else hidden_BND.gather(1, back_BN1.expand_as(hidden_BND))
        return Denoised(logits_BNV, hidden_BND)

    def forward(self, tokens_BN: Tensor, attend_BN: Tensor) -> Tensor:
        """Logits (B, N, V)."""
        return self.denoise(tokens_BN, attend_BN).logits_BNV


class Described(NamedTuple):
    """What a model says of itself: its name, V and D."""

    name: str
    vocab_size: int
    width: int


def describe(model: PreTrainedModel, name: str) -> Described:
    """Name, vocabulary and width of a model of transformers; V counts its logits."""
    config = model.config.get_text_config()
    head = model.get_output_embeddings()
    vocab_size = getattr(head, "out_features", None) or config.vocab_size
    return Described(name or str(model.name_or_path) or config.model_type, int(vocab_size), int(config.hidden_size))


def _first_position(model: PreTrainedModel) -> int:
    for name, module in model.named_modules():
        padding_idx = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and isinstance(padding_idx, int):
            return padding_idx + 1
    return 0
