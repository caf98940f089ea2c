"""The Python clients that the project uses: the official one, in both its forms, and kopf."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import kopf
import pytest
from kubernetes import client, config, watch
from kubernetes.aio import client as aio_client
from kubernetes.aio import config as aio_config

from tests.cluster.calls import Calls, Folder, deployment, job, widget


@pytest.fixture
def typed(api: Calls) -> client.ApiClient:
    return config.new_client_from_config(str(api.kubeconfig))


def test_the_official_client_makes_and_reads_typed_objects(typed: client.ApiClient, folder: Folder) -> None:
    core, batch = client.CoreV1Api(typed), client.BatchV1Api(typed)
    made = core.create_namespaced_config_map(
        folder.name, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="note"), data={"a": "1"})
    )
    assert core.read_namespaced_config_map("note", folder.name).metadata.uid == made.metadata.uid
    assert batch.create_namespaced_job(folder.name, job()).spec.backoff_limit == 6
    assert [one.metadata.name for one in batch.list_namespaced_job(folder.name).items] == ["once"]
    with pytest.raises(client.ApiException) as refused:
        core.read_namespaced_config_map("nope", folder.name)
    assert refused.value.status == 404


def test_the_official_client_patches_and_watches(typed: client.ApiClient, folder: Folder) -> None:
    apps = client.AppsV1Api(typed)
    apps.create_namespaced_deployment(folder.name, deployment())
    scaled = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    apps.patch_namespaced_deployment_scale("web", folder.name, scaled)
    counted = [{"op": "add", "path": f"/status/{field}", "value": 1} for field in ("replicas", "readyReplicas")]
    apps.patch_namespaced_deployment_status("web", folder.name, counted)
    for event in watch.Watch().stream(apps.list_namespaced_deployment, folder.name, timeout_seconds=20):
        assert event["type"] == "ADDED"
        assert (event["object"].spec.replicas, event["object"].status.ready_replicas) == (3, 1)
        break


def test_the_asynchronous_client_applies(api: Calls, folder: Folder) -> None:
    async def applied(replicas: int) -> Any:
        async with await aio_config.new_client_from_config(str(api.kubeconfig)) as connection:
            return await aio_client.CustomObjectsApi(connection).patch_namespaced_custom_object(
                *("test.dev", "v1", folder.name, "widgets", "a"),
                widget(spec={"replicas": replicas}),
                field_manager="tester",
                _content_type="application/apply-patch+yaml",
            )

    asyncio.run(applied(1))  # this client has no answer for something new
    assert asyncio.run(applied(2))["spec"]["replicas"] == 2


def test_kopf_hears_what_was_and_what_comes(api: Calls, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    api.post(folder.path("widgets"), widget("before"))
    registry, heard, stop = kopf.OperatorRegistry(), set(), threading.Event()

    @kopf.on.login(registry=registry)
    def login(**known: Any) -> Any:
        return kopf.login_with_kubeconfig(**known)

    @kopf.on.event("test.dev", "v1", "widgets", registry=registry)
    def seen(type: str | None, name: str | None, **_: Any) -> None:  # noqa: A002
        heard.add((type, name))

    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    run = threading.Thread(
        target=kopf.run,
        kwargs={
            "registry": registry,
            "settings": settings,
            "namespaces": [folder.name],
            "standalone": True,
            "stop_flag": stop,
        },
    )
    run.start()
    try:
        api.until(lambda: (None, "before") in heard)
        api.post(folder.path("widgets"), widget("after"))
        api.delete(folder.path("widgets", "before"))
        api.until(lambda: {("ADDED", "after"), ("DELETED", "before")} <= heard)
    finally:
        stop.set()
        run.join()
