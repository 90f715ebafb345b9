"""The decoding loop behind a prompt that is in the cache: greedy, or drawn from each row's own random stream.

Everything that a ``GenerationConfig`` says of logits and of when to stop is transformers': its processors and criteria
are handed over by ``generate(custom_generate=...)``. Only the model's call is made here, with the cache's one new
column, and the draw: by inverse cumulative distribution from uniforms named by the row, so that a sampled row too is
the same in every batch, up to rounding.

Legend: B rows, T columns, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from reasonry.core import seeds
from reasonry.core.sampling.draw import inverse_cdf
from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.latent.backbone import Backbone


class Loop:
    """Called by transformers in place of its own loop.

    Args:
        backbone: The model.
        embeds_BTD: Inputs of the prompt's columns that are not in the cache yet.
        attend_BT: What is no padding, over the whole prompt.
        cache: Of the columns before; empty when there are none.
        names: Of each row's random stream.
        seed: Root of the streams.
    """

    def __init__(
        self,
        backbone: Backbone,
        embeds_BTD: Tensor,
        attend_BT: Tensor,
        *,
        cache: DynamicCache,
        names: Sequence[tuple[int | str, ...]],
        seed: int,
    ) -> None:
        self._backbone, self._embeds_BTD, self._attend_BT = backbone, embeds_BTD, attend_BT
        self._cache, self._names, self._seed = cache, names, seed

    def __call__(
        self,
        model: Any,
        input_ids: Tensor,
        *,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: Any,
        synced_gpus: bool = False,
        **_: Any,
    ) -> Tensor:
        """Prompt and what is written behind it, (B, T + written); a finished row goes on with padding."""
        del model
        if synced_gpus:
            raise ConfigError("generation with sharded weights", place="generate", remedy="Gather the weights first.")
        attend_BT = self._attend_BT
        is_padded = not bool(attend_BT.all())
        num_new = self._embeds_BTD.shape[1]
        position_BT = (attend_BT.cumsum(1) - 1).clamp_min(0)[:, -num_new:]
        max_new = generation_config.max_length - input_ids.shape[1]
        uniform_BN = self._uniforms(max_new).to(input_ids.device) if generation_config.do_sample else None
        pad = generation_config.pad_token_id
        has_end = any(hasattr(criterion, "eos_token_id") for criterion in stopping_criteria)
        is_open_B = torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
        embeds_BTD = self._embeds_BTD
        step = 0
        while True:
            hidden_BTD = self._backbone.run(
                embeds_BTD,
                attend_BS=attend_BT if is_padded else None,
                position_ids_BT=position_BT,
                cache=self._cache,
            )
            logits_BV = self._backbone.logits(hidden_BTD[:, -1]).to(torch.float32)
            scores_BV = logits_processor(input_ids, logits_BV)
            if uniform_BN is None:
                next_B = scores_BV.argmax(-1)
            else:
                next_B = inverse_cdf(scores_BV.softmax(-1), uniform_BN[:, step])
            if has_end:
                next_B = torch.where(is_open_B, next_B, pad)
            input_ids = torch.cat([input_ids, next_B[:, None]], 1)
            is_open_B = is_open_B & ~stopping_criteria(input_ids, None)
            step += 1
            if not bool(is_open_B.any()):
                return input_ids
            if is_padded:
                attend_BT = torch.cat([attend_BT, attend_BT.new_ones((len(attend_BT), 1))], 1)
            position_BT = position_BT[:, -1:] + 1
            embeds_BTD = self._backbone.embed(next_B[:, None])

    def _uniforms(self, num: int) -> Tensor:
        drawn = [seeds.uniforms(self._seed, "continuous cot", *name, num=num) for name in self._names]
        return torch.stack([torch.from_numpy(each) for each in drawn])
