"""An upkeep deletes what is too old and nothing else, and whenever a reader looks, each captured row is there once."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.core import url_to_fs

from perennial_trainer.captured.compacted import Compacted, read_compacted
from perennial_trainer.captured.keys import SECRET
from perennial_trainer.data.tables.captured.files import CapturedFiles
from perennial_trainer.storage import store
from perennial_trainer.upkeep import compaction, files
from perennial_trainer.upkeep.files import Folder
from tests.trainer.captured import KEY_SECRET, capture
from tests.trainer.model_folder import (
    NOW,
    Killed,
    an_upkeep,
    asked,
    day,
    put,
    rows,
    stored,
    three_days,
)
from tests.trainer.tasks import Trainer


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KEY_SECRET.decode())


@pytest.fixture(params=["file", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The model's folder in each kind of store."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        return "s3://models/perennial/clinic/progression"
    return (tmp_path / "models/clinic/progression").as_uri()


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """The model's folder on a volume."""
    return tmp_path / "models/clinic/progression"


def replaced_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "PAUSE", timedelta(0))


def test_only_what_is_old_and_named_by_the_layout_goes(storage: str, trainer: Trainer) -> None:
    old = [
        f"{day(40)}/hour=05/bike-v1-7d-x2-1764000000-7-00000001.parquet",
        f"{day(31)}/hour=23/pod-1-1-100000000.parquet",
        f"{day(40)}/compacted-000001.parquet",
        f"{day(40)}/compacted-000002.parquet.{'0f' * 16}.part",
        "checks/progression-check-202601010500/report.html",
        "checks/progression-check-202601010500/drift.json",
        "checks/progression-check-1767243601/report.html",
        "checks/progression-v2-check-6955ff50/report.html",
    ]
    kept = [
        f"{day(30)}/hour=00/pod-1-1-00000001.parquet",  # not all of the day is old
        f"{day(1)}/hour=05/pod-1-1-00000001.parquet",
        f"{day(40)}/hour=05/own.parquet",
        f"{day(40)}/hour=24/pod-1-1-00000001.parquet",
        f"{day(40)}/hour=05/pod-1-1-0000001.parquet",
        f"{day(40)}/hour=05/more/pod-1-1-00000001.parquet",
        f"{day(40)}/compacted-1.parquet",
        f"{day(40)}/pod-1-1-00000001.parquet",
        "captured/date=2026-02-30/hour=05/pod-1-1-00000001.parquet",
        "captured/date=20260101/hour=05/pod-1-1-00000001.parquet",
        "checks/progression-check-202601020500/report.html",  # the newest
        "checks/other-check-202601010500/report.html",
        "checks/other-v2-check-6955ff50/report.html",
        "checks/progression-check-6955ff50/report.html",
        "checks/progression-check-202601010500/mine.txt",
        "checks/progression-check-202699990500/report.html",
        "ledger/20260101T000000Z-v1-Live.json",
        "progression-v1/model.joblib",
        "progression-v1/captured/date=2020-01-01/hour=05/pod-1-1-00000001.parquet",
    ]
    put(storage, *old, *kept)
    put(f"{storage}-2", *old)
    answer = trainer.done(an_upkeep(storage))
    assert (stored(storage), stored(f"{storage}-2")) == (set(kept), set(old))
    assert (answer["deletedFiles"], answer["freedBytes"]) == (len(old), 5 * len(old))
    assert answer["message"] == "deleted 8 files that were older than 30d; freed 40 bytes"


@pytest.mark.parametrize(("retain", "now"), [(None, NOW), ("30d", NOW.replace(year=2090)), ("60d", NOW)])
def test_nothing_goes_unasked_nor_by_a_wrong_clock(local: Path, trainer: Trainer, retain: str, now: datetime) -> None:
    names = f"{day(20 if now.year == 2090 else 40)}/hour=05/pod-1-1-00000001.parquet", "checks/a"
    put(local.as_uri(), *names)
    answer = trainer.done(an_upkeep(local.as_uri(), now, retain))
    assert (stored(local.as_uri()), answer["message"]) == (set(names), "there was nothing to do")


def test_link_to_another_folder_is_not_followed(local: Path, trainer: Trainer) -> None:
    put(local.parent.as_uri(), file := "other/hour=05/pod-1-1-00000001.parquet")
    (local / "captured").mkdir(parents=True)
    (local / day(40)).symlink_to(local.parent / "other")
    trainer.done(an_upkeep(local.as_uri()))
    with pytest.raises(ValueError, match="must not be deleted"):
        Folder(local.as_uri()).remove({f"{day(40)}/hour=05/pod-1-1-00000001.parquet": 5})
    assert (local.parent / file).exists()


