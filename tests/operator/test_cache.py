"""An older state never wins, in whatever order watch events, lists and responses arrive."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_operator.cluster.cache import TOMBSTONES, Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.names import DEPLOYMENT
from tests.operator.watch_list import replaced

BIKE = Key("default", "bike")


def an_object(version: int, *, kind: str = "Job", name: str = "bike-v1-train", uid: str = "1", **fields: Any) -> Any:
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": uid,
        "resourceVersion": str(version),
        "labels": {DEPLOYMENT: fields.pop("of", "bike")},
        "ownerReferences": fields.pop("owners", []),
    }
    return {"kind": kind, "metadata": metadata, **fields}


def a_model_version(version: int, phase: str, *, of: str = "bike", uid: str = "v1") -> Any:
    spec, status = {"modelDeployment": of}, {"phase": phase} if phase else {}
    owners = [{"kind": "ModelDeployment", "name": of, "uid": of}]
    return an_object(
        version, kind="ModelVersion", name=f"{of}-v1", uid=f"{of}-{uid}", owners=owners, spec=spec, status=status
    )


def a_deployment(version: int, name: str = "bike", **status: Any) -> Any:
    return an_object(version, kind="ModelDeployment", name=name, uid=name, status=status)


def version_of(cache: Cache, name: str = "bike-v1-train", key: Key = BIKE) -> str | None:
    body = cache.get(key, "Job", name)
    return body["metadata"]["resourceVersion"] if body else None


# ---- one object, with messages in any order

LIVES = st.lists(st.sampled_from(["change", "recreate"]), max_size=5)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[str, Any]], Any]:
    """All messages about one name: each state, deletion and list; and the last state, None if it was deleted."""
    version, uid, here = 1, 1, an_object(1, uid="1")
    messages: list[tuple[str, Any]] = [("put", here)]
    for step in draw(LIVES):
        version += 1
        if step == "recreate":
            messages.append(("drop", an_object(version, uid=str(uid))))
            messages.append(("list", ([], version)))
            version, uid = version + 1, uid + 1
        here = an_object(version, uid=str(uid))
        messages += [("put", here), ("list", ([here], version))]
    if draw(st.booleans()):
        messages += [("drop", an_object(version + 1, uid=str(uid))), ("list", ([], version + 1))]
        here = None
    return messages, here


@given(histories(), st.randoms(use_true_random=False))
def test_newest_state_wins_in_any_order_of_messages(life: Any, random: Any) -> None:
    messages, last = life
    messages = messages + random.choices(messages, k=3)
    random.shuffle(messages)
    cache = Cache()
    for how, what in messages:
        if how == "list":
            replaced(cache, "Job", what[0], str(what[1]))
        else:
            getattr(cache, how)(what)
    assert version_of(cache) == (last and last["metadata"]["resourceVersion"])


@given(st.permutations(range(1, 6)))
def test_only_a_newer_state_affects_its_key(order: list[int]) -> None:
    cache, newest = Cache(), 0
    for version in order:
        assert bool(cache.put(an_object(version))) == (version > newest)
        newest = max(newest, version)


def test_late_write_response_revives_no_deleted_object() -> None:
    cache = Cache()
    cache.put(an_object(1))
    cache.drop(an_object(3))
    assert not cache.put(an_object(2))
    assert version_of(cache) is None


def test_deletion_of_an_older_object_keeps_the_newer_one() -> None:
    cache = Cache()
    cache.put(an_object(4, uid="new"))
    assert not cache.drop(an_object(3, uid="old"))
    assert not cache.put(an_object(2, uid="old"))
    assert version_of(cache) == "4"


def test_object_that_regains_its_label_is_cached_again() -> None:
    cache = Cache()
    cache.put(an_object(1))
    cache.drop(an_object(2))
    assert cache.put(an_object(3)) == {BIKE}
    assert not cache.drop(an_object(2)), "late event"
    assert version_of(cache) == "3"


def test_list_removes_missing_objects_but_no_newer_ones() -> None:
    cache = Cache()
    cache.put(an_object(1, name="gone", uid="gone"))
    cache.put(an_object(9, name="new", uid="new"))
    cache.put(an_object(1, kind="Deployment", name="other-kind", uid="other-kind"))
    assert replaced(cache, "Job", [an_object(2, name="kept", uid="kept")], "5") == {BIKE}
    assert version_of(cache, "gone") is None
    assert [version_of(cache, name) for name in ("new", "kept")] == ["9", "2"]
    assert cache.get(BIKE, "Deployment", "other-kind")


def test_list_of_one_namespace_keeps_other_namespaces() -> None:
    cache = Cache()
    cache.put(an_object(1))
    assert not replaced(cache, "Job", [], "5", "elsewhere")
    assert replaced(cache, "Job", [], "5", "default") == {BIKE}


@pytest.mark.parametrize("how", ["put", "list"])
def test_object_with_a_new_owner_leaves_the_first(how: str) -> None:
    cache, car = Cache(), Key("default", "car")
    cache.put(an_object(1))
    moved = an_object(2, of="car")
    changed = cache.put(moved) if how == "put" else replaced(cache, "Job", [moved], "2")
    assert changed == {BIKE, car}
    assert (version_of(cache), version_of(cache, key=car)) == (None, "2")
    assert cache.all_keys() == [car]


def test_number_of_tombstones_is_limited() -> None:
    cache = Cache()
    for number in range(TOMBSTONES + 10):
        cache.drop(an_object(1, uid=str(number)))
    assert len(cache._tombstones) == TOMBSTONES


def test_unused_fields_are_not_stored() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "perennial.dev/approved-by": "ada"}
    limits = {"limits": {"memory": "1Gi"}}
    containers = {
        "containers": [{"image": "trainer:1", "env": [{"name": "a"}], "resources": limits}, {"image": "proxy"}]
    }
    job = an_object(1, spec={"suspend": True, "backoffLimit": 2, "template": {"spec": containers}})
    job["metadata"] |= {"managedFields": [{}], "annotations": annotations}
    status = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "hostIP": "10.0.0.2",
        "initContainerStatuses": [{"name": "wait"}],
    }
    status |= {"containerStatuses": [{"name": "trainer", "image": "trainer:1", "state": {"running": {}}}]}
    cache = Cache()
    cache.put(job)
    cache.put(an_object(1, kind="Pod", name="pod", uid="pod", spec=containers, status=status))
    (kept,), (pod,) = cache.objects(BIKE, "Job"), cache.objects(BIKE, "Pod")
    assert "managedFields" not in kept["metadata"]
    assert kept["metadata"]["annotations"] == {"perennial.dev/approved-by": "ada"}
    assert kept["spec"] == {"suspend": True, "template": {"spec": {"containers": [{"resources": limits}]}}}
    assert pod["spec"] == {}
    states = {"containerStatuses": [{"name": "trainer", "state": {"running": {}}}]}
    states |= {"initContainerStatuses": [{"name": "wait"}]}
    assert pod["status"] == {"phase": "Running", "podIP": "10.0.0.1"} | states


@pytest.mark.parametrize("length", [1, 100_000])
def test_object_of_any_length_is_read_as_it_was(length: int) -> None:
    cache, body = Cache(), an_object(1, kind="ModelVersion", name="v1", uid="v1", spec={"modelDeployment": "bike"})
    body["spec"]["long"] = "x" * length
    cache.put(body)
    assert cache.objects(BIKE, "ModelVersion") == [body]


@pytest.mark.parametrize(
    "body",
    [an_object(1, of=None), an_object(1, kind="DriftReport", spec={"modelDeployment": 7})],
    ids=["job", "report"],
)
def test_object_without_model_deployment_is_not_stored(body: Any) -> None:
    cache = Cache()
    assert not cache.put(body)
    assert not cache.all_keys()


# ---- training and queued ModelDeployments

FLEET_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["bike", "car"]),
        st.sampled_from(["", "Training", "Validating", "Failed", "gone", "deployment", "queued", "no deployment"]),
    ),
    max_size=12,
)


@given(FLEET_CHANGES)
def test_training_and_queued_counts_match_the_objects(steps: list[tuple[str, str]]) -> None:
    cache = Cache()
    there: dict[tuple[str, str], Any] = {}
    for version, (name, what) in enumerate(steps, 1):
        if what in ("deployment", "queued"):
            queued = {"queuedSince": f"2026-01-01T00:00:{version:02}Z"} if what == "queued" else {}
            there[name, "deployment"] = a_deployment(version, name, **queued)
            cache.put(there[name, "deployment"])
        elif what == "no deployment":
            there.pop((name, "deployment"), None)
            cache.drop(a_deployment(version, name))
        elif what == "gone":
            there.pop((name, "version"), None)
            cache.drop(a_model_version(version, "", of=name))
        else:
            there[name, "version"] = a_model_version(version, what, of=name)
            cache.put(there[name, "version"])
    deployments = {name: body for (name, part), body in there.items() if part == "deployment"}
    training = {
        Key("default", name)
        for (name, part), body in there.items()
        if part == "version" and name in deployments and body["status"].get("phase", "Training") == "Training"
    }
    queued = {name: since for name, body in deployments.items() if (since := body["status"].get("queuedSince"))}
    assert cache.count_trainings(()) == len(training)
    assert all(cache.count_trainings((), but=key) == len(training - {key}) for key in (BIKE, Key("default", "car")))
    assert cache.count_trainings({BIKE}) == len(training | {BIKE})
    assert cache.count_trainings({BIKE}, but=BIKE) == len(training - {BIKE})
    assert cache.queued() == [Key("default", name) for name in sorted(queued, key=lambda name: queued[name])]


@pytest.mark.parametrize(
    "uid", ["1", "", "5ebac464-8fd0-5361-a1de-87c560d6d2a6", "5EBAC464-8fd0-5361-a1de-87c560d6d2a6", "5ebac4648fd0"]
)
def test_uid_is_that_of_the_object(uid: str) -> None:
    cache = Cache()
    cache.put(an_object(1, uid=uid))
    assert cache.uid(BIKE, "Job", "bike-v1-train") == uid
    cache.drop(an_object(2, uid="another"))
    assert cache.uid(BIKE, "Job", "bike-v1-train") == uid
    cache.drop(an_object(2, uid=uid))
    assert cache.uid(BIKE, "Job", "bike-v1-train") is None
