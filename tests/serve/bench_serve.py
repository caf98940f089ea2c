"""Figures of the model server on this machine: `python -m tests.serve.bench_serve`.

One row per request, kept connections, a pipeline with imputation, scaling, one-hot encoding and a linear model. CPU is
that of the server process alone; the client runs beside it, so the rates are lower bounds.
"""

import asyncio
import json
import re
import tempfile
import time
from pathlib import Path

from perennial_trainer.models.frameworks.sklearn import dump_pipeline
from tests.serve.processes import MIXED, Server, fitted, running, serve_task, stored
from tests.serve.requests import ROWS, request

BODY = json.dumps(request(ROWS.iloc[:1])).encode()
MESSAGE = b"POST /v2/models/bike-demand/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
BATCHES = 'model_batch_requests_count{model="bike-demand",version="bike-demand-v1"}'


async def client(port: int, requests: int) -> list[float]:
    """The seconds that each request took, one after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds = []
    for _ in range(requests):
        started = time.perf_counter()
        writer.write(MESSAGE)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert head.startswith(b"HTTP/1.1 200") and length, head
        await reader.readexactly(int(length[1]))
        seconds.append(time.perf_counter() - started)
    writer.close()
    return seconds


async def clients(port: int, count: int, requests: int) -> list[float]:
    answers = await asyncio.gather(*(client(port, requests) for _ in range(count)))
    return sorted(seconds for each in answers for seconds in each)


def measure(server: Server, count: int, requests: int) -> str:
    cpu, batches, started = server.metric("process_cpu_seconds_total"), server.metric(BATCHES), time.perf_counter()
    seconds = asyncio.run(clients(server.task["port"], count, requests))
    elapsed = time.perf_counter() - started
    cpu, batches = server.metric("process_cpu_seconds_total") - cpu, server.metric(BATCHES) - batches
    total = len(seconds)
    return (
        f"{count:7} {total / elapsed:10.0f} {1000 * cpu / total:12.2f} {total / batches:9.1f} "
        f"{1000 * seconds[total // 2]:9.1f} {1000 * seconds[total * 99 // 100]:9.1f}"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri, sha256 = stored(folder, dump_pipeline(fitted(MIXED, "regression", "cnt"), "joblib"))
        with running(folder, serve_task(uri, sha256)) as server:
            print("clients requests/s CPU ms/req. req./batch median ms    p99 ms")
            for count, requests in ((1, 300), (8, 200), (64, 100), (256, 50)):
                print(measure(server, count, requests))


if __name__ == "__main__":
    main()
