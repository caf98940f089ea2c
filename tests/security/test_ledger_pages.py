"""Whoever may write to the storage cannot bring back what the spec does not allow, nor another model's version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from perennial_trainer.ledger import files
from perennial_trainer.storage.store import create_file
from tests.simulation.play import Play, a_play, on_an_empty_cluster
from tests.trainer.tasks import ABSENT, Json, Trainer, changed
from tests.trainer.test_ledger import KEY, page, put, sought, storage, versions

__all__ = ["storage", "versions"]
Versions = Callable[..., Json]


def sealed(fields: Json) -> bytes:
    """A page as an earlier release would have written it."""
    return json.dumps({**fields, "seal": files._seal(fields)}).encode()


def stored_page(record: Json) -> Json:
    fields: Json = msgspec.json.decode(Path(page(record).removeprefix("file://")).read_bytes())
    del fields["seal"]
    return fields


def as_of_earlier_release(fields: Json) -> Json:
    return {key: value for key, value in fields.items() if key in ("version", "storage", "files", "entry")}


def trigger_of(play: Play) -> Json:
    """Why the only version was made."""
    (version,) = (body for (kind, _), body in play.bodies.items() if kind == "ModelVersion")
    trigger: Json = version["spec"]["trigger"]
    return trigger


# ---- what decides how bytes are read comes from the spec


@pytest.mark.parametrize(("field", "spec"), [("format", "skops"), ("framework", "keras")])
def test_page_cannot_choose_how_a_file_is_read(trainer: Trainer, versions: Versions, field: str, spec: str) -> None:
    record = versions(1)
    trainer.done(record)
    answer = trainer.done(sought(record, **{f"recipe__model__{field}": spec}))
    assert (answer["versions"], answer["passedOver"]) == ([], ["progression-v1"])
    assert f"spec {spec}" in answer["message"]
    assert f"set spec.model.{field} to {record['entry']['recipe']['model'][field]}" in answer["message"]


def test_older_version_that_agrees_with_the_spec_is_served(trainer: Trainer, versions: Versions) -> None:
    first, second = versions(1), versions(2)
    trainer.done(first)
    trainer.done(changed(second, entry__recipe__model__format="skops"))
    answer = trainer.done(sought(first))
    assert [each["version"] for each in answer["versions"]] == ["progression-v1"]
    assert answer["passedOver"] == ["progression-v2"]


ELSEWHERE = {"uri": "https://elsewhere/clinic/progression/model.joblib", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("phase", "Training", "could not restore"),
        ("liveSince", ABSENT, "liveSince is missing"),
        ("liveSince", "yesterday", "'yesterday' is not a time of the years 1 to 9999 in UTC"),
        ("refit", {"artifact": ELSEWHERE}, "is not below"),
        ("refit", {"proven": ELSEWHERE}, "is not below"),
    ],
)
def test_older_version_replaces_one_that_the_operator_refuses(
    trainer: Trainer, versions: Versions, field: str, value: object, problem: str
) -> None:
    first, second = versions(1), versions(2)
    for record in (first, second):
        trainer.done(record)
    fields = stored_page(second)
    fields["entry"]["status"].setdefault(field, value)
    put(page(second), sealed(changed(fields, **{f"entry__status__{field}": value})))
    answer = trainer.done(sought(first))
    assert [each["version"] for each in answer["versions"]] == ["progression-v1"]
    assert answer["passedOver"] == ["progression-v2"]
    assert problem in answer["message"]


@pytest.mark.parametrize("part", ["artifact.uri", "data.holdoutUri"])
@pytest.mark.parametrize(
    "uri", ["https://elsewhere/clinic/progression/model.joblib", "{}/../victim/model.joblib", "{}/%2e%2e/m.joblib"]
)
def test_page_cannot_name_files_elsewhere(
    trainer: Trainer, versions: Versions, storage: str, part: str, uri: str
) -> None:
    record = versions(1)
    trainer.done(record)
    field, name = part.split(".")
    fields = changed(stored_page(record), **{f"entry__status__{field}__{name}": uri.format(storage)})
    put(page(record), sealed(fields))
    answer = trainer.done(sought(record))
    assert (answer["versions"], answer["passedOver"]) == ([], ["progression-v1"])
    assert "is not below" in answer["message"]


def test_operator_restores_no_version_of_another_format() -> None:
    """Should the trainer's image be older than the operator: the recipe of its result is checked again."""
    play = a_play()
    play.until_live(1)
    play.wait(hours=1)
    again = on_an_empty_cluster(play, model={"format": "skops"})
    again.settle()
    assert trigger_of(again)["reason"] == "Initial"
    assert "which decide how its files are read" in trigger_of(again)["message"]


