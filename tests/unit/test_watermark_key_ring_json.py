"""A key ring as JSON and in the environment: read as written, and damage named without repeating a secret."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.secret_search import CANARY_KEY, everything_said, shows_a_secret

from reasonry.errors import ConfigError, DataError
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.keys.ring import ENVIRONMENT_NAME, KeyRing
from reasonry.watermark.keys.ring_json import decode, encode

NOW = datetime(2026, 8, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
WEST = timezone(timedelta(hours=-9))
A, B, C = (SecretKey(bytes([n]) * 32) for n in (1, 2, 3))
CANARY = CANARY_KEY.reveal_hex()


def ring_of(*keys: SecretKey, now: datetime = NOW) -> KeyRing:
    ring = KeyRing()
    for key in keys:
        ring.add(key, now=now)
    return ring


# ---------------------------------------------------------------- round trips

MOMENTS = st.builds(datetime.fromtimestamp, st.floats(0, 4e9), st.sampled_from([UTC, WEST]))


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.binary(min_size=32, max_size=32).map(SecretKey),
                st.integers(0, 2**256 - 1).map(SecretKey.from_integer),
            ),
            st.text(),
            MOMENTS,
            st.none() | MOMENTS,
            st.booleans(),
        ),
        max_size=4,
        unique_by=lambda row: row[0].key_id,
    )
)
def test_a_ring_is_read_as_it_was_written(rows: list[tuple[SecretKey, str, datetime, datetime | None, bool]]) -> None:
    ring = KeyRing()
    for key, note, now, begin, is_retired in rows:
        ring.add(key, note, now=now, not_before=begin, not_after=begin and begin + DAY)
        if is_retired:
            ring.retire(key.key_id)
    decoded = decode(encode({entry.key.key_id: entry for entry in ring.entries}))
    assert not decoded.problem
    assert tuple(decoded.entries.values()) == ring.entries


def test_the_file_is_what_its_description_says(tmp_path: Path) -> None:
    path, ring = tmp_path / "ring.json", KeyRing()
    ring.add(
        A, "web", now=NOW + timedelta(microseconds=5), not_after=datetime(2027, 1, 1, tzinfo=timezone(-9 * DAY / 24))
    )
    ring.add(SecretKey.from_integer(15485863), now=NOW)
    ring.retire("d474eb5e")
    ring.save(path)
    assert json.loads(path.read_text()) == {
        "format": "reasonry-watermark-keys",
        "version": 1,
        "keys": [
            {
                "key_id": A.key_id,
                "kind": "secret",
                "secret": "01" * 32,
                "status": "active",
                "note": "web",
                "created": "2026-08-02T09:00:00Z",
                "not_before": None,
                "not_after": "2027-01-01T09:00:00Z",
            },
            {
                "key_id": "d474eb5e",
                "kind": "integer",
                "secret": f"{15485863:064x}",
                "status": "retired",
                "note": "",
                "created": "2026-08-02T09:00:00Z",
                "not_before": None,
                "not_after": None,
            },
        ],
    }


# ---------------------------------------------------------------- damaged rings


def text_of(change: Callable[[dict[str, Any]], Any] = lambda table: None) -> str:
    key = CANARY_KEY
    table = json.loads(encode({key.key_id: ring_of(key).entries[0]}))
    changed = change(table)
    return json.dumps(table if changed is None else changed)


def set_in_key(name: str, value: object) -> Callable[[dict[str, Any]], Any]:
    return lambda table: table["keys"][0].__setitem__(name, value)


DAMAGED: dict[str, tuple[bytes, str]] = {
    "cut": (text_of().encode()[:-20], ":1: not valid JSON"),
    "cut in the secret": (text_of().encode()[: text_of().index(CANARY) + 40], ":1: not valid JSON"),
    "line": (text_of().replace('"key_id"', '\n\n"key_id" "x"').encode(), ":3: not valid JSON"),
    "not UTF-8": (text_of().encode().replace(b'"note": ""', b'"note": "\xff"'), "is not UTF-8"),
    "empty": (b"", "not valid JSON"),
    "a list": (text_of(lambda t: [t]).encode(), "not a key ring"),
    "only a secret": (json.dumps(CANARY).encode(), "not a key ring"),
    "bare secret": (CANARY.encode(), "not valid JSON"),
    "absurd number": (text_of().replace("1,", "1" * 5000 + ",", 1).encode(), "not the JSON of a key ring"),
    "absurd nesting": (b"[" * 100_000, "not the JSON of a key ring"),
    "NaN": (text_of(lambda t: t.update(version=float("nan"))).encode(), "NaN is not a JSON number"),
    "other format": (text_of(lambda t: t.update(format=CANARY)).encode(), "not a key ring"),
    "newer": (text_of(lambda t: t.update(version=2)).encode(), "made by a newer reasonry"),
    "version true": (text_of(lambda t: t.update(version=True)).encode(), '"version" is not'),
    "version 0": (text_of(lambda t: t.update(version=0)).encode(), '"version" is not'),
    "other field": (text_of(lambda t: t.update({CANARY: 1})).encode(), "and no others"),
    "no keys": (text_of(lambda t: t.pop("keys") and None).encode(), "and no others"),
    "keys no list": (text_of(lambda t: t.update(keys={"a": CANARY})).encode(), "and no others"),
    "key no object": (text_of(lambda t: t.update(keys=[CANARY])).encode(), r"keys\[0\]: a key has the fields"),
    "field twice": (text_of().replace('"note"', f'"note": "{CANARY}", "note"').encode(), "names a field twice"),
    "key's other field": (text_of(set_in_key(CANARY, 1)).encode(), r"keys\[0\]: a key has the fields"),
    "no status": (text_of(lambda t: t["keys"][0].pop("status") and None).encode(), "a key has the fields"),
    "secret null": (text_of(set_in_key("secret", None)).encode(), '"secret" is not a string'),
    "secret short": (text_of(set_in_key("secret", CANARY[:-1])).encode(), "of 63 characters"),
    "secret changed": (text_of(set_in_key("secret", CANARY[:-1] + "e")).encode(), '"key_id" is not that of its secret'),
    "fields swapped": (text_of(set_in_key("key_id", CANARY)).encode(), '"key_id" is not that of its secret'),
    "status": (text_of(set_in_key("status", CANARY)).encode(), '"status" is none of active, retired'),
    "status list": (text_of(set_in_key("status", [CANARY])).encode(), '"status" is none of active, retired'),
    "kind": (text_of(set_in_key("kind", "Secret")).encode(), '"kind" is none of secret, integer'),
    "note": (text_of(set_in_key("note", 3)).encode(), '"note" is not a string'),
    "time": (text_of(set_in_key("created", CANARY)).encode(), '"created" is not a time'),
    "time number": (text_of(set_in_key("created", 1)).encode(), '"created" is not a time'),
    "time zone": (text_of(set_in_key("not_after", "2026-08-02T09:00:00")).encode(), '"not_after" is not a time'),
    "time range": (text_of(set_in_key("not_before", "0001-01-01T00:00:00+09:00")).encode(), '"not_before" is not a t'),
    "key twice": (
        text_of(lambda t: t["keys"].append(t["keys"][0])).encode(),
        r"keys\[1\]: the key stands in the ring twice",
    ),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_says_where_and_never_what(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    data, problem = DAMAGED[damage]
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(DataError, match=problem) as caught:
        KeyRing.load(path)
    assert caught.value.place.startswith(str(path))
    assert "restore the file" in caught.value.remedy
    assert not shows_a_secret(everything_said(caught.value))


def test_an_undamaged_file_of_the_same_making_is_read(tmp_path: Path) -> None:
    (tmp_path / "ring.json").write_text(text_of())
    (tmp_path / "ring.json").chmod(0o600)
    assert KeyRing.load(tmp_path / "ring.json").all_keys() == (CANARY_KEY,)


@given(st.binary(max_size=80) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_no_bytes_whatever_break_the_reader(data: bytes) -> None:
    assert decode(data).problem


@given(st.data())
def test_no_cut_or_changed_byte_of_a_ring_breaks_the_reader_or_shows_the_secret(data: st.DataObject) -> None:
    whole = bytearray(text_of().encode())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    decoded = decode(bytes(whole))
    assert bool(decoded.problem) != bool(decoded.entries)
    assert all(CANARY[i : i + 12] not in decoded.problem + decoded.place for i in range(53))


# ---------------------------------------------------------------- the environment


def test_the_environment_holds_hex_secrets_the_last_of_which_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_NAME, f"{A.reveal_hex()}, {B.reveal_hex().upper()}\n,{C.reveal_hex()}")
    ring = KeyRing.from_environment()
    assert ring.all_keys() == (A, B, C)
    assert ring.newest_active(NOW) == C


def test_the_environment_holds_the_json_of_a_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_RING", "\n " + text_of(set_in_key("status", "retired")))
    ring = KeyRing.from_environment("MY_RING")
    assert ring.all_keys() == (CANARY_KEY,)
    assert ring.active(NOW) == ()
    assert "MY_RING" in repr(ring)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (f"{A.reveal_hex()},{CANARY}0", "key 2 of 2: a secret is 64 hex digits"),
        (f"{CANARY},", "key 2 of 2: a secret is 64 hex digits, this is something else of 0 characters"),
        (f"{CANARY},{CANARY.upper()}", "key 2 of 2: the key stands there twice"),
        (f"{CANARY} {A.reveal_hex()}", "key 1 of 1"),
        ("/home/me/ring.json", "key 1 of 1.*--ring names a file"),
        (text_of()[:-9], ":1: not valid JSON"),
        (text_of().replace('"note": ""', '"note": "\udcff"'), "is not UTF-8"),
    ],
)
def test_a_malformed_variable_says_where_and_never_what(
    value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_RING", value)
    with pytest.raises(DataError, match=f"environment variable MY_RING.*{problem}") as caught:
        KeyRing.from_environment("MY_RING")
    assert not shows_a_secret(everything_said(caught.value))


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_a_variable_that_is_not_set_or_empty_is_named(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is not None:
        monkeypatch.setenv(ENVIRONMENT_NAME, value)
    with pytest.raises(ConfigError, match=f"{ENVIRONMENT_NAME} is not set"):
        KeyRing.from_environment()
