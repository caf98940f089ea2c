from tests.trainer.conftest import trainer

__all__ = ["trainer"]
