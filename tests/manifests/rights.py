"""What the operator asks of the API server, and what roles let it ask, both as {(group, resource): verbs}."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import kopf

from perennial_operator import handlers as handlers  # registers what is watched
from perennial_operator.cluster.permitted_calls import PATHS, VERBS

Rights = dict[tuple[str, str], set[str]]


def called_by_kube() -> Rights:
    """What permitted_calls.py permits, and refuses to send beyond."""
    rights: Rights = defaultdict(set)
    for kind, path in PATHS.items():
        *_, api, version, _, resource = path.split("/")
        for call in VERBS[kind].split():
            verb, *subresource = call.split("/")
            rights["" if version == "v1" and api == "api" else api, "/".join([resource, *subresource])].add(verb)
    return dict(rights)


def watched() -> Rights:
    """What kopf lists and watches for the handlers."""
    selectors = kopf.get_default_registry()._watching.get_all_selectors()
    return {(selector.group or "", str(selector.any_name)): {"list", "watch"} for selector in selectors}


def granted(rules: Iterable[Mapping[str, Any]]) -> Rights:
    """What the rules of a role allow."""
    rights: Rights = defaultdict(set)
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                rights[group, resource] |= set(rule["verbs"])
    return dict(rights)


def together(*all_rights: Rights) -> Rights:
    rights: Rights = defaultdict(set)
    for some in all_rights:
        for resource, verbs in some.items():
            rights[resource] |= verbs
    return dict(rights)
