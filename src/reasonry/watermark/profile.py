"""How text was marked: everything a detector needs to know besides the key, and nothing secret.

A detector that hashes other token ids, cuts other bins or asks another anchor sees independent symbols: its e-process
stays valid and stays at the level of chance, so marked text would be reported as unmarked. Hence a detector compares
what it has with the profile (`check_match`) and refuses to answer when they differ; it never answers "no".

    profile_id      = first 12 hex digits of BLAKE2b-48(JSON of every field that decides a result)
    tokenizer_hash  = BLAKE2b-128 over the (id, token) pairs in the order of the ids, and the bytes of the merge rules

Names (of the tokenizer, of the anchor's model) decide nothing; the hash of the vocabulary and the revision of the
weights do. Both identifiers are frozen: a profile keeps its id in every version of this package.
"""

# pyright: strict
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from reasonry.core import atomic
from reasonry.core.config import Config, Neutral, from_dict, result_fields
from reasonry.errors import ConfigError, DataError, nearest

KNOWN_PRFS = ("mix64-v1", "blake2b-v1")
VERSION = 1
Scheme = Literal[
    "anchored",
    "seal",
    "kgw",
    "unigram",
    "gumbel",
    "synthid",
    "inverse-transform",
    "exp",
    "exp-edit",
    "binary",
    "vllm-gumbel",
    "vllm-dual-gumbel",
    "sglang-gumbel",
    "sglang-dual-gumbel",
]

# What HF, vLLM, SGLang and the papers' codes call their keys. A seed of a scheme is its key.
_SECRET_OPTIONS = frozenset(
    {"key", "keys", "key_a", "key_b", "secret", "secret_key", "hashing_key", "hash_key", "seed", "watermark_key"}
)


class ProfileMismatchError(ConfigError):
    """What a detector has is not what the text was marked with; it must not answer."""


def _plain(dtype: str) -> str:
    return dtype.removeprefix("torch.")


class AnchorProfile(Config):
    """The public law p0 from which keyed symbols are drawn, which generator and detector compute alike."""

    kind: Literal["uniform", "self", "model"] = "uniform"
    """uniform: no model; self: the generating model on a short context; model: another, smaller one."""
    model: Annotated[str, Neutral] = ""
    """Where to find the model: a hub id, a path or a packaged model. A name: it decides nothing."""
    revision: str = ""
    """The weights: the hub's commit or a hash of the content. Empty for a uniform anchor only."""
    context_tok: int = Field(default=20, ge=0)
    """K, how many of the last output tokens the anchor sees; 0: all of them."""
    temperature: float = Field(default=1.0, gt=0)
    """Temperature of the anchor."""
    floor: float = Field(default=1e-4, gt=0, lt=1)
    """eta: p0 becomes (1 - eta) p0 + eta / n over n bins, so that no bin has probability zero."""
    dtype: str = "float32"
    """Number format of the anchor's forward pass, such as float32 or bfloat16."""

    @field_validator("dtype")
    @classmethod
    def _plain_dtype(cls, value: str) -> str:
        return _plain(value)

    @model_validator(mode="after")
    def _weights_are_known(self) -> Self:
        if self.kind == "uniform" and (self.model or self.revision):
            raise ValueError("a uniform anchor has no model and no revision")
        if self.kind != "uniform" and not self.revision:
            raise ValueError(f"an anchor of kind {self.kind} needs the revision of its weights")
        return self


