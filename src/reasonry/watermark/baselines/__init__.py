"""The watermarks of the field, each with an exact test for a fixed length and an e-process for any moment.

    scheme = make_scheme("kgw:gamma=0.25,delta=2", key, vocab_size=32_000)
    marker = scheme.start();  token = marker.step(q_V, history, rng)
    reading = scheme.read(ids)

All of them take their keyed numbers from `reasonry.watermark.prf` and read the output alone, never the prompt. They are
the published algorithms, not the published bits: text marked by other software under its own generator is read by
`reasonry.watermark.engines` where that generator is portable, and cannot be read here otherwise.

SEAL's statistics are in `reasonry.watermark.baselines.seal`; its marking is the anchored scheme's.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping

from reasonry.errors import ConfigError, nearest
from reasonry.watermark.baselines.base import Marker, Reading, Scheme, sequential_p
from reasonry.watermark.baselines.parsing import SchemeKind, read_parameters
from reasonry.watermark.keys import SecretKey

_HERE = "reasonry.watermark.baselines"

SCHEMES: Mapping[str, SchemeKind] = {
    "gumbel": SchemeKind(f"{_HERE}.gumbel:Gumbel", "Aaronson: largest log q plus keyed Gumbel number"),
    "kgw": SchemeKind(f"{_HERE}.kgw:make_kgw", "Kirchenbauer et al.: green lists from the context, logits biased"),
    "unigram": SchemeKind(f"{_HERE}.unigram:Unigram", "Zhao et al.: one green list for all steps, logits biased"),
    "synthid": SchemeKind(f"{_HERE}.synthid:SynthID", "SynthID-Text: the winner of a keyed tournament"),
    "inverse-transform": SchemeKind(
        f"{_HERE}.inverse_transform:InverseTransform",
        "Kuditipudi et al.: inverse transform sampling by a cycle of keys",
    ),
    "exp": SchemeKind(f"{_HERE}.exponential:Exponential", "Kuditipudi et al.: exponential minimum by a cycle of keys"),
    "exp-edit": SchemeKind(f"{_HERE}.exponential:ExponentialEdit", "The same, aligned by a Levenshtein distance"),
    "binary": SchemeKind(f"{_HERE}.binary:ChristBinary", "Christ et al.: keyed bits of a Huffman code"),
}
"""Every scheme, by the name that `make_scheme` reads. To call a row is to make the scheme."""


def make_scheme(text: str, key: SecretKey, *, vocab_size: int) -> Scheme:
    """Read a scheme, e.g. ``kgw``, ``kgw:gamma=0.25,delta=2`` or ``gumbel:context_tok=4``.

    Args:
        text: Name, and after a colon parameters parted by commas; those left out have the maker's defaults.
        key: The secret.
        vocab_size: Tokens that the model chooses from: the width of its logits.

    Raises:
        ConfigError: Unknown scheme or parameter (with the nearest one), or a value that is unreadable or out of range.
    """
    name, _, rest = (part.strip() for part in text.partition(":"))
    kind = SCHEMES.get(name)
    if kind is None:
        remedy = nearest(name, SCHEMES) or f"Schemes: {', '.join(SCHEMES)}."
        raise ConfigError(f"unknown watermark scheme {name!r}", remedy=remedy)
    words = rest.split(",") if rest else []
    return kind(key, vocab_size=vocab_size, **read_parameters(words, kind.maker(), place=f"scheme {text!r}"))


__all__ = ["SCHEMES", "Marker", "Reading", "Scheme", "SchemeKind", "make_scheme", "sequential_p"]
