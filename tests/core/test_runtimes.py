"""How the serving runtime of a model is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from perennial_operator import core
from perennial_operator.core.api.serving import ServingSpec
from perennial_operator.core.traffic.deployments import Deployments
from perennial_operator.core.traffic.gateway_api import GatewayApi
from perennial_operator.core.traffic.kserve import KServe
from perennial_operator.core.traffic.registry import RUNTIMES, runtime_of
from tests.builders import a_deployment

CORE = Path(core.__file__).parent


def test_every_runtime_of_the_schema_is_registered() -> None:
    assert set(RUNTIMES) == set(get_args(ServingSpec.model_fields["runtime"].annotation))


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ({}, Deployments),
        ({"rollout": {"gateway": {"httpRoute": "bike"}}}, GatewayApi),
        ({"serving": {"runtime": "kserve"}}, KServe),
    ],
)
def test_the_spec_chooses_the_runtime(spec: dict[str, object], kind: type) -> None:
    assert type(runtime_of(a_deployment(spec=spec).spec)) is kind


@pytest.mark.parametrize("folder", ["stages", "status", "rules"])
def test_only_runtimes_know_how_a_model_is_served(folder: str) -> None:
    imports = [line for path in (CORE / folder).glob("*.py") for line in path.read_text().splitlines()]
    assert not [line for line in imports if "import" in line and ("kserve" in line or "http_route" in line)]