class Profile(Config):
    """How text was marked: scheme, keyed functions, contexts, tokenizer and anchor."""

    scheme: Scheme = "anchored"
    """The watermark, or the engine whose watermark it is."""
    prf: str = KNOWN_PRFS[0]
    """The keyed pseudo-random functions and their version: mix64-v1 or blake2b-v1."""
    num_bins: int = Field(default=16, ge=0)
    """n, how many bins the vocabulary is hashed into, at least 2; 0: every token is a bin of its own."""
    context_tok: int = Field(default=4, ge=1)
    """h, how many previous tokens are hashed."""
    dedup: Literal["document", "corpus", "none"] = "document"
    """Where a context is used once only. Without (none) error rates are wrong: for measuring just that."""
    tokenizer: Annotated[str, Neutral] = ""
    """Where to find the tokenizer. A name: it decides nothing."""
    tokenizer_hash: str = Field(pattern=r"^[0-9a-f]{16,}$")
    """The tokenizer itself: hex digits of `tokenizer_hash`."""
    vocab_size: int = Field(ge=2)
    """V, how many logits the generating model has, which may be more than the tokenizer has tokens."""
    anchor: AnchorProfile = AnchorProfile()
    options: dict[str, Any] = Field(default={})
    """What else a scheme needs, by its own names. Never a key."""

    @field_validator("prf")
    @classmethod
    def _known_prf(cls, value: str) -> str:
        if value not in KNOWN_PRFS:
            hint = nearest(value, KNOWN_PRFS) or f"Known are {', '.join(KNOWN_PRFS)}."
            raise ValueError(f"no such function here; it was made by a newer version, or misspelt. {hint}")
        return value

    @model_validator(mode="after")
    def _bins_fit(self) -> Self:
        if self.num_bins == 1 or self.num_bins > self.vocab_size:
            raise ValueError(f"num_bins is 0 or from 2 to vocab_size ({self.vocab_size}), not {self.num_bins}")
        return self

    @property
    def profile_id(self) -> str:
        """12 hex digits over all fields but the names."""
        # A field added later enters only where it differs from the value that old profiles imply.
        body = json.dumps(result_fields(self), sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(body.encode(), digest_size=6, person=b"reasonry-profile").hexdigest()


def write_profile(path: Path, profile: Profile) -> None:
    """Write a profile as JSON, atomically.

    Raises:
        ConfigError: One of its options is named like a key: a profile is published, a key never is.
        ResourceError: The file cannot be written.
    """
    if named := sorted(_SECRET_OPTIONS & {name.lower() for name in _names(profile.options)}):
        raise ConfigError(
            f"the profile has an option {named[0]!r}, which would publish a key",
            place=str(path),
            remedy="Take it out; a detector gets its keys from a key ring.",
        )
    fields = profile.model_dump(mode="json")
    atomic.write_json(path, {"profile_version": VERSION, "profile_id": profile.profile_id, **fields})


def _names(value: Any) -> Iterator[str]:
    """Names of options at any depth."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list | tuple):
        for inner in cast("list[Any]", value):
            yield from _names(inner)


def read_profile(path: Path) -> Profile:
    """Read what `write_profile` wrote. ``profile_id`` may be left out of a profile written by hand.

    Raises:
        DataError: The file is missing or damaged, has an unknown key or value, does not fit its own id, or was made by
            a newer version.
    """
    place = str(path)
    fields = _read_object(path)
    version, stated_id = fields.pop("profile_version", None), fields.pop("profile_id", None)
    prf = fields.get("prf")
    if type(version) is not int or version < 1:
        raise DataError(
            "not a watermark profile: it has no profile_version", place=place, remedy="Check which file is meant."
        )
    if version > VERSION or (isinstance(prf, str) and prf not in KNOWN_PRFS):
        found = f"profile_version {version}" if version > VERSION else f"prf {prf!r}"
        raise DataError(
            f"the profile was made by a newer version: {found} is not known here",
            place=place,
            remedy=f"Upgrade reasonry. This version knows profile_version {VERSION} and prf {', '.join(KNOWN_PRFS)}.",
        )
    try:
        profile = from_dict(Profile, fields, place=place)
    except ConfigError as e:
        remedy = e.remedy or "Take the profile that was written when the text was marked."
        raise DataError(e.problem, place=place, remedy=remedy) from e
    if stated_id is not None and stated_id != profile.profile_id:
        raise DataError(
            f"its profile_id is {stated_id!r}, but its fields give {profile.profile_id}",
            place=place,
            remedy="It was edited or damaged. Restore it; or, if the edit is meant, take the line profile_id out.",
        )
    return profile


def _read_object(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text("utf-8"), object_pairs_hook=_no_key_twice)
    except FileNotFoundError as e:
        raise DataError("no such profile", place=str(path), remedy="It is written where text is marked.") from e
    except json.JSONDecodeError as e:
        raise DataError(f"not valid JSON: {e.msg}", place=f"{path}:{e.lineno}", remedy="Restore the profile.") from e
    except (OSError, ValueError, RecursionError) as e:  # unreadable; not UTF-8; absurd numbers or nesting
        raise DataError(f"cannot read the profile: {e}", place=str(path), remedy="Restore the profile.") from e
    if not isinstance(table, dict):
        raise DataError("not a JSON object", place=str(path), remedy="Check which file is meant.")
    return cast("dict[str, Any]", table)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("it has a key twice")
    return table


def check_match(
    profile: Profile,
    *,
    tokenizer_hash: str | None = None,
    anchor_revision: str | None = None,
    anchor_dtype: str | None = None,
    vocab_size: int | None = None,
) -> None:
    """Refuse to detect with something else than what the text was marked with.

    Args:
        profile: How the text was marked.
        tokenizer_hash: What `tokenizer_hash` gives for the detector's tokenizer; None, here and below: not used.
        anchor_revision: Revision of the detector's anchor weights.
        anchor_dtype: Number format in which the detector computes the anchor; ``torch.`` in front is ignored.
        vocab_size: V of the detector.

    Raises:
        ProfileMismatchError: Something differs: what, both values, and the remedy, for everything that differs.
    """
    anchor = profile.anchor
    where = f" ({anchor.model})" if anchor.model else ""
    weights = f"load the anchor{where} at revision {anchor.revision}" if anchor.revision else "use the uniform anchor"
    dtype = None if anchor_dtype is None or anchor.kind == "uniform" else _plain(anchor_dtype)
    by_name = f" {profile.tokenizer}" if profile.tokenizer else ""
    compared = (
        ("tokenizer_hash", profile.tokenizer_hash, tokenizer_hash, f"use the tokenizer{by_name} of the marked text"),
        ("vocab_size", profile.vocab_size, vocab_size, "take the width of the generating model's logits"),
        ("anchor.revision", anchor.revision, anchor_revision, weights),
        ("anchor.dtype", anchor.dtype, dtype, f"compute the anchor in {anchor.dtype}"),
    )
    wrong = [row for row in compared if row[2] is not None and row[1] != row[2]]
    if wrong:
        differences = "; ".join(f"{name} is {there!r} in the profile, {here!r} here" for name, there, here, _ in wrong)
        advice = ", ".join(remedy for *_, remedy in wrong)
        raise ProfileMismatchError(
            f"the detector does not fit the profile {profile.profile_id}, so it cannot tell whether text is marked: "
            f"{differences}",
            remedy=f"To detect, {advice}; or take the profile of this text.",
        )


def tokenizer_hash(vocab: Mapping[str, int], merges_or_json: bytes = b"") -> str:
    """Identity of a tokenizer: 32 hex digits, whatever the order of ``vocab``.

    Args:
        vocab: Token to id, as ``tokenizer.get_vocab()`` gives it.
        merges_or_json: What else decides how text is cut, such as the bytes of ``merges.txt`` or ``tokenizer.json``:
            the same vocabulary with other merges cuts other tokens.
    """
    digest = hashlib.blake2b(digest_size=16, person=b"reasonry-vocab")
    digest.update(len(vocab).to_bytes(8, "little"))
    for number, token in sorted((int(number), token) for token, number in vocab.items()):
        payload = token.encode("utf-8", "surrogatepass")
        digest.update(number.to_bytes(8, "little", signed=True) + len(payload).to_bytes(8, "little") + payload)
    digest.update(merges_or_json)
    return digest.hexdigest()
