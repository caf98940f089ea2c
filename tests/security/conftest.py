"""An API server with the CRDs, and the trainer."""

from tests.manifests.conftest import kubectl as kubectl
from tests.trainer.conftest import trainer as trainer
