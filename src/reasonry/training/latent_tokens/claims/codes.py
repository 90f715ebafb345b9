"""Measurements behind the claims about codes, on data whose right codes are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reasonry.core import seeds
from reasonry.core.claims import Measurement

_CODEC: dict[str, Any] = {"width": 32, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
_SETTINGS: dict[str, Any] = {"batch_size": 64, "look_every": 1000, "warmup_steps": 10, "lr": 5e-3}


def templates_come_back(
    *, num_templates: int, num_codes: int, steps: int, num_seeds: int, seed: int, fewer_codes: Sequence[int] = ()
) -> Measurement:
    """Random chunks that come again and again, each of which should have a code of its own: tokens that come back.

    Args:
        num_templates: Different chunks of 16 random tokens.
        num_codes: Size of the codebook.
        steps: Of the training.
        num_seeds: Trainings; the worst is the value.
        seed: Of the first.
        fewer_codes: Other sizes of the codebook, told in the detail: with too few codes less can come back.
    """
    found = [_train(num_templates, num_codes, steps, s) for s in range(seed, seed + num_seeds)]
    shares = [share for share, _ in found]
    shown = ", ".join(f"{share:.3f} with {used} codes in use" for share, used in found)
    less = "".join(
        f"; a codebook of {size}: {_train(num_templates, size, steps, seed)[0]:.3f}" for size in fewer_codes
    )  # fmt: skip
    detail = f"{num_templates} templates, {num_codes} codes, {steps} steps: {shown}{less}; range over seeds"
    return Measurement(min(shares), min(shares), max(shares), num_seeds, seed, detail)


def _train(num_templates: int, num_codes: int, steps: int, seed: int) -> tuple[float, int]:
    """Share of tokens that come back, and codes in use, after a training on templates drawn from ``seed``."""
    import torch

    from reasonry.core.config import from_dict
    from reasonry.core.learning import threads_for
    from reasonry.training.latent_tokens.codes.codec import TextCodec
    from reasonry.training.latent_tokens.codes.config import FitConfig
    from reasonry.training.latent_tokens.codes.corpus import make_corpus
    from reasonry.training.latent_tokens.codes.learner import CodecLearner
    from reasonry.training.latent_tokens.codes.texts import Tokenised

    chunk_tok, num_tokens = 16, 64
    drawn = seeds.stream(seed, "latent tokens", "templates").integers(0, num_tokens, (num_templates, chunk_tok))
    corpus = make_corpus([Tokenised((), tuple(each), ()) for each in drawn.tolist()], chunk_tok=chunk_tok)
    values = {**_SETTINGS, "codec": {**_CODEC, "num_codes": num_codes}, "steps": steps, "seed": seed}
    config = from_dict(FitConfig, values)
    codec = TextCodec(config.codec, range(num_tokens), vocab_size=num_tokens, seed=seed)
    learner = CodecLearner(config, codec, corpus, corpus)
    with threads_for(codec):
        for at in range(steps):
            learner.step(at)
        codec.eval()
        with torch.no_grad():
            codes_N = codec.encode_chunks(torch.from_numpy(corpus.ids_NM)).flatten().tolist()
        back = [codec.decode((code,), ()) for code in codes_N]
    return float(np.mean(np.array(back) == drawn)), len(set(codes_N))
