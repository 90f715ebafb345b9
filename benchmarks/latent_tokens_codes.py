"""How fast reasoning becomes codes, and a look-up in a codebook beside the usual library's.

Run ``python benchmarks/latent_tokens_codes.py [--json] [--full] [--threads 2]``. Every number is the best of several
repetitions that take turns, in seconds on the clock:

* encoding    tokens of reasoning a second, from texts that are token ids to codes; weights are new, since what they are
              changes nothing in how long it takes. ``with tokenising``: from words, with a tokenizer of whole words;
* look-up     the nearest of K codes for N vectors, and the code's vector, by ours and by the quantiser of
              vector-quantize-pytorch in evaluation, where that is installed. Both must give the same codes.

Without ``--full`` there is little of each, to see that everything works.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from reasonry.core import seeds
from reasonry.core.config import from_dict
from reasonry.core.models.word_level import word_level_tokenizer
from reasonry.training.latent_tokens.codes.codebook import Codebook
from reasonry.training.latent_tokens.codes.codec import TextCodec
from reasonry.training.latent_tokens.codes.config import CodecConfig

CHUNK_TOK, VOCAB = 16, 2_000
SIZES = {"small (width 32, 64 codes)": (32, 64), "default (width 64, 512 codes)": (64, 512)}
LOOK_UPS = [(4096, 64, 512), (4096, 512, 1024), (64, 64, 512)]


def best_of(calls: dict[str, Callable[[], object]], *, num_repeats: int) -> dict[str, float]:
    """Seconds of each call, the best of several turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(num_repeats + 1):
        for name, call in calls.items():
            start_s = time.perf_counter()
            call()
            if turn:  # the first warms up
                taken[name].append(time.perf_counter() - start_s)
    return {name: min(times) for name, times in taken.items()}


def encoding(num_texts: int, *, num_repeats: int) -> list[dict[str, Any]]:
    rng = seeds.stream(0, "reasoning")
    texts = [rng.integers(3, VOCAB, rng.integers(150, 420)).tolist() for _ in range(num_texts)]
    tokenizer = word_level_tokenizer([f"w{i}" for i in range(VOCAB)])
    words = [" ".join(f"w{i}" for i in text) for text in texts]
    num_tok = sum(len(text) for text in texts)
    rows: list[dict[str, Any]] = []
    for name, (width, num_codes) in SIZES.items():
        settings = from_dict(CodecConfig, {"chunk_tok": CHUNK_TOK, "width": width, "num_codes": num_codes})
        codec = TextCodec(settings, range(VOCAB), vocab_size=len(tokenizer)).eval()
        calls: dict[str, Callable[[], object]] = {
            "encode": lambda codec=codec: codec.encode_texts(texts),
            "with tokenising": lambda codec=codec: codec.encode_texts(tokenizer(words)["input_ids"]),
        }
        taken = best_of(calls, num_repeats=num_repeats)
        rows.append(
            {
                "part": "encoding",
                "case": f"{name}, {num_texts} texts of 150 to 420 tokens",
                "tok_per_s": num_tok / taken["encode"],
                "tok_per_s_with_tokenising": num_tok / taken["with tokenising"],
            }
        )
    return rows


def look_up(num: int, width: int, size: int, *, num_repeats: int, num_calls: int) -> dict[str, Any] | None:
    try:
        library: Any = importlib.import_module("vector_quantize_pytorch")
    except ImportError:
        return None
    rng = seeds.stream(0, "vectors")
    table = torch.from_numpy(rng.standard_normal((size, width)).astype(np.float32))
    vectors = torch.from_numpy(rng.standard_normal((num, width)).astype(np.float32))
    ours = Codebook(size, width).eval()
    ours.vectors_KD.copy_(table)
    theirs = library.VectorQuantize(dim=width, codebook_size=size, rotation_trick=False).eval()
    theirs._codebook.embed.data.copy_(table[None])
    find = ours.look_up()

    @torch.inference_mode()
    def by_ours() -> tuple[torch.Tensor, torch.Tensor]:
        codes = find(vectors)
        return codes, ours.table()[codes]

    @torch.inference_mode()
    def by_theirs() -> tuple[torch.Tensor, torch.Tensor]:
        quantised, codes, _ = theirs(vectors[None])
        return codes[0], quantised[0]

    (our_codes, our_vectors), (their_codes, their_vectors) = by_ours(), by_theirs()
    assert torch.equal(our_codes, their_codes), "other codes"
    assert torch.allclose(our_vectors, their_vectors, atol=1e-5), "other vectors"

    def many(call: Callable[[], object]) -> Callable[[], None]:
        def calls() -> None:
            for _ in range(num_calls):
                call()

        return calls

    taken = best_of({"ours": many(by_ours), "theirs": many(by_theirs)}, num_repeats=num_repeats)
    return {
        "part": "look-up",
        "case": f"{num} vectors of {width}, {size} codes",
        "ours_us": 1e6 * taken["ours"] / num_calls,
        "theirs_us": 1e6 * taken["theirs"] / num_calls,
        "ratio": taken["theirs"] / taken["ours"],
    }


def measure(*, is_full: bool) -> list[dict[str, Any]]:
    num_texts, num_repeats, num_calls = (2000, 5, 20) if is_full else (20, 2, 2)
    rows = encoding(num_texts, num_repeats=num_repeats)
    found = [look_up(*each, num_repeats=num_repeats, num_calls=num_calls) for each in LOOK_UPS]
    return rows + [row for row in found if row is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="sizes at which the ratios mean something")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = measure(is_full=args.full)
    if args.json:
        json.dump({"benchmark": "latent_tokens_codes", "is_full": args.full, "rows": rows}, sys.stdout, indent=2)
        print()
        return
    for row in rows:
        shown = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float))
        print(f"{row['part']:<11} {row['case']}\n            {shown}")


if __name__ == "__main__":
    main()
