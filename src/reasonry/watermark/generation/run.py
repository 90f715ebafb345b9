"""``reasonry watermark generate``: marked text in a run directory that continues.

Files: ``signed.jsonl`` (a text a line, with its token ids), ``profile.json`` (what a detector needs besides the key),
``key.json`` (the id of the key, never the key), ``results.json``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic
from reasonry.core.models import find_causal_lm
from reasonry.core.models.tokenizer import load_tokenizer
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder, read_json
from reasonry.core.sampling import Completion, Request
from reasonry.core.work import Say, stored, working
from reasonry.errors import ConfigError, RunMismatchError
from reasonry.watermark.config import GenerateConfig
from reasonry.watermark.detection import WatermarkDetector
from reasonry.watermark.detection.examine import Examined, examine
from reasonry.watermark.detection.read import Document
from reasonry.watermark.detection.run import anchor_of
from reasonry.watermark.generation.prompts import read_prompts
from reasonry.watermark.keys.ring import ENVIRONMENT_NAME, KeyRing, default_path, open_ring
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.profile import AnchorProfile, Profile, check_match, read_profile, write_profile
from reasonry.watermark.tokenizing import encode

SIGNED = "signed.jsonl"
PROFILE = "profile.json"


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
    requests = [Request(r.id, r.messages, range(config.n)) for r in read_prompts(config.prompts, limit=config.limit)]
    given = read_profile(config.profile) if config.profile else None
    find_causal_lm(config.model, config.model_options)
    if config.anchor.model:
        find_causal_lm(config.anchor.model, config.model_options)
    ring = ring or ring_to_sign_with(config.ring, say=say)
    folder = config.run or default_folder("watermark-generate", config, _label(config.prompts))
    with Run("watermark generate", config, folder=folder, seed=config.seed, warn=say) as run:
        key = _key_of_run(run, ring, config.key_id)
        rows, profile = _generated(config, requests, run, key, given, say, open_run)
        order = {request.id: at for at, request in enumerate(requests)}
        wanted = [r for r in rows if r["id"] in order and r["index"] < config.n]
        wanted.sort(key=lambda r: (order[r["id"]], r["index"]))
        atomic.write_json(run.path("results.json"), _results(profile, key.key_id, wanted))
    return Generated(folder, config.model, profile, key.key_id, wanted)


def check(config: GenerateConfig, generated: Generated, *, ring: KeyRing | None = None) -> Checked:
    """Look for the mark in the texts themselves, as somebody would who has only them.

    Raises:
        ReasonryError: The tokenizer or the anchor cannot be loaded.
    """
    profile = generated.profile
    tokenizer = load_tokenizer(config.model, config.model_options).tokenizer
    key = (ring or open_ring(config.ring)).get(generated.key_id)
    detector = WatermarkDetector(profile, [key], anchor=anchor_of(profile, config.model_options))
    texts = [
        Document(
            f"{row['id']}/{row['index']}", f"{generated.signed}:{number}", text=io.StringIO(row["text"], newline="")
        )
        for number, row in enumerate(generated.rows, 1)
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


def ring_to_sign_with(path: Path | None, *, say: Say) -> KeyRing:
    """The user's ring; a new one with a new key where there is none yet, said aloud."""
    target = path
    if target is None and not os.environ.get(ENVIRONMENT_NAME, "").strip():
        target = default_path()
    if target is None or target.exists():
        return open_ring(path)
    ring = KeyRing()
    key = SecretKey.generate()
    ring.add(key, "made by watermark generate")
    ring.save(target)
    say(f"new key {key.key_id} in {target}; keep a copy: text signed with a lost key can never be recognised")
    return ring


def _key_of_run(run: Run, ring: KeyRing, key_id: str) -> SecretKey:
    """The key the run began with, or the one to begin with."""
    path = run.path("key.json")
    if path.exists():
        return ring.get(str(read_json(path).get("key_id")))
    now = datetime.now(UTC)
    key = ring.get(key_id) if key_id else ring.newest_active(now)
    if key not in ring.active(now):
        raise ConfigError(f"the key {key.key_id} is retired", place="key_id", remedy="Sign with an active key.")
    atomic.write_json(path, {"key_id": key.key_id})
    return key


