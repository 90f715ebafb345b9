"""Secret keys of watermarks: what may be shown of them, and what is derived from them.

    key_id          = first 8 hex digits of BLAKE2b-32(secret, person "reasonry-key-id")
    derive(purpose) = BLAKE2b-8n(0x01 || purpose, key = secret, person "reasonry-derive")        n bytes, 1 <= n <= 64

BLAKE2b (RFC 7693) with a key is a pseudo-random function; the output length and the person string are part of its
parameter block, so outputs of different lengths or purposes are unrelated, and none of them gives the secret away. The
leading byte is the version of the rule. Both formulas are frozen: text is detected with the bits it was signed with.

A secret is shown by nothing that shows objects: not by ``repr``, ``str``, ``format``, ``vars`` or a debugger's list of
members, not by JSON, pickle or an error message. `SecretKey.reveal_hex` is the one way out. This guards against
accidents; code in the same process can always read its own memory.

An integer key of another engine has only as many secret bits as it was drawn with, and its public ``key_id`` lets
anyone test guesses: a key such as 42 or 15485863 marks text but hides nothing.
"""

# pyright: strict
from __future__ import annotations

import hashlib
import hmac
import operator
import re
import secrets
from collections.abc import Callable
from typing import Any, Literal, NoReturn, Self, SupportsIndex, final

from reasonry.errors import ConfigError

NUM_SECRET_BYTES = 32
MAX_DERIVED_BYTES = 64  # the longest digest of BLAKE2b
KeyKind = Literal["secret", "integer"]

_ID_PERSON = b"reasonry-key-id"
_DERIVE_PERSON = b"reasonry-derive"
_DERIVE_VERSION = b"\x01"
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_INTEGER = re.compile(r"0[xX][0-9a-fA-F]{1,64}|[0-9]{1,78}")
_OUT_OF_RANGE = "an integer key is at least 0 and below 2^256"
_KEY_ID = re.compile(r"[0-9a-f]{8}")


