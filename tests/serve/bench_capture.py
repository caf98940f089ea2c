"""What capture costs requests, and what it does when the store is slow: `python -m tests.serve.bench_capture`.

Servers with a share of 0, 0.1 and 1 get the same requests from the same client, in turns of seven. CPU is that of the
server's process with the one that writes. `--hold SECONDS` instead sends 10,000 rows a second, in requests of 100, to
servers whose store hangs, whose disk is full, and whose store takes a tenth of the rows.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.serve.bench_models import fitted, rides, store
from tests.serve.bench_serve import PATH, Measured, measure, megabytes, message
from tests.serve.processes import Server, until
from tests.serve.requests import request

SHARES, PAIRS = (0.0, 0.1, 1.0), 7
LOADS = ((1, 16), (100, 4))
"""Rows of a request, and connections."""
LABELS = '{model="bike-demand",version="bike-demand-v1"}'
DROPPED = 'model_capture_dropped_total{model="bike-demand",reason="full",version="bike-demand-v1"}'
ROWS, PER_SECOND, CONNECTIONS = 100, 100, 10


class Store(ThreadingHTTPServer):
    """A store that speaks enough S3 for a put, each of which takes so many seconds."""

    daemon_threads = True

    def __init__(self, seconds: float) -> None:

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                time.sleep(seconds)
                self.send_response(200)
                self.send_header("etag", '"x"')
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def environment(self) -> dict[str, str]:
        words = {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "DEFAULT_REGION": "us-east-1"}
        words["ENDPOINT_URL"] = f"http://127.0.0.1:{self.server_port}"
        return {f"CAPTURE_AWS_{name}": value for name, value in words.items()}


@contextmanager
def capturing(folder: Path, task: dict[str, Any], share: float, storage: str, **environment: str) -> Iterator[Server]:
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"CAPTURE_PERENNIAL_CAPTURE_KEY": "0123456789abcdef", **environment}.items():
            patch.setenv(name, value)
        server = Server(folder, task | {"capture": {"share": share, "storage": storage}})
    try:
        server.wait("/v2/health/ready", 200)
        yield server
    finally:
        server.close()


def compare(folder: Path) -> dict[str, float]:
    """Medians of CPU, rates and times by share, and the bytes of a row."""
    results: dict[tuple[float, int], list[Measured]] = {}
    memory = {}
    with ExitStack() as stack:
        servers = {}
        for share in SHARES:
            place = folder / f"share-{share}"
            task = store(place, fitted("linear"), "linear", True)
            storage = (place / "captured").as_uri()
            servers[share] = stack.enter_context(capturing(place, task, share, storage))
        for turn in range(PAIRS):
            for share in SHARES if turn % 2 else reversed(SHARES):
                for rows, count in LOADS:
                    server = servers[share]
                    each = measure(server.pid, server.task["port"], rows, count)
                    results.setdefault((share, rows), []).append(each)
        memory = {share: megabytes(server.pid) for share, server in servers.items()}
        stored = bytes_of_rows(servers[1.0], folder / "share-1.0" / "captured")
    print(
        "{:>5} {:>4} {:>11} {:>10} {:>9} {:>7} {:>5}".format(
            *["share", "rows", "CPU", "requests/s", "median", "p99", "MB"]
        )
    )
    answer: dict[str, float] = {}
    for (share, rows), turns in sorted(results.items()):
        rate, cpu, middle, late = (statistics.median(each) for each in zip(*turns, strict=True))
        print(f"{share:5} {rows:4} {cpu:8.3f} ms {rate:10.0f} {middle:6.1f} ms {late:4.1f} ms {memory[share]:5.0f}")
        pairs = zip(turns, results[0.0, rows], strict=True)
        answer[f"cpu_{share}_{rows}"] = round(statistics.median(one.cpu / other.cpu for one, other in pairs), 3)
        answer[f"p99_ms_{share}_{rows}"] = round(late, 2)
    for share in SHARES:
        answer[f"megabytes_{share}"] = round(memory[share])
    answer["bytes_a_row"], answer["bytes_a_row_of_body"] = stored
    return answer


def bytes_of_rows(server: Server, captured: Path) -> tuple[float, float]:
    """Of 100,000 different rows: of the files, and of the bodies of requests of 100."""
    frame, waiting = rides(100_000), f"model_capture_waiting_rows{LABELS}"
    until(lambda: server.metric(waiting) == 0, "the rows of before are written", 120)
    known = {*captured.rglob("*.parquet")}
    bodies = [json.dumps(request(frame[first : first + ROWS])).encode() for first in range(0, len(frame), ROWS)]
    for body in bodies:
        server.client.post(PATH, content=body).raise_for_status()
    until(lambda: server.metric(waiting) == 0, "the rows are written", 120)
    files = {*captured.rglob("*.parquet")} - known
    sizes = sum(file.stat().st_size for file in files), sum(map(len, bodies))
    return tuple(round(each / len(frame), 1) for each in sizes)  # type: ignore[return-value]


async def arrive(port: int, seconds: float) -> int:
    """The rows that were answered; fails at the first request that is not."""
    sent, started = message(ROWS), time.perf_counter()

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answered = 0
        while (now := time.perf_counter() - started) < seconds:
            await asyncio.sleep(max(answered * CONNECTIONS / PER_SECOND - now, 0))
            writer.write(sent)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split()[0]))
            answered += 1
        writer.close()
        return answered

    return ROWS * sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))


def hold(folder: Path, seconds: float) -> dict[str, float]:
    """Rows and memory under stores that do not keep up; each row is written, waits or is counted."""
    full = folder / "full"
    full.write_text("no file can be created here, as on a full disk")
    task = store(folder / "model", fitted("linear"), "linear", True)
    slow, hanging = Store(25), Store(3600)  # a buffer has the rows of 2.5 s
    answer: dict[str, float] = {}
    for name, storage, variables in (
        ("full", full.as_uri(), {}),
        ("hanging", "s3://bucket/captured", hanging.environment()),
        ("slow", "s3://bucket/captured", slow.environment()),
    ):
        with capturing(folder / "model", task, 1.0, storage, **variables) as server:
            before = megabytes(server.pid)  # without the process that writes, which is started later
            started = time.perf_counter()
            rows = asyncio.run(arrive(server.task["port"], seconds))
            rate = rows / (time.perf_counter() - started)
            most = megabytes(server.pid)
            written, waiting, dropped = map(
                server.metric,
                (f"model_captured_rows_total{LABELS}", f"model_capture_waiting_rows{LABELS}", DROPPED),
            )
        assert written + waiting + dropped == rows, (written, waiting, dropped, rows)
        print(
            f"{name:8} {rate:7.0f} rows/s, {rows} rows, all answered: {written:.0f} written, {waiting:.0f} wait, "
            f"{dropped:.0f} dropped; {before:.0f} to {most:.0f} MB"
        )
        answer |= {f"{name}_rows": rows, f"{name}_dropped": dropped, f"{name}_more_megabytes": round(most - before)}
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hold", type=float, metavar="SECONDS", help="hold a store that fails for so long")
    options = parser.parse_args()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pyarrow", "scikit-learn"))
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {libraries}")
    with tempfile.TemporaryDirectory() as folder:
        answer = hold(Path(folder), options.hold) if options.hold else compare(Path(folder))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
