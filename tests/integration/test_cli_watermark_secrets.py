"""No key comes out of ``reasonry watermark``: not in what it prints, nor in what it leaves, nor when it breaks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from tests import watermark_cli as cli
from tests.house import holding
from tests.secret_search import CANARY, CANARY_KEY, everything_said, shows_a_secret

from reasonry.watermark import tokenizing
from reasonry.watermark.baselines.base import Reading
from reasonry.watermark.detection import detector, examine, others
from reasonry.watermark.detection.state import DetectorState
from reasonry.watermark.generation.hook import WatermarkHook
from reasonry.watermark.generation.marking import Marking
from reasonry.watermark.profile import Profile, read_profile, write_profile

# What is computed with instead of the key is as secret as the key.
SECRETS = [CANARY, CANARY_KEY.derive("prf mix64-v1", 32), CANARY_KEY.derive("prf blake2b-v1", 32)]
WORDS = [str(int.from_bytes(secret[i : i + 8], "little")) for secret in SECRETS for i in range(0, 32, 8)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> cli.Home:
    return cli.make_home(tmp_path_factory.mktemp("home"), CANARY_KEY)


@pytest.fixture(params=["file", "environment"])
def ring(request: pytest.FixtureRequest, home: cli.Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Flags that name the ring: its file, or none where it is in the environment. Runs go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    if request.param == "file":
        monkeypatch.delenv("REASONRY_WATERMARK_KEYS", raising=False)
        return ["--ring", home.ring]
    monkeypatch.setenv("REASONRY_WATERMARK_KEYS", CANARY_KEY.reveal_hex())
    return []


def shown_in(folder: Path, *texts: str) -> list[str]:
    """Which of the texts, and of the files of a folder, show a secret."""
    named = {f"text {i}": text for i, text in enumerate(texts)}
    named |= {str(p): p.read_bytes().decode("latin-1") for p in sorted(folder.rglob("*")) if p.is_file()}
    return [name for name, text in named.items() if is_shown(text)]


def is_shown(text: str) -> bool:
    """Whether a text shows the key, or the numbers that are computed with."""
    return any(shows_a_secret(text, secret) for secret in SECRETS) or any(word in text for word in WORDS)


def generating(home: cli.Home, ring: list[Any], *args: object) -> cli.Done:
    size = ("--n", 2, "--sampling.max-new-tokens", 60)
    return cli.command("watermark", "generate", "Say it.", "--model", home.model, *size, *ring, *args)


def test_a_secret_that_is_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".hidden").write_bytes(b"\xff\x00" + CANARY.hex().upper().encode())
    (tmp_path / "derived").write_text(SECRETS[1].hex())
    (tmp_path / "numbers").write_text(repr(np.frombuffer(SECRETS[1], dtype="<u8")))
    (tmp_path / "repr").write_text(f"key = {CANARY[3:12]!r}")
    (tmp_path / "clean").write_text(f"{CANARY_KEY!r} {np.arange(99)!r}")
    assert shown_in(tmp_path, "nothing", str(int.from_bytes(CANARY, "big"))) == [
        "text 1", *(str(tmp_path / name) for name in ("a/.hidden", "derived", "numbers", "repr"))
    ]  # fmt: skip
    with pytest.raises(TypeError) as caught:
        tokenizing.encode(None, CANARY.hex())  # pyright: ignore[reportArgumentType]
    assert is_shown(everything_said(caught.value)), "the locals of the package's frames are looked at"


def test_no_secret_is_printed_or_left_behind(home: cli.Home, tmp_path: Path, ring: list[Any]) -> None:
    done = [
        generating(home, ring, "--run", "r"),
        generating(home, ring, "--run", "r", "--json"),
        generating(home, ring, "--run", "s", "--anchor.kind", "self", "--num-bins", 0, "--prf", "blake2b-v1"),
        cli.command("watermark", "detect", "r/signed.jsonl", *ring),
        cli.command("watermark", "detect", "r/signed.jsonl", *ring, "--fdr", "--late-start", "--json"),
        cli.command("watermark", "detect", "s/signed.jsonl", *ring, "--json"),
        cli.command("watermark", "detect", "-", "--stream", "--profile", "r/profile.json", *ring, stdin=b"a text"),
        cli.command("watermark", "key", "list", *ring, "--json"),
        cli.command("view", "r"),
        cli.command("doctor"),
        cli.command("list", "methods"),
        # What is refused after the ring was read.
        generating(home, ring, "--run", "r", "--num-bins", 4),
        generating(home, ring, "--key-id", "00000000"),
        cli.command("watermark", "detect", "r/signed.jsonl", *ring, "--key-id", "00000000"),
        cli.command("watermark", "detect", "r/signed.jsonl", *ring, "--tokenizer", "./nowhere"),
    ]
    assert [d.code for d in done][:9] == [0, 0, 0, 10, 10, 10, 0, 0, 0]
    assert [d.code for d in done][-4:] == [2, 2, 2, 2]
    assert CANARY_KEY.key_id in done[0].out and CANARY_KEY.key_id in done[3].out, "the key was in use"
    assert len(list(tmp_path.rglob("report.html"))) == 5
    assert shown_in(tmp_path, *(d.out + d.err for d in done)) == []
    assert holding(tmp_path, CANARY.hex()) == []


class ForcedError(Exception):
    """Something that nobody expected."""


def fail(*args: object, **kwargs: object) -> NoReturn:
    raise ForcedError


def detecting(home: cli.Home, ring: list[Any], *args: object) -> cli.Done:
    return cli.command("watermark", "detect", home.signed, *ring, *args)


BREAKS: dict[str, tuple[Any, str, Callable[..., cli.Done]]] = {
    "a step is marked": (Marking, "couple", generating),
    "a batch is drawn": (WatermarkHook, "__call__", generating),
    "keyed functions are made": (detector, "make_prf", detecting),
    "a text is read": (examine, "feed_document", detecting),
    "evidence is counted": (DetectorState, "_push", detecting),
    "a result is written": (DetectorState, "result", detecting),
}


NO_KEY_THERE = ("a text is read", "evidence is counted", "a result is written")  # only the functions made of it


@pytest.mark.parametrize("case", BREAKS)
def test_no_secret_is_in_the_locals_of_what_breaks(
    home: cli.Home, monkeypatch: pytest.MonkeyPatch, ring: list[Any], case: str
) -> None:
    """Error trackers record the locals of every frame."""
    owner, name, run = BREAKS[case]
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(ForcedError) as caught:
        run(home, ring)
    said = everything_said(caught.value)
    assert len(said) > 1000
    assert case in NO_KEY_THERE or f"<key {CANARY_KEY.key_id}>" in said, "the key is among them"
    assert not is_shown(said)


def test_no_secret_is_in_the_locals_when_another_scheme_breaks(
    home: cli.Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ring: list[Any]
) -> None:
    shutil.copy(home.signed, "t.jsonl")
    size = read_profile(home.profile).vocab_size
    write_profile(tmp_path / "p.json", Profile(scheme="gumbel", tokenizer_hash="0" * 32, vocab_size=size))
    monkeypatch.setattr(others, "average_log_e", fail)
    with pytest.raises(ForcedError) as caught:
        cli.command("watermark", "detect", "t.jsonl", "--read", "ids", "--profile", "p.json", *ring)
    said = everything_said(caught.value)
    assert Reading.__name__ in said and not is_shown(said)
