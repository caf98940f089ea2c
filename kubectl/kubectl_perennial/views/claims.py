"""Can all pods of a model mount its claims? By their access modes, which the user reads and the operator may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kubectl_perennial.client import Body


def claims_of(spec: Body) -> list[str]:
    """The claims that the ModelDeployment names."""
    check = (spec.get("drift") or {}).get("check") or {}
    places = [spec["storage"], spec["data"]["training"], check.get("data") or {}]
    return list(dict.fromkeys(claim for place in places if (claim := _claim(place))))


def claim_problems(spec: Body, modes: Mapping[str, Sequence[str] | None]) -> list[str]:
    """A sentence for each claim that some pod could not mount; `modes` is None of a claim that does not exist."""
    problems = ((name, _problem(spec, name, each)) for name, each in modes.items())
    return [f"PersistentVolumeClaim {name} {problem}" for name, problem in problems if problem]


def _problem(spec: Body, name: str, modes: Sequence[str] | None) -> str:
    stores = _claim(spec["storage"]) == name
    many = "use a claim with ReadWriteMany"
    if modes is None:
        return "does not exist in this namespace, and pods wait for it; create it, or fix its name in spec"
    if "ReadWriteMany" in modes or (not stores and "ReadOnlyMany" in modes):
        return ""
    if "ReadWriteOnce" not in modes:
        allows = "cannot be written" if "ReadOnlyMany" in modes else "may be mounted by one pod at a time"
        return f"{allows} ({', '.join(modes)}), and several pods of the model mount it; {many}"
    if spec["storage"].get("sameNode"):
        return ""
    return (
        f"may be mounted on one node at a time (ReadWriteOnce): pods on another node wait; {many}, "
        "or set spec.storage.sameNode to true"
    )


def _claim(place: Body) -> str | None:
    name = (place.get("persistentVolumeClaim") or {}).get("claimName")
    return str(name) if name else None
