"""Whatever a user of ``watermark generate`` and ``detect`` gets wrong: what, where, what to do; and nothing is lost.

The worst answer is "no mark" for a text that was never looked at in the right way: what does not fit is refused.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import watermark_cli as cli
from tests.secret_search import CANARY_KEY, shows_a_secret

from reasonry.watermark.keys.secret import SecretKey
from reasonry.watermark.profile import Profile, read_profile, write_profile

A, B = cli.key_of("a"), cli.key_of("b")
HASH = "0" * 32


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> cli.Home:
    folder = tmp_path_factory.mktemp("home")
    made = cli.make_home(folder, A)
    cli.make_char_model(folder / "other", characters=cli.CHARACTERS[::-1])
    cli.make_char_model(folder / "weights", seed=2)
    return made


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REASONRY_WATERMARK_KEYS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    cli.quicken(monkeypatch)


def is_error(done: cli.Done, code: int, *parts: str) -> None:
    """One paragraph on stderr with all the parts, the exit code, no traceback, no answer."""
    assert done.code == code, done
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and done.err.rstrip().splitlines()[-1].endswith((".", "?", '"', "}", ")")), done.err
    assert "Traceback" not in done.err and len(errors[0]) < 700, done.err
    assert all(part in done.err for part in parts), done.err
    assert done.out == "", done.out
    assert not any(word in done.err for word in ("no mark found", "MARKED"))


def text_of(home: cli.Home) -> str:
    return cli.read_rows(home.signed)[0]["text"]


# ---------------------------------------------------------------- files to look at

TEXTS: dict[str, tuple[str, bytes | None, tuple[str, ...]]] = {
    "missing": ("t.txt", None, ("t.txt: cannot read: No such file",)),
    "empty": ("t.txt", b"", ("t.txt: is empty",)),
    "no rows": ("t.jsonl", b"\n\n", ("t.jsonl: holds no rows",)),
    "not UTF-8": ("t.txt", b"caf\xe9 au lait", ("t.txt, byte 4: this is not text in UTF-8: byte 0xe9", "Save it as")),
    "compressed": ("t.gz", b"\x1f\x8b\x08\x00" + bytes(range(200)), ("t.gz, byte 2", "turned into text first")),
    "zero byte": ("t.txt", b"abc\0def", ("t.txt, byte 4", "zero byte")),
    "a cut character": ("t.txt", "naïve é".encode()[:-1], ("it ends within a character",)),
    "JSON": ("t.json", b'[{"text": "a"}]', ("t.json", "neither text nor JSONL")),
    "malformed row": ("t.jsonl", b'{"text": "a"}\n{"text": "b"\n', ("t.jsonl:2: malformed JSON",)),
    "no text": ("t.jsonl", b'{"txt": "a"}\n', ("t.jsonl:1: the row has no 'text'", "Did you mean 'txt'?")),
    "text of a number": ("t.jsonl", b'{"text": 3}\n', ("t.jsonl:1: text is 3",)),
    "half a character": ("t.jsonl", b'{"text": "a\\ud800"}\n', ("t.jsonl:1: lone surrogate U+D800",)),
    "ids of text": ("t.jsonl", b'{"token_ids": [1, "2"]}\n', ("t.jsonl:1, token_ids", "token id 2 is a string")),
    "ids in a batch": ("t.jsonl", b'{"token_ids": [[1, 2]]}\n', ("t.jsonl:1", "one row per text")),
    "id too large": (
        "t.jsonl",
        b'{"token_ids": [1, 2]}\n{"token_ids": [1, 2, 98, 4]}\n',
        ("t.jsonl:2, token 3: token id 98 is outside the vocabulary of 98 tokens", "named in the profile"),
    ),
    "id below zero": ("t.jsonl", b'{"token_ids": [-1]}\n', ("t.jsonl:1, token 1: token id -1 is outside",)),
    "id of 70 bits": ("t.jsonl", b'{"token_ids": [999999999999999999999]}\n', ("t.jsonl:1", "beyond 64 bits")),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_a_file_that_is_no_text_is_named_with_its_place(home: cli.Home, tmp_path: Path, case: str) -> None:
    name, content, parts = TEXTS[case]
    if content is not None:
        Path(name).write_bytes(content)
    args = (name, "--profile", home.profile, "--run", "r")
    is_error(cli.detect(*args, ring=home.ring), 3, *parts)
    assert content is None or Path(name).read_bytes() == content
    kept = Path("r", "detections.jsonl")
    if name != "t.json" and not (kept.exists() and kept.read_bytes()):
        # The remedy works, with the same command: a run without answers does not stand in its way.
        text = text_of(home)
        Path(name).write_text(json.dumps({"text": text}) if name.endswith(".jsonl") else text)
        assert cli.detect(*args, ring=home.ring).code == 10


@pytest.mark.parametrize(
    ("content", "name"), [(b'{"text": ""}\n', "t.jsonl"), (b'{"token_ids": []}\n', "t.jsonl"), (b"abc", "t.txt")]
)
def test_a_text_with_nothing_to_score_gets_no_answer(home: cli.Home, content: bytes, name: str) -> None:
    Path(name).write_bytes(content)
    found = cli.detect(name, "--profile", home.profile, ring=home.ring)
    assert (found.code, found.json["num_without_answer"], found.json["num_marked"]) == (0, 1, 0)
    assert "no answer" in found.err and "no mark found" not in found.err
    assert "no answer" in Path(found.json["report"]).read_text("utf-8")


def test_a_folder_is_no_text(home: cli.Home) -> None:
    is_error(cli.detect(home.run, "--profile", home.profile, ring=home.ring), 3, "is a folder", "one of its files")


def test_rows_before_a_bad_one_are_kept(home: cli.Home, tmp_path: Path) -> None:
    rows = [{"text": cli.random_text(50, i)} for i in range(4)]
    cli.write_rows(tmp_path / "t.jsonl", [*rows[:3], {"token_ids": [1000]}])
    args = ("t.jsonl", "--profile", home.profile, "--run", "r")
    is_error(cli.detect(*args, ring=home.ring), 3, "t.jsonl:4")
    kept = (tmp_path / "r" / "detections.jsonl").read_bytes()
    assert kept.count(b"\n") == 3 and not (tmp_path / "r" / "results.json").exists()
    before = cli.snapshot(tmp_path)
    is_error(cli.detect(*args, ring=home.ring), 3, "t.jsonl:4")
    assert cli.snapshot(tmp_path)["r/detections.jsonl"] == before["r/detections.jsonl"]
    cli.write_rows(tmp_path / "t.jsonl", rows)
    before = cli.snapshot(tmp_path)
    is_error(cli.detect(*args, ring=home.ring), 2, "r: the file has changed since this run began", "--run")
    assert cli.snapshot(tmp_path) == before
    assert cli.detect(*args[:-1], "s", ring=home.ring).code == 0


# ---------------------------------------------------------------- another tokenizer, another profile


def test_text_in_another_tokenizer_is_refused_and_never_called_unmarked(home: cli.Home, tmp_path: Path) -> None:
    other = home.folder / "other"
    done = cli.detect(home.signed, "--tokenizer", other, "--run", "r", ring=home.ring)
    is_error(done, 2, "cannot tell whether text is marked", "tokenizer_hash is", f"use the tokenizer {home.model}")
    # The model's folder holds another tokenizer by now.
    profile = read_profile(home.profile)
    write_profile(tmp_path / "p.json", profile.with_(tokenizer=str(other)))
    done = cli.detect(home.signed, "--profile", "p.json", "--run", "s", ring=home.ring)
    is_error(done, 2, "cannot tell whether text is marked", "tokenizer_hash is")
    write_profile(tmp_path / "q.json", profile.with_(tokenizer=""))
    done = cli.detect(home.signed, "--profile", "q.json", "--run", "t", ring=home.ring)
    is_error(done, 2, "no tokenizer is named", "--tokenizer")
    assert cli.detect(home.signed, "--profile", "q.json", "--read", "ids", ring=home.ring).code == 10


def damaged(text: str) -> dict[str, tuple[str | None, int, tuple[str, ...]]]:
    table = json.loads(text)
    return {
        "missing": (None, 3, ("p.json: no such profile",)),
        "cut short": (text[: len(text) // 2], 3, ("p.json:", "not valid JSON", "Restore the profile")),
        "edited": (json.dumps({**table, "num_bins": 8}), 3, ("p.json: its profile_id is", "but its fields give")),
        "newer": (json.dumps({**table, "profile_version": 9}), 3, ("made by a newer version", "Upgrade")),
        "newer prf": (json.dumps({**table, "prf": "mix64-v9"}), 3, ("made by a newer version", "mix64-v9")),
        "unknown key": (json.dumps({**table, "num_bin": 8}), 3, ("p.json", "num_bin", "Did you mean 'num_bins'?")),
        "another file": ('{"a": 1}', 3, ("not a watermark profile",)),
        "a list": ("[]", 3, ("not a JSON object",)),
    }


@pytest.mark.parametrize("case", damaged('{"profile_version": 1}'))
@pytest.mark.parametrize("verb", ["detect", "generate"])
def test_a_damaged_profile_is_refused(home: cli.Home, tmp_path: Path, verb: str, case: str) -> None:
    content, code, parts = damaged(home.profile.read_text("utf-8"))[case]
    if content is not None:
        Path("p.json").write_text(content)
    if verb == "detect":
        done = cli.detect(home.signed, "--profile", "p.json", "--run", "r", ring=home.ring)
    else:
        done = cli.generate("Say it.", "--profile", "p.json", "--run", "r", model=home.model, ring=home.ring)
    is_error(done, code, *parts)
    assert not Path("r").exists()


def test_without_a_profile_there_is_no_answer(home: cli.Home) -> None:
    Path("t.txt").write_text(text_of(home))
    is_error(cli.detect("t.txt", ring=home.ring), 2, "profile: how was the text marked?", "--profile FILE")
    is_error(cli.detect("-", ring=home.ring, stdin=b"a text"), 2, "how was the text marked?")
    assert sorted(p.name for p in Path().iterdir()) == ["t.txt"]


# ---------------------------------------------------------------- keys


def open_to_all(path: Path) -> None:
    cli.make_ring(path, CANARY_KEY)
    path.chmod(0o644)


RINGS: dict[str, tuple[Callable[[Path], object], int, tuple[str, ...]]] = {
    "readable by others": (open_to_all, 4, ("k.json: the key ring can be opened by other users", "chmod 600")),
    "missing": (lambda path: None, 2, ("k.json: no such key ring", "reasonry watermark key new")),
    "empty": (cli.make_ring, 2, ("no key", "key ring")),
    "damaged": (
        lambda path: (cli.make_ring(path, CANARY_KEY), path.write_text(path.read_text().replace("secret", "sekret"))),
        3,
        ("k.json",),
    ),
    "cut short": (
        lambda path: (cli.make_ring(path, CANARY_KEY), path.write_bytes(path.read_bytes()[:-20])),
        3,
        ("k.json",),
    ),
}


@pytest.mark.parametrize("case", RINGS)
def test_a_ring_that_cannot_be_used_is_refused_and_not_repeated(home: cli.Home, tmp_path: Path, case: str) -> None:
    make, code, parts = RINGS[case]
    ring = tmp_path / "k.json"
    make(ring)
    done = cli.detect(home.signed, "--run", "r", ring="k.json")
    is_error(done, code, *parts)
    assert not shows_a_secret(done.err) and not Path("r").exists()
    if case not in ("missing", "empty"):
        done = cli.generate("Say it.", "--run", "r", model=home.model, ring="k.json")
        is_error(done, code, *parts)
        assert not shows_a_secret(done.err) and not Path("r").exists()


def test_an_unknown_key_is_named_with_those_there_are(home: cli.Home) -> None:
    wrong = A.key_id[:-1] + ("0" if A.key_id[-1] != "0" else "1")
    parts = (f"no key '{wrong}'", f"Did you mean '{A.key_id}'?", str(home.ring))
    is_error(cli.detect(home.signed, "--key-id", wrong, ring=home.ring), 2, *parts)
    made = cli.generate("Say it.", "--key-id", wrong, "--run", "r", model=home.model, ring=home.ring)
    is_error(made, 2, *parts)
    secret = cli.detect(home.signed, "--key-id", CANARY_KEY.reveal_hex(), ring=home.ring)
    is_error(secret, 2, "no key of 64 characters")
    assert not shows_a_secret(secret.err)
    assert list(Path().iterdir()) == []


def test_a_run_whose_key_is_in_another_ring_says_so(home: cli.Home, tmp_path: Path) -> None:
    ring = cli.make_ring(tmp_path / "ring.json", A)
    args = ("Say it.", "--run", "r")
    assert cli.generate(*args, "--n", 1, model=home.model, ring=ring, num_tok=20).code == 0
    before = cli.snapshot(tmp_path / "r")
    elsewhere = cli.generate(*args, "--n", 2, model=home.model, ring=cli.make_ring(tmp_path / "b.json", B), num_tok=20)
    is_error(elsewhere, 2, f"signed with the key {A.key_id}, which is not in the ring", "b.json", "--ring")
    assert cli.snapshot(tmp_path / "r")["signed.jsonl"] == before["signed.jsonl"]


# ---------------------------------------------------------------- settings of detect

SETTINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "alpha 0": (("--alpha", "0"), ("alpha = 0",)),
    "alpha 2": (("--alpha", "2"), ("alpha = 2",)),
    "limit 0": (("--limit", "0"), ("limit = 0",)),
    "bet": (("--bet", "mixtur"), ("mixtur",)),
    "bet without delta": (("--bet", "paper"), ("paper",)),
    "scheme": (("--scheme", "vlm-gumbel"), ("no reader for text of 'vlm-gumbel'", "vllm-gumbel")),
    "a scheme of ours": (("--scheme", "kgw"), ("without a profile",)),
    "scheme and profile": (("--scheme", "vllm-gumbel", "--profile", "p.json"), ("both a scheme and a profile",)),
    "scheme and secret key": (("--scheme", "vllm-gumbel"), ("is not an integer key", "key import --integer")),
    "scheme and bet": (("--scheme", "vllm-gumbel", "--bet", "paper:0.3"), ("bet does not apply", "'vllm-gumbel'")),
    "scheme and late start": (("--scheme", "vllm-gumbel", "--late-start"), ("late_start does not apply",)),
    "pair of one key": (("--scheme", "sglang-dual-gumbel"), ("1 keys for a scheme that uses two", "--key-id A B")),
    "anchor of a uniform law": (("--anchor-model", "x"), ("anchor_model does not apply", "uniform")),
    "tokenizer": (("--tokenizer", "./nowhere"), ("./nowhere",)),
    "stream of a file": (("--stream",), ("--stream reads standard input",)),
    "flag": (("--alhpa", "0.1"), ("Did you mean '--alpha'?",)),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_wrong_setting_of_detect_is_a_usage_error(home: cli.Home, case: str) -> None:
    args, parts = SETTINGS[case]
    is_error(cli.detect(home.signed, *args, "--run", "r", ring=home.ring), 2, *parts)
    assert not Path("r", "detections.jsonl").exists()


def test_an_engines_text_needs_a_tokenizer(home: cli.Home, tmp_path: Path) -> None:
    ring = cli.make_ring(tmp_path / "ring.json", SecretKey.from_integer(42))
    parts = ("no tokenizer is named", "--tokenizer", "--read ids")
    is_error(cli.detect(home.signed, "--scheme", "vllm-gumbel", "--run", "r", ring=ring), 2, *parts)
    assert not Path("r", "detections.jsonl").exists()


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (("--fdr",), ("--fdr is for several texts",)),
        (("--limit", "3"), ("--limit is for several texts",)),
        (("--read", "ids"), ("--read ids is for rows",)),
        (("--run", "r"), ("--run is for a report",)),
    ],
)
def test_what_does_not_go_with_a_stream_is_refused(
    home: cli.Home, args: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    done = cli.detect("-", "--stream", *args, "--profile", home.profile, ring=home.ring, stdin=b"a text")
    is_error(done, 2, *parts, "Leave it or --stream out")


def test_rows_are_no_stream(home: cli.Home) -> None:
    args = ("-", "--stream", "--profile", home.profile)
    is_error(cli.detect(*args, ring=home.ring, stdin=home.signed.read_bytes()), 2, "holds JSON rows", "--stream")
    # A text may look like JSON all the same.
    assert cli.detect(*args, ring=home.ring, stdin=b'{"a": 1} is an object').code == 0
    bad = cli.detect(*args, ring=home.ring, stdin=b"some text\xff\xfe")
    is_error(bad, 3, "standard input, byte 10", "not UTF-8")


def test_a_scheme_is_read_whole(home: cli.Home, tmp_path: Path) -> None:
    write_profile(tmp_path / "p.json", Profile(scheme="gumbel", tokenizer_hash=HASH, vocab_size=98))
    done = cli.detect("-", "--stream", "--profile", "p.json", ring=home.ring, stdin=b"a text")
    is_error(done, 2, "scheme gumbel is read whole", "--stream")


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"scheme": "kgw", "options": {"gama": 0.5}}, ("has no option 'gama'", "Did you mean 'gamma'?")),
        ({"scheme": "kgw", "options": {"gamma": 2.0}}, ("gamma",)),
        ({"scheme": "kgw", "options": {"gamma": "half"}}, ("profile.options", "does not fit")),
        ({"scheme": "vllm-gumbel", "options": {"width": 4}}, ("has no option 'width'",)),
        ({"scheme": "sglang-gumbel", "context_tok": 99}, ("context_tok",)),
        ({"scheme": "seal"}, ("no reader for scheme 'seal'", "Known: ")),
    ],
)
def test_a_profile_of_a_scheme_that_cannot_be_read_is_refused(
    home: cli.Home, tmp_path: Path, fields: dict[str, Any], parts: tuple[str, ...]
) -> None:
    write_profile(tmp_path / "p.json", Profile.model_validate({"tokenizer_hash": HASH, "vocab_size": 98, **fields}))
    args = (home.signed, "--read", "ids", "--profile", "p.json", "--run", "r")
    is_error(cli.detect(*args, ring=home.ring), 2, *parts)
    assert not Path("r").exists()


def test_an_integer_key_that_no_engine_takes_is_named_and_not_shown(home: cli.Home, tmp_path: Path) -> None:
    ring = cli.make_ring(tmp_path / "k.json", SecretKey(CANARY_KEY.derive("wide", 32), kind="integer"), A)
    done = cli.detect(home.signed, "--scheme", "vllm-gumbel", "--read", "ids", "--run", "r", ring=ring)
    is_error(done, 2, "does not fit in 64 bits")
    assert not Path("r").exists()
    assert not shows_a_secret(done.err, CANARY_KEY.derive("wide", 32))


# ---------------------------------------------------------------- settings of generate

MAKING: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "temperature 0": (("Say it.", "--sampling.temperature", "0"), 2, ("sampling.temperature: temperature 0",)),
    "no anchor model": (("Say it.", "--anchor.kind", "model"), 2, ("anchor.kind is 'model' and anchor.model is ''",)),
    "no anchor kind": (("Say it.", "--anchor.model", "MODEL"), 2, ("anchor.kind is 'uniform'",)),
    "anchor of another tokenizer": (
        ("Say it.", "--anchor.kind", "model", "--anchor.model", "OTHER"),
        2,
        ("anchor.model: only", "have the same id in the anchor", "--anchor.kind self"),
    ),
    "unknown anchor": (("Say it.", "--anchor.kind", "model", "--anchor.model", "smolm2-135m"), 2, ("smollm2-135m",)),
    "encoder": (("Say it.", "--anchor.kind", "model", "--anchor.model", "minilm"), 2, ("encoder",)),
    "one symbol": (("Say it.", "--num-bins", "1"), 2, ("num_bins", "at least 2")),
    "more symbols than tokens": (("Say it.", "--num-bins", "99"), 2, ("num_bins", "98")),
    "no context": (("Say it.", "--context-tok", "0"), 2, ("context_tok = 0",)),
    "n": (("Say it.", "--n", "0"), 2, ("n = 0",)),
    "no prompt": ((" ",), 3, ("prompts: the prompt is empty",)),
    "missing file": (("nowhere.jsonl",), 3, ("nowhere.jsonl: cannot read: No such file",)),
    "missing text file": (("nowhere.txt",), 3, ("nowhere.txt: cannot read: No such file",)),
    "empty file": (("EMPTY",), 3, ("empty.jsonl: no prompts", '{"prompt": ')),
    "no prompt in a row": (("ROWS",), 3, ("rows.jsonl:2", 'neither "prompt" nor "messages"')),
    "duplicate id": (("TWICE",), 3, ("twice.jsonl:3: the id 'a' occurs twice", "Line 1 has it too")),
    "role": (("ROLE",), 3, ("role.jsonl:1: a message of role 'robot'", "Roles: system")),
    "an id that is none": (("ID",), 3, ("id.jsonl:1: the id [1]",)),
    "too long": (("LONG",), 3, ("the model's context holds 2048", "Shorten the prompt")),
    "profile of another tokenizer": (("Say it.", "--profile", "PROFILE"), 2, ("tokenizer_hash is", "does not fit")),
    "profile of a scheme": (("Say it.", "--profile", "GUMBEL"), 2, ("cannot mark text with scheme 'gumbel'",)),
}  # fmt: skip


@pytest.mark.parametrize("case", MAKING)
def test_a_wrong_setting_of_generate_makes_no_run(home: cli.Home, tmp_path: Path, case: str) -> None:
    files = tmp_path / "files"
    profile = read_profile(home.profile)
    write_profile(files / "profile.json", profile.with_(tokenizer_hash=HASH))
    write_profile(files / "gumbel.json", profile.with_(scheme="gumbel"))
    given = {
        "MODEL": home.model, "OTHER": home.folder / "other", "PROFILE": files / "profile.json",
        "GUMBEL": files / "gumbel.json",
        "EMPTY": cli.write_rows(files / "empty.jsonl", []),
        "ROWS": cli.write_rows(files / "rows.jsonl", [{"prompt": "a"}, {"promt": "b"}]),
        "TWICE": cli.write_rows(files / "twice.jsonl", [{"id": i, "prompt": "a"} for i in ("a", "b", "a")]),
        "ROLE": cli.write_rows(files / "role.jsonl", [{"messages": [{"role": "robot", "content": "a"}]}]),
        "ID": cli.write_rows(files / "id.jsonl", [{"id": [1], "prompt": "a"}]),
        "LONG": cli.write_rows(files / "long.jsonl", [{"prompt": "a"}, {"prompt": "a" * 3000}]),
    }  # fmt: skip
    args, code, parts = MAKING[case]
    done = cli.generate(*[given.get(a, a) for a in args], "--run", "r", model=home.model, ring="new.json")
    done = done._replace(out="" if done.out.startswith("run r") else done.out)
    is_error(done, code, *parts)
    if case == "too long":  # found when the prompts are put into tokens, in an open run; nothing is drawn
        assert not Path("r/signed.jsonl").exists() or not Path("r/signed.jsonl").read_bytes()
    else:
        assert not Path("r").exists() and not Path("new.json").exists(), "neither a run nor a key ring is made"


# ---------------------------------------------------------------- a run that goes on


def test_edited_prompts_are_not_mixed_into_old_texts(home: cli.Home, tmp_path: Path) -> None:
    rows = [{"id": f"p{i}", "prompt": f"Say {i}."} for i in range(3)]
    file = cli.write_rows(tmp_path / "prompts.jsonl", rows)
    args = (file, "--n", 2, "--run", "r")

    def go() -> cli.Done:
        return cli.generate(*args, model=home.model, ring=home.ring, num_tok=10)

    assert go().code == 0
    texts = cli.snapshot(tmp_path / "r")["signed.jsonl"]
    for changed, parts in (
        ([{**rows[0], "prompt": "Say nothing."}, *rows[1:]], ("1 prompts are not what they were", "'p0'")),
        (rows[:2], ("r/signed.jsonl:5: a text for prompt 'p2', which is not among the prompts",)),
        ([{**row, "id": f"p{(i + 1) % 3}"} for i, row in enumerate(rows)], ("3 prompts are not what they were",)),
    ):
        cli.write_rows(file, changed)
        before = cli.snapshot(tmp_path / "r")
        is_error(go(), 3, *parts, "choose another --run")
        assert cli.snapshot(tmp_path / "r") == before
    cli.write_rows(file, [*rows, {"id": "p3", "prompt": "Say 3."}])
    assert go().code == 0, "prompts may be added"
    grown = cli.snapshot(tmp_path / "r")["signed.jsonl"]
    assert grown.startswith(texts) and grown.count(b"\n") == 8


def test_texts_of_another_model_are_not_mixed_in(home: cli.Home, tmp_path: Path) -> None:
    model = Path(shutil.copytree(home.model, tmp_path / "model"))

    def go(n: int, *args: object, name: Path = model) -> cli.Done:
        return cli.generate("Say it.", "--n", n, "--run", "r", *args, model=name, ring=home.ring, num_tok=10)

    assert go(1).code == 0
    before = cli.snapshot(tmp_path / "r")
    is_error(go(2, name=home.folder / "weights"), 2, "the run directory holds another config", "model:", "--run")
    is_error(go(2, "--seed", 1), 2, "seed: 0 -> 1")
    is_error(go(2, "--num-bins", 4), 2, "num_bins: 16 -> 4")
    assert cli.snapshot(tmp_path / "r") == before
    for source, parts in (
        (home.folder / "weights", ("r/model.json: the run's texts are of other weights",)),
        (home.folder / "other", ("r/model.json: the run's texts are of other weights",)),
    ):
        shutil.rmtree(model)
        shutil.copytree(source, model)  # the same name, and something else in it
        is_error(go(2)._replace(out=""), 2, *parts, "Continue with the model the run began with")
        after = cli.snapshot(tmp_path / "r")
        assert all(after[name] == before[name] for name in ("signed.jsonl", "profile.json", "results.json"))
    shutil.rmtree(model)
    shutil.copytree(home.model, model)
    assert go(2).code == 0
    assert cli.snapshot(tmp_path / "r")["signed.jsonl"].startswith(before["signed.jsonl"])


def test_another_profile_in_the_same_file_is_not_mixed_in(home: cli.Home, tmp_path: Path) -> None:
    def go(n: int) -> cli.Done:
        args = ("Say it.", "--n", n, "--run", "r", "--profile", "p.json")
        return cli.generate(*args, model=home.model, ring=home.ring, num_tok=10)

    profile = read_profile(home.profile)
    write_profile(tmp_path / "p.json", profile)
    assert go(1).code == 0
    write_profile(tmp_path / "p.json", profile.with_(num_bins=4))
    is_error(go(2)._replace(out=""), 2, f"marked under profile {profile.profile_id}", "the given profile is another")
    assert len(cli.read_rows(tmp_path / "r" / "signed.jsonl")) == 1


def test_the_question_of_a_named_run_stays_the_same(home: cli.Home, tmp_path: Path) -> None:
    """Another key or profile would mix answers to two questions in one file."""
    profile = read_profile(home.profile)
    write_profile(tmp_path / "profile.json", profile)
    shutil.copy(home.signed, "t.jsonl")
    ring = cli.make_ring(tmp_path / "k.json", A)

    def go() -> cli.Done:
        return cli.detect("t.jsonl", "--run", "r", ring=ring)

    assert go().code == 10
    before = cli.snapshot(tmp_path / "r")
    cli.make_ring(ring, B)
    is_error(go(), 2, "r: the keys to look for are others since this run began", "Choose another --run")
    ring.unlink()
    cli.make_ring(ring, A)
    write_profile(tmp_path / "profile.json", profile.with_(num_bins=4))
    is_error(go(), 2, "r: the profile is another since this run began")
    assert cli.snapshot(tmp_path / "r") == before
    write_profile(tmp_path / "profile.json", profile)
    assert go().code == 10


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda line: b"{garbage}",
    "half a line": lambda line: line[:20],
    "another row": lambda line: b'{"id": "1", "index": 1, "place": "x"}',
    "a wrong index": lambda line: line.replace(b'"index": 1', b'"index": 9').replace(b'"log_e": ', b'"loge": '),
    "a text for a number": lambda line: re.sub(rb'"(index|num_tok)": (\d+)', rb'"\1": "\2"', line),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("verb", ["generate", "detect"])
def test_damaged_results_are_named_and_nothing_is_destroyed(
    home: cli.Home, tmp_path: Path, verb: str, case: str
) -> None:
    def go() -> cli.Done:
        if verb == "generate":
            return cli.generate("Say it.", "--n", 3, "--run", "r", model=home.model, ring=home.ring, num_tok=10)
        return cli.detect(home.signed, "--run", "r", ring=home.ring)

    code = 0 if verb == "generate" else 10
    assert go().code == code
    path = tmp_path / "r" / ("signed.jsonl" if verb == "generate" else "detections.jsonl")
    whole = path.read_bytes()
    lines = whole.split(b"\n")
    lines[1] = DAMAGE[case](lines[1])
    path.write_bytes(b"\n".join(lines))
    before = cli.snapshot(tmp_path)
    is_error(go(), 3, f"{path.relative_to(tmp_path)}:2: ")
    assert cli.snapshot(tmp_path) == before
    del lines[1]
    path.write_bytes(b"\n".join(lines))
    assert go().code == code, "the remedy works"
    assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())
