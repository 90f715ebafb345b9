"""``reasonry watermark generate``: marked text in a run directory that continues.

Files: ``signed.jsonl`` (a text a line, with its token ids), ``profile.json`` (what a detector needs besides the key),
``key.json`` (the id of the key, never the key), ``prompts.json`` and ``model.json`` (a hash of each prompt and which
weights were sampled, so that texts for other prompts or of other weights are not mixed in), ``results.json``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic, jsonl
from reasonry.core.models import find_causal_lm
from reasonry.core.models.tokenizer import load_tokenizer
from reasonry.core.rows import Row, Store
from reasonry.core.run import Run, default_folder
from reasonry.core.sampling import Completion, Request
from reasonry.core.work import Say, stored, working
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.config import GenerateConfig
from reasonry.watermark.detection import WatermarkDetector
from reasonry.watermark.detection.examine import Examined, examine
from reasonry.watermark.detection.read import Document
from reasonry.watermark.detection.run import anchor_of
from reasonry.watermark.generation.loading import PROFILE, Means, keep_means, load_means
from reasonry.watermark.generation.prompts import check_prompts, read_prompts
from reasonry.watermark.generation.signing_key import (
    KEY_FILE,
    check_may_sign,
    choose_key,
    existing_ring,
    key_of_run,
    make_ring,
)
from reasonry.watermark.keys.ring import KeyRing, open_ring
from reasonry.watermark.keys.secret import SecretKey
from reasonry.watermark.profile import Profile, read_profile
from reasonry.watermark.tokenizing import encode

SIGNED = "signed.jsonl"
_ROW_TYPES = {"id": str, "index": int, "text": str, "token_ids": list, "finish": str, "key_id": str}


class Generated(NamedTuple):
    """A finished run.

    Attributes:
        folder: The run directory.
        model: What was sampled.
        profile: How the texts are marked.
        key_id: With which key.
        rows: The rows of signed.jsonl, prompts in their order.
    """

    folder: Path
    model: str
    profile: Profile
    key_id: str
    rows: list[Row]

    @property
    def signed(self) -> Path:
        """The file with the texts."""
        return self.folder / SIGNED


class Checked(NamedTuple):
    """The texts as a detector sees them.

    Attributes:
        examined: Detection of the texts, tokenised again.
        num_same_ids: Texts whose token ids come back when the text is tokenised again.
    """

    examined: Examined
    num_same_ids: int


def generate(
    config: GenerateConfig,
    *,
    ring: KeyRing | None = None,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Generated:
    """Run (or continue) ``reasonry watermark generate``.

    Args:
        config: The resolved config.
        ring: Used instead of the one that the config names.
        say: Called with a line for people.
        open_run: Called once with the open run and its determinism level.

    Raises:
        ReasonryError: See the errors of its parts. What was finished is in the run directory.
        Interrupted: The user asked to stop; run the same command again.
    """
    given = read_profile(config.profile) if config.profile else None
    _check(config, given)
    requests = [Request(r.id, r.messages, range(config.n)) for r in read_prompts(config.prompts, limit=config.limit)]
    folder = config.run or default_folder("watermark-generate", config, _label(config.prompts))
    has_key = (folder / KEY_FILE).exists()
    ring = ring if ring is not None else existing_ring(config.ring)
    if ring is None and (config.key_id or has_key):
        ring = open_ring(config.ring)  # says that it is missing: a new one would not hold the key that is wanted
    if ring is not None and not has_key:
        choose_key(ring, config.key_id)
    # Loaded before there is a run directory: an anchor or a profile that does not fit should not leave one behind.
    means = None if (folder / PROFILE).exists() else load_means(config, given)
    with Run("watermark generate", config, folder=folder, seed=config.seed, warn=say) as run:
        ring = ring if ring is not None else make_ring(config.ring, say=say)
        key = key_of_run(run, ring, config.key_id)
        with stored(run, SIGNED, say, check=lambda rows, path: _check_kept(rows, path, run, requests, config)) as store:
            todo = [(r.id, i) for r in requests for i in r.indices if (r.id, i) not in store.rows]
            if todo:
                check_may_sign(key, ring)
                means = means or load_means(config, given)
                keep_means(run, means)
                _sample(config, requests, run, key, means, store, say, open_run)
            else:
                open_run(run, "finished")
        profile = read_profile(run.path(PROFILE))
        rows = _canonical(run.path(SIGNED), {request.id: at for at, request in enumerate(requests)})
        atomic.write_json(run.path("results.json"), _results(profile, key.key_id, rows))
    return Generated(folder, config.model, profile, key.key_id, rows)


def check(config: GenerateConfig, generated: Generated, *, ring: KeyRing | None = None) -> Checked:
    """Look for the mark in the texts themselves, as somebody would who has only them.

    Raises:
        ReasonryError: The tokenizer or the anchor cannot be loaded.
    """
    profile = generated.profile
    tokenizer = load_tokenizer(config.model, config.model_options).tokenizer
    key = (ring if ring is not None else open_ring(config.ring)).get(generated.key_id)
    detector = WatermarkDetector(profile, [key], anchor=anchor_of(profile, config.model_options))
    texts = [
        Document(name, f"{generated.signed}, text {name}", text=io.StringIO(row["text"], newline=""))
        for row in generated.rows
        for name in [f"{row['id']}/{row['index']}"]
    ]
    examined = examine(texts, detector, tokenizer=lambda: tokenizer)
    ends = set(getattr(tokenizer, "all_special_ids", ()))
    same = sum(
        encode(tokenizer, row["text"]) == [i for i in row["token_ids"] if i not in ends] for row in generated.rows
    )
    return Checked(examined, same)


def results_json(generated: Generated, checked: Checked) -> dict[str, Any]:
    """The JSON object of the command."""
    found = checked.examined.detections
    return {
        **_results(generated.profile, generated.key_id, generated.rows),
        "signed": str(generated.signed),
        "num_detected": sum(d.is_watermarked for d in found),
        "num_same_ids": checked.num_same_ids,
        "detections": [d.to_json() for d in found],
    }


def _check(config: GenerateConfig, given: Profile | None) -> None:
    """Everything that is wrong at first sight."""
    if config.sampling.temperature == 0:
        raise ConfigError(
            "temperature 0 leaves nothing to chance that could carry a mark",
            place="sampling.temperature",
            remedy="Sample with a positive temperature.",
        )
    if (config.anchor.kind == "model") != bool(config.anchor.model):
        raise ConfigError(
            f"anchor.kind is {config.anchor.kind!r} and anchor.model is {config.anchor.model!r}",
            place="anchor",
            remedy="Name a model with kind model, and only then.",
        )
    if config.num_bins == 1:
        raise ConfigError(
            "num_bins = 1: the symbol of a token would tell nothing",
            place="num_bins",
            remedy="Use at least 2; or 0, which makes every token its own.",
        )
    if given is not None and given.scheme != "anchored":
        raise ConfigError(
            f"cannot mark text with scheme {given.scheme!r}",
            place=str(config.profile),
            remedy="Text is marked with scheme 'anchored'; the others are detected, and compared by watermark bench.",
        )
    for name in filter(None, (config.model, config.anchor.model)):
        find_causal_lm(name, config.model_options)


# ---------------------------------------------------------------- texts


def _sample(
    config: GenerateConfig,
    requests: Sequence[Request],
    run: Run,
    key: SecretKey,
    means: Means,
    store: Store,
    say: Say,
    open_run: Callable[[Run, str], None],
) -> None:
    """Draw the texts that are missing; each is kept as it comes."""
    from reasonry.core.sampling.hf import HFSampler
    from reasonry.watermark.generation.hook import WatermarkHook
    from reasonry.watermark.generation.marking import Marking

    loaded = means.loaded
    width = loaded.model.config.get_text_config().vocab_size
    marking = Marking(means.profile, key, vocab_size=width, anchor=means.anchor, device=loaded.model.device)
    sampler = HFSampler(
        loaded,
        config.sampling,
        seed=config.seed,
        batch_size=config.batch_size,
        law_hook=WatermarkHook(marking),
    )
    run.record_environment(sampler.determinism)
    open_run(run, sampler.determinism)
    total, done = sum(len(r.indices) for r in requests), set(store.rows)
    with working(run, "texts", total=total, samplers=[sampler], done=len(done), unit="texts", say=say) as work:
        for completion in sampler.sample(requests, skip=done):
            store.put(_row(completion, key.key_id, means.profile))
            work.tick()


def _row(completion: Completion, key_id: str, profile: Profile) -> Row:
    return {
        "id": completion.id,
        "index": completion.index,
        "text": completion.text,
        "token_ids": list(completion.tokens),
        "finish": completion.finish,
        "num_prompt_tok": completion.num_prompt_tok,
        "key_id": key_id,
        "profile_id": profile.profile_id,
    }


def _check_kept(rows: Sequence[Row], path: Path, run: Run, requests: Sequence[Request], config: GenerateConfig) -> None:
    """Refuse texts that are not this run's, before anything is generated and before anything is rewritten."""
    known = {request.id for request in requests}
    for line, row in enumerate(rows, 1):
        place = f"{path}:{line}"
        wrong = [name for name, kind in _ROW_TYPES.items() if not isinstance(row.get(name), kind)]
        if wrong or not 0 <= row["index"] < config.n:
            raise DataError(
                f"not a text of this run: {wrong[0] if wrong else 'index'!r} is missing or wrong",
                place=place,
                remedy="Remove the line, and the text is generated again; or restore the file.",
            )
        if row["id"] not in known:
            raise DataError(
                f"a text for prompt {row['id']!r}, which is not among the prompts",
                place=place,
                remedy="Has the file of prompts changed since the run began? Restore it, or choose another --run.",
            )
    answered = {row["id"] for row in rows}
    check_prompts(run.path("prompts.json"), requests, answered=answered, source=config.prompts[:80])


def _canonical(path: Path, order: Mapping[str, int]) -> list[Row]:
    """All rows in the order of the prompts; the file is rewritten when it is in another (extended runs)."""
    rows = list(jsonl.read(path)) if path.exists() else []
    ordered = sorted({(r["id"], r["index"]): r for r in rows}.values(), key=lambda r: (order[r["id"]], r["index"]))
    if ordered != rows:
        jsonl.write(path, ordered)
    return ordered


def _label(prompts: str) -> str:
    """A few words of the prompt, or the file's name."""
    return Path(prompts).stem if prompts.endswith(".jsonl") else " ".join(prompts.split()[:6]).strip(".,:;!? ")


def _results(profile: Profile, key_id: str, rows: list[Row]) -> dict[str, Any]:
    return {
        "profile_id": profile.profile_id,
        "key_id": key_id,
        "num_texts": len(rows),
        "num_tok": sum(len(r["token_ids"]) for r in rows),
        "finish": {name: sum(r["finish"] == name for r in rows) for name in ("stop", "length")},
    }
