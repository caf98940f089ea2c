"""The model server beside other servers of the same models: `python -m tests.serve.bench_serve`.

CPU is that of the server's process with its children, and decides: the client runs beside it, so rates and times are only
lower and upper bounds. All contenders of a model get the same requests from the same client, on kept connections.
With `MLSERVER_PYTHON`, the Python of an environment with mlserver and mlserver-sklearn, MLServer takes part.
"""

import asyncio
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from tests.serve.bench_models import ESTIMATORS, fitted, rides, store
from tests.serve.processes import Server, free_port
from tests.serve.requests import request

PATH = "/v2/models/bike-demand/infer"
LOADS = ((1, 1), (1, 16), (1, 64), (100, 16))
"""Rows of a request, and connections."""
REQUESTS, SECONDS = 240, 3.0
"""Requests of a round, and how long rounds are repeated: CPU time has a resolution of 10 ms."""
TICKS = os.sysconf("SC_CLK_TCK")


class Measured(NamedTuple):
    rate: float
    cpu: float  # milliseconds for each request
    median: float
    late: float  # the slowest hundredth begins here


def message(rows: int) -> bytes:
    body = json.dumps(request(rides(rows))).encode()
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def client(port: int, sent: bytes, requests: int) -> list[float]:
    """The seconds that each request took, one after the other; a connection that the server resets is opened again."""
    seconds: list[float] = []
    while len(seconds) < requests:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while len(seconds) < requests:
                seconds.append(await _asked(reader, writer, sent))
        except (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError):
            continue
        finally:
            writer.close()
    return seconds


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> float:
    started = time.perf_counter()
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert head.startswith(b"HTTP/1.1 200") and length, head
    await reader.readexactly(int(length[1]))
    return time.perf_counter() - started


async def clients(port: int, sent: bytes, count: int, requests: int) -> list[float]:
    answers = await asyncio.gather(*(client(port, sent, requests) for _ in range(count)))
    return [seconds for each in answers for seconds in each]


def processes(pid: int) -> list[int]:
    children = [each for file in Path(f"/proc/{pid}/task").glob("*/children") for each in file.read_text().split()]
    return [pid, *(each for child in children for each in processes(int(child)))]


def cpu_seconds(pid: int) -> float:
    fields = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in processes(pid)]
    return sum(int(each[11]) + int(each[12]) for each in fields) / TICKS


def megabytes(pid: int) -> float:
    texts = [Path(f"/proc/{each}/status").read_text() for each in processes(pid)]
    return sum(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) for text in texts) / 1024  # type: ignore[index]


def measure(pid: int, port: int, rows: int, count: int) -> Measured:
    sent, seconds = message(rows), []
    asyncio.run(clients(port, sent, count, 3))  # the first requests prepare what the others use
    cpu, started = cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        seconds += asyncio.run(clients(port, sent, count, max(REQUESTS // count, 1)))
    elapsed, total = time.perf_counter() - started, len(seconds)
    seconds.sort()
    cpu = cpu_seconds(pid) - cpu
    return Measured(total / elapsed, 1000 * cpu / total, 1000 * seconds[total // 2], 1000 * seconds[total * 99 // 100])


@contextmanager
def ours(folder: Path, task: dict[str, Any]) -> Iterator[tuple[int, int]]:
    server = Server(folder, task)
    try:
        server.wait("/v2/health/ready", 200)
        yield server.pid, task["port"]
    finally:
        server.close()


@contextmanager
def other(command: list[str], port: int) -> Iterator[tuple[int, int]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while True:
            try:
                asyncio.run(client(port, message(1), 1))
                break
            except (OSError, AssertionError):
                assert time.monotonic() < until and process.poll() is None, f"{command} does not answer"
                time.sleep(0.2)
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


def mlserver(folder: Path) -> tuple[list[str], int]:
    """The command of MLServer for the model in the folder, and its port."""
    python, port = os.environ["MLSERVER_PYTHON"], free_port()
    model = {"uri": str(folder / "model.joblib"), "content_type": "pd"}
    settings = {"name": "bike-demand", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": model}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    server = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1"}
    (folder / "settings.json").write_text(json.dumps(server | {"parallel_workers": 0}))
    return [python, "-m", "mlserver.cli.main", "start", str(folder)], port


def contenders(folder: Path, name: str) -> Iterator[tuple[str, Any]]:
    pipeline = fitted(name)
    yield "compiled", ours(folder, store(folder / "compiled", pipeline, name, True))
    yield "pipeline", ours(folder, store(folder / "pipeline", pipeline, name, False))
    for kind in ("floor", "bare"):
        port = free_port()
        command = [sys.executable, "-m", "tests.serve.bench_contenders", kind, str(folder / "compiled"), str(port)]
        yield kind, other(command, port)
    if os.environ.get("MLSERVER_PYTHON"):
        alone = folder / "mlserver"
        alone.mkdir()
        shutil.copy(folder / "compiled" / "model.joblib", alone)
        yield "mlserver", other(*mlserver(alone))


def main() -> None:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scikit-learn", "lightgbm", "treelite"))
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {libraries}")
    heads = ("model", "contender", "rows", "clients", "CPU ms/req.", "requests/s", "median ms", "p99 ms", "MB")
    print("{:9} {:9} {:>4} {:>7} {:>11} {:>10} {:>9} {:>8} {:>5}".format(*heads))
    results: dict[tuple[str, str, int, int], Measured] = {}
    for name in ESTIMATORS:
        with tempfile.TemporaryDirectory() as folder:
            for contender, server in contenders(Path(folder), name):
                with server as (pid, port):
                    for rows, count in LOADS:
                        each = results[name, contender, rows, count] = measure(pid, port, rows, count)
                        print(
                            f"{name:9} {contender:9} {rows:4} {count:7} {each.cpu:11.2f} {each.rate:10.0f} "
                            f"{each.median:9.1f} {each.late:8.1f} {megabytes(pid):5.0f}",
                            flush=True,
                        )
    print(json.dumps(ratios(results)))


def ratios(results: dict[tuple[str, str, int, int], Measured]) -> dict[str, float]:
    """Requests for each second of CPU: ours over another's; and our CPU over the floor's."""
    answer = {}
    for name in ESTIMATORS:
        for rows, count in LOADS[::3]:
            own = results[name, "compiled", rows, count].cpu
            for contender in ("mlserver", "bare", "floor"):
                if (each := results.get((name, contender, rows, count))) is not None:
                    ratio = own / each.cpu if contender == "floor" else each.cpu / own
                    answer[f"{name}_{rows}row{'s' * (rows > 1)}_over_{contender}"] = round(ratio, 2)
    return answer


if __name__ == "__main__":
    main()
