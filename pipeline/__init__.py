"""The pipeline: command line, configuration, TFX graph, and the Python API for training.

The API is imported when it is used, so that the command line starts fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaiven.pipeline.api import TrainingError, train
    from vaiven.pipeline.training_result import TrainingResult

__all__ = ['TrainingError', 'TrainingResult', 'train']


def __getattr__(name: str) -> Any:
    if name in __all__:
        from vaiven.pipeline import api

        return getattr(api, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
