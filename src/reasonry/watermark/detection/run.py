"""``reasonry watermark detect``: from files or a stream to evidence.

Files: ``detections.jsonl`` (a text a line; a continued run reads only what is missing), ``input.json`` (what was read,
so that another file of the same name is not mixed in), ``results.json``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasonry.core import atomic
from reasonry.core.models import ModelConfig
from reasonry.core.models.tokenizer import load_tokenizer
from reasonry.core.run import Run, default_folder, read_json
from reasonry.core.work import Say, stored, working
from reasonry.errors import ConfigError, RunMismatchError
from reasonry.watermark.config import DetectConfig
from reasonry.watermark.detection.detector import WatermarkDetector
from reasonry.watermark.detection.examine import Detector, Examined, examine
from reasonry.watermark.detection.feed import feed_document
from reasonry.watermark.detection.others import ENGINES, SchemeDetector
from reasonry.watermark.detection.read import STANDARD_INPUT, Document, read_documents
from reasonry.watermark.detection.report import Corpus
from reasonry.watermark.detection.result import Detection
from reasonry.watermark.detection.source import open_bytes
from reasonry.watermark.keys.ring import open_ring
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.profile import Profile, check_match, read_profile

DETECTIONS = "detections.jsonl"
_ANY_TOKENIZER = "0" * 32  # engines' readers take ids: no tokenizer is part of their profile
_ANY_VOCABULARY = 2**31


@dataclass(frozen=True)
class Detected:
    """A finished run.

    Attributes:
        folder: The run directory.
        profile: What was looked for.
        examined: What was found.
        title: Of the report.
        remarks: Lines that a reader should know.
    """

    folder: Path
    profile: Profile
    examined: Examined
    title: str
    remarks: list[str]

    @property
    def num_marked(self) -> int:
        """Texts called marked."""
        if self.examined.rejected is not None:
            return sum(self.examined.rejected)
        return sum(d.is_watermarked for d in self.examined.detections)

    def corpus(self, *, command: str) -> Corpus:
        """What the report is made of."""
        found = self.examined
        return Corpus(
            self.title,
            f"scheme {self.profile.scheme}, profile {self.profile.profile_id}, {self.profile.anchor.kind} anchor",
            found.names,
            found.detections,
            found.rejected,
            found.shown,
            self.remarks,
            command,
        )


class Tokenizers:
    """The profile's tokenizer, loaded and checked when the first text comes."""

    def __init__(self, profile: Profile, name: str, options: ModelConfig) -> None:
        self._profile, self._name, self._options = profile, name or profile.tokenizer, options
        self._loaded: Any = None

    def __call__(self) -> Any:
        """The tokenizer.

        Raises:
            ConfigError: None is named.
            ProfileMismatchError: It is not the one of the profile: its ids would mean other tokens.
        """
        if self._loaded is None:
            if not self._name:
                raise ConfigError(
                    "a text has to be tokenised, and no tokenizer is named",
                    place="tokenizer",
                    remedy="Name that of the marked model: --tokenizer; or give token ids.",
                )
            from reasonry.watermark.tokenizing import tokenizer_hash_of

            loaded = load_tokenizer(self._name, self._options).tokenizer
            if self._profile.tokenizer_hash != _ANY_TOKENIZER:
                check_match(self._profile, tokenizer_hash=tokenizer_hash_of(loaded))
            self._loaded = loaded
        return self._loaded


def detect(
    config: DetectConfig,
    *,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Detected:
    """Run (or continue) ``reasonry watermark detect``.

    Raises:
        ReasonryError: See the errors of its parts.
        Interrupted: The user asked to stop; run the same command again.
    """
    profile = profile_of(config)
    detector = make_detector(config, profile)
    total = _count(config.file, config.limit)
    tokenizers = Tokenizers(profile, config.tokenizer, config.model_options)
    folder = config.run or default_folder("watermark-detect", config, Path(config.file).stem)
    with Run("watermark detect", config, folder=folder, seed=0, warn=say) as run:
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        _check_input(run, config.file)
        documents = read_documents(config.file, prefer=config.read, limit=config.limit)
        with (
            stored(run, DETECTIONS, say, key=("place",)) as store,
            working(run, "texts", total=total, done=len(store.rows), unit="texts", say=say) as work,
        ):
            done = {place: Detection.from_json(row) for place, row in store.rows.items()}

            def keep(document: Document, detection: Detection) -> None:
                if document.place not in store.rows:
                    store.put({"id": document.id, "place": document.place, **detection.to_json()})
                    work.tick()

            examined = examine(documents, detector, tokenizer=tokenizers, fdr=config.fdr, done=done, tick=keep)
        detected = Detected(
            run.folder, profile, examined, f"Looking for a mark: {_name(config.file)}", _remarks(config)
        )
        atomic.write_json(run.path("results.json"), results_json(detected))
    return detected


def detect_stream(config: DetectConfig, *, say: Say = lambda line: None) -> Detection:
    """Read standard input as it comes and stop when the evidence is enough.

    Raises:
        ReasonryError: See the errors of its parts.
    """
    if config.file != STANDARD_INPUT:
        raise ConfigError(f"--stream reads standard input, not {config.file!r}", remedy="Write - for the file.")
    if config.fdr:
        raise ConfigError("--fdr is for several texts, a stream is one", remedy="Leave one of them out.")
    profile = profile_of(config)
    detector = make_detector(config, profile)
    if not isinstance(detector, WatermarkDetector):
        raise ConfigError(f"scheme {profile.scheme} is read whole", place="stream", remedy="Leave --stream out.")
    state = detector.start()
    (document,) = read_documents(STANDARD_INPUT, prefer="text")
    feed_document(state, document, Tokenizers(profile, config.tokenizer, config.model_options)())
    if state.is_stopped:
        say(f"enough evidence after {state.num_tok} tokens; the rest of the stream was not read")
    return state.result()


def profile_of(config: DetectConfig) -> Profile:
    """The profile that a config names, or the one beside its file.

    Raises:
        ConfigError: There is none.
        DataError: It is damaged.
    """
    if config.scheme:
        if config.profile:
            raise ConfigError("both a scheme and a profile", place="scheme", remedy="Name one of them.")
        if config.scheme not in ENGINES:
            raise ConfigError(
                f"no reader for text of {config.scheme!r} without a profile",
                place="scheme",
                remedy=f"Known: {', '.join(ENGINES)}.",
            )
        return Profile.model_validate(
            {"scheme": config.scheme, "tokenizer_hash": _ANY_TOKENIZER, "vocab_size": _ANY_VOCABULARY}
        )
    if config.profile:
        return read_profile(config.profile)
    beside = Path(config.file).parent / "profile.json"
    if config.file == STANDARD_INPUT or not beside.exists():
        raise ConfigError(
            "how was the text marked? No profile is named, and none lies beside the file",
            place="profile",
            remedy="Give the profile.json that was written when the text was marked: --profile FILE.",
        )
    return read_profile(beside)


def make_detector(config: DetectConfig, profile: Profile) -> Detector:
    """The detector that a config asks for; a model as anchor is loaded.

    Raises:
        ReasonryError: No such key, or an anchor other than that of the profile.
    """
    keys = keys_of(config.ring, config.key_id)
    if profile.scheme != "anchored":
        return SchemeDetector(profile, keys, alpha=config.alpha)
    return WatermarkDetector(
        profile,
        keys,
        alpha=config.alpha,
        bet=config.bet,
        late_start=config.late_start,
        anchor=anchor_of(profile, config.model_options, config.anchor_model),
    )


def keys_of(ring: Path | None, key_ids: Iterable[str]) -> list[SecretKey]:
    """The named keys of a ring, or all of them."""
    opened = open_ring(ring)
    named = [opened.get(key_id) for key_id in key_ids]
    return named or list(opened.all_keys())


def anchor_of(profile: Profile, options: ModelConfig, name: str = "") -> Any:
    """The model that is the profile's anchor, loaded; None when it is uniform."""
    if profile.anchor.kind == "uniform":
        return None
    from reasonry.watermark.anchors.model import load_anchor

    if name:
        profile = profile.with_(anchor=profile.anchor.with_(model=name))
    return load_anchor(profile, options)


def results_json(detected: Detected) -> dict[str, Any]:
    """The JSON object of the command; texts are in detections.jsonl."""
    found = detected.examined
    rejected = found.rejected or [d.is_watermarked for d in found.detections]
    return {
        "profile_id": detected.profile.profile_id,
        "num_texts": len(found.detections),
        "num_marked": detected.num_marked,
        "num_without_answer": sum(d.verdict == "nothing to score" for d in found.detections),
        "is_fdr": found.rejected is not None,
        "texts": [
            {"id": name, "is_marked": is_marked, **d.to_json()}
            for name, d, is_marked in list(zip(found.names, found.detections, rejected, strict=True))[:1000]
        ],
    }


def _count(file: str, limit: int | None) -> int:
    """How many texts to expect, for the progress line; 1 for a whole text, 0 where nobody knows."""
    if file == STANDARD_INPUT or not Path(file).is_file():  # whoever reads it says what is wrong
        return 0
    if Path(file).suffix not in (".jsonl", ".ndjson"):
        return 1
    with open(file, "rb") as f:
        num = sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 20), b""))
    return min(num, limit) if limit is not None else num


def _check_input(run: Run, file: str) -> None:
    """Refuse to continue a run on a file that has changed since it began."""
    if file == STANDARD_INPUT:
        return
    path = run.path("input.json")
    digest = hashlib.blake2b(digest_size=16)
    with open_bytes(Path(file)) as f:
        while block := f.read(1 << 20):
            digest.update(block)
    now = {"blake2b": digest.hexdigest()}
    if not path.exists():
        atomic.write_json(path, now)
    elif read_json(path) != now:
        raise RunMismatchError(
            "the file has changed since this run read it", place=file, remedy="Choose another --run, or restore it."
        )


def _remarks(config: DetectConfig) -> list[str]:
    remarks = [f"alpha = {config.alpha:g} was fixed before the texts were read; do not choose it afterwards."]
    if config.fdr:
        remarks.append("Called marked: those that e-BH rejects; it is valid although the texts share keys.")
    return remarks


def _name(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else Path(file).name
