"""How text is to be written: a generation config of transformers, with what thoughts do not allow refused."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from transformers import GenerationConfig, PreTrainedModel
from transformers.generation.configuration_utils import GenerationMode

from reasonry.errors import ConfigError

_DEFAULT_NEW_TOK = 20  # transformers' own
_OWN_LOOP = (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE)
_MORE = ("logits_processor", "stopping_criteria")
_PLACE = "generation_config"


class Plan(NamedTuple):
    """How to write.

    Attributes:
        config: With everything below settled in it.
        more: Processors and criteria of the caller's own.
        is_own_loop: Greedy or sampled; otherwise beam search.
        end_ids: Tokens that end a text.
        max_new_tok: Most tokens of a text.
        num_copies: Rows in flight for each prompt.
    """

    config: GenerationConfig
    more: dict[str, Any]
    is_own_loop: bool
    end_ids: frozenset[int]
    max_new_tok: int
    num_copies: int

    def ended(self, text: list[int]) -> list[int]:
        """A text up to its end, with it."""
        return text[: next((at + 1 for at, token_id in enumerate(text) if token_id in self.end_ids), len(text))]


def make_plan(
    model: PreTrainedModel, given: GenerationConfig | None, options: Mapping[str, Any], *, pad_id: int
) -> Plan:
    """Settle how to write.

    Args:
        model: Its own config says what ``given`` leaves open.
        given: None: the model's own.
        options: Fields that are to be otherwise, and the caller's processors and criteria.
        pad_id: Stands behind texts that ended, unless a config says otherwise.

    Raises:
        ConfigError: A field that is none, another cache, or a way of decoding that cannot be used.
    """
    own = model.generation_config
    assert own is not None
    config = copy.deepcopy(own if given is None else given)
    more = config.update(**options)
    if refused := sorted(set(more) - set(_MORE)):
        raise ConfigError(f"{refused[0]} is no field of a generation config", place="generate")
    if config.cache_implementation not in (None, "dynamic") or config.use_cache is False:
        raise ConfigError(
            f"cache_implementation {config.cache_implementation!r} with use_cache {config.use_cache}",
            place=_PLACE,
            remedy="Leave both out: thoughts are kept in a dynamic cache.",
        )
    config.cache_implementation = None
    mode = config.get_generation_mode()
    if mode not in (*_OWN_LOOP, GenerationMode.BEAM_SEARCH):
        raise ConfigError(f"decoding by {mode.value}", place=_PLACE, remedy="Greedy, sampling or beam search.")
    config.return_dict_in_generate = False
    ends = own.eos_token_id if config.eos_token_id is None else config.eos_token_id
    if config.pad_token_id is None:
        config.pad_token_id = pad_id if own.pad_token_id is None else own.pad_token_id
    max_new = own.max_new_tokens if config.max_new_tokens is None else config.max_new_tokens
    if max_new is None and config.max_length is not None:
        raise ConfigError(
            "max_length counts prompt, thoughts and text together", place=_PLACE, remedy="Say max_new_tokens."
        )
    config.max_new_tokens = max_new = _DEFAULT_NEW_TOK if max_new is None else max_new
    return Plan(
        config,
        more,
        mode in _OWN_LOOP,
        frozenset([ends] if isinstance(ends, int) else ends or ()),
        max_new,
        max(config.num_beams or 1, config.num_return_sequences or 1),
    )