# ---- the seal binds the place


@pytest.mark.parametrize("release", ["this", "an earlier"])
def test_page_of_another_namespace_is_passed_over(
    trainer: Trainer, versions: Versions, storage: str, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    """One key for two namespaces, and the page of staging is copied to production."""
    monkeypatch.setenv(KEY, "one key for both")
    record = versions(1)
    trainer.done(record)
    fields = stored_page(record)
    staging = {**fields, "namespace": "staging", "storage": storage.replace("/clinic/", "/staging/")}
    staging = changed(
        staging,
        entry__status__artifact__uri=f"{staging['storage']}/progression-v1/model.joblib",
        entry__status__data__holdoutUri=f"{staging['storage']}/progression-v1/holdout.parquet",
    )
    put(page(record), sealed(staging if release == "this" else as_of_earlier_release(staging)))
    answer = trainer.done(sought(record))
    assert (answer["versions"], answer["passedOver"]) == ([], ["progression-v1"])
    assert "copied from the ledger of another model" in answer["message"]


def test_page_of_an_earlier_release_is_still_read(trainer: Trainer, versions: Versions) -> None:
    first, second = versions(1), versions(2)
    trainer.done(first)
    put(page(first), sealed(as_of_earlier_release(stored_page(first))))
    assert [each["version"] for each in trainer.done(sought(first))["versions"]] == ["progression-v1"]
    assert trainer.done(first)["entry"] == page(first)  # a Job that runs again after the upgrade
    trainer.done(second)
    assert trainer.done(sought(second))["passedOver"] == []


# ---- what is missing


def test_pages_removed_from_the_middle_are_named(trainer: Trainer, versions: Versions) -> None:
    records = [versions(1), versions(2, "Rejected"), versions(3)]
    for record in records:
        trainer.done(record)
    put(page(records[1]), None)
    answer = trainer.done(sought(records[0]))
    assert [each["version"] for each in answer["versions"]] == ["progression-v3"]
    assert answer["passedOver"] == ["progression-v2"]
    assert "the ledger lacks earlier pages that others name or count: 1" in answer["message"]
    assert records[1]["entry"]["name"] in answer["message"]


def test_page_recorded_late_and_removed_is_missed(trainer: Trainer, versions: Versions) -> None:
    """Its event was earlier than that of the newest page, so that no page names it as the one before."""
    records = [versions(1), versions(3), versions(2, "Rejected"), versions(4)]
    for record in records:
        trainer.done(record)
    put(page(records[2]), None)
    assert "the ledger lacks earlier pages that others name or count: 1" in trainer.done(sought(records[0]))["message"]


def test_name_with_an_absurd_number_is_of_no_version(trainer: Trainer, versions: Versions, storage: str) -> None:
    """Anyone may write a name; the next version's number must be one that the API server takes."""
    record = versions(1)
    trainer.done(record)
    number = "9" * 30
    for name in (f"progression-v{number}/model.joblib", f"ledger/20261101T120000Z-v{number}-Live.json"):
        create_file(f"{storage}/{name}", b"{}")
    assert trainer.done(sought(record))["number"] == 1


def test_no_version_below_at_least_comes_back(trainer: Trainer, versions: Versions) -> None:
    """The newest pages are removed, which the others cannot show."""
    first, second = versions(1), versions(2)
    for record in (first, second):
        trainer.done(record)
    put(page(second), None)
    assert [each["version"] for each in trainer.done(sought(first))["versions"]] == ["progression-v1"]
    answer = trainer.done(sought(first, atLeast=2))
    assert (answer["versions"], answer["passedOver"], answer["number"]) == ([], ["progression-v1"], 2)
    assert "progression-v1 is older than spec.recover.atLeast v2" in answer["message"]
    assert trainer.done(sought(first, atLeast=2, version="progression-v1"))["versions"]


def test_operator_asks_for_at_least_the_version_of_spec() -> None:
    play = a_play()
    play.until_live(1)
    play.wait(hours=1)
    again = on_an_empty_cluster(play, recover={"atLeast": "v12"})
    again.settle()
    assert trigger_of(again)["reason"] == "Initial"
    assert "older than spec.recover.atLeast v12" in trigger_of(again)["message"]
