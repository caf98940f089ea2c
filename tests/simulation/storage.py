"""A storage in memory, as the trainer's Jobs about the ledger leave it and answer of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
DOWN = {
    "outcome": "Failed",
    "reason": "StorageUnreachable",
    "message": "s3://models could not be listed: Access Denied",
}


@dataclass
class Storage:
    """What outlives a cluster."""

    entries: dict[str, Json] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    """Versions of which a file is not what was recorded."""
    removed: set[str] = field(default_factory=set)
    """Versions without files, as the ledger says."""
    folders: int = 0
    """The greatest number of a version that has a folder."""
    down: bool = False
    slow: bool = False
    """Whether the Jobs that are begun now have not ended yet."""

    def answer(self, task: Mapping[str, Any]) -> Json:
        """What the Job with this task answers."""
        if self.down:
            return {"task": task["task"], **DOWN}
        if task["task"] == "upkeep":
            self.removed |= {f"{task['modelDeployment']}-v{each['number']}" for each in task.get("removed", ())}
            done = {
                "message": "deleted 3 files",
                "deletedFiles": 3,
                "freedBytes": 15,
                "compactedFiles": 0,
                "forgottenRows": 0,
            }
            return {"task": "upkeep", "outcome": "Succeeded", **done}
        return self._record(task) if task["task"] == "record" else self._recover(task)

    def _record(self, task: Mapping[str, Any]) -> Json:
        entry = task["entry"]
        assert self.entries.setdefault(entry["name"], entry) == entry, "an entry was written twice and differently"
        self.folders = max(self.folders, _number(entry))
        message = f"{task['version']} is in the ledger"
        return {"task": "record", "outcome": "Succeeded", "message": message, "entry": f"s3://models/{entry['name']}"}

    def _recover(self, task: Mapping[str, Any]) -> Json:
        newest = [self.entries[name] for name in sorted(self.entries, reverse=True)]
        wanted = task.get("version")
        served = [e for e in newest if (_version(task, e) == wanted if wanted else e["status"]["phase"] == "Live")]
        whole = [e for e in served if _version(task, e) not in self.damaged | self.removed]
        passed = served[: served.index(whole[0])] if whole else served
        stored = whole[:1]
        if not wanted and newest and newest[0]["status"]["phase"] != "Live":
            stored = [*stored, newest[0]]
        message = (
            f"{_version(task, whole[0])} is in the ledger" if whole else f"the ledger has no {wanted or 'live version'}"
        )
        names = [_version(task, entry) for entry in passed]
        return {
            "task": "recover",
            "outcome": "Succeeded",
            "message": message + (f"; passed over: {', '.join(names)}" if names else ""),
            "number": max(self.folders, 0, *map(_number, newest)),
            "versions": [_stored_version(task, entry) for entry in stored],
            "passedOver": names,
        }


def _stored_version(task: Mapping[str, Any], entry: Json) -> Json:
    same = entry["recipe"] == task["recipe"]
    return {
        "version": _version(task, entry),
        "number": _number(entry),
        "entry": entry["name"],
        "trigger": entry["trigger"],
        "status": entry["status"],
        **({"parent": entry["parent"]} if "parent" in entry else {}),
        **({} if same else {"recipe": entry["recipe"]}),
    }


def _number(entry: Json) -> int:
    return int(entry["name"].split("-")[1][1:])


def _version(task: Mapping[str, Any], entry: Json) -> str:
    return f"{task['modelDeployment']}-v{_number(entry)}"
