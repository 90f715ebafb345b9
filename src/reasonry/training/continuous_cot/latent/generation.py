"""Think, then write: batched, with one cache for prompt, thoughts and text.

    prompt <|start-latent|> t_1 ... t_k <|end-latent|> text

Rows end in the same column, padded on the left, so that text begins in the same column whatever k each row has. One
pass up to the first thought of any row, one column at a time while any row thinks, then ordinary decoding: greedy and
sampled in a loop of our own (`decoding`), beam search in transformers'. In float32 a row's tokens do not hang on its
batch or padding, but for ties within rounding; in bfloat16 rounding is coarse enough for a near tie to fall either way.

Legend: B rows, T columns of the prompts with their slots, D width, K most thoughts of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig

from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.sampling.kv_cache import select_rows
from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.latent.ablations import Thoughts, check_thoughts, random_like, swapped
from reasonry.training.continuous_cot.latent.backbone import evaluating
from reasonry.training.continuous_cot.latent.chain import cached, check_length
from reasonry.training.continuous_cot.latent.chain_inputs import ChainInputs
from reasonry.training.continuous_cot.latent.decoding import Loop
from reasonry.training.continuous_cot.latent.plan import Plan, make_plan
from reasonry.training.continuous_cot.latent.prompts import Prompts, make_prompts
from reasonry.training.continuous_cot.latent.rows import Edge, Slot

if TYPE_CHECKING:
    from reasonry.training.continuous_cot.latent.model import LatentCausalLM


class GenerateOutput(NamedTuple):
    """What was thought and written.

    Attributes:
        sequences: Ids of the text alone, row by row, the end of text included; with ``num_return_sequences`` those of a
            prompt stand together.
        thoughts_BKD: What was fed into the slots of each prompt; zeros behind its last one.
        num_thoughts: Thoughts of each prompt.
        num_generated: Tokens of each sequence.
    """

    sequences: list[list[int]]
    thoughts_BKD: Tensor
    num_thoughts: list[int]
    num_generated: list[int]


def generate(
    latent: LatentCausalLM,
    prompts: Sequence[Sequence[int]] | Sequence[str],
    num_thoughts: int | Sequence[int] | None = None,
    *,
    generation_config: GenerationConfig | None = None,
    thoughts: Thoughts = "own",
    slot: Slot = "thought",
    edges: Sequence[Sequence[Edge]] | None = None,
    before: Sequence[int] | None = None,
    after: Sequence[int] | None = None,
    names: Sequence[str | int] | None = None,
    seed: int = 0,
    **options: Any,
) -> GenerateOutput:
    """Think and write. The model is in eval mode meanwhile.

    Args:
        latent: The model.
        prompts: Token ids, or text where there is a tokenizer.
        num_thoughts: For all prompts or for each; None: the model's own number. With 0 thoughts and without markers the
            text is that of ``model.generate``.
        generation_config: How to write; the model's own by default.
        thoughts: own, or what to put in their place: random, swapped, or a tensor (B, K, D).
        slot: token: slots are read as the latent token, in one pass (the pause control).
        edges: Packed edges of each prompt, as `Row` has them.
        before: Ids between prompt and thoughts; None: the marker, if the model has one.
        after: Ids behind the thoughts; None: the marker, if the model has one.
        names: Of each prompt's random stream; by default its ids and how many like it came before.
        seed: Root of these streams: of sampled tokens and of random thoughts. No global generator is touched.
        **options: Fields of the generation config that are to be otherwise, such as ``max_new_tokens``; and
            ``logits_processor`` and ``stopping_criteria``.

    Raises:
        ConfigError: Prompt, thoughts and text are longer than the context; a cache or a way of decoding that cannot be
            used; counts, edges or thoughts that do not fit the prompts.
        DataError: An empty prompt, ids beyond the vocabulary, text without a tokenizer, or nothing to swap with.
    """
    asked = make_prompts(
        [latent.encode(prompt) if isinstance(prompt, str) else [int(token) for token in prompt] for prompt in prompts],
        latent.num_thoughts if num_thoughts is None else num_thoughts,
        tokens=latent.tokens,
        vocab_size=latent.vocab_size,
        slot=slot,
        edges=edges,
        before=before,
        after=after,
        names=names,
    )
    check_thoughts(thoughts, num_rows=len(asked.rows), most=max(asked.counts), width=latent.width)
    if slot == "token" and not (isinstance(thoughts, str) and thoughts == "own"):
        raise ConfigError("slots of tokens, and thoughts to put in them", place="thoughts", remedy="Give one or none.")
    plan = make_plan(latent.backbone.model, generation_config, options, pad_id=latent.tokens.pad_id)
    longest = int(asked.batch.attend_BT.sum(1).max())
    check_length(latent.backbone, longest + plan.max_new_tok, is_cached=any(asked.counts))
    asked = asked._replace(batch=asked.batch.to(latent.device))
    with torch.inference_mode(), evaluating(latent):
        prefix = _think(latent, asked, thoughts, plan, seed=seed)
        texts = _write(latent, asked, prefix, plan, seed=seed)
    sequences = [plan.ended(text) for text in texts]
    # A clone made outside of inference mode can be used with gradients.
    return GenerateOutput(sequences, prefix.thoughts_BKD.clone(), asked.counts, [len(text) for text in sequences])


class _Prefix(NamedTuple):
    """Prompts as they are to be read.

    Attributes:
        embeds_BTD: Inputs of all columns; those in the cache are not looked at again.
        cache: Keys and values of the first columns.
        num_cached: How many.
        thoughts_BKD: What is in the slots.
    """

    embeds_BTD: Tensor
    cache: DynamicCache
    num_cached: int
    thoughts_BKD: Tensor


def _think(latent: LatentCausalLM, asked: Prompts, thoughts: Thoughts, plan: Plan, *, seed: int) -> _Prefix:
    """Make thoughts, or what takes their place. A row's own leave only the last column to be read."""
    backbone = latent.backbone
    embeds_BTD = latent.embed(asked.batch)
    inputs = ChainInputs.of(asked.batch, embeds_BTD)
    # Beam search reorders rows of the cache, which only transformers' own kind does.
    cache = backbone.new_cache(appends=not plan.is_own_loop)
    if not inputs.columns:
        return _Prefix(embeds_BTD, cache, 0, inputs.thoughts([])[0])
    if isinstance(thoughts, Tensor):
        placed_BKD = thoughts[:, : max(asked.counts)].to(embeds_BTD).clone()
        for row, count in enumerate(asked.counts):
            placed_BKD[row, count:] = 0
        return _Prefix(asked.filled(embeds_BTD, placed_BKD), cache, 0, placed_BKD)
    chain = cached(backbone, inputs, latent.feedback, cache=cache, hold_last=True)
    own_BKD = chain.chained.thoughts_BKD
    if thoughts == "own":
        assert chain.last_BD is not None
        filled_BTD = torch.cat([embeds_BTD[:, :-1], chain.last_BD[:, None]], 1)
        return _Prefix(filled_BTD, cache, embeds_BTD.shape[1] - 1, own_BKD)
    if thoughts == "random":
        placed_BKD = random_like(own_BKD, asked.names, seed=seed)
    else:
        placed_BKD = swapped(own_BKD, asked.counts, asked.rows)
    return _think(latent, asked, placed_BKD, plan, seed=seed)


def _write(latent: LatentCausalLM, asked: Prompts, prefix: _Prefix, plan: Plan, *, seed: int) -> list[list[int]]:
    """Texts with padding behind them."""
    model: Any = latent.backbone.model
    batch, copies = asked.batch, plan.num_copies
    if copies > 1 and prefix.num_cached:
        select_rows(prefix.cache, torch.arange(len(asked.rows), device=latent.device).repeat_interleave(copies))
    more: dict[str, Any] = dict(plan.more)
    if plan.is_own_loop:
        more["custom_generate"] = Loop(
            latent.backbone,
            prefix.embeds_BTD[:, prefix.num_cached :].repeat_interleave(copies, 0),
            batch.attend_BT.repeat_interleave(copies, 0),
            cache=prefix.cache,
            names=[(*name, number) for name in asked.names for number in range(copies)],
            seed=seed,
        )
    else:
        more |= {"inputs_embeds": prefix.embeds_BTD, "past_key_values": prefix.cache}
    with quiet_transformers():
        written = model.generate(
            input_ids=batch.ids_BT, attention_mask=batch.attend_BT.long(), generation_config=plan.config, **more
        )
    return written[:, batch.ids_BT.shape[1] :].tolist()
