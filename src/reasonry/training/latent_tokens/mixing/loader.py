"""Batches of mixed rows straight from arrays: what `collate` makes of the rows of a `Mixer`, in less time.

Every example is laid out once, with all that a row of it can hold:

    prompt | begin | codes | end | reasoning | answer

A row that begins with codes is its beginning, the end marker, and its end: three copies into the batch, without a
list of numbers in between.

Legend: B rows, T columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import DataError
from reasonry.training.latent_tokens.mixing.collating import Batch, Side, batch_of
from reasonry.training.latent_tokens.mixing.mixer import Mixer
from reasonry.training.latent_tokens.mixing.rows import pauses
from reasonry.training.latent_tokens.mixing.spans import START, Gone, Moment

Ints = NDArray[np.int32]


class Loader:
    """Makes batches of a mixer's rows.

    Args:
        mixer: Makes the rows.
        pad_id: Fills up; it is neither attended to nor learnt.
        side: Where the padding stands.
    """

    def __init__(self, mixer: Mixer, *, pad_id: int, side: Side = "right") -> None:
        self.mixer, self.pad_id = mixer, pad_id
        self.side: Side = side
        ids, settings, method = mixer.ids, mixer.settings, mixer.method
        has_codes = method.has_codes and ids is not None
        begin, end, first = (ids.begin, ids.end, ids.first_code) if has_codes and ids is not None else (0, 0, 0)
        extra = pauses(ids, settings.num_pauses) if method.has_pauses else ()
        self._end = end
        self._marks_nothing = has_codes and settings.empty_markers
        self._laid: list[Ints] = []
        self._places: list[tuple[int, int]] = []  # where the reply begins, where the reasoning does
        for number, row in enumerate(mixer.rows):
            shown = [first + code for code in mixer.codes(number)] if has_codes else []
            laid = (*row.prompt_ids, *extra, begin, *shown, end, *row.cot_ids, *row.answer_ids)
            self._laid.append(np.array(laid, np.int32))
            reply = len(row.prompt_ids) + len(extra)
            self._places.append((reply, reply + len(shown) + 2))
        self._per, self._size = settings.codes_per_chunk, settings.law.chunk_tok

    def __len__(self) -> int:
        """Examples."""
        return len(self._laid)

    def __call__(self, numbers: Sequence[int], moment: Moment = START) -> Batch:
        """The batch of some examples at a moment.

        Args:
            numbers: Of the examples, at least one.
            moment: How far training is.

        Raises:
            DataError: No examples, or one of which nothing is left to learn.
        """
        if not len(numbers):
            raise DataError("a batch of no rows")
        parts: list[tuple[Ints, int, int]] = []  # the layout, tokens before the end marker, first token behind it
        prompts, lengths, is_marked = ([0] * len(numbers) for _ in range(3))
        for at, number in enumerate(numbers):
            laid, before, behind, marked = self._part(number, self.mixer.gone(number, moment))
            parts.append((laid, before, behind))
            prompts[at], is_marked[at] = self._places[number][0], marked
            lengths[at] = before + marked + len(laid) - behind
            if lengths[at] == prompts[at]:
                self.mixer.row(number, moment)  # says what is missing
        width = max(lengths)
        ids_BT = np.full((len(parts), width), self.pad_id)
        for at, (laid, before, behind) in enumerate(parts):
            start = width - lengths[at] if self.side == "left" else 0
            row_T = ids_BT[at]
            row_T[start : start + before] = laid[:before]
            if is_marked[at]:
                row_T[start + before] = self._end
            row_T[start + before + is_marked[at] : start + lengths[at]] = laid[behind:]
        return batch_of(ids_BT, np.array(lengths), np.array(prompts), side=self.side)

    def _part(self, number: int, what: Gone) -> tuple[Ints, int, int, int]:
        """(layout, tokens before the end marker, first token behind it, 1 where there is an end marker)."""
        laid, (reply, cot) = self._laid[number], self._places[number]
        runs, removed = what
        if not runs:
            if self._marks_nothing:
                return laid, reply + 1, cot, 1
            return laid, reply, cot + removed, 0
        if len(runs) == 1 and runs[0][0] == 0:
            return laid, reply + 1 + self._per * runs[0][1], cot + self._size * runs[0][1], 1
        # Codes at several places: the row is put together first, and is then all beginning.
        begin, end, codes = laid[reply : reply + 1], laid[cot - 1 : cot], laid[reply + 1 : cot - 1]
        pieces, done = [laid[:reply]], 0
        for first, behind in runs:
            pieces += [laid[cot + done * self._size : cot + first * self._size], begin]
            pieces += [codes[self._per * first : self._per * behind], end]
            done = behind
        whole = np.concatenate([*pieces, laid[cot + done * self._size :]])
        return whole, len(whole), len(whole), 0
