"""The trainer, and the number of examples: few and always the same in `make test`, many random ones with `DEEP=1`."""

import os

from hypothesis import HealthCheck, settings

from tests.trainer.conftest import trainer as trainer

QUIET = [
    HealthCheck.function_scoped_fixture,
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
]
settings.register_profile("fuzz", deadline=None, max_examples=25, derandomize=True, suppress_health_check=QUIET)
settings.register_profile("deep", deadline=None, max_examples=2000, suppress_health_check=QUIET)
PROFILE = settings.get_profile("deep" if os.environ.get("DEEP") else "fuzz")
