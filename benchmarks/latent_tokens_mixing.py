"""What mixing codes into reasoning costs while data is loaded, and keeping codes apart while text is written.

Run ``python benchmarks/latent_tokens_mixing.py [--json] [--full]``. It measures CPU seconds of one thread, the best of
several repetitions that take turns:

* loading     batches of rows that are mixed anew in every epoch, against batches of plain CoT rows that lie ready:
              by our own collation, by transformers' collator for padded labels, by TRL's for language models. Our two
              ways of loading mixed rows must give the same. ``added`` is the share of time that mixing adds; below 0
              where it takes some away, since rows with codes are shorter and come from arrays;
* no mixing   the same loader with nothing to mix, which tells what mixing itself takes;
* constraint  a step of `CodeConstraint` beside one of transformers' processors for the same scores, top-k 50.

Without ``--full`` there are few rows, to see that everything works.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerFast, TopKLogitsWarper

from reasonry.core import seeds
from reasonry.training.latent_tokens.encoded import EncodedRow
from reasonry.training.latent_tokens.mixing.collating import collate
from reasonry.training.latent_tokens.mixing.constraint import CodeConstraint
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.loader import Loader
from reasonry.training.latent_tokens.mixing.methods import METHODS
from reasonry.training.latent_tokens.mixing.mixer import Mixer
from reasonry.training.latent_tokens.mixing.spans import MixSettings, Moment

VOCAB, NUM_CODES, BATCH = 32_000, 512, 32
IDS = LatentIds(VOCAB, VOCAB + 1, VOCAB + 2, NUM_CODES, None, 0)


def make_rows(num: int) -> list[EncodedRow]:
    """Prompts of 60 tokens, reasoning of 150 to 420, answers of 12."""
    rows: list[EncodedRow] = []
    for number in range(num):
        rng = seeds.stream(0, "rows", number)
        prompt, cot, answer = (tuple(rng.integers(3, VOCAB, n).tolist()) for n in (60, rng.integers(150, 420), 12))
        codes = tuple(rng.integers(0, NUM_CODES, len(cot) // 16).tolist())
        rows.append(EncodedRow(f"train-{number}", "", "", prompt, cot, answer, codes))
    return rows


def best_of(calls: dict[str, Callable[[int], object]], *, num_repeats: int) -> dict[str, float]:
    """CPU seconds of each call, the best of several turns; given the number of the turn."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(num_repeats + 1):
        for name, call in calls.items():
            start_s = time.process_time()
            call(turn)
            if turn:  # the first warms up
                taken[name].append(time.process_time() - start_s)
    return {name: min(times) for name, times in taken.items()}


def loading(num_rows: int, *, num_repeats: int) -> list[dict[str, Any]]:
    rows = make_rows(num_rows)
    mixers = {name: Mixer(rows, METHODS[name], ids=IDS, settings=MixSettings()) for name in ("latent", "cot")}
    loaders = {name: Loader(mixer, pad_id=0) for name, mixer in mixers.items()}
    batches = [range(first, min(num_rows, first + BATCH)) for first in range(0, num_rows, BATCH)]
    for numbers in batches[:4]:
        ready = collate(mixers["latent"].batch(numbers, Moment(3.0)), pad_id=0)
        for ours, right in zip(loaders["latent"](numbers, Moment(3.0)), ready, strict=True):
            assert torch.equal(ours, right), "another batch"

    lying = mixers["cot"].batch(range(num_rows))
    as_lists = [{"input_ids": list(row.ids), "labels": list(row.labels)} for row in lying]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=_words(), pad_token="<pad>")
    padded = DataCollatorForSeq2Seq(tokenizer)

    def over(make: Callable[[Sequence[int], int], object]) -> Callable[[int], None]:
        def call(turn: int) -> None:
            for numbers in batches:
                make(numbers, turn)

        return call

    calls = {
        "mixing": over(lambda numbers, turn: loaders["latent"](numbers, Moment(float(turn)))),
        "no mixing": over(lambda numbers, turn: loaders["cot"](numbers, Moment(float(turn)))),
        "rows that lie ready": over(lambda numbers, _: collate([lying[n] for n in numbers], pad_id=0)),
        "transformers": over(lambda numbers, _: padded([dict(as_lists[n]) for n in numbers])),
    }
    trl = _trl_collator()
    if trl is not None:
        calls["trl"] = over(lambda numbers, _: trl([dict(as_lists[n]) for n in numbers]))
    taken = best_of(calls, num_repeats=num_repeats)
    return [
        {
            "part": "loading",
            "case": f"{num_rows} rows of 222 to 492 tokens, batches of {BATCH}; mixing against {name}",
            "mixing_us_per_row": 1e6 * taken["mixing"] / num_rows,
            "theirs_us_per_row": 1e6 * taken[name] / num_rows,
            "added": taken["mixing"] / taken[name] - 1,
            "ratio": taken[name] / taken["mixing"],
        }
        for name in calls
        if name != "mixing"
    ]


def constraint(*, num_rows: int, width_tok: int, vocab: int, num_repeats: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    scores_BV = torch.randn((num_rows, vocab), generator=generator)
    ids_BT = torch.randint(3, vocab - NUM_CODES - 2, (num_rows, width_tok), generator=generator)
    ids = LatentIds(vocab - NUM_CODES - 2, vocab - NUM_CODES - 1, vocab - NUM_CODES, NUM_CODES, None, 0)
    ours, theirs = CodeConstraint(ids, num_tokens=vocab), TopKLogitsWarper(50)
    taken = best_of(
        {"ours": lambda _: ours(ids_BT, scores_BV), "theirs": lambda _: theirs(ids_BT, scores_BV)},
        num_repeats=num_repeats,
    )
    return {
        "part": "constraint",
        "case": f"{num_rows} rows of {width_tok} tokens, vocabulary of {vocab}",
        "ours_us": 1e6 * taken["ours"],
        "top_k_us": 1e6 * taken["theirs"],
        "ratio": taken["theirs"] / taken["ours"],
    }


def _words() -> Any:
    from tokenizers import Tokenizer, models

    return Tokenizer(models.WordLevel(vocab={"<pad>": 0, "<unk>": 1}, unk_token="<unk>"))


def _trl_collator() -> Any:
    """TRL's collator of its SFT trainer; None where TRL is not installed."""
    try:
        trainer: Any = importlib.import_module("trl.trainer.sft_trainer")
    except ImportError:
        return None
    return trainer.DataCollatorForLanguageModeling(pad_token_id=0)


def measure(*, is_full: bool) -> list[dict[str, Any]]:
    num_rows, num_repeats = (1024, 12) if is_full else (64, 3)
    rows = loading(num_rows, num_repeats=num_repeats)
    rows.append(constraint(num_rows=32, width_tok=512, vocab=50_000 if is_full else 4096, num_repeats=num_repeats))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="sizes at which the ratios mean something")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(is_full=args.full)
    if args.json:
        json.dump({"benchmark": "latent_tokens_mixing", "is_full": args.full, "rows": rows}, sys.stdout, indent=2)
        print()
        return
    for row in rows:
        shown = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float))
        print(f"{row['part']:<11} {row['case']}\n            {shown}")


if __name__ == "__main__":
    main()
