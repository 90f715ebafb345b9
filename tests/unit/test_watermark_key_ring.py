"""The key ring: its file is private and never half-written, it loses no key, and its errors repeat no secret."""

import os
import stat
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.secret_search import CANARY_KEY, everything_said, shows_a_secret

from reasonry.errors import ConfigError, DataError, ResourceError, UnsafeArtifactError
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.keys import private_file as key_file
from reasonry.watermark.keys import ring as key_ring
from reasonry.watermark.keys.ring import ENVIRONMENT_NAME, KeyRing, default_path, open_ring

NOW = datetime(2026, 8, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
WEST = timezone(timedelta(hours=-9))
A, B, C = (SecretKey(bytes([n]) * 32) for n in (1, 2, 3))


def ring_of(*keys: SecretKey, now: datetime = NOW) -> KeyRing:
    ring = KeyRing()
    for key in keys:
        ring.add(key, now=now)
    return ring


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def no_ring_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(ENVIRONMENT_NAME, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


# ---------------------------------------------------------------- the file is private


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_the_file_is_private_whatever_the_umask_from_its_first_moment(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "ring.json", list[int]()
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(stat.S_IMODE(os.fstat(fd).st_mode)), sync(fd)))
    before = os.umask(umask)
    try:
        ring_of(A).save(path)
        ring_of(B).save(path)
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert seen[0] == 0o600  # the temporary file, when the secret was in it
    assert mode(tmp_path / ".ring.json.lock") & 0o077 == 0


def test_the_temporary_file_is_created_private_and_not_made_so_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created: list[tuple[int, int]] = []
    real = os.open

    def spy(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if ".tmp-" in str(path):
            created.append((flags & (os.O_CREAT | os.O_EXCL), mode))
        return real(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", spy)
    ring_of(A).save(tmp_path / "ring.json")
    assert created == [(os.O_CREAT | os.O_EXCL, 0o600)]


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o620, 0o610, 0o644, 0o666, 0o660, 0o777])
def test_a_ring_that_others_can_open_is_refused_with_the_remedy(loose: int, tmp_path: Path) -> None:
    path = tmp_path / "my ring.json"
    ring_of(CANARY_KEY).save(path)
    path.chmod(loose)
    with pytest.raises(UnsafeArtifactError, match=f"mode {loose:04o}.*chmod 600 '{path}'") as caught:
        KeyRing.load(path)
    assert caught.value.exit_code == 4
    assert not shows_a_secret(everything_said(caught.value))
    before = path.read_bytes()
    with pytest.raises(UnsafeArtifactError):
        ring_of(A).save(path)
    assert path.read_bytes() == before
    path.chmod(0o600)
    assert len(KeyRing.load(path)) == 1


def test_a_ring_that_only_its_owner_may_read_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    ring_of(A).save(path)
    path.chmod(0o400)
    assert KeyRing.load(path).all_keys() == (A,)


def test_missing_folders_are_made_and_the_last_one_is_private() -> None:
    path = default_path()
    ring_of(A).save(path)
    assert path.parts[-3:] == ("config", "reasonry", "watermark-keys.json")
    assert mode(path.parent) == 0o700
    assert mode(path) == 0o600


def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    ring_of(A).save(folder / "ring.json")
    assert mode(folder) == 0o755


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "vault" / "ring.json", tmp_path / "ring.json"
    link.symlink_to(real)
    ring_of(A).save(link)
    ring_of(B).save(link)
    assert link.is_symlink()
    assert KeyRing.load(real).all_keys() == KeyRing.load(link).all_keys() == (A, B)


def test_without_posix_permissions_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ring.json"
    ring_of(A).save(path)

    class Elsewhere:
        name = "nt"

    monkeypatch.setattr(key_file, "os", Elsewhere)
    for use in (lambda: KeyRing.load(path), lambda: ring_of(B).save(path)):
        with pytest.raises(ResourceError, match=f"POSIX permissions.*{ENVIRONMENT_NAME}"):
            use()


# ---------------------------------------------------------------- the file is whole, and no key is lost


@pytest.mark.parametrize("name", ["fsync", "replace", "fchmod"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_ring_and_nothing_else(
    name: str, failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ring.json"
    ring_of(A).save(path)
    before, ring = path.read_bytes(), ring_of(CANARY_KEY)

    def fail(*_: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        expected = ResourceError if isinstance(failure, OSError) else KeyboardInterrupt
        with pytest.raises(expected) as caught:
            ring.save(path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [".ring.json.lock", "ring.json"]
    assert len(ring) == 1
    if isinstance(failure, OSError):
        assert not shows_a_secret(everything_said(caught.value))
    ring.save(path)
    assert len(KeyRing.load(path)) == 2


def test_what_a_killed_writer_left_is_removed_and_other_files_are_not(tmp_path: Path) -> None:
    path = tmp_path / "ring[1].json"
    left, others = tmp_path / ".tmp-ring[1].json-0011aabb", tmp_path / ".tmp-ring1.json-0011aabb"
    left.write_text("half a ring")
    others.write_text("of another file")
    ring_of(A).save(path)
    assert not left.exists()
    assert others.exists()


def test_two_writers_who_read_the_same_ring_both_keep_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    ring_of(A).save(path)
    one, two = KeyRing.load(path), KeyRing.load(path)
    one.add(B, now=NOW)
    one.retire(A.key_id)
    two.add(C, now=NOW)
    one.save(path)
    two.save(path)
    saved = KeyRing.load(path)
    assert saved.all_keys() == (A, B, C)
    assert [entry.status for entry in saved.entries] == ["retired", "active", "active"]
    assert two.entries == saved.entries


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    made = [SecretKey.generate() for _ in range(12)]
    start = threading.Barrier(len(made))

    def write(key: SecretKey) -> None:
        ring = ring_of(key)
        start.wait()
        ring.save(path)

    threads = [threading.Thread(target=write, args=(key,)) for key in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(KeyRing.load(path).all_keys()) == set(made)


def test_a_writer_waits_for_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    writer = threading.Thread(target=ring_of(A).save, args=(path,))
    with key_file.writing(path):
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        assert not path.exists()
    writer.join(10)
    assert KeyRing.load(path).all_keys() == (A,)


def test_a_damaged_ring_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    ring_of(A).save(path)
    damaged = path.read_bytes()[:-9]
    path.write_bytes(damaged)
    with pytest.raises(DataError):
        ring_of(B).save(path)
    assert path.read_bytes() == damaged


def test_another_key_of_the_same_id_is_refused(tmp_path: Path) -> None:
    twin = SecretKey(bytes([1]) * 32, kind="integer")
    assert twin.key_id == A.key_id
    with pytest.raises(ConfigError, match=f"{A.key_id} is in the ring already"):
        ring_of(A, twin)
    ring_of(A).save(tmp_path / "ring.json")
    with pytest.raises(ConfigError, match=f"another key has the id {A.key_id}"):
        ring_of(twin).save(tmp_path / "ring.json")
    assert KeyRing.load(tmp_path / "ring.json").all_keys() == (A,)


# ---------------------------------------------------------------- which key signs, which are looked for


def test_new_text_is_signed_by_active_keys_only_and_old_text_is_looked_for_with_all() -> None:
    ring = ring_of(A, B)
    ring.add(C, now=NOW, not_before=NOW + DAY, not_after=NOW + 2 * DAY)
    ring.retire(A.key_id)
    ring.retire(A.key_id)
    assert ring.all_keys() == (A, B, C)
    assert ring.get(A.key_id) is A
    for now, active in [(NOW, (B,)), (NOW + DAY, (B, C)), (NOW + 2 * DAY, (B,))]:
        assert ring.active(now) == active


def test_the_key_whose_time_began_last_signs() -> None:
    ring = ring_of(A)
    ring.add(B, now=NOW - 9 * DAY, not_before=NOW + DAY)
    assert ring.newest_active(NOW) is A
    assert ring.newest_active(NOW + DAY) is B
    ring.add(C, now=NOW + DAY)  # begins in the same second as B and stands after it
    assert ring.newest_active(NOW + DAY) is C
    ring.retire(C.key_id)
    ring.retire(B.key_id)
    assert ring.newest_active(NOW + DAY) is A
    ring.retire(A.key_id)
    with pytest.raises(ConfigError, match=r"none of 3 keys is active.*key new"):
        ring.newest_active(NOW)


def test_a_date_before_the_key_was_made_does_not_make_it_older() -> None:
    ring = ring_of(A)
    ring.add(B, now=NOW + DAY, not_before=NOW - 9 * DAY)
    assert ring.newest_active(NOW + DAY) is B


def test_times_without_a_zone_and_bounds_that_leave_no_time_are_refused() -> None:
    naive = datetime(2026, 8, 2)  # noqa: DTZ001 - the mistake itself
    with pytest.raises(ConfigError, match="has no time zone"):
        ring_of(A).active(naive)
    with pytest.raises(ConfigError, match="has no time zone"):
        KeyRing().add(A, now=naive)
    with pytest.raises(ConfigError, match="is not later than not_before"):
        KeyRing().add(A, now=NOW, not_before=NOW, not_after=NOW)


def test_an_unknown_id_is_answered_with_the_nearest_and_all_there_are() -> None:
    ring = ring_of(SecretKey(bytes(range(32))), B)
    with pytest.raises(ConfigError, match=f"no key '796051ff'. Did you mean '796051fd'.*Keys: 796051fd, {B.key_id}"):
        ring.get("796051ff")
    with pytest.raises(ConfigError, match="Keys: none"):
        KeyRing().retire("796051ff")


# ---------------------------------------------------------------- no ring, and which ring


def test_a_missing_ring_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.json: no such key ring.*reasonry watermark key new"):
        KeyRing.load(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot read the key ring: Is a directory"):
        KeyRing.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"cannot write beside the key ring.*--ring"):
        ring_of(A).save(tmp_path / "file" / "ring.json")


def test_the_ring_is_the_named_file_else_the_variable_else_the_default_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=f"{default_path()}: no such key ring"):
        open_ring(None)
    ring_of(A).save(default_path())
    ring_of(B).save(tmp_path / "ring.json")
    assert open_ring(None).all_keys() == (A,)
    monkeypatch.setenv(ENVIRONMENT_NAME, C.reveal_hex())
    assert open_ring(None).all_keys() == (C,)
    assert open_ring(tmp_path / "ring.json").all_keys() == (B,)
    monkeypatch.setenv(ENVIRONMENT_NAME, " ")
    assert open_ring(None).all_keys() == (A,)


@pytest.mark.parametrize("base", ["", "relative/folder"])
def test_a_config_folder_that_is_not_absolute_is_ignored(
    base: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", base)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".config" / "reasonry" / "watermark-keys.json"


def test_without_a_home_the_default_ring_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    monkeypatch.setattr(key_ring.Path, "home", homeless)
    with pytest.raises(ConfigError, match=r"no home folder.*--ring"):
        default_path()
