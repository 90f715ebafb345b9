"""Anchored e-watermark: sign generated text, find the mark in a stream, with an error guarantee that survives peeking.

Method of Huang et al. 2026 (arXiv 2602.17608): the next token is maximally coupled with a keyed symbol drawn from a
public anchor law, so the text keeps its law; the detector bets that text and keyed symbol agree, and its wealth is a
test martingale. The mixture of bets, the late start, several keys, false discovery control over documents, the stream
format and keyed speculative decoding are ours.

Importing this package imports no torch; detection of token ids with a uniform anchor needs numpy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reasonry import registry

if TYPE_CHECKING:
    from reasonry.watermark.anchors.model import ModelAnchor, load_anchor
    from reasonry.watermark.combine import average_log_e, e_bh
    from reasonry.watermark.config import DetectConfig, GenerateConfig
    from reasonry.watermark.detection import Detection, WatermarkDetector
    from reasonry.watermark.generation.processor import AnchoredWatermarkConfig
    from reasonry.watermark.generation.profiles import profile_for
    from reasonry.watermark.generation.speculative import KeyedSpeculation
    from reasonry.watermark.keys.ring import KeyRing, open_ring
    from reasonry.watermark.keys.secret import SecretKey
    from reasonry.watermark.keys.unlocking import lock, unlock
    from reasonry.watermark.profile import AnchorProfile, Profile, read_profile, write_profile

_HOMES = {
    "anchors.model": ("ModelAnchor", "load_anchor"),
    "combine": ("average_log_e", "e_bh"),
    "config": ("DetectConfig", "GenerateConfig"),
    "detection": ("Detection", "WatermarkDetector"),
    "generation.processor": ("AnchoredWatermarkConfig",),
    "generation.profiles": ("profile_for",),
    "generation.speculative": ("KeyedSpeculation",),
    "keys.ring": ("KeyRing", "open_ring"),
    "keys.secret": ("SecretKey",),
    "keys.unlocking": ("lock", "unlock"),
    "profile": ("AnchorProfile", "Profile", "read_profile", "write_profile"),
}
_TARGETS = {name: f"reasonry.watermark.{home}:{name}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "AnchorProfile",
    "AnchoredWatermarkConfig",
    "DetectConfig",
    "Detection",
    "GenerateConfig",
    "KeyRing",
    "KeyedSpeculation",
    "ModelAnchor",
    "Profile",
    "SecretKey",
    "WatermarkDetector",
    "average_log_e",
    "e_bh",
    "load_anchor",
    "lock",
    "open_ring",
    "profile_for",
    "read_profile",
    "unlock",
    "write_profile",
]


def __getattr__(name: str) -> Any:
    if name in _TARGETS:
        return registry.resolve(_TARGETS[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
