"""``fit-codes``: a codec for the texts of a data set.

    RUN/metrics.jsonl    a row for each step, with looks at held-out reasoning
    RUN/checkpoints/     weights, codebook, moments
    RUN/codes/           the codec, as `saving.save_codes` writes it
    RUN/results.json     reconstruction, use of the codebook, what codes stand for

Running the command again goes on where it was killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reasonry.core import atomic, seeds
from reasonry.core.learning import OpenRun, learn, open_nothing, say_nothing, threads_for
from reasonry.core.made_with import MadeWith
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say
from reasonry.training.latent_tokens.codes.chunks import num_distinct
from reasonry.training.latent_tokens.codes.codec import TextCodec
from reasonry.training.latent_tokens.codes.config import VERB, FitConfig
from reasonry.training.latent_tokens.codes.corpus import Corpus
from reasonry.training.latent_tokens.codes.learner import CodecLearner
from reasonry.training.latent_tokens.codes.measuring import (
    Meaning,
    code_counts,
    drawn,
    meanings,
    with_controls,
)
from reasonry.training.latent_tokens.codes.prepared import Prepared, make_codec, prepare
from reasonry.training.latent_tokens.codes.quantizer import bits_per_token, usage
from reasonry.training.latent_tokens.codes.results import Fitted, Shown, Told
from reasonry.training.latent_tokens.codes.saving import CODES, cpu_or, save_codes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RESULTS = "results.json"
_ROOM = "latent tokens"
_MOST_MEASURED, _MOST_MEANINGS, _NUM_SHOWN = 20_000, 64, 8


def fit_codes(config: FitConfig, *, say: Say = say_nothing, open_run: OpenRun = open_nothing) -> Fitted:
    """Train a codec, or go on with it.

    Args:
        config: Data, tokenizer, sizes, seed, run directory.
        say: Told what a user should know.
        open_run: Told of the open run.

    Raises:
        ReasonryError: As `read_examples`, `make_tokenizer` and `PieceMaker`.
        DataError: Not one text is as long as a chunk.
        RunMismatchError: The run began with other texts or another tokenizer.
        CheckFailed: A loss that is no number.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    folder = config.run or default_folder("train-latent-tokens-codes", config, config.data)
    device = cpu_or(config.model_options.device)
    determinism = "bitwise" if device.type == "cpu" else "statistical"
    with Run(f"{VERB} fit-codes", config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment(determinism)
        open_run(run, determinism)
        made = prepare(config, say=say)
        MadeWith(run.folder).check("texts", made.identity)
        codec = make_codec(config, made)
        with threads_for(codec):
            learner = CodecLearner(config, codec.to(device), made.train, made.held_out, say=say)
            rows = learn(run, learner, num_steps=config.steps, save_every=config.save_every, label="codes", say=say)
            codec.eval()
            done = _finish(run, config, made, codec, rows)
        atomic.write_json(run.path(RESULTS), done.to_json())
    if done.is_collapsed:
        say(
            f"warning: the codebook is collapsed: {done.use_trained.num_used} of {done.use.num_codes} codes are used "
            f"for {done.num_distinct} different chunks; train longer, or with fewer codes"
        )
    return done


def _finish(run: Run, config: FitConfig, made: Prepared, codec: TextCodec, rows: list[Row]) -> Fitted:
    """Measure and save a trained codec."""
    train, held_out, size = made.train, made.held_out, config.codec.chunk_tok
    rng = seeds.stream(config.seed, _ROOM, "final")
    looked = _chosen(held_out, rng)
    controls = with_controls(codec, held_out, looked, rng=rng)
    used = _chosen(train, rng)
    codes_NC = codec.encode_chunks(torch.from_numpy(train.ids_NM[used])).cpu()
    trained = drawn(train.num_chunks, _MOST_MEASURED, rng)
    counts_K = code_counts(codec, codes_NC)
    use = usage(counts_K)
    told = [
        _told(made.tokenizer, meaning)
        for meaning in meanings(codec, train.ids_NM[used], codes_NC, num_codes=_MOST_MEANINGS)
    ]
    info = save_codes(codec, made.tokenizer, run.path(CODES))
    bits = {"chunk_tok": size, "codes_per_chunk": config.codec.codes_per_chunk}
    return Fitted(
        config=config,
        folder=run.folder,
        codes=run.path(CODES),
        codes_hash=info.hash,
        held_out=controls,
        use=use,
        use_trained=usage(code_counts(codec, codec.encode_chunks(torch.from_numpy(train.ids_NM[trained])))),
        num_distinct=num_distinct(train.own(size)[trained]),
        counts=counts_K.tolist(),
        bits_bound=bits_per_token(config.codec.size, **bits),
        bits_used=bits_per_token(use.perplexity, **bits),
        meanings=told,
        shown=_shown(codec, made.tokenizer, held_out, looked[:_NUM_SHOWN]),
        sizes={
            **made.sizes,
            "num_known_tok": len(codec.known.ids_V),
            "num_parameters": sum(weight.numel() for weight in codec.parameters()),
        },
        rows=rows,
    )


def _chosen(corpus: Corpus, rng: np.random.Generator) -> Any:
    """Chunks of reasoning, or of anything where there are none."""
    cot = np.flatnonzero(corpus.is_cot_N)
    cot = cot if len(cot) else np.arange(corpus.num_chunks)
    return cot[drawn(len(cot), _MOST_MEASURED, rng)]


def _shown(codec: TextCodec, tokenizer: PreTrainedTokenizerBase, corpus: Corpus, indices: Any) -> list[Shown]:
    codes_NC = codec.encode_chunks(torch.from_numpy(corpus.ids_NM[indices]))
    back_NL = codec.decode_chunks(codes_NC.cpu(), corpus.prompts_of(indices)).tolist()
    own_NL = corpus.own(codec.config.chunk_tok)[indices].tolist()
    return [
        Shown(codes, in_words(tokenizer, own), in_words(tokenizer, back))
        for codes, own, back in zip(codes_NC.tolist(), own_NL, back_NL, strict=True)
    ]


def _told(tokenizer: PreTrainedTokenizerBase, meaning: Meaning) -> Told:
    nearest = [in_words(tokenizer, ids) for ids in meaning.nearest]
    return Told(meaning.code, meaning.num, nearest, in_words(tokenizer, meaning.decoded))


def in_words(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Text of ids; newlines are shown as a sign."""
    loose: Any = tokenizer
    text = str(loose.decode(list(ids), clean_up_tokenization_spaces=False))
    return " ".join(text.replace("\n", " \u23ce ").split())
