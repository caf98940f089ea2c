"""The stage that the end-to-end tests play on; which cluster it is stands in the header of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage import Stage, chosen_cluster
from tests.trainer.own_package import PACKAGE, SPEC, program_of_image


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cluster with the operator, for all tests of a file; each uses its own ModelDeployment."""
    directory: Path = tmp_path_factory.mktemp("stage")
    with Stage(
        directory,
        cluster=chosen_cluster(),
        namespace=f"e2e-{directory.name.replace('_', '-')}",
        environment={"PERENNIAL_ALLOWED_PACKAGES": PACKAGE},
        images={SPEC["training"]["pod"]["image"]: program_of_image(directory / "acme")},
    ) as stage:
        yield stage
