"""Anchors: the law from which the keyed symbol is drawn, computable by generator and detector alike.

The closer the anchor is to the law of the text, the more often text and keyed symbol agree, and the fewer tokens
detection takes. A bad anchor costs power, never validity. ``uniform`` needs no model at all; ``model`` is a language
model that shares the tokenizer; ``self`` is the marked model itself at another temperature and without the prompt.

Importing this package imports no torch.
"""

from reasonry.watermark.anchors.base import Anchor, Keyed
from reasonry.watermark.anchors.uniform import UniformAnchor

__all__ = ["Anchor", "Keyed", "UniformAnchor"]
