"""An upkeep that is asked to forget keys leaves none of their captured rows, and every other row once."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fsspec.core import url_to_fs

from perennial_trainer.captured.keys import SECRET, captured_key
from perennial_trainer.data.tables.captured.files import CapturedFiles
from perennial_trainer.storage import store
from perennial_trainer.upkeep import compaction, files, run
from tests.trainer.captured import KEY_SECRET, capture
from tests.trainer.model_folder import Killed, an_upkeep, asked, day, put, rows, stored, three_days
from tests.trainer.tasks import Json, Trainer


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KEY_SECRET.decode())


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """The model's folder on a volume."""
    return tmp_path / "models/clinic/progression"


def digest(key: str) -> str:
    return captured_key(KEY_SECRET, key)


def forgetting(folder: Path | str, *keys: str, clear: bool = False, **fields: Any) -> Json:
    asked = {"keys": [digest(key) for key in keys], **({"keyInClear": True} if clear else {})}
    return an_upkeep(folder if isinstance(folder, str) else folder.as_uri(), forget=asked, **fields)


def without(rows: list[tuple[str, int]], *keys: str) -> list[tuple[str, int]]:
    return [row for row in rows if row[0] not in {digest(key) for key in keys}]


def compact(folder: Path, trainer: Trainer) -> None:
    trainer.done(an_upkeep(folder.as_uri()))


def test_rows_go_from_new_small_and_compacted_files(local: Path, trainer: Trainer, monkeypatch: Any) -> None:
    three_days(local)
    compact(local, trainer)
    capture(asked(0, "b", hour=0), local / "captured", "id", "asked", pod="again")
    before, names = rows(local), stored(local.as_uri())
    answer = trainer.done(forgetting(local, "b", "q"))
    assert rows(local) == without(before, "b", "q")
    assert (answer["forgottenRows"], stored(local.as_uri())) == (3, names)
    assert answer["message"] == "deleted 3 rows of 2 keys in 5 files"  # two of them were compacted, and are there yet
    again = trainer.done(forgetting(local, "b"))
    assert again["message"] == "deleted 0 rows of 1 key in 0 files"
    monkeypatch.setattr(compaction, "PAUSE", compaction.timedelta(0))
    compact(local, trainer)  # each row of the small files is still where the compacted ones say
    assert rows(local) == without(before, "b", "q")
    assert len([*local.rglob(f"{day(2)}/*/*.parquet")]) == 0


def test_rows_go_in_an_object_store(s3: None, local: Path, trainer: Trainer) -> None:
    three_days(local)
    storage = "s3://models/perennial/clinic/progression"
    filesystem, path = url_to_fs(storage)
    filesystem.put(f"{local}/captured", f"{path}/captured", recursive=True)
    before = len(rows(local))
    assert trainer.done(forgetting(storage, "a"))["forgottenRows"] == 1
    captured = CapturedFiles.below(f"{storage}/captured")
    assert captured.rows_of(captured.names) == before - 1


def test_sequence_numbers_stay_if_no_row_is_left(local: Path, trainer: Trainer) -> None:
    capture(asked(0, "a", "b", hour=0), local / "captured", "id", "asked")
    names = stored(local.as_uri())
    assert trainer.done(forgetting(local, "a", "b"))["forgottenRows"] == 2
    assert (stored(local.as_uri()), rows(local)) == (names, [])