@final
class SecretKey:
    """32 secret bytes.

    Equal keys have the same bytes and the same kind; the comparison takes the same time wherever they differ.
    ``copy`` and ``deepcopy`` return the key itself: it cannot change, generation configs are deep-copied as a matter of
    course, and no second copy of the secret comes to lie anywhere.

    Args:
        secret: The 32 bytes; take `generate` for a new key.
        kind: ``integer`` when the bytes are another engine's integer key, big endian.

    Raises:
        ConfigError: Not 32 bytes.
    """

    # The secret is held by a closure, not by a slot: `inspect.getmembers` and every printer built on it read all slots.
    __slots__ = ("_key_id", "_kind", "_secret")

    def __init__(self, secret: bytes, *, kind: KeyKind = "secret") -> None:
        num_bytes = len(secret)
        if num_bytes != NUM_SECRET_BYTES:
            del secret
            raise ConfigError(f"a watermark key has {NUM_SECRET_BYTES} bytes, not {num_bytes}")
        held = bytes(secret)
        self._secret: Callable[[], bytes] = lambda: held
        self._kind: KeyKind = kind
        self._key_id = hashlib.blake2b(held, digest_size=32, person=_ID_PERSON).hexdigest()[:8]

    @classmethod
    def generate(cls) -> SecretKey:
        """A new key from the operating system's entropy."""
        return cls(secrets.token_bytes(NUM_SECRET_BYTES))

    @classmethod
    def from_hex(cls, text: str, *, place: str = "") -> SecretKey:
        """The key written as 64 hex digits; white space around them is taken off.

        Raises:
            ConfigError: Anything else. The message tells its length, never what it is.
        """
        made = _read_hex(text)
        del text  # error trackers record the locals of every frame
        return _made(made, place)

    @classmethod
    def from_integer(cls, value: SupportsIndex) -> SecretKey:
        """The integer key of another engine (vLLM, SGLang, KGW), kept as 32 bytes, big endian.

        Raises:
            ConfigError: Below zero or not below 2^256.
            TypeError: Not an integer; true and false are none.
        """
        if isinstance(value, bool):
            raise TypeError("true and false are no integer keys")
        number = operator.index(value)
        del value
        if number < 0 or number.bit_length() > 8 * NUM_SECRET_BYTES:
            del number
            raise ConfigError(_OUT_OF_RANGE, remedy="Check the settings of the engine it belongs to.")
        return cls(number.to_bytes(NUM_SECRET_BYTES, "big"), kind="integer")

    @property
    def key_id(self) -> str:
        """8 hex digits that name the key and may be shown."""
        return self._key_id

    @property
    def kind(self) -> KeyKind:
        """``secret``: drawn at random; ``integer``: another engine's integer."""
        return self._kind

    def derive(self, purpose: str, num_bytes: int = 16) -> bytes:
        """Secret bytes for one purpose, e.g. ``derive("anchored/U")``; unrelated to those for any other purpose.

        Args:
            purpose: What the bytes are for; not empty.
            num_bytes: 1 to 64. Other lengths give other bytes, not longer or shorter pieces of the same ones.

        Raises:
            ConfigError: The purpose is empty or the length is out of range.
        """
        if not purpose or not 1 <= num_bytes <= MAX_DERIVED_BYTES:
            raise ConfigError(
                f"cannot derive {num_bytes} bytes for the purpose {purpose!r}",
                remedy=f"Name a purpose and ask for 1 to {MAX_DERIVED_BYTES} bytes.",
            )
        message = _DERIVE_VERSION + purpose.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(message, digest_size=num_bytes, key=self._secret(), person=_DERIVE_PERSON).digest()

    def to_integer(self, *, num_bits: int = 64) -> int:
        """The key for an engine that takes an integer below ``2**num_bits``. The number is as secret as the key.

        An integer key gives the integer it was made from; any other key gives derived bits.

        Raises:
            ConfigError: The integer needs more bits, or ``num_bits`` is not between 1 and 256.
        """
        if not 1 <= num_bits <= 8 * NUM_SECRET_BYTES:
            raise ConfigError(f"an integer key has 1 to 256 bits, not {num_bits}")
        if self._kind == "secret":
            derived = self.derive(f"to_integer/{num_bits}", (num_bits + 7) // 8)
            return int.from_bytes(derived, "big") >> (-num_bits % 8)
        if int.from_bytes(self._secret(), "big") >> num_bits:
            raise ConfigError(f"the integer key {self._key_id} does not fit in {num_bits} bits")
        return int.from_bytes(self._secret(), "big")

    def reveal_hex(self) -> str:
        """The secret as 64 hex digits, for whatever stores keys. Never print, log or send it."""
        return self._secret().hex()

    def __repr__(self) -> str:
        return f"<key {getattr(self, '_key_id', 'unmade')}>"  # debuggers show a key whose making has failed, too

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretKey):
            return NotImplemented
        return hmac.compare_digest(self._secret(), other._secret()) and self._kind == other._kind

    def __hash__(self) -> int:
        return hash(self._key_id)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            f"the watermark key {self._key_id} is not pickled: the pickle would hold the secret. "
            "Pass its key_id, and open the key ring or call unlock() in the process that needs it."
        )

    def __reduce__(self) -> NoReturn:
        self.__reduce_ex__(0)

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(0)


def parse_secret(text: str, *, is_integer: bool = False, place: str = "") -> SecretKey:
    """The key a person or another program wrote down.

    Args:
        text: 64 hex digits, or with ``is_integer`` a decimal or ``0x`` number below 2^256.
        is_integer: Whether it is another engine's integer key.
        place: What to name in an error, such as ``standard input``.

    Raises:
        ConfigError: It is neither. What was given is not repeated.
    """
    made = _read_integer(text) if is_integer else _read_hex(text)
    del text
    return _made(made, place)


def _read_hex(text: str) -> SecretKey | str:
    """The key, or what is wrong with the text."""
    text = text.strip()
    if _HEX.fullmatch(text):
        return SecretKey(bytes.fromhex(text))
    return f"a secret is 64 hex digits, this is something else of {len(text)} characters"


def _read_integer(text: str) -> SecretKey | str:
    text = text.strip()
    if not _INTEGER.fullmatch(text):
        return f"an integer key is decimal or 0x digits, this is something else of {len(text)} characters"
    number = int(text, 16 if text[:2] in ("0x", "0X") else 10)
    if number.bit_length() > 8 * NUM_SECRET_BYTES:
        return _OUT_OF_RANGE
    return SecretKey.from_integer(number)


def _made(made: SecretKey | str, place: str) -> SecretKey:
    if isinstance(made, str):
        raise ConfigError(
            made,
            place=place,
            remedy="Give the 64 hex digits of a secret, or say --integer and give a decimal or 0x integer.",
        )
    return made


def describe_key_id(key_id: str) -> str:
    """A key id for an error message; what cannot be one is not repeated, because it may be a secret."""
    if _KEY_ID.fullmatch(key_id):
        return repr(key_id)
    return f"of {len(key_id)} characters (a key id is 8 hex digits, 0-9 and a-f)"
