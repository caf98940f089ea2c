"""A search on Dask's workers: the same answer, further pods, and a sentence for each way in which it can fail."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import perennial_trainer
from perennial_trainer.contract.errors import FailedTask, RejectedTask
from perennial_trainer.contract.task import Dask, Engine
from perennial_trainer.training.workers import engine
from tests.serve.processes import free_port, until
from tests.stage import ROOT
from tests.trainer.tasks import TASK, Json, Trainer, a_training, diabetes, written

SEARCH: Json = {"method": "halving", "space": {"alpha": [0.1, 1, 10, 100, 1000, 10000]}, "folds": 3, "iterations": 20}


@contextmanager
def workers(folder: Path, scheduler: str, count: int = 2) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Pods of the workers' Job, as processes; each must end by itself, and well."""
    task = {"task": "work", "namespace": "clinic", "modelDeployment": "progression", "version": "progression-v1"}
    task["scheduler"] = scheduler
    TASK.validate(task)
    environment = os.environ | {"PERENNIAL_TASK": json.dumps(task), "PERENNIAL_BIND_ADDRESS": "127.0.0.1"}
    environment["PYTHONPATH"] = f"{ROOT / 'trainer'}:{ROOT}"  # this file's functions are sent by name
    command = [sys.executable, "-m", "perennial_trainer"]
    started = [
        subprocess.Popen(command, env=environment | {"PERENNIAL_RESULT": str(folder / f"result-{number}")})
        for number in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where the scheduler listens; the local node gives each pod an address of its own instead."""
    port = free_port()
    monkeypatch.setattr(engine, "PORT", port)
    monkeypatch.setenv("PERENNIAL_BIND_ADDRESS", "127.0.0.1")
    return port


def _end_worker(test: int) -> None:
    assert os.getpid() != test, "it is not tried on a worker"
    os.kill(os.getpid(), signal.SIGKILL)


def ranking(folder: Path) -> tuple[list[Json], list[float]]:
    """The candidates, best first, and their scores."""
    parameters = json.loads((folder / "metrics.json").read_text())["search"]["ranking"]
    return [each["parameters"] for each in parameters], [each["score"] for each in parameters]


@pytest.mark.parametrize("estimator", ["sklearn.linear_model.Ridge", "sklearn.ensemble.RandomForestRegressor"])
def test_search_on_workers_equals_local_search(trainer: Trainer, tmp_path: Path, port: int, estimator: str) -> None:
    uri = written(diabetes(), tmp_path / "data" / "patients.csv")
    forest = {"method": "grid", "space": {"max_depth": [1, 3]}, "folds": 3, "iterations": 20}
    asked = {"model__estimator": estimator, "search": SEARCH if "Ridge" in estimator else forest}
    if "Forest" in estimator:
        asked["model__parameters"] = {"n_estimators": 10}
    alone = trainer.done(a_training(uri, (tmp_path / "alone").as_uri(), **asked))
    with workers(tmp_path, f"tcp://127.0.0.1:{port}") as started:
        together = trainer.done(
            a_training(uri, (tmp_path / "together").as_uri(), engine={"dask": {"workers": 2}}, **asked)
        )
        assert [process.wait(120) for process in started] == [0, 0]
    (parameters, scores), (expected, exact) = ranking(tmp_path / "together"), ranking(tmp_path / "alone")
    assert parameters == expected
    assert scores == pytest.approx(exact)  # threads sum up in any order
    assert together["artifact"]["sha256"] == alone["artifact"]["sha256"]


def test_search_leaves_an_existing_scheduler_running(trainer: Trainer, tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    uri = written(diabetes(), tmp_path / "data" / "patients.csv")
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as cluster,
        workers(tmp_path, cluster.scheduler_address, 1),
    ):
        dask = {"address": cluster.scheduler_address}
        task = a_training(uri, (tmp_path / "v1").as_uri(), search=SEARCH, engine={"dask": dask})
        assert trainer.done(task)["parameters"]
        with Client(cluster, set_as_default=False) as client:
            assert len(client.scheduler_info(n_workers=-1)["workers"]) == 1


def test_workers_of_another_version_are_sent_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as cluster,
        workers(tmp_path, cluster.scheduler_address, 1),
    ):
        monkeypatch.setattr(perennial_trainer, "__version__", "0.0.9")  # of this process, and not of the worker's
        asked = Engine(dask=Dask(address=cluster.scheduler_address))
        with (
            pytest.raises(RejectedTask, match="run its scheduler and its workers from the same image") as caught,
            engine.use_engine(asked) as used,
            engine.search_on(used),
        ):
            pass
    assert caught.value.reason == "EngineOfOtherVersion"


def test_unreachable_scheduler_is_a_failure_to_retry(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask

    uri = written(diabetes(), tmp_path / "data" / "patients.csv")
    address = f"tcp://127.0.0.1:{free_port()}"
    task = a_training(uri, (tmp_path / "v1").as_uri(), search=SEARCH, engine={"dask": {"address": address}})
    monkeypatch.setattr(engine, "CONNECT_TIMEOUT", 1.0)
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        code, answer = trainer(task)
    assert (code, answer["reason"], address in answer["message"]) == (1, "EngineUnreachable", True)


def test_tls_without_a_certificate_names_the_variables() -> None:
    asked = Engine(dask=Dask(address="tls://127.0.0.1:1"))
    with (
        pytest.raises(RejectedTask, match="DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
        engine.use_engine(asked) as used,
        engine.search_on(used),
    ):
        pass


def test_a_scheduler_that_dies_in_the_middle_is_named() -> None:
    from distributed.comm import CommClosedError

    address = "tcp://dask.team-a:8786"
    with (
        pytest.raises(FailedTask, match=f"the scheduler {address} has stopped while it was needed") as caught,
        engine.use_engine(Engine(dask=Dask(address=address))),
    ):
        raise CommClosedError("in <TCP (closed) …>")
    assert caught.value.reason == "EngineUnreachable"


def test_workers_that_never_come_are_a_failure_to_try_again(port: int) -> None:
    asked = Engine(dask=Dask(workers=2))
    with (
        pytest.raises(FailedTask, match=r"no worker has connected in 0\.2 s") as caught,
        engine.use_engine(asked, worker_timeout=0.2) as used,
        engine.search_on(used),
    ):
        pass
    assert caught.value.reason == "NoWorkers"


def test_lost_workers_fail_with_a_message_to_give_more_memory(tmp_path: Path, port: int) -> None:
    import dask
    import joblib

    asked = Engine(dask=Dask(workers=1))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        workers(tmp_path, f"tcp://127.0.0.1:{port}", 1),
        pytest.raises(FailedTask, match=r"give training\.pod more") as caught,
        engine.use_engine(asked) as used,
        engine.search_on(used),
    ):
        joblib.Parallel()([joblib.delayed(_end_worker)(os.getpid())])
    assert caught.value.reason == "WorkersLost"


def test_a_worker_whose_scheduler_dies_ends_too(tmp_path: Path, port: int) -> None:
    code = f"""
import asyncio
from distributed import Scheduler
async def main():
    async with Scheduler(host="127.0.0.1", port={port}, dashboard=False) as scheduler:
        while len(scheduler.workers) < 2:
            await asyncio.sleep(0.05)
        print("two", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""
    with workers(tmp_path, f"tcp://127.0.0.1:{port}") as started:
        scheduler = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert scheduler.stdout
        assert scheduler.stdout.readline() == b"two\n"
        scheduler.kill()
        scheduler.wait()
        until(lambda: all(process.poll() is not None for process in started), "the workers have ended")
        assert [process.returncode for process in started] == [0, 0]


def test_joblib_has_the_private_methods_that_we_override() -> None:
    from joblib._dask import DaskDistributedBackend

    for method in ("effective_n_jobs", "get_nested_backend", "submit", "retrieve_result_callback"):
        assert callable(getattr(DaskDistributedBackend, method)), f"training/workers/joblib_dask.py changes {method}"
