"""Whether an API server would admit a ModelDeployment: the schema and the rules of its CustomResourceDefinition."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from kubectl_perennial.admission.causes import Cause
from kubectl_perennial.admission.rules import broken_rules
from kubectl_perennial.admission.schema import Schema, normalize
from kubectl_perennial.admission.validation import faults, rules_may_run
from perennial_operator.crds.definitions import MODEL_DEPLOYMENT, definition


def refusals(body: Mapping[str, Any]) -> list[Cause]:
    """Why it would not be created, as the API server says it; unknown fields are dropped, as there."""
    stored, _ = normalize(dict(body), _schema())
    causes = faults(stored, _schema())
    return [*causes, *(broken_rules(stored, None, _schema()) if rules_may_run(causes) else ())]


@cache
def _schema() -> Schema:
    (version,) = definition(MODEL_DEPLOYMENT)["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema
