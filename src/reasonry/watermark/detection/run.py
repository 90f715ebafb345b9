"""``reasonry watermark detect``: from files or a stream to evidence.

Files: ``detections.jsonl`` (a text a line; a continued run reads only what is missing, and the first texts once more
for the figures of its report), ``called.jsonl`` (with false discovery control: which texts are called marked, which
depends on all of them), ``input.json`` (what was read, see `inputs`), ``results.json``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from reasonry.core import atomic, jsonl
from reasonry.core.models import ModelConfig
from reasonry.core.models.tokenizer import load_tokenizer
from reasonry.core.rows import Row, check_kept
from reasonry.core.run import Run
from reasonry.core.work import Say, stored, working
from reasonry.errors import ConfigError
from reasonry.watermark.config import DetectConfig
from reasonry.watermark.detection.detector import WatermarkDetector
from reasonry.watermark.detection.examine import Detector, Examined, examine
from reasonry.watermark.detection.inputs import check_is_there, inputs_of
from reasonry.watermark.detection.others import ENGINES, SchemeDetector
from reasonry.watermark.detection.read import STANDARD_INPUT, Document, read_documents
from reasonry.watermark.detection.report import Corpus
from reasonry.watermark.detection.result import Detection, Verdict
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.keys.ring import open_ring
from reasonry.watermark.profile import Profile, check_match, read_profile

CALLED = "called.jsonl"  # with --fdr: the decision on each text
MOST_LISTED = 1000  # texts in results.json; all are in detections.jsonl
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
            DETECTIONS,
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
                    remedy="Name that of the marked model with --tokenizer; or give token ids, with --read ids where "
                    "a row has both.",
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
    check_is_there(config.file)
    profile = profile_of(config)
    detector = make_detector(config, profile)
    inputs = inputs_of(
        config.file,
        profile_id=profile.profile_id,
        key_ids=detector.key_ids,
        tokenizer=config.tokenizer if profile.tokenizer_hash == _ANY_TOKENIZER else "",
    )
    total = _count(config.file, config.limit)
    tokenizers = Tokenizers(profile, config.tokenizer, config.model_options)
    documents = _begun(read_documents(config.file, prefer=config.read, limit=config.limit))
    folder = config.run or inputs.folder("watermark-detect", config)
    with Run("watermark detect", config, folder=folder, seed=0, warn=say) as run:
        with (
            stored(run, DETECTIONS, say, key=("place",), check=_check_kept) as store,
            working(run, "texts", total=total, done=len(store.rows), unit="texts", say=say) as work,
        ):
            inputs.check(run, num_done=len(store.rows))
            run.record_environment("bitwise")
            open_run(run, "bitwise")
            done = {place: Detection.from_json(row) for place, row in store.rows.items()}
            if profile.dedup == "corpus":
                done = {}  # which contexts count depends on the texts before: they are read again, and not kept twice

            def keep(document: Document, detection: Detection) -> None:
                if document.place not in store.rows:
                    store.put({"id": document.id, "place": document.place, **detection.to_json()})
                    work.tick()

            examined = examine(documents, detector, tokenizer=tokenizers, fdr=config.fdr, done=done, tick=keep)
        detected = Detected(run.folder, profile, examined, f"Looking for a mark: {inputs.name}", _remarks(config))
        if examined.rejected is not None:  # what e-BH says of a text depends on all others: it has a file of its own
            called = zip(examined.names, examined.rejected, strict=True)
            jsonl.write(run.path(CALLED), ({"id": name, "is_marked": is_marked} for name, is_marked in called))
        atomic.write_json(run.path("results.json"), results_json(detected))
    return detected


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
        ReasonryError: No such key, an anchor other than that of the profile, or a setting the scheme does not have.
    """
    keys = keys_of(config.ring, config.key_id)
    if profile.scheme != "anchored" or profile.anchor.kind == "uniform":
        foreign = {
            "bet": profile.scheme != "anchored" and config.bet != "mixture",
            "late_start": profile.scheme != "anchored" and config.late_start,
            "anchor_model": bool(config.anchor_model),
        }
        for name in (name for name, is_given in foreign.items() if is_given):
            raise ConfigError(
                f"{name} does not apply to text of scheme {profile.scheme!r} with a {profile.anchor.kind} anchor",
                place=name,
                remedy="Leave it out.",
            )
    # e-BH asks more of a text than 1/alpha, unless all are marked: evidence has to go on growing.
    stops = not config.fdr
    if profile.scheme in ENGINES and not config.key_id:
        keys = [key for key in keys if key.kind == "integer"] or keys  # the ring may hold keys of other schemes
    if profile.scheme != "anchored":
        return SchemeDetector(profile, keys, alpha=config.alpha, stops=stops)
    return WatermarkDetector(
        profile,
        keys,
        alpha=config.alpha,
        bet=config.bet,
        late_start=config.late_start,
        stops=stops,
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
        "num_listed": min(MOST_LISTED, len(found.detections)),
        "is_fdr": found.rejected is not None,
        "texts": [
            {"id": name, "is_marked": is_marked, **d.to_json()}
            for name, d, is_marked in list(zip(found.names, found.detections, rejected, strict=True))[:MOST_LISTED]
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


def _begun(documents: Iterable[Document]) -> Iterable[Document]:
    """The same, with the first one read: what is wrong with it should not leave a run directory behind."""
    rest = iter(documents)
    return itertools.chain(list(itertools.islice(rest, 1)), rest)


def _check_kept(rows: Sequence[Row], path: Path) -> None:
    check_kept(rows, path, _is_detection)


def _is_detection(row: Row) -> bool:
    try:
        found = Detection.from_json(row)
    except KeyError:
        return False
    counts = (found.num_tok, found.num_scored, found.num_match)
    return (
        isinstance(row.get("place"), str)
        and found.verdict in get_args(Verdict)
        and isinstance(found.log_e, float | int)
        and isinstance(found.p_anytime, float | int)
        and all(type(count) is int for count in counts)
    )


def _remarks(config: DetectConfig) -> list[str]:
    remarks = [f"alpha = {config.alpha:g} was fixed before the texts were read; do not choose it afterwards."]
    if config.fdr:
        remarks.append("Called marked: those that e-BH rejects; it is valid although the texts share keys.")
    return remarks
