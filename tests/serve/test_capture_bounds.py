"""Captured rows in memory are bounded, and each is written or counted, whatever the store does."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial_trainer.captured.layout import WRITING
from perennial_trainer.serve.capture import delivery
from perennial_trainer.serve.capture.buffers import Buffer, Buffers
from perennial_trainer.serve.capture.columns import Rows, Values
from perennial_trainer.serve.capture.delivery import Delivery
from perennial_trainer.serve.capture.messages import Batch, Column
from perennial_trainer.serve.capture.process import WriteError, WriterProcess, environment

HOUR = 3_600_000_000
KINDS = (("n", "double"), ("perennial.key", "string"))


def some(number: int, at: int = 0) -> Rows:
    values = [Values(bytes(8 * number)), Values(b"k" * number, (1).to_bytes(4, sys.byteorder) * number)]
    return Rows(number, at, values, sum(each.size for each in values))


def batches(folder: Path) -> Callable[[Buffer], Batch]:
    def batch(buffer: Buffer) -> Batch:
        hour = folder / "date=2026-11-29" / "hour=14"
        columns = [
            Column(name, kind, bytes(content), bytes(lengths))  # type: ignore[arg-type]
            for (name, kind), content, lengths in zip(KINDS, buffer.contents, buffer.lengths, strict=True)
        ]
        metadata = {b"perennial.sequence": str(buffer.sequence).encode()}
        return Batch(hour.as_uri(), f"pod-{buffer.sequence:08}.parquet", buffer.rows, columns, {"w": 1.0}, metadata)

    return batch


def rows_in(folder: Path) -> int:
    return sum(pq.read_metadata(file).num_rows for file in folder.rglob("*.parquet"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 2), st.booleans()), max_size=60))
def test_buffers_have_a_bound_and_lose_no_row(steps: list[tuple[int, int, bool]]) -> None:
    bound = 1000
    buffers = Buffers(bound, clock=lambda: 0)
    taken = written = hour = 0
    sequences = []
    for number, later, write in steps:
        hour += later
        before = buffers.rows
        if buffers.add(some(number, hour * HOUR)):
            taken += number
        else:
            assert (before + number) * 13 > bound
        assert buffers.rows * 13 <= bound and buffers.rows == taken - written
        if write:
            buffers.flush()
            buffer = buffers.next()
            assert buffer and len(buffer.contents[0]) == 8 * buffer.rows
            buffers.remove(buffer)
            written += buffer.rows
            sequences.append(buffer.sequence)
    buffers.close()
    while buffer := buffers.next():
        buffers.remove(buffer)
        written += buffer.rows
        sequences.append(buffer.sequence)
    assert written == taken and sequences == [*range(1, len(sequences) + 1)]


def test_old_rows_are_written_without_new_ones() -> None:
    now = 0.0
    buffers = Buffers(10_000, age=60, clock=lambda: now)
    buffers.add(some(1))
    now = 60.0
    buffer = buffers.next()
    assert buffer and buffer.rows == 1


class Counted(Counter[str]):
    """Rows by what became of them."""

    waiting = -1

    def delivery(self, buffers: Buffers, process: WriterProcess, folder: Path) -> Delivery:
        def written(rows: int) -> None:
            self["written"] += rows
            self.waiting = buffers.rows  # a gauge shows what is left when rows are counted

        def dropped(reason: str, rows: int) -> None:
            self[reason] += rows

        started = Delivery(buffers, process, batches(folder), written, dropped)
        started.start()
        return started


def test_store_that_fails_gets_the_rows_when_it_works_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write meets a full disk, as /dev/full is, until that has room."""
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.01)
    captured, has_room = tmp_path / "captured", threading.Event()
    buffers, counted, failed = Buffers(10_000), Counted(), threading.Event()
    process = WriterProcess(60)
    write = process.write
    (captured / WRITING).mkdir(parents=True)

    def watched(batch: Batch) -> int:
        if not has_room.is_set():
            (captured / WRITING / batch.name).symlink_to("/dev/full")
        try:
            return write(batch)
        except WriteError as error:
            if "No space left on device" in str(error):
                failed.set()
            raise

    monkeypatch.setattr(process, "write", watched)
    running = counted.delivery(buffers, process, captured)
    assert buffers.add(some(50))
    buffers.flush()
    assert failed.wait(60)
    lost = sum(not buffers.add(some(10)) and 10 for _ in range(100))
    assert lost == 1000 - 710  # 760 rows have room
    has_room.set()
    running.close(60)
    assert counted == {"written": 760} and rows_in(captured) == 760
    assert counted.waiting == 0
    assert [*(captured / WRITING).iterdir()] == []


@pytest.mark.parametrize("command", ["import time; time.sleep(600)", "raise SystemExit"])
def test_rows_are_counted_if_the_store_hangs_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.01)
    buffers, counted = Buffers(10_000), Counted()
    running = counted.delivery(buffers, WriterProcess(0.1, (sys.executable, "-c", command)), tmp_path)
    assert buffers.add(some(50))
    running.close(0.5)
    assert counted == {"stopped": 50}
    assert not buffers.add(some(1))


KILLED = """
import os, signal, sys
from pathlib import Path
from perennial_trainer.serve.capture.buffers import Buffers
from perennial_trainer.serve.capture.process import WriterProcess
from tests.serve.test_capture_bounds import Counted, batches, some

class Killing(Counted):
    def __setitem__(self, name, rows):  # the first two buffers are written, the third one is not ready
        super().__setitem__(name, rows)
        if rows == 20:
            buffers.add(some(10))
            os.kill(os.getpid(), signal.SIGKILL)

buffers = Buffers(10_000)
running = Killing().delivery(buffers, WriterProcess(60), Path(sys.argv[1]))
for _ in range(2):
    buffers.add(some(10))
    buffers.flush()
running._thread.join()
"""


def test_killed_server_leaves_whole_files(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False, timeout=120)
    assert ended.returncode == -9
    files = sorted(tmp_path.rglob("*.parquet"))
    assert [pq.read_schema(file).metadata[b"perennial.sequence"] for file in files] == [b"1", b"2"]
    assert rows_in(tmp_path) == 20


def test_writer_has_the_credentials_of_capture_alone() -> None:
    variables = {
        "CAPTURE_PERENNIAL_CAPTURE_KEY": "key",
        "CAPTURE_AWS_ACCESS_KEY_ID": "may only create",
        "AWS_ACCESS_KEY_ID": "may read",
        "AWS_SESSION_TOKEN": "of the storage",
        "GOOGLE_APPLICATION_CREDENTIALS": "of another store",
        "PERENNIAL_TASK": "{}",
        "HOME": "/tmp",
    }
    assert environment(variables) == {
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "PERENNIAL_CAPTURE_KEY": "key",
        "AWS_ACCESS_KEY_ID": "may only create",
        "GOOGLE_APPLICATION_CREDENTIALS": "of another store",
        "HOME": "/tmp",
    }
