"""``encode``: the reasoning of examples as codes, a row each, in the order of the data.

    RUN/encoded.jsonl    rows of `encoded.EncodedRow`, appended as they come; those that are there are not made again
    RUN/encoded.json     what made them, and how many of what; the mark of a run that is finished
    RUN/results.json     the same numbers, reconstruction, and tokens that mixing would save

The chunk grid of a row begins at the first token of its reasoning and stops at its last: neither the question nor the
answer is in any code. The codebook is only read.

What becomes of odd rows: one without an answer is left out and counted; one without reasoning, or with less than a
chunk of it, is kept with no codes and counted; tokens behind the last whole chunk stay text and are counted.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from reasonry.core import atomic, jsonl, seeds
from reasonry.core.learning import OpenRun, open_nothing, say_nothing
from reasonry.core.made_with import MadeWith
from reasonry.core.plain import plain
from reasonry.core.rows import check_kept
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say, stored, working
from reasonry.tasks.reasoning_text import Split
from reasonry.tasks.reasoning_tokens import PieceMaker
from reasonry.training.latent_tokens.codes.config import VERB, EncodeConfig
from reasonry.training.latent_tokens.codes.corpus import make_corpus
from reasonry.training.latent_tokens.codes.measuring import Reconstruction, drawn, reconstruction
from reasonry.training.latent_tokens.codes.saving import Codes, cpu_or, load_codes
from reasonry.training.latent_tokens.codes.texts import Read, Tokenised, read_examples, tokenise
from reasonry.training.latent_tokens.encoded import INFO, ROWS, EncodedInfo, EncodedRow
from reasonry.training.latent_tokens.mixing.laws import make_law
from reasonry.training.latent_tokens.mixing.methods import METHODS
from reasonry.training.latent_tokens.mixing.savings import Saving, expected
from reasonry.training.latent_tokens.mixing.spans import MixSettings

RESULTS = "results.json"
_COLUMNS = frozenset(EncodedRow._fields)


class Counts(NamedTuple):
    """What was encoded, and what was not.

    Attributes:
        rows: Examples in the file.
        train: Training examples among them.
        without_answer: Rows of the data that were left out.
        without_reasoning: Rows in the file that have no reasoning, and no codes.
        shorter_than_chunk: Rows whose reasoning is shorter than a chunk; no codes either.
        cot_tok: Tokens of reasoning.
        tail_tok: Those among them behind the last whole chunk.
        codes: Codes.
        unseen_tok: Tokens of reasoning that the codec was not trained with.
    """

    rows: int
    train: int
    without_answer: int
    without_reasoning: int
    shorter_than_chunk: int
    cot_tok: int
    tail_tok: int
    codes: int
    unseen_tok: int


class Encoded(NamedTuple):
    """A data set as codes.

    Attributes:
        config: Of the run.
        folder: Run directory.
        info: What made the rows.
        counts: How many of what.
        reconstruction: Of a sample of reasoning, held-out where there is any.
        savings: Tokens that training rows would save, by method.
        seconds: That this session encoded.
        tok_per_s: Tokens of reasoning that it encoded in a second, tokenising included; None where all were there.
    """

    config: EncodeConfig
    folder: Path
    info: EncodedInfo
    counts: Counts
    reconstruction: Reconstruction
    savings: dict[str, Saving]
    seconds: float
    tok_per_s: float | None

    @property
    def rows(self) -> Path:
        """The file."""
        return self.folder / ROWS

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``; the same however often it was interrupted."""
        savings = {
            name: {**each._asdict(), "saved_tok": each.saved_tok, "share": each.share, "cot_share": each.cot_share}
            for name, each in self.savings.items()
        }
        return plain({"counts": self.counts, "reconstruction": self.reconstruction, "savings": savings})


