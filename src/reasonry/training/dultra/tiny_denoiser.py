"""A masked diffusion model small enough to train in a minute on a processor.

    logits, hidden = W LN(h), LN(h)      h the residual stream of `core.tiny` with attention to every token that is not
                                         padding, before and after

No time is given to it: how much is masked can be seen (LLaDA, arXiv 2502.09992). Token and position embeddings are
drawn with the same standard deviation: positions much fainter than tokens (0.02 beside 1) are hidden by them, and
copying a neighbour then takes several times the steps. Weights of maps from n numbers begin normal with standard
deviation 1 / sqrt(n), so that a layer adds to the stream about as much as the embeddings put in; with the 0.02 of
`core.tiny` the same training needs more than twice the steps. Padding takes no position: a row's positions begin at its
first attended token.

Shapes: B rows, N canvas, W columns read, S of these that are asked for, D width, V vocabulary.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import torch
from pydantic import Field
from torch import Tensor

from reasonry.core import seeds
from reasonry.core.atomic import write_bytes, write_json
from reasonry.core.config import Config, from_dict
from reasonry.core.tiny import Cache, TinyConfig, TinyGPT
from reasonry.errors import ConfigError, DataError
from reasonry.training.dultra.columns import ColumnDenoiser, Read
from reasonry.training.dultra.denoiser import Denoised

if TYPE_CHECKING:
    from reasonry.tasks.token_tasks.base import TokenTask

MODEL_TYPE = "reasonry-tiny-denoiser"
"""``model_type`` in the ``config.json`` of a saved one."""
WEIGHTS = "model.safetensors"


class TinyDenoiserConfig(Config):
    """Shape of a tiny denoiser, and its special tokens."""

    vocab_size: Annotated[int, Field(ge=3)]
    """Tokens in the vocabulary."""
    max_len: Annotated[int, Field(ge=1)]
    """Longest canvas without its padding, tokens."""
    num_layers: Annotated[int, Field(ge=1)] = 3
    """Blocks of attention and MLP."""
    num_heads: Annotated[int, Field(ge=1)] = 4
    """Attention heads in a block; divides the width."""
    width: Annotated[int, Field(ge=1)] = 64
    """Numbers in the residual stream per token."""
    mlp_ratio: Annotated[int, Field(ge=1)] = 4
    """Hidden units of the MLP as a multiple of the width."""
    embedding_std: Annotated[float, Field(gt=0)] = 0.7
    """Standard deviation of both embeddings at the start."""
    mask_id: Annotated[int, Field(ge=0)] = 0
    """Token that stands for what is not known yet."""
    pad_id: Annotated[int, Field(ge=0)] = 1
    """Token that fills prompts."""
    end_id: Annotated[int, Field(ge=0)] = 2
    """Token that ends an answer."""
    name: str = "tiny"
    """For tables and saved planners."""


class TinyDenoiser(ColumnDenoiser):
    """A tiny denoiser, without dropout. Same config and seed, same weights.

    Args:
        config: Its shape.
        seed: Root of the initial weights.

    Attributes:
        config: As given.
        network: The network itself.
        name, vocab_size, width, max_len, mask_id, pad_id, end_id: As `Denoiser` has them.
        lookback: 0: logits of a column come from that column.

    Raises:
        ConfigError: The heads do not divide the width, or a special token lies outside the vocabulary.
    """

    def __init__(self, config: TinyDenoiserConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.name, self.vocab_size, self.width, self.max_len = (
            config.name,
            config.vocab_size,
            config.width,
            config.max_len,
        )
        self.mask_id, self.pad_id, self.end_id, self.lookback = config.mask_id, config.pad_id, config.end_id, 0
        if (largest := max(config.mask_id, config.pad_id, config.end_id)) >= config.vocab_size:
            raise ConfigError(f"token {largest} lies outside a vocabulary of {config.vocab_size}")
        shape = {key: getattr(config, key) for key in _SHAPE}
        self.network = TinyGPT(from_dict(TinyConfig, shape, place="tiny denoiser"), seed=seed)
        self._initialise(seed)

    @torch.no_grad()
    def _initialise(self, seed: int) -> None:
        for name, weight in self.network.named_parameters():
            if weight.ndim == 2:
                is_table = name.endswith("embedding.weight")
                std = self.config.embedding_std if is_table else weight.shape[1] ** -0.5
                generator = torch.Generator().manual_seed(seeds.derive(seed, "tiny denoiser", name))
                weight.copy_(torch.randn(weight.shape, generator=generator) * std)

    @classmethod
    def from_task(cls, task: TokenTask, *, seed: int = 0, **changes: Any) -> Self:
        """An untrained one for a task's vocabulary and lengths; fields of the config may be replaced.

        Raises:
            ConfigError: A bad value.
        """
        values = {
            "vocab_size": len(task.vocab),
            "max_len": task.max_prompt_len + task.answer_len,
            "name": f"tiny:{task.name}",
            **changes,
        }
        return cls(from_dict(TinyDenoiserConfig, values, place=f"tiny denoiser of {task.name}"), seed=seed)

    def stream(self, read: Read) -> Tensor:
        """The residual stream behind the last layer, before its norm."""
        columns_BW, cache, past = read.columns_BW, read.cache, Cache()
        keys_BS = read.keys_BN
        if columns_BW is not None and cache is not None:
            # New keys stand behind the old ones, whose columns are hidden; so are columns named twice.
            new_BW = keys_BS.gather(1, columns_BW)
            new_BW[:, 1:] &= columns_BW[:, 1:] != columns_BW[:, :-1]
            keys_BS = torch.cat([keys_BS.scatter(1, columns_BW, False), new_BW], 1)
            past.layers = dict(cache.layers)
        h_BWD = self.network.embed(read.tokens_BW, read.position_BW)
        h_BWD = self.network.run_layers(h_BWD, mask_TS=keys_BS[:, None, None, :], cache=None if cache is None else past)
        if cache is not None:
            W = h_BWD.shape[1]
            for layer, (k, v) in past.layers.items():
                cache.write(layer, columns_BW, new=(k[:, :, -W:], v[:, :, -W:]))
        return h_BWD

    def say(self, h_BSD: Tensor) -> Denoised:
        """Logits and normed stream."""
        normed_BSD = self.network.final_norm(h_BSD)
        return Denoised(self.network.head(normed_BSD), normed_BSD)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and the weights.

        Raises:
            ResourceError: The disk is full or not writable.
        """
        from safetensors.torch import save

        config = {"model_type": MODEL_TYPE, **self.config.model_dump()}
        tensors = {key: value.detach().cpu().contiguous() for key, value in self.state_dict().items()}
        # The weights say which shape they are of, so that a kill between the two files is noticed.
        write_bytes(folder / WEIGHTS, save(tensors, {"config": json.dumps(config, sort_keys=True)}))
        write_json(folder / "config.json", config)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, on the CPU, in eval mode.

        Raises:
            DataError: A file is missing or damaged, or the two are of different models.
        """
        from safetensors import SafetensorError, safe_open

        place = str(folder / "config.json")
        try:
            values = json.loads((folder / "config.json").read_text("utf-8"))
            if not isinstance(values, dict) or values.pop("model_type", None) != MODEL_TYPE:
                raise DataError(f"model_type is not {MODEL_TYPE!r}", place=place)
            config = from_dict(TinyDenoiserConfig, values, place=place)
            with safe_open(folder / WEIGHTS, framework="pt") as f:
                saved = json.loads((f.metadata() or {}).get("config", "{}"))
                tensors = {key: f.get_tensor(key) for key in f.keys()}  # noqa: SIM118  (safe_open is no mapping)
        except DataError:
            raise
        except (OSError, ValueError, SafetensorError) as e:
            remedy = "Are config.json and model.safetensors there, and whole?"
            raise DataError(f"not a saved tiny denoiser: {e}", place=str(folder), remedy=remedy) from e
        if saved != {"model_type": MODEL_TYPE, **values}:
            raise DataError(
                f"config.json and {WEIGHTS} are of different models", place=str(folder), remedy="Save it once more."
            )
        model = cls(config)
        try:
            model.load_state_dict(tensors)
        except RuntimeError as e:
            raise DataError(f"the weights do not fit the config: {e}", place=str(folder / WEIGHTS)) from e
        return model.eval()


_SHAPE = ("vocab_size", "max_len", "num_layers", "num_heads", "width", "mlp_ratio")
