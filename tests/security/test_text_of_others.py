"""What others wrote reaches no status, event, log or terminal with control characters in it."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from perennial_operator.core.actions import SetStatus
from perennial_operator.core.api.conditions import with_condition
from perennial_operator.core.api.printable_text import all_printable, printable
from perennial_operator.core.decide import decide_step
from perennial_operator.core.names import labels
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.status.deployment_status import Trouble, describe
from perennial_operator.core.status.events import news
from perennial_operator.core.world import Job, JobState
from perennial_operator.telemetry.logs import PrintableRecords
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.redaction import RedactingFormatter
from tests.builders import NOON, a_deployment, a_report, a_version, a_world

ESCAPES = {
    "clears the screen": "\x1b[2J\x1b[H",
    "one byte of C1": "\x9b31m",
    "sets the clipboard": "\x1b]52;c;Zm9v\x07",
    "turns the direction": "\u202egnp.exe\u2066",
    "forges a line": "ok\n[2026-11-28] perennial [ERROR] all is lost\r",
    "a line of Unicode": "a\u2028b\x85c",
    "invisible": "a\u200bb\ufeff\U000e0041",
    "backspaces": "admin\x08\x08\x08\x08\x08ada\x7f",
}


def is_clean(value: Any) -> bool:
    texts = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return all(text == printable(text) for text in [texts])


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_printable_text_is_one_line_without_control(text: str) -> None:
    clean = printable(text)
    assert clean.isprintable() and len(clean) <= len(text)
    assert printable(clean) == clean
    assert all_printable({text: [text, 1, {"a": text}]}) == {clean: [clean, 1, {"a": clean}]}


def test_text_of_people_stays_as_it_is() -> None:
    for text in ("Größe in m² 面積", "می‌خواهم", "👩‍🔬 100 %", "a\\x1b[31m"):
        assert printable(text) == text


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_status_of_others_text_is_printable_and_settles(text: str) -> None:
    drift = {"drift": {"thresholds": [{"metric": "psi", "max": 0.2}], "consecutive": 3}}
    metrics = [{"name": "psi", "feature": text, "value": 0.9}]
    first = a_report("r", spec={"metrics": metrics})
    world = a_world(deployment=a_deployment(spec=drift), versions=(a_version(1),), reports=(first,))
    (written,) = [each for each in decide_step(world).actions if isinstance(each, SetStatus)]
    assert is_clean(written.status["message"]) and printable(text).strip()[:3] in written.status["message"]
    again = a_report("r", spec={"metrics": metrics}, status=written.status)
    world = a_world(deployment=a_deployment(spec=drift), versions=(a_version(1),), reports=(again,))
    assert not [each for each in decide_step(world).actions if isinstance(each, SetStatus)]  # no write for ever
    described = describe(world, assess_reports(world), None)
    assert is_clean([condition.message for condition in described.conditions])


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_result_and_annotation_reach_status_as_printable_text(text: str) -> None:
    answer = {"task": "train", "outcome": "Refused", "reason": "BadData", "message": f"column {text} is missing"}
    job = Job("bike-v1-train", JobState.FAILED, labels("bike", "training", "bike-v1"), answer=answer)
    world = a_world(deployment=a_deployment(), versions=(a_version(1, "Training"),), jobs={job.name: job})
    (failed,) = [each for each in decide_step(world).actions if isinstance(each, SetStatus)]
    assert failed.status["phase"] == "Failed" and is_clean(failed.status)
    waiting = a_version(1, "AwaitingApproval", annotations={"perennial.dev/rejected-by": text})
    world = a_world(deployment=a_deployment(spec={"rollout": {"approval": "manual"}}), versions=(waiting,))
    (rejected,) = [each for each in decide_step(world).actions if isinstance(each, SetStatus)]
    assert rejected.status["phase"] == "Rejected" and is_clean(rejected.status)


def test_trouble_with_control_characters_is_announced_once() -> None:
    trouble = Trouble("Forbidden", "webhook said \x1b[31mno\nway")
    world = a_world(deployment=a_deployment(), versions=(a_version(1),))
    after = describe(world, assess_reports(world), trouble)
    assert news(world.deployment.status, after, trouble)
    assert news(after, after, trouble) is None
    assert is_clean(with_condition((), "Ready", True, "A", trouble.message, NOON)[0].message)


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_log_has_no_control_character_of_others(text: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(PrintableRecords())
    log = logging.Logger("others")
    log.addHandler(handler)
    log.warning("DriftReport %s is invalid", text)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("the pass failed")
    lines = stream.getvalue().split("\n")
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if line and not line.startswith("  ")] == [
        f"DriftReport {printable(text)} is invalid",
        "the pass failed",
    ]


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_trainer_writes_no_control_character_of_the_data(text: str) -> None:
    assert RejectedTask("BadData", f"the column {text} is missing").message.isprintable()
    record = logging.LogRecord("trainer", logging.INFO, "", 0, "read %s", (text,), None)
    assert RedactingFormatter("%(message)s").format(record).isprintable()
