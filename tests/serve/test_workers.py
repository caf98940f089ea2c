"""Several processes serve on one port: as many as asked for, or as fit into the pod."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.serve.app import run
from perennial_trainer.serve.limits import WRITER_MEMORY
from perennial_trainer.serve.workers.count import (
    PLACE,
    SHARED_METRICS,
    WORKERS,
    end_sharing,
    share_metrics,
    wanted_workers,
    workers_that_fit,
)
from perennial_trainer.serve.workers.processes import Workers
from tests.serve.processes import Server, compiled_version, running, until
from tests.serve.requests import ROWS, request

MIB = 2**20
ANSWERED = 'model_requests_total{code="200",model="bike-demand",version="bike-demand-v1"}'


@pytest.mark.parametrize(("text", "wanted"), [(None, 1), ("3", 3), ("64", 64), ("auto", None)])
def test_the_number_is_that_of_the_environment(text: str | None, wanted: int | None) -> None:
    assert wanted_workers({} if text is None else {WORKERS: text}) == wanted


@pytest.mark.parametrize("text", ["", "0", "65", "-1", "2.5", "²", "many", "9" * 40])
def test_another_number_is_refused(text: str) -> None:
    with pytest.raises(RejectedTask, match=f"{WORKERS} is .*: give auto, or a number from 1 to 64"):
        wanted_workers({WORKERS: text})


@pytest.mark.parametrize(
    ("cpu_max", "memory_max", "workers", "workers_that_capture"),
    [
        ("200000 100000", "max", 2, 2),
        ("250000 100000", f"{4096 * MIB}", 2, 2),
        ("50000 100000", "max", 1, 1),
        ("max 100000", f"{4096 * MIB}", 3, 3),
        ("max 100000", f"{500 * MIB}", 2, 1),
        ("max 100000", f"{100 * MIB}", 1, 1),
    ],
)
def test_auto_is_what_cpus_and_memory_allow(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cpu_max: str,
    memory_max: str,
    workers: int,
    workers_that_capture: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(3))
    pages = 100 * MIB // os.sysconf("SC_PAGE_SIZE")
    files = {
        "proc/self/cgroup": "0::/pod\n",
        "proc/self/statm": f"9 {pages} 1 1 0 1 0\n",
        "sys/fs/cgroup/pod/cpu.max": f"{cpu_max}\n",
        "sys/fs/cgroup/pod/memory.max": f"{memory_max}\n",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert workers_that_fit(tmp_path) == workers
    assert workers_that_fit(tmp_path, WRITER_MEMORY) == workers_that_capture


@pytest.mark.parametrize("name", [SHARED_METRICS, SHARED_METRICS.lower(), PLACE])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_folder_or_place_of_the_environment_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, workers: str
) -> None:
    for each in (SHARED_METRICS, SHARED_METRICS.lower(), PLACE):
        monkeypatch.setenv(each, "")  # restored afterwards
        monkeypatch.delenv(each)
    (kept := tmp_path / "kept").write_text("")
    monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv(WORKERS, workers)
    share_metrics()
    assert str(tmp_path) not in (os.environ.get(SHARED_METRICS), os.environ.get(PLACE))
    assert (SHARED_METRICS in os.environ) == (workers == "2")
    end_sharing()
    assert kept.exists()


def test_a_process_that_cannot_start_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial_trainer.serve.workers.processes.SOON", 0.0)
    monkeypatch.setattr("perennial_trainer.serve.workers.processes.mark_process_dead", lambda _: None)
    tries = []

    async def main() -> None:
        workers = Workers()

        async def refuse(*_command: str, **_options: object) -> None:
            tries.append(1)
            if len(tries) == 2:
                workers.stop()
            raise BlockingIOError("Resource temporarily unavailable")

        monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
        workers.start(1)
        await workers.ended()

    asyncio.run(main())
    assert len(tries) == 2


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def metric_files(server: Server) -> list[Path]:
    """Of all processes."""
    environment = Path(f"/proc/{children(server.pid)[0]}/environ").read_bytes().split(b"\0")
    folder = next(each.partition(b"=")[2] for each in environment if each.startswith(SHARED_METRICS.encode()))
    return list(Path(folder.decode()).iterdir())


def test_a_stop_is_no_error_where_a_process_has_just_ended() -> None:
    async def stop() -> None:
        workers = Workers()
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()
        workers._running.add(process)
        workers.stop()

    run(stop())


def ask(server: Server, times: int) -> None:
    """Each time on a new connection, which any of the processes may get."""
    for _ in range(times):
        assert (
            httpx.post(f"{server.url}/v2/models/bike-demand/infer", json=request(ROWS), verify=False).status_code == 200
        )


def test_processes_share_the_port_their_metrics_and_their_end(tmp_path: Path) -> None:
    with running(tmp_path, compiled_version(tmp_path), **{WORKERS: "3"}) as server:
        until(lambda: server.log().count("listening on") == 3, "three processes listen")
        ask(server, 30)
        own = [httpx.get(f"{server.url}/metrics", verify=False).text for _ in range(9)]
        assert all(f"{ANSWERED} 30.0" in text for text in own)
        files = sorted(each.name for each in metric_files(server))
        killed = children(server.pid)[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: server.log().count("listening on") == 4, "another process listens")
        ask(server, 10)
        assert server.metric(ANSWERED) == 40
        others = children(server.pid)
        assert killed not in others
        assert sorted(each.name for each in metric_files(server)) == files  # or they would become more and more
        server.signal()
        assert server.exit_code() == 0
        assert not any(Path(f"/proc/{each}").exists() for each in others)
