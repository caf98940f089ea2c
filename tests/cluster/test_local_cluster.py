"""What only the local cluster does: it forgets, stops and starts again."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.local import LocalCluster
from tests.cluster.space import Calls, config_map

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path) as local:
        yield local


@pytest.fixture
def api(local: LocalCluster) -> Calls:
    return Calls(local.kubeconfig)


def test_a_watch_from_a_compacted_version_is_expired(local: LocalCluster, api: Calls) -> None:
    first = api.post(MAPS, config_map("a")).ok["metadata"]["resourceVersion"]
    last = api.post(MAPS, config_map("b")).ok["metadata"]["resourceVersion"]
    local.compact()
    with api.watch(MAPS, resourceVersion=first) as events:
        (event,) = list(events)
    assert event["type"] == "ERROR" and (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    with api.watch(MAPS, resourceVersion=last) as events:
        api.post(MAPS, config_map("e"))
        assert next(events)["object"]["metadata"]["name"] == "e"


def test_bookmarks_keep_a_watch_current(api: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cluster.watch.BOOKMARK_SECONDS", 0.05)
    start = api.get(MAPS).ok["metadata"]["resourceVersion"]
    with api.watch(MAPS, resourceVersion=start, allowWatchBookmarks="true") as events:
        made = api.post("/api/v1/namespaces", {"metadata": {"name": "elsewhere"}}).ok["metadata"]["resourceVersion"]
        versions = (event["object"]["metadata"]["resourceVersion"] for event in events if event["type"] == "BOOKMARK")
        assert made in versions


def test_a_namespace_goes_after_its_contents(api: Calls) -> None:
    api.post("/api/v1/namespaces", {"metadata": {"name": "doomed"}})
    inside = "/api/v1/namespaces/doomed/configmaps"
    api.post(inside, config_map("free"))
    api.post(inside, config_map("held", finalizers=["test.dev/hold"]))
    assert api.delete("/api/v1/namespaces/doomed").ok["status"]["phase"] == "Terminating"
    assert api.get(f"{inside}/free").code == 404
    refused = api.post(inside, config_map("late"))
    assert refused.code == 403 and "because it is being terminated" in refused.message
    api.merge(f"{inside}/held", {"metadata": {"finalizers": None}})
    assert api.get("/api/v1/namespaces/doomed").code == 404


def test_a_restart_ends_watches_and_keeps_objects(local: LocalCluster, api: Calls) -> None:
    api.post(MAPS, config_map("kept"))
    before = local.url
    with api.watch(MAPS, timeoutSeconds=600) as events:
        stopper = threading.Timer(0.2, local.stop)
        stopper.start()
        assert [event["object"]["metadata"]["name"] for event in events] == ["kept"]
    stopper.join()
    local.start()
    assert local.url == before and api.get(f"{MAPS}/kept").code == 200


def test_it_starts_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.cluster", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        assert config["clusters"][0]["cluster"]["server"] == url
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