@pytest.mark.parametrize(("clear", "key"), [(False, "ride-1"), (True, "ride-1"), (True, "f" * 64)])
def test_keys_that_are_stored_as_they_are_are_found(
    local: Path, trainer: Trainer, clear: bool, key: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tests.trainer.captured.captured_key", lambda _secret, key: key)
    capture(asked(0, key, "other", hour=0), local / "captured", "id", "asked")
    trainer.done(forgetting(local, key, clear=clear))
    assert [stored for stored, _ in rows(local)] == ["other"]


def test_keys_in_clear_are_not_passed_over_without_the_secret(
    local: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tests.trainer.captured.captured_key", lambda _secret, key: key)
        capture(asked(0, "ride-1", hour=0), local / "captured", "id", "asked")
    monkeypatch.delenv(SECRET)
    code, answer = trainer(forgetting(local, "ride-1"))
    assert (code, answer["reason"]) == (3, "NotForgotten")
    assert answer["message"].endswith("has no PERENNIAL_CAPTURE_KEY: set serving.capture)")


def test_unreadable_file_is_named_and_holds_up_nothing_else(local: Path, trainer: Trainer) -> None:
    three_days(local)
    put(
        local.as_uri(),
        torn := f"{day(2)}/hour=05/torn-1-1-00000001.parquet",
        f"{day(40)}/hour=05/pod-1-1-00000001.parquet",
    )
    code, answer = trainer(forgetting(local, "a"))
    assert (code, answer["reason"]) == (3, "NotForgotten")
    assert (
        answer["message"]
        == f"rows of the keys may be left in {torn} (it is not valid parquet with keys: restore or delete it)"
    )
    assert not (local / day(40)).exists() and (local / day(3) / "compacted-000001.parquet").exists()
    (local / torn).unlink()
    assert digest("a") not in dict(rows(local))


@pytest.mark.parametrize("content", [b"torn", None], ids=["not parquet", "of another program"])
def test_unreadable_compacted_file_holds_up_nothing_else(local: Path, trainer: Trainer, content: bytes | None) -> None:
    three_days(local)
    torn = local / day(3) / "compacted-000001.parquet"
    torn.write_bytes(content or next(local.rglob(f"{day(3)}/hour=*/*.parquet")).read_bytes())
    code, answer = trainer(forgetting(local, "a"))
    assert (code, answer["reason"]) == (3, "NotForgotten")
    assert f"{day(3)}/compacted-000001.parquet (it is not valid parquet with keys" in answer["message"]
    assert (local / day(2) / "compacted-000001.parquet").exists()
    torn.unlink()
    assert digest("a") not in dict(rows(local))


def test_what_was_never_complete_goes_too(local: Path, trainer: Trainer) -> None:
    unfinished = [
        f"{day(0)}/compacted-000001.parquet.{'0f' * 16}.part",
        f"{day(0)}/hour=00/pod-1-1-00000001.parquet.{'0f' * 16}.part",
    ]
    begun = ["captured/.writing/pod-1-1-00000001.parquet", "captured/.writing/pod-1-1-00000002.parquet"]
    put(local.as_uri(), *unfinished, *begun)
    long_ago = time.time() - 2 * run.ABANDONED.total_seconds()
    os.utime(local / begun[0], (long_ago, long_ago))
    trainer.done(an_upkeep(local.as_uri()))
    assert stored(local.as_uri()) == {*unfinished, begun[1]}  # which a server may be writing
    trainer.done(forgetting(local, "a"))
    assert stored(local.as_uri()) == {begun[1]}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(5))
def test_kill_between_any_writes_is_made_good(
    local: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, step: int, after: bool
) -> None:
    three_days(local)
    compact(local, trainer)
    before, count = rows(local), iter(range(1000))

    def killing(act: Callable[..., None]) -> Callable[..., None]:
        def write(*arguments: Any) -> None:
            kills = next(count) == step
            if kills and not after:
                raise Killed
            act(*arguments)
            if kills:
                raise Killed

        return write

    task = forgetting(local, "a", "b", "n", "q")
    with monkeypatch.context() as patch:
        patch.setattr(files, "replace_file", killing(store.replace_file))
        with pytest.raises(Killed):
            trainer(task)
    assert without(rows(local), "a", "b", "n", "q") == without(before, "a", "b", "n", "q")
    trainer.done(task)
    assert rows(local) == without(before, "a", "b", "n", "q")
    monkeypatch.setattr(compaction, "PAUSE", compaction.timedelta(0))
    compact(local, trainer)
    assert rows(local) == without(before, "a", "b", "n", "q")


def test_compaction_of_another_run_brings_nothing_back(local: Path, trainer: Trainer, monkeypatch: Any) -> None:
    """Such as one on a node that was lost: it has read the files before."""
    three_days(local)
    before, waiting = rows(local), [True]

    def after_forgetting(uri: str, content: bytes) -> bool:
        if waiting and waiting.pop():
            trainer.done(forgetting(local, "a", retain=None))
        return store.create_file(uri, content)

    monkeypatch.setattr(compaction, "create_file", after_forgetting)
    compact(local, trainer)
    trainer.done(forgetting(local, "a"))  # an hour later
    assert rows(local) == without(before, "a")
    monkeypatch.setattr(compaction, "PAUSE", compaction.timedelta(0))
    compact(local, trainer)
    assert rows(local) == without(before, "a")


def test_full_disk_keeps_the_file_and_says_so(local: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    capture(asked(0, "a", "b", hour=0), local / "captured", "id", "asked")
    before, (file,) = rows(local), local.glob("captured/**/*.parquet")
    monkeypatch.setattr(store, "uuid4", lambda: UUID(int=0))
    unfinished = Path(f"{file}.{UUID(int=0).hex}.part")

    def on_a_full_disk(uri: str, content: bytes) -> None:
        unfinished.symlink_to("/dev/full")
        store.replace_file(uri, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace_file", on_a_full_disk)
        code, answer = trainer(forgetting(local, "a"))
    assert (code, answer["reason"]) == (1, "StorageNotWritable") and "No space left on device" in answer["message"]
    assert (rows(local), unfinished.is_symlink()) == (before, False)
    trainer.done(forgetting(local, "a"))
    assert rows(local) == without(before, "a")


def test_neither_key_nor_hmac_is_shown(local: Path, trainer: Trainer, capsys: pytest.CaptureFixture[str]) -> None:
    capture(asked(0, "secret-ride", hour=0), local / "captured", "id", "asked")
    output = json.dumps(trainer.done(forgetting(local, "secret-ride"))) + "".join(capsys.readouterr())
    assert "secret-ride" not in output and digest("secret-ride") not in output
