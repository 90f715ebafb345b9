"""A causal language model that thinks in hidden states, around any of transformers.

    model = LatentCausalLM.wrap(hf_model, tokenizer)
    loss = model(model.collate(rows)).loss
    model.generate(prompts, num_thoughts=3, max_new_tokens=32).sequences

What is wrapped stays what it is: `save_pretrained` writes a plain checkpoint of transformers, which everything else
loads, and ``continuous_cot.json`` beside it. Loss and gradients are those of the labels alone; auxiliary losses of
mixtures of experts are not added.

Legend: B rows, T columns, D width, K most thoughts of a row, M positions with logits, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from reasonry.errors import ConfigError, DataError
from reasonry.training.continuous_cot.latent import generation, saving
from reasonry.training.continuous_cot.latent.backbone import Backbone
from reasonry.training.continuous_cot.latent.chain import Chained, How, chained_forward
from reasonry.training.continuous_cot.latent.chain_inputs import HIDDEN, Bptt, Feedback
from reasonry.training.continuous_cot.latent.edges import PackedEdges
from reasonry.training.continuous_cot.latent.loss import labelled, losses
from reasonry.training.continuous_cot.latent.rows import Batch, Row, collate
from reasonry.training.continuous_cot.latent.tokens import INIT_FROM, LatentTokens, add_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from reasonry.core.models.config import ModelConfig
    from reasonry.training.continuous_cot.latent.generation import GenerateOutput


class Output(NamedTuple):
    """What a forward pass gives.

    Attributes:
        loss: Mean over all labels, nats; None without labels.
        loss_B: Mean over each row's labels; NaN for a row without any.
        num_labels_B: Labels of each row.
        logits_MV: At labels, or where they were asked for; row by row.
        rows_M: Rows of these logits.
        columns_M: Columns of the states they come from: one before the token they are of.
        chained: Hidden states and thoughts.
    """

    loss: Tensor | None
    loss_B: Tensor
    num_labels_B: Tensor
    logits_MV: Tensor
    rows_M: Tensor
    columns_M: Tensor
    chained: Chained

    @property
    def thoughts_BKD(self) -> Tensor:
        """Thoughts, (B, K, D)."""
        return self.chained.thoughts_BKD


class LatentCausalLM(nn.Module):
    """A causal language model with thoughts. Made by `wrap` or `from_pretrained`.

    Args:
        model: A causal language model of transformers, or one that peft has adapted.
        tokens: Its latent token, markers and padding.
        tokenizer: None for a vocabulary of symbols.
        edges: Packs edges into positions; None where rows have none.
        feedback: What a thought is made of.
        num_thoughts: How many a prompt is answered with unless told otherwise.

    Attributes:
        model, tokens, tokenizer, edges, feedback, num_thoughts: As given.

    Raises:
        ConfigError: A model that no thought can be fed to, or whose logits are made in a way that is not known.
    """

    def __init__(
        self,
        model: Any,
        tokens: LatentTokens,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        edges: PackedEdges | None = None,
        feedback: Feedback = HIDDEN,
        num_thoughts: int = 0,
    ) -> None:
        super().__init__()
        feedback.check()
        self.model = model
        self.tokens, self.tokenizer, self.feedback, self.num_thoughts = tokens, tokenizer, feedback, num_thoughts
        self.edges = edges
        self.backbone = Backbone.of(model)
        tokens.check(self.backbone.model)
        self.backbone.check()

    @classmethod
    def wrap(
        cls,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None = None,
        *,
        tokens: LatentTokens | None = None,
        init_from: str = INIT_FROM,
        pack_edges: bool = False,
        feedback: Feedback = HIDDEN,
        num_thoughts: int = 0,
        seed: int = 0,
    ) -> LatentCausalLM:
        """Wrap a loaded model.

        Args:
            model: Gets rows for the three new tokens, unless ``tokens`` names ids it has.
            tokenizer: Gets the three tokens; needed unless ``tokens`` is given.
            tokens: Ids that are there already.
            init_from: Text whose tokens' rows the new ones begin as.
            pack_edges: Learn to read whole edges in one position each.
            feedback: What a thought is made of.
            num_thoughts: How many a prompt is answered with unless told otherwise.
            seed: Root of the initial values of ``pack_edges``.

        Raises:
            ConfigError: Neither tokenizer nor tokens, bad ids, or a model of another kind.
        """
        parts = Backbone.of(model)  # refused before anything is changed
        if tokens is None:
            if tokenizer is None:
                raise ConfigError(
                    "no tokenizer, and no ids of the latent token",
                    place="tokens",
                    remedy="Give tokens=LatentTokens(latent_id, pad_id=...).",
                )
            tokens = add_tokens(parts.model, tokenizer, init_from=init_from)
        edges = None
        if pack_edges:
            weight = parts.model.get_input_embeddings().weight
            assert isinstance(weight, Tensor)
            edges = PackedEdges(weight.shape[1], seed=seed).to(weight.device)
        return cls(model, tokens, tokenizer=tokenizer, edges=edges, feedback=feedback, num_thoughts=num_thoughts)

    @classmethod
    def from_pretrained(cls, name: str, options: ModelConfig | None = None) -> LatentCausalLM:
        """Load what `save_pretrained` wrote; any other causal language model is wrapped as `wrap` does it.

        Args:
            name: Hub id, local folder, or packaged alias.
            options: Dtype, device, revision, trust.

        Raises:
            ReasonryError: As `reasonry.core.models.load_causal_lm`; or a damaged ``continuous_cot.json`` (DataError).
        """
        loaded = saving.load(name, options)
        if loaded.tokens is None:
            return cls.wrap(loaded.model, loaded.tokenizer)
        return cls(
            loaded.model,
            loaded.tokens,
            tokenizer=loaded.tokenizer,
            edges=loaded.edges,
            feedback=loaded.feedback,
            num_thoughts=loaded.num_thoughts,
        )

    def save_pretrained(self, folder: Path | str) -> None:
        """Write a folder that `from_pretrained`, and without its thoughts transformers, loads; whole or not at all.

        Adapters are merged into a copy of the weights, which takes the model's memory once more.

        Raises:
            ConfigError: The folder exists and holds something else.
            ResourceError: The disk is full or not writable.
        """
        saving.save(self, Path(folder))

    def push_to_hub(self, repo_id: str, *, private: bool = True, message: str = "Upload model") -> str:
        """Save to the Hugging Face hub; the address of the commit.

        Raises:
            ResourceError: The hub cannot be reached, or refuses.
        """
        return saving.push(self, repo_id, private=private, message=message)

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        weight = self.backbone.model.get_input_embeddings().weight
        assert isinstance(weight, Tensor)
        return weight.device

    @property
    def width(self) -> int:
        """D, of thoughts and embeddings."""
        return int(self.backbone.model.config.get_text_config().hidden_size)

    @property
    def vocab_size(self) -> int:
        """V, counted in embeddings."""
        weight = self.backbone.model.get_input_embeddings().weight
        assert isinstance(weight, Tensor)
        return weight.shape[0]

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Rows as a batch on the model's device. See `rows.collate`."""
        return collate(rows, pad_id=self.tokens.pad_id, latent_id=self.tokens.latent_id, device=self.device)

    def embed(self, batch: Batch) -> Tensor:
        """Embeddings (B, T, D) of a batch's tokens and packed edges; in thoughts' slots that of the latent token."""
        return self.embed_ids(batch.ids_BT, batch.edges_BT2)

    def embed_ids(self, ids_BT: Tensor, edges_BT2: Tensor | None = None) -> Tensor:
        """Embeddings (B, T, D) of token ids and packed edges.

        Raises:
            ConfigError: Edges, and a model that was not wrapped with ``pack_edges``.
        """
        embeds_BTD = self.backbone.embed(ids_BT)
        if edges_BT2 is None:
            return embeds_BTD
        if self.edges is None:
            raise ConfigError(
                "rows with packed edges for a model without them", place="edges", remedy="Wrap it with pack_edges=True."
            )
        return self.edges(embeds_BTD, edges_BT2, self.backbone.embed)

    def forward(
        self, batch: Batch, *, bptt: Bptt = "full", how: How = "auto", logits_at_BT: Tensor | None = None
    ) -> Output:
        """Losses, thoughts, and logits where they are needed.

        Args:
            batch: Of `collate`.
            bptt: How many thoughts gradients flow back through: full, detach, or a number.
            how: cache, recompute, or auto: recompute while gradient checkpointing is on. Loss and gradients are the
                same.
            logits_at_BT: True at columns whose next token's logits are wanted, instead of those that predict a label.

        Raises:
            ConfigError: As `chained_forward`.
        """
        embeds_BTD = self.embed(batch)
        chained = chained_forward(self.backbone, embeds_BTD, batch, bptt=bptt, feedback=self.feedback, how=how)
        places = labelled(batch)
        logits_MV = self.backbone.logits(chained.hidden_BTD[places.rows_M, places.columns_M])
        loss_M = losses(logits_MV, places, batch.label_sets)
        num_B = (batch.labels_BT[:, 1:] >= 0).sum(1)
        loss_B = loss_M.new_zeros(len(num_B)).index_add(0, places.rows_M, loss_M) / num_B
        loss = loss_M.mean() if len(loss_M) else None
        rows_M, columns_M = places.rows_M, places.columns_M
        if logits_at_BT is not None:
            rows_M, columns_M = logits_at_BT.nonzero(as_tuple=True)
            logits_MV = self.backbone.logits(chained.hidden_BTD[rows_M, columns_M])
        return Output(loss, loss_B, num_B, logits_MV, rows_M, columns_M, chained)

    def generate(
        self,
        prompts: Sequence[Sequence[int]] | Sequence[str],
        num_thoughts: int | Sequence[int] | None = None,
        **more: Any,
    ) -> GenerateOutput:
        """Think and write; see `generation.generate` for everything that can be given.

        Args:
            prompts: Token ids, or text where there is a tokenizer.
            num_thoughts: For all prompts or for each; None: the model's own number.
            **more: As `generation.generate`.
        """
        return generation.generate(self, prompts, num_thoughts, **more)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, with what the tokenizer puts before it.

        Raises:
            DataError: There is no tokenizer.
        """
        if self.tokenizer is None:
            raise DataError("a text for a model without a tokenizer", remedy="Give token ids.")
        return list(self.tokenizer(text)["input_ids"])  # pyright: ignore[reportArgumentType]  # a list of one text's
