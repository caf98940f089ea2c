"""Requests to serving pods and Prometheus over real HTTP, and the resulting sample."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.world import Sample, Serving, World
from perennial_operator.sampling.metrics_text import UnreadableError, tally
from perennial_operator.sampling.sampler import Sampler
from perennial_trainer.serve.metrics import Metrics
from tests.builders import a_deployment, a_version, a_world

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def asked(server: Answer, world: Callable[[str], World], prometheus: str = "http://{}") -> Sample:
    """The sample of a world in which this server listens at the address that `world` is given."""

    async def run() -> Sample:
        application = web.Application()
        application.router.add_get("/{path:.*}", server)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = f"127.0.0.1:{runner.addresses[0][1]}"
        sampler = Sampler(prometheus.format(address))
        try:
            return await sampler.sample(world(address))
        finally:
            await sampler.close()
            await runner.cleanup()

    return asyncio.run(run())


def rolling(addresses: Mapping[str, Mapping[str, str]] = {}, **analysis: Any) -> World:
    """Version 2 serves beside version 1; version → pod → address."""
    rollout = {"steps": [{"weight": 50}], "analysis": analysis}
    return a_world(
        deployment=a_deployment(spec={"rollout": rollout}),
        versions=(a_version(1), a_version(2, "RollingOut", status={"rollout": {"weight": 50}})),
        serving={
            name: Serving(name, {}, desired=1, ready=1, answering=1, total=1, addresses=pods)
            for name, pods in addresses.items()
        },
    )


def metrics_of(version: str, *requests: tuple[int, float]) -> str:
    """The /metrics of our model server after these requests, given as code and seconds."""
    metrics = Metrics("bike", version)
    for code, seconds in requests:
        metrics.count_request(code, seconds)
    return metrics.text().decode()


def test_metrics_of_the_model_server_are_parsed() -> None:
    tallied = tally(metrics_of("bike-v2", (200, 0.02), (200, 0.02), (400, 0.001), (500, 0.06), (503, 20.0)), "bike-v2")
    assert (tallied.requests, tallied.errors) == (5, 2)
    assert tallied.seconds == pytest.approx(20.101)
    assert tallied.squares == pytest.approx(2 * 0.025**2 + 0.001**2 + 0.1**2 + 20.0**2)


def test_predictions_are_a_count_and_a_possibly_negative_sum() -> None:
    metrics = Metrics("bike", "bike-v2")
    for values in ([1.5, -4.0], [np.nan, -1.0]):
        metrics.count_predictions(np.array(values))
    tallied = tally(metrics.text().decode(), "bike-v2")
    assert (tallied.predicted, tallied.total) == (3, -3.5)


def test_pod_without_requests_has_an_empty_tally() -> None:
    assert tally(metrics_of("bike-v2"), "bike-v2") == Tally()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (metrics_of("bike-v9", (200, 0.1)), "has no model_requests_total of bike-v2"),
        ("", "has no model_requests_total of bike-v2"),
        ("{not metrics}}}", "not in Prometheus's text format"),
        ('model_requests_total{version="bike-v2",code="200"} NaN\n', "has no model_requests_total of bike-v2"),
        ('model_requests_total{version="bike-v2",code="200"} -3\n', "has no model_requests_total of bike-v2"),
    ],
)
def test_metrics_without_the_version_are_unreadable(text: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        tally(text, "bike-v2")


def test_every_ready_pod_of_both_versions_is_sampled() -> None:
    async def pod(request: web.Request) -> web.Response:
        name = request.path.split("/")[1]
        version = "bike-v1" if name == "old" else "bike-v2"
        return web.Response(text=metrics_of(version, *[(200, 0.01)] * (3 if name == "new-b" else 1)))

    def world(at: str) -> World:
        return rolling({"bike-v1": {"old": f"{at}/old"}, "bike-v2": {"new-a": f"{at}/new-a", "new-b": f"{at}/new-b"}})

    sample = asked(pod, world)
    requests = {name: {pod: one.requests for pod, one in pods.items()} for name, pods in sample.pods.items()}
    assert requests == {"bike-v1": {"old": 1}, "bike-v2": {"new-a": 1, "new-b": 3}}
    assert sample.troubles == ()


def answering(status: int = 200, text: str = "", **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def silent(_: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (answering(404), "it responded with 404"),
        (answering(302, location="http://169.254.169.254/"), "it responded with 302"),
        (answering(text="x" * (2**20 + 1)), "the response has more than 1048576 bytes"),
        (answering(text=metrics_of("bike-v7")), "has no model_requests_total of bike-v2"),
        (silent, "no response within 0.2 s; does a NetworkPolicy let the operator in?"),
    ],
    ids=["not tallied", "sent elsewhere", "endless", "another version", "silent"],
)
def test_pod_without_valid_response_is_skipped_with_a_reason(
    server: Answer, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perennial_operator.sampling.sampler.POD_SECONDS", 0.2)
    sample = asked(server, lambda at: rolling({"bike-v2": {"new": at}}))
    assert sample.pods == {}
    assert len(sample.troubles) == 1
    assert sample.troubles[0].startswith("pod new at 127.0.0.1:")
    assert why in sample.troubles[0]


def test_deleted_pod_is_skipped_with_a_reason() -> None:
    sample = asked(answering(), lambda _: rolling({"bike-v2": {"new": "127.0.0.1:1"}}))
    assert sample.troubles == (
        "pod new at 127.0.0.1:1: no response (ClientConnectorError); does a NetworkPolicy let the operator in?",
    )


def test_pods_are_not_sampled_if_only_queries_decide() -> None:
    query = {"name": "q", "query": "up", "min": 1}
    sample = asked(
        answering(text='{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}'),
        lambda at: rolling({"bike-v2": {"new": at}}, minRequests=0, queries=[query]),
    )
    assert sample == Sample({}, {"q": (1.0,)})


def a_query(answer: str, status: int = 200, query: str = "up") -> Sample:
    return asked(
        answering(status, answer),
        lambda _: rolling(queries=[{"name": "q", "query": query, "max": 1}]),
        "http://{}/prom/",
    )


VECTOR = '{"status":"success","data":{"resultType":"vector","result":%s}}'


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        (VECTOR % '[{"metric":{},"value":[1700000000.1,"0.25"]}]', (0.25,)),
        (VECTOR % '[{"metric":{"a":"b"},"value":[1,"1"]},{"metric":{},"value":[1,"NaN"]}]', (1.0,)),
        (VECTOR % '[{"metric":{},"value":[1,"+Inf"]}]', (float("inf"),)),
        (VECTOR % "[]", ()),
        ('{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}', (3.0,)),
    ],
)
def test_prometheus_results_become_values(answer: str, values: tuple[float, ...]) -> None:
    assert a_query(answer) == Sample({}, {"q": values})


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        ('{"status":"error","errorType":"bad_data","error":"parse error"}', 400, "Prometheus rejected it: parse error"),
        ('{"status":"success","data":{"resultType":"matrix","result":[]}}', 200, "the result is a matrix; query"),
        ("<html>", 200, "the response is not from Prometheus"),
        ("[]", 200, "the response is not from Prometheus"),
        ('{"status":"success"}', 200, "the response is not from Prometheus"),
        ("secret", 500, "it responded with 500"),
    ],
)
def test_invalid_response_gives_a_reason_without_its_content(answer: str, status: int, why: str) -> None:
    sample = a_query(answer, status)
    assert sample.answers == {}
    assert sample.troubles[0].startswith(f"query q: {why}")
    assert "secret" not in sample.troubles[0]


def test_query_contains_versions_and_no_credentials() -> None:
    seen: list[web.Request] = []

    async def prometheus(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(text=VECTOR % "[]")

    text = 'rate(x{namespace="$(namespace)",model="$(model)",version=~"$(candidate)|$(live)$"}[1m])'
    asked(prometheus, lambda _: rolling(queries=[{"name": "q", "query": text, "max": 1}]), "http://{}/prom/")
    (request,) = seen
    assert request.path == "/prom/api/v1/query"
    assert request.query["query"] == 'rate(x{namespace="default",model="bike",version=~"bike-v2|bike-v1$"}[1m])'
    assert not {"authorization", "cookie"} & {name.lower() for name in request.headers}


def test_missing_prometheus_names_the_setting() -> None:
    sample = asked(answering(), lambda _: rolling(queries=[{"name": "q", "query": "up", "max": 1}]), "")
    assert sample.troubles == (
        "the operator has no Prometheus configured; its administrator sets PERENNIAL_PROMETHEUS",
    )