@pytest.mark.parametrize(
    "name",
    [
        "progression-v1/model.joblib",
        "ledger/20260101T000000Z-v1-Live.json",
        "captured/date=2026-01-01/hour=05/../../../ledger/pod-1-1-00000001.parquet",
        "../other/captured/date=2026-01-01/compacted-000001.parquet",
        "",
    ],
)
def test_no_other_file_can_be_deleted_by_mistake(local: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must not be deleted"):
        Folder(local.as_uri()).remove({name: 5})


def test_nothing_is_deleted_in_the_folder_of_another_cluster(local: Path, trainer: Trainer) -> None:
    trainer.done(an_upkeep(local.as_uri()))
    put(local.as_uri(), name := f"{day(40)}/hour=05/pod-1-1-00000001.parquet")
    code, answer = trainer(an_upkeep(local.as_uri(), uid="another"))
    assert (code, answer["reason"], stored(local.as_uri())) == (3, "OwnedElsewhere", {name})


def test_small_files_of_a_day_become_one(storage: str, local: Path, trainer: Trainer, monkeypatch: Any) -> None:
    three_days(local)
    before = rows(local)
    if storage.startswith("s3"):
        filesystem, path = url_to_fs(storage)
        filesystem.put(f"{local}/captured", f"{path}/captured", recursive=True)
    of_server = stored(storage)
    first = trainer.done(an_upkeep(storage))
    compacted = {f"{day(3)}/compacted-000001.parquet", f"{day(2)}/compacted-000001.parquet"}
    assert stored(storage) == of_server | compacted
    assert (first["compactedFiles"], first["deletedFiles"]) == (5, 0)
    again = trainer.done(an_upkeep(storage))
    assert (again["message"], stored(storage)) == ("there was nothing to do", of_server | compacted)
    replaced_long_ago(monkeypatch)
    last = trainer.done(an_upkeep(storage))
    assert stored(storage) == compacted | {f"{day(0)}/hour=00/pod-1-1-00000001.parquet"}
    assert (last["deletedFiles"], last["compactedFiles"]) == (5, 0)
    assert storage.startswith("s3") or not (local / day(2) / "hour=09").exists()
    captured = CapturedFiles.below(f"{storage}/captured")
    assert captured.rows_of(captured.names) == len(before)


def test_gaps_of_sequence_numbers_stay_visible(local: Path, trainer: Trainer) -> None:
    three_days(local)
    trainer.done(an_upkeep(local.as_uri()))
    record = compacted_in(local, 3)
    assert record.sources == {
        "hour=09/pod-1-1": {1: 3},
        "hour=11/pod-1-1": {3: 2},
        "hour=23/other-1-1": {1: 3},
    }
    assert list(record.files) == [
        "hour=09/pod-1-1-00000001.parquet",
        "hour=11/pod-1-1-00000003.parquet",
        "hour=23/other-1-1-00000001.parquet",
    ]


def compacted_in(folder: Path, ago: int, number: int = 1) -> Compacted:
    with (folder / day(ago) / f"compacted-{number:06}.parquet").open("rb") as stream:
        return read_compacted(stream)


def steps(monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
    """The process is killed before or after the write or deletion of this number."""
    count = iter(range(1000))

    def killing(act: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            kills = next(count) == at
            if kills and not after:
                raise Killed
            result = act(*arguments)
            if kills:
                raise Killed
            return result

        return step

    monkeypatch.setattr(files, "AT_ONCE", 1)
    monkeypatch.setattr(files, "remove_file", killing(store.remove_file))
    monkeypatch.setattr(compaction, "create_file", killing(store.create_file))


STEPS = [
    (first, step, after) for first in (True, False) for step in range(2 if first else 5) for after in (False, True)
]


@pytest.mark.parametrize(("first", "step", "after"), STEPS)
def test_kill_between_any_steps_is_harmless(
    local: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, first: bool, step: int, after: bool
) -> None:
    three_days(local)
    before = rows(local)
    if not first:
        trainer.done(an_upkeep(local.as_uri()))
        replaced_long_ago(monkeypatch)
    with monkeypatch.context() as patch:
        steps(patch, step, after=after)
        with pytest.raises(Killed):
            trainer(an_upkeep(local.as_uri()))
    assert rows(local) == before
    trainer.done(an_upkeep(local.as_uri()))
    assert rows(local) == before
    replaced_long_ago(monkeypatch)
    trainer.done(an_upkeep(local.as_uri()))
    assert rows(local) == before
    assert len([*local.rglob("*.parquet")]) == 3


def test_file_that_comes_late_is_read_and_compacted_later(local: Path, trainer: Trainer, monkeypatch: Any) -> None:
    three_days(local)
    trainer.done(an_upkeep(local.as_uri()))
    for late in ("late", "later"):
        capture(asked(3, late, hour=4), local / "captured", "id", "asked", pod=late)
    before = rows(local)
    assert len(before) == 8 + 3 + 3 + 2 + 1 - 3 + 2
    replaced_long_ago(monkeypatch)
    assert trainer.done(an_upkeep(local.as_uri()))["compactedFiles"] == 2
    assert compacted_in(local, 3, 2).files == {
        "hour=04/late-1-1-00000001.parquet": 1,
        "hour=04/later-1-1-00000001.parquet": 1,
    }
    assert rows(local) == before


def test_of_two_runs_at_once_one_ends(local: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    three_days(local)
    before, waiting = rows(local), [True]

    def after_another(uri: str, content: bytes) -> bool:
        if waiting and waiting.pop():
            capture(asked(3, "late", hour=4), local / "captured", "id", "asked", pod="late")
            trainer.done(an_upkeep(local.as_uri()))
        return store.create_file(uri, content)

    monkeypatch.setattr(compaction, "create_file", after_another)
    code, answer = trainer(an_upkeep(local.as_uri()))
    assert (code, answer["reason"]) == (1, "CompactedMeanwhile")
    assert len(rows(local)) == len(before) + 1


def test_files_stay_if_their_rows_are_not_in_the_compacted(
    local: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_days(local)
    trainer.done(an_upkeep(local.as_uri()))
    capture(asked(3, *"xyz", hour=23), local / "captured", "id", "asked", pod="other")
    replaced_long_ago(monkeypatch)
    before = stored(local.as_uri())
    code, answer = trainer(an_upkeep(local.as_uri()))
    assert (code, answer["reason"]) == (1, "CompactionDiffers")
    assert "lacks rows of hour=23/other-1-1-00000001.parquet, which stays" in answer["message"]
    gone = before - stored(local.as_uri())
    assert gone and all(name.startswith(day(2)) for name in gone)  # the other day is as good as ever


@pytest.mark.parametrize("name", ["compacted-000001.parquet", "hour=09/pod-2-1-1-00000001.parquet"])
def test_nothing_is_deleted_for_a_file_that_is_torn(
    local: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    three_days(local)
    trainer.done(an_upkeep(local.as_uri()))
    (local / day(2) / name).write_bytes(b"PAR1 torn")
    replaced_long_ago(monkeypatch)
    before = {each for each in stored(local.as_uri()) if day(2) in each}
    code, answer = trainer(an_upkeep(local.as_uri()))
    assert (code, answer["reason"]) == (1, "CompactionDiffers"), answer
    assert {each for each in stored(local.as_uri()) if day(2) in each} == before


def test_files_of_other_columns_or_formats_stay_apart(local: Path, trainer: Trainer) -> None:
    for number, columns in enumerate([{}, {"y": 1.0}, {}, {"y": "text"}, {"y": 2.0}]):
        capture(asked(3, str(number), **columns), local / "captured", "id", "asked", pod=f"pod{number}")
    broken = "hour=09/pod9-1-1-00000001.parquet"
    (local / day(3) / broken).write_bytes(b"not parquet")
    answer = trainer.done(an_upkeep(local.as_uri()))
    of_pods = [[name[8:12] for name in compacted_in(local, 3, number).files] for number in (1, 2)]
    assert of_pods == [["pod0", "pod2"], ["pod1", "pod4"]]
    assert f"left out what is not valid parquet: {day(3)}/{broken}" in answer["message"]


def test_compacted_files_are_no_larger_than_memory(
    local: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_days(local)
    before = rows(local)
    sizes = [(local / each).stat().st_size for each in stored(local.as_uri())]
    monkeypatch.setattr(compaction, "LARGEST", 2 * max(sizes))
    trainer.done(an_upkeep(local.as_uri()))
    assert [len(compacted_in(local, ago).files) for ago in (3, 2)] == [2, 2]
    assert rows(local) == before


def test_no_key_and_no_value_is_said(local: Path, trainer: Trainer, capsys: pytest.CaptureFixture[str]) -> None:
    capture(asked(3, "secret-ride"), local / "captured", "id", "asked")
    capture(asked(3, "secret-ride", hour=10), local / "captured", "id", "asked", pod="other")
    answer = json.dumps(trainer.done(an_upkeep(local.as_uri())))
    assert "secret-ride" not in answer + "".join(capsys.readouterr())
