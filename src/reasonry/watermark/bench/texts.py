"""The texts of a benchmark: sampled once per mark, appended to ``texts.jsonl``, continued where a run was killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

from reasonry.core import seeds
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.sampling import Completion, Request
from reasonry.core.work import Say, stored, working
from reasonry.watermark.bench.models import BenchModels
from reasonry.watermark.bench.schemes import Scheme
from reasonry.watermark.config import BenchConfig
from reasonry.watermark.tokenizing import encode

TEXTS = "texts.jsonl"
KEY = ("mark", "id", "index")
TextKey = tuple[str, str, int]


def sample_texts(
    config: BenchConfig,
    schemes: Sequence[Scheme],
    requests: Sequence[Request],
    models: BenchModels,
    run: Run,
    *,
    say: Say,
    open_run: Callable[[Run, str], None],
) -> list[Row]:
    """Sample what is missing; the rows asked for, marks in the order of their schemes.

    A row: ``mark``, ``id``, ``index``, ``text``, ``finish``, ``num_tok`` (the end token is not one),
    ``num_survived`` (of these tokens, those that come back when the text is tokenised again), ``entropy_nats`` (mean
    over the steps of the entropy of the law, before it was marked).
    """
    marked = {scheme.mark: scheme for scheme in schemes}
    wanted = [(mark, r.id, i) for mark in marked for r in requests for i in r.indices]
    with stored(run, TEXTS, say, key=KEY) as store:
        todo = [key for key in wanted if key not in store.rows]
        if not todo:
            open_run(run, "finished")
            return [store.rows[key] for key in wanted]
        from reasonry.core.sampling.hf import HFSampler
        from reasonry.watermark.bench.hooks import hook_of

        hooks = {
            mark: hook_of(
                scheme,
                seed=config.seed,
                vocab_size=models.vocab_size,
                profile=models.profile,
                anchor=models.generating_anchor,
                device=models.loaded.model.device,
            )
            for mark, scheme in marked.items()
        }
        samplers = {
            mark: HFSampler(
                models.loaded,
                config.sampling,
                seed=seeds.derive(config.seed, "watermark bench text", mark),
                batch_size=config.batch_size,
                law_hook=hook,
            )
            for mark, hook in hooks.items()
        }
        determinism = next(iter(samplers.values())).determinism
        run.record_environment(determinism)
        open_run(run, determinism)
        done = len(wanted) - len(todo)
        with working(
            run, "texts", total=len(wanted), samplers=list(samplers.values()), done=done, unit="texts", say=say
        ) as work:
            for mark, sampler in samplers.items():
                known = {(name, index) for of, name, index in store.rows if of == mark}
                for completion in sampler.sample(requests, skip=known):
                    entropy = hooks[mark].mean_nats(
                        completion.id, completion.index, num_steps=completion.num_completion_tok
                    )
                    store.put(_row(mark, completion, entropy, models.loaded.tokenizer))
                    work.tick()
        return [store.rows[key] for key in wanted]


def _row(mark: str, completion: Completion, entropy: float, tokenizer: Any) -> Row:
    special = set(tokenizer.all_special_ids)
    ids = [i for i in completion.tokens if i not in special]
    return {
        "mark": mark,
        "id": completion.id,
        "index": completion.index,
        "text": completion.text,
        "finish": completion.finish,
        "num_tok": len(ids),
        "num_survived": num_survived(ids, encode(tokenizer, completion.text)),
        "entropy_nats": round(entropy, 4),  # beyond, it depends on which rows shared a batch
    }


def num_survived(ids: Sequence[int], again: Sequence[int]) -> int:
    """How many of the ids come back in their order: the matching blocks of the two lists."""
    if list(ids) == list(again):
        return len(ids)
    blocks = SequenceMatcher(None, list(ids), list(again), autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)
