"""Rows of a data set in every epoch: each from the streams of its own name, so that order and processes do not matter.

The codes of `shuffled` come from the examples behind it in one random cycle through all that have codes: as many as its
own, never its own, the same in every epoch as the right ones would be. So what is lost is what they say of the example,
and nothing else.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence

from reasonry.core import seeds
from reasonry.errors import ConfigError, DataError
from reasonry.training.latent_tokens.encoded import EncodedRow
from reasonry.training.latent_tokens.mixing.draws import Draws, epoch_key, id_key
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.methods import Method
from reasonry.training.latent_tokens.mixing.rows import MixedRow, build, check_codes
from reasonry.training.latent_tokens.mixing.spans import START, Gone, MixSettings, Moment, first_tok, gone

Ids = tuple[int, ...]


class Mixer:
    """Makes training rows of examples, anew for each epoch.

    Args:
        rows: The examples. Their ids are those of their random numbers.
        method: What goes, and what stands there instead.
        ids: Of the added tokens; None for a method that needs none.
        settings: Numbers; where the longest reasoning is 0 it becomes that of the rows.
        seed: Root of all draws.

    Raises:
        DataError: Codes that do not fit, in number or by the vocabulary; one id twice; or codes of other examples are
            wanted where fewer than two examples have any.
        ConfigError: Settings that mean nothing, or tokens that the vocabulary lacks.
    """

    def __init__(
        self, rows: Sequence[EncodedRow], method: Method, *, ids: LatentIds | None, settings: MixSettings, seed: int = 0
    ) -> None:
        settings.check()
        self.rows = tuple(rows)
        if not settings.longest_tok:
            settings = settings._replace(longest_tok=max((len(row.cot_ids) for row in self.rows), default=0))
        self.method, self.ids, self.settings, self.seed = method, ids, settings, seed
        self._check()
        self._keys = [id_key(row.id) for row in self.rows]
        self._laws = [settings.law.distribution(len(row.cot_ids)) for row in self.rows]
        self._donors = donors([row.codes for row in self.rows], seed=seed) if method.instead == "others" else []
        self._epoch: tuple[int, int] = 0, epoch_key(seed, 0)

    def __len__(self) -> int:
        """Examples."""
        return len(self.rows)

    def gone(self, number: int, moment: Moment = START) -> Gone:
        """What goes of example ``number`` at a moment."""
        epoch = int(moment.epoch)
        if epoch != self._epoch[0]:
            self._epoch = epoch, epoch_key(self.seed, epoch)
        rng = Draws(self._epoch[1] + self._keys[number])
        if self.method.goes == "drawn":  # as `spans.gone`, with laws that are at hand
            return first_tok(self._laws[number].quantile(rng.random()), self.method, settings=self.settings)
        cot_tok = len(self.rows[number].cot_ids)
        return gone(self.method, cot_tok, settings=self.settings, rng=rng, moment=moment)

    def row(self, number: int, moment: Moment = START) -> MixedRow:
        """The row of example ``number`` at a moment.

        Raises:
            DataError: Nothing is left to learn.
        """
        return build(
            self.rows[number],
            self.gone(number, moment),
            self.method,
            ids=self.ids,
            settings=self.settings,
            donor=self.codes(number),
        )

    def codes(self, number: int) -> Ids:
        """Codes that stand in the row of example ``number``, its own or others'."""
        return self._donors[number] if self._donors else self.rows[number].codes

    def batch(self, numbers: Sequence[int], moment: Moment = START) -> list[MixedRow]:
        """Rows of several examples."""
        return [self.row(number, moment) for number in numbers]

    def _check(self) -> None:
        method, ids = self.method, self.ids
        if method.has_codes and ids is None:
            raise ConfigError(f"no codes in the vocabulary for method {method.name!r}", place="ids")
        if method.has_pauses and (ids is None or ids.pause is None):
            raise ConfigError(f"no pause in the vocabulary for method {method.name!r}", place="ids")
        if method.has_pauses and not self.settings.num_pauses:
            raise ConfigError("no pauses", place="num_pauses", remedy="Give 1 or more; none at all is sol-only.")
        seen: set[str] = set()
        for row in self.rows:
            if row.id in seen:
                raise DataError("two examples of one id, which would be given the same draws", place=row.id)
            seen.add(row.id)
            check_codes(row, self.settings)
            if not method.has_codes or ids is None or not row.codes:
                continue
            if not 0 <= min(row.codes) <= max(row.codes) < ids.num_codes:
                raise DataError(
                    f"codes from {min(row.codes)} to {max(row.codes)}, of {ids.num_codes} in the vocabulary",
                    place=row.id,
                    remedy="Extend the vocabulary with as many codes as the codebook has.",
                )


def donors(codes: Sequence[Ids], *, seed: int) -> list[Ids]:
    """Codes of other examples for each example, as many as its own.

    Args:
        codes: Of each example.
        seed: Root of the cycle.

    Raises:
        DataError: Fewer than two examples have codes.
    """
    having = [number for number, own in enumerate(codes) if own]
    if len(having) < 2:
        raise DataError(
            f"{len(having)} example{'s' * (len(having) != 1)} with codes, none to take other codes from",
            place="shuffled",
            remedy="Give longer reasoning or more examples.",
        )
    cycle: list[int] = [having[at] for at in seeds.stream(seed, "mix", "donors").permutation(len(having))]
    found: list[Ids] = [()] * len(codes)
    for place, number in enumerate(cycle):
        taken: list[int] = []
        step = 0
        while len(taken) < len(codes[number]):
            step += 1
            if step % len(cycle):  # a whole round ends at the example itself
                taken += codes[cycle[(place + step) % len(cycle)]]
        found[number] = tuple(taken[: len(codes[number])])
    return found