def encode(config: EncodeConfig, *, say: Say = say_nothing, open_run: OpenRun = open_nothing) -> Encoded:
    """Read examples into codes, or go on with it.

    Args:
        config: Codes, data, run directory.
        say: Told what a user should know.
        open_run: Told of the open run.

    Raises:
        ReasonryError: As `load_codes`, `read_examples` and `PieceMaker`.
        RunMismatchError: The run began with other codes or other texts.
        Interrupted: The user asked to stop; whole rows are kept.
    """
    folder = config.run or default_folder("train-latent-tokens-encoded", config, config.data)
    device = cpu_or(config.device)
    determinism = "bitwise" if device.type == "cpu" else "statistical"
    with Run(f"{VERB} encode", config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment(determinism)
        open_run(run, determinism)
        codes = load_codes(config.codes)
        codes.codec.to(device)
        wanted: list[tuple[Split, int]] = [("train", config.num_train)]
        if config.num_validation:
            wanted.append(("validation", config.num_validation))
        parts = [read_examples(config.data, split, num, seed=config.seed) for split, num in wanted]
        identity = {"codes": codes.info.hash, "texts": _hash_of(parts)}
        MadeWith(run.folder).check("inputs", identity)
        maker = PieceMaker(codes.tokenizer, marker=config.marker, chat_template=config.chat_template)
        start_s = time.perf_counter()
        num_tok = _write_rows(run, config, codes, maker, parts, say)
        seconds = time.perf_counter() - start_s
        rows = [EncodedRow(**{**row, **_tuples(row)}) for row in jsonl.read(run.path(ROWS))]
        done = _finish(run, config, codes, parts, rows, seconds=seconds, num_tok=num_tok)
        _tell(done, codes, say)
    return done


def _write_rows(
    run: Run, config: EncodeConfig, codes: Codes, maker: PieceMaker, parts: Sequence[Read], say: Say
) -> int:
    """Append the rows that are missing; tokens of reasoning that were encoded."""
    total = sum(len(part.texts) for part in parts)
    num_tok = 0

    def check(rows: Sequence[dict[str, Any]], path: Path) -> None:
        check_kept(rows, path, lambda row: row.keys() == _COLUMNS)

    with stored(run, ROWS, say, key=("id",), check=check) as store:
        done = len(store.rows)
        with working(run, "encode", total=total, done=done, unit="examples", say=say) as work:
            for part in parts:
                for start in range(0, len(part.texts), config.batch_texts):
                    cut = slice(start, start + config.batch_texts)
                    missing = [at for at in range(len(part.texts))[cut] if part.ids[at] not in store.rows]
                    if not missing:
                        continue
                    batch = Read(
                        [part.texts[at] for at in missing],
                        [part.ids[at] for at in missing],
                        [part.places[at] for at in missing],
                        0,
                    )
                    for row in encode_batch(codes, maker, batch):
                        num_tok += len(row.cot_ids)
                        store.put(row.to_json())
                        work.tick()
    return num_tok


def encode_batch(codes: Codes, maker: PieceMaker, read: Read) -> list[EncodedRow]:
    """Rows of some examples.

    Raises:
        DataError: As `PieceMaker.make`.
    """
    ids = tokenise(maker, read)
    found = codes.codec.encode_texts([each.cot for each in ids])
    return [
        EncodedRow(name, text.question, text.answer, each.prompt, each.cot, each.answer, own)
        for name, text, each, own in zip(read.ids, read.texts, ids, found, strict=True)
    ]


def _finish(
    run: Run,
    config: EncodeConfig,
    codes: Codes,
    parts: Sequence[Read],
    rows: Sequence[EncodedRow],
    *,
    seconds: float,
    num_tok: int,
) -> Encoded:
    info, size = codes.info, codes.info.chunk_tok
    lengths = [len(row.cot_ids) for row in rows]
    counts = Counts(
        rows=len(rows),
        train=sum(row.split == "train" for row in rows),
        without_answer=sum(part.num_without_answer for part in parts),
        without_reasoning=lengths.count(0),
        shorter_than_chunk=sum(0 < length < size for length in lengths),
        cot_tok=sum(lengths),
        tail_tok=sum(length % size for length in lengths),
        codes=sum(len(row.codes) for row in rows),
        unseen_tok=codes.codec.num_unseen([token for row in rows for token in row.cot_ids]),
    )
    place = os.path.relpath(info.folder.resolve(), run.folder.resolve())
    made = EncodedInfo(
        chunk_tok=size,
        codes_per_chunk=info.codes_per_chunk,
        num_codes=info.num_codes,
        codes_hash=info.hash,
        tokenizer_fingerprint=info.tokenizer_fingerprint,
        codes=place,
        data=config.data,
        seed=config.seed,
        marker=config.marker,
        chat_template=config.chat_template,
        counts=counts._asdict(),
        folder=run.folder,
    )
    train = [row for row in rows if row.split == "train"]
    done = Encoded(
        config=config,
        folder=run.folder,
        info=made,
        counts=counts,
        reconstruction=_sample(config, codes, [row for row in rows if row.split != "train"] or train),
        savings=_savings(made, train),
        seconds=seconds,
        tok_per_s=num_tok / seconds if num_tok and seconds > 0 else None,
    )
    atomic.write_json(run.path(RESULTS), done.to_json())
    atomic.write_json(run.path(INFO), made.to_json())
    return done


def _sample(config: EncodeConfig, codes: Codes, rows: Sequence[EncodedRow]) -> Reconstruction:
    """Reconstruction of some chunks of reasoning from the codes in the rows."""
    examples = [Tokenised(row.prompt_ids, row.cot_ids, ()) for row in rows]
    settings = codes.info.config
    corpus = make_corpus(examples, chunk_tok=settings.chunk_tok, before_chunks=settings.before_chunks).reasoning()
    codes_NC = torch.tensor([code for row in rows for code in row.codes]).view(-1, settings.codes_per_chunk)
    assert len(codes_NC) == corpus.num_chunks, "codes and chunks stand side by side"
    chosen = drawn(
        corpus.num_chunks, config.sample_chunks, seeds.stream(config.seed, "latent tokens", "encoded sample")
    )
    return reconstruction(codes.codec, corpus, chosen, codes_NC[torch.from_numpy(chosen.astype(np.int64))])


def _savings(info: EncodedInfo, rows: Sequence[EncodedRow]) -> dict[str, Saving]:
    """Tokens that training rows would save: with the published law of m, and with everything replaced."""
    law = make_law(chunk_tok=info.chunk_tok)
    settings = MixSettings(law=law, codes_per_chunk=info.codes_per_chunk)
    answer_tok = sum(len(row.answer_ids) for row in rows)
    cot_toks = [len(row.cot_ids) for row in rows]
    return {
        name: expected(METHODS[name], cot_toks, settings=settings, answer_tok=answer_tok) for name in ("latent", "all")
    }


def _tell(done: Encoded, codes: Codes, say: Say) -> None:
    """What a user should know of rows that are odd."""
    counts, size = done.counts, codes.info.chunk_tok
    for num, what in (
        (counts.without_answer, "have no answer and are left out"),
        (counts.without_reasoning, "have no reasoning and no codes"),
        (counts.shorter_than_chunk, f"have less reasoning than a chunk of {size} tokens, and no codes"),
    ):
        if num:
            say(f"{num} rows {what}")
    if counts.unseen_tok:
        say(
            f"warning: {counts.unseen_tok} of {counts.cot_tok} tokens of reasoning were not in what the codes were "
            "fitted on, and look alike to them"
        )


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) for name, value in row.items() if isinstance(value, list)}


def _hash_of(parts: Sequence[Read]) -> str:
    body = json.dumps([[text[:3] for text in part.texts] for part in parts])
    return hashlib.blake2b(body.encode(), digest_size=16).hexdigest()
