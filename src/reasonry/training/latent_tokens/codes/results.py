"""What came of training a codec."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.training.latent_tokens.codes.config import FitConfig
from reasonry.training.latent_tokens.codes.measuring import Controls
from reasonry.training.latent_tokens.codes.quantizer import Usage


class Shown(NamedTuple):
    """A held-out chunk and what came back, in words.

    Attributes:
        codes: Its codes.
        text: As it was.
        back: As it was decoded, with its question.
    """

    codes: list[int]
    text: str
    back: str


class Told(NamedTuple):
    """What a code stands for, in words; see `measuring.Meaning`."""

    code: int
    num: int
    nearest: list[str]
    decoded: str


class Fitted(NamedTuple):
    """A codec that was trained.

    Attributes:
        config: Of the run.
        folder: Run directory.
        codes: Folder of the codec.
        codes_hash: Of its weights.
        held_out: Reconstruction of held-out reasoning, with controls.
        use: Of the codebook, for chunks of training reasoning.
        use_trained: For all chunks that it was trained on.
        num_distinct: How many of these are different.
        counts: How often each code occurs in training reasoning.
        bits_bound: log2 K per token: the most that codes can say.
        bits_used: The same with the perplexity for K.
        meanings: The most frequent codes.
        shown: Held-out chunks.
        sizes: Examples, chunks, tokens and weights, by name.
        rows: Of the log.
    """

    config: FitConfig
    folder: Path
    codes: Path
    codes_hash: str
    held_out: Controls
    use: Usage
    use_trained: Usage
    num_distinct: int
    counts: list[int]
    bits_bound: float
    bits_used: float
    meanings: list[Told]
    shown: list[Shown]
    sizes: dict[str, int]
    rows: list[Row]

    @property
    def is_collapsed(self) -> bool:
        """Whether fewer than half of the codes are used that could be."""
        return self.use_trained.is_collapsed(self.num_distinct)

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        left_out = ("config", "folder", "codes", "rows")
        body = {name: value for name, value in self._asdict().items() if name not in left_out}
        return plain({**body, "use_share": self.use.share, "is_collapsed": self.is_collapsed})
