"""The stage that the end-to-end tests play on; which cluster it is stands in the header of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage import Stage, chosen_cluster
from tests.trainer.own_package import PACKAGE, SPEC, program_of_image


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cluster without the operator, and its node, for all files that one process runs."""
    directory: Path = tmp_path_factory.mktemp("cluster")
    images = {SPEC["training"]["pod"]["image"]: program_of_image(directory / "acme")}
    with Stage(directory, cluster=chosen_cluster(), operator=False, images=images) as stage:
        yield stage


@pytest.fixture(scope="module")
def stage(cluster: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The operator in a namespace of the cluster, for all tests of a file; each uses its own ModelDeployment."""
    directory: Path = tmp_path_factory.mktemp("stage")
    namespace = f"e2e-{directory.name.replace('_', '-')}"
    with Stage(
        directory, on=cluster, namespace=namespace, environment={"PERENNIAL_ALLOWED_PACKAGES": PACKAGE}
    ) as stage:
        yield stage
