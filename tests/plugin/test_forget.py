"""`forget` writes the HMAC of a key, as the server computes it, and the key nowhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_trainer.captured.keys import SECRET, captured_key
from tests.plugin.terminal import Terminal

CAPTURE = {"serving": {"capture": {"secretRef": {"name": "capture-keys"}}}}
OF_THE_MODEL = "a secret of the model's own"


@pytest.fixture
def capturing(terminal: Terminal) -> Terminal:
    """A model that captures, and the Secret."""
    terminal.put_model(spec=CAPTURE, status={"liveVersion": "bike-v1"})
    metadata = {"name": "capture-keys"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {SECRET: OF_THE_MODEL}}
    terminal.kubectl.apply(secret)
    return terminal


def requested(terminal: Terminal) -> dict[str, str]:
    """HMAC → time."""
    written = terminal.annotations("ModelDeployment", "bike")
    values = {name: value.split(" ") for name, value in written.items() if name.startswith(names.FORGET)}
    assert all(name == f"{names.FORGET}{digest[:16]}" for name, (digest, _) in values.items())
    return dict(values.values())  # type: ignore[arg-type]


def digests(*keys: str, secret: str = OF_THE_MODEL) -> set[str]:
    return {captured_key(secret.encode(), key) for key in keys}


@pytest.mark.parametrize(
    ("words", "stdin", "keys"),
    [
        (("ride-7",), "", ["ride-7"]),
        (("-",), "ride-7\n", ["ride-7"]),
        (("-",), "a\u2028b\x1cc\n", ["a\u2028b\x1cc"]),
        ((), "7.0\r\n\nTrue\n2026-01-02 10:00+01:00\n7\n", ["7", "true", "2026-01-02T09:00:00"]),
    ],
)
def test_keys_are_written_as_the_server_stores_them(
    capturing: Terminal, words: tuple[str, ...], stdin: str, keys: list[str]
) -> None:
    result = capturing.run("forget", "bike", *words, stdin=stdin)
    assert result.code == 0, result.err
    assert set(requested(capturing)) == digests(*keys)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", at) for at in requested(capturing).values())
    assert "ride-7" not in str(capturing.kubectl.get("ModelDeployment", "bike")) + result.out + result.err
    assert "# Holdouts and models that were trained of such rows stay" in result.err


def test_requests_that_are_done_are_removed_by_the_next(capturing: Terminal) -> None:
    capturing.output("forget", "bike", "a")
    capturing.output("forget", "bike", "b")
    assert set(requested(capturing)) == digests("a", "b")
    done = {"lastAttemptTime": "2100-01-01T00:00:00Z", "lastTime": "2100-01-01T00:00:00Z", "message": "done"}
    capturing.kubectl.patch("ModelDeployment", "bike", {"status": {"upkeep": done}}, "status")
    capturing.output("forget", "bike", "c")
    assert set(requested(capturing)) == digests("c")


def test_time_is_that_of_the_cluster(capturing: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_perennial.commands.forget.now", lambda: datetime(2001, 1, 1, tzinfo=UTC))
    capturing.output("forget", "bike", "a")
    assert [at[:4] for at in requested(capturing).values()] == [f"{datetime.now(UTC).year}"]


def test_more_keys_than_an_object_has_room_for_are_refused(capturing: Terminal) -> None:
    capturing.output("forget", "bike", "a")
    result = capturing.run("forget", "bike", stdin="\n".join(map(str, range(2200))))
    assert result.code == 1
    assert "2200 keys are more than the annotations of bike have room for, which is 2" in result.err
    assert set(requested(capturing)) == digests("a")


def test_variable_has_the_secret_of_before(capturing: Terminal) -> None:
    capturing.output("forget", "bike", "a", **{SECRET: "an earlier one"})
    assert set(requested(capturing)) == digests("a", secret="an earlier one")


@pytest.mark.parametrize(
    ("spec", "words", "error"),
    [
        ({}, ("",), "there is no key; give it as an argument, or one a line on standard input"),
        (
            {"serving": {"capture": None}},
            ("a",),
            f"bike has no spec.serving.capture; set the variable {SECRET} to the secret of then",
        ),
        (
            {"serving": {"capture": {"secretRef": {"name": "none"}}}},
            ("a",),
            f"Secret none with {SECRET} cannot be read: ask for the right to get it, or set the variable {SECRET}",
        ),
    ],
    ids=["no key", "no capture", "no secret"],
)
def test_what_is_missing_is_said(capturing: Terminal, spec: dict[str, Any], words: tuple[str, ...], error: str) -> None:
    capturing.kubectl.patch("ModelDeployment", "bike", {"spec": spec})
    assert error in capturing.run("forget", "bike", *words).err
    assert requested(capturing) == {}


@pytest.mark.parametrize(
    ("spec", "status", "waits"),
    [({"suspend": True}, {}, "once spec.suspend is false"), ({}, {"liveVersion": None}, "once a version is live")],
)
def test_forget_says_why_it_waits(
    capturing: Terminal, spec: dict[str, Any], status: dict[str, Any], waits: str
) -> None:
    capturing.kubectl.patch("ModelDeployment", "bike", {"spec": spec})
    capturing.kubectl.patch("ModelDeployment", "bike", {"status": status}, "status")
    assert f"by Job bike-upkeep {waits}" in capturing.output("forget", "bike", "a")


def test_labels_are_named_as_what_is_left_to_the_user(capturing: Terminal) -> None:
    labels = {"uri": "s3://bikes/labels/*.csv", "key": "ride", "mature": "7d"}
    data = {"labels": labels, "timeColumn": "at", "training": {"captured": True}}
    capturing.kubectl.patch("ModelDeployment", "bike", {"spec": {"data": data}})
    shown = capturing.run("forget", "bike", "a").err
    assert "# Labels are yours: delete the rows with the key from s3://bikes/labels/*.csv, column ride." in shown