def _generated(
    config: GenerateConfig,
    requests: list[Request],
    run: Run,
    key: SecretKey,
    given: Profile | None,
    say: Say,
    open_run: Callable[[Run, str], None],
) -> tuple[list[Row], Profile]:
    with stored(run, SIGNED, say) as store:
        todo = [(r.id, i) for r in requests for i in r.indices if (r.id, i) not in store.rows]
        if not todo:
            open_run(run, "finished")
            return list(store.rows.values()), read_profile(run.path(PROFILE))
        from reasonry.core.models import load_causal_lm
        from reasonry.core.sampling.hf import HFSampler
        from reasonry.watermark.generation.hook import WatermarkHook
        from reasonry.watermark.generation.marking import Marking

        loaded = load_causal_lm(config.model, config.model_options)
        profile, anchor = _profile_and_anchor(config, loaded, given)
        _keep_profile(run, profile)
        width = loaded.model.config.get_text_config().vocab_size
        marking = Marking(profile, key, vocab_size=width, anchor=anchor, device=loaded.model.device)
        sampler = HFSampler(
            loaded,
            config.sampling,
            seed=config.seed,
            batch_size=config.batch_size,
            law_hook=WatermarkHook(marking),
        )
        run.record_environment(sampler.determinism)
        open_run(run, sampler.determinism)
        total = sum(len(r.indices) for r in requests)
        with working(run, "texts", total=total, samplers=[sampler], done=total - len(todo), unit="texts", say=say) as w:
            for completion in sampler.sample(requests, skip=set(store.rows)):
                store.put(_row(completion, key.key_id, profile))
                w.tick()
        return list(store.rows.values()), profile


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


def _profile_and_anchor(config: GenerateConfig, loaded: Any, given: Profile | None) -> tuple[Profile, Any]:
    """The profile to mark with, and its anchor when that is a model."""
    from reasonry.core.models import load_causal_lm
    from reasonry.watermark.anchors.model import anchor_revision, load_anchor, make_anchor
    from reasonry.watermark.tokenizing import tokenizer_hash_of

    width = loaded.model.config.get_text_config().vocab_size
    tokenizer = tokenizer_hash_of(loaded.tokenizer)
    if given is not None:
        check_match(given, tokenizer_hash=tokenizer, vocab_size=width)
        return given, load_anchor(given, config.model_options) if given.anchor.kind != "uniform" else None
    wanted = config.anchor
    source = loaded
    anchor = AnchorProfile()
    if wanted.kind != "uniform":
        if wanted.kind == "model":
            source = load_causal_lm(wanted.model, config.model_options)
            check_shared_tokenizer(tokenizer, tokenizer_hash_of(source.tokenizer), wanted.model, config.model)
        anchor = AnchorProfile(
            kind=wanted.kind,
            model=source.name,
            revision=anchor_revision(source),
            context_tok=wanted.context_tok,
            temperature=wanted.temperature,
            dtype=str(source.identity["dtype"]),
        )
    profile = Profile(
        prf=config.prf,
        num_bins=config.num_bins,
        context_tok=config.context_tok,
        tokenizer=config.model,
        tokenizer_hash=tokenizer,
        vocab_size=width,
        anchor=anchor,
    )
    return profile, None if wanted.kind == "uniform" else make_anchor(source, anchor, vocab_size=width)


def check_shared_tokenizer(ours: str, theirs: str, anchor: str, model: str) -> None:
    """Raises ConfigError when anchor and marked model cut text differently: their ids mean different things."""
    if ours != theirs:
        raise ConfigError(
            f"the anchor {anchor} and the model {model} have different tokenizers",
            place="anchor.model",
            remedy="Use a smaller model of the same family, --anchor.kind self, or the uniform anchor.",
        )


def _keep_profile(run: Run, profile: Profile) -> None:
    path = run.path(PROFILE)
    if not path.exists():
        write_profile(path, profile)
        return
    before = read_profile(path)
    if before.profile_id != profile.profile_id:
        raise RunMismatchError(
            f"the run's texts are marked under profile {before.profile_id}, this command would use "
            f"{profile.profile_id}: tokenizer, anchor or dtype is another",
            place=str(path),
            remedy="Continue with the model the run began with, or choose another --run.",
        )


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
