"""Keeps the models that TFX's Evaluator loads, so that they are not loaded a second time: that takes 3 s each.

TFX calls `custom_eval_shared_model` of the module that `module_path` names.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.api.types import ModelLoader

MODULE_PATH = __name__
_loaded: dict[str, Any] = {}


def custom_eval_shared_model(eval_saved_model_path: str, **options: Any) -> Any:
    """Returns TFMA's default shared model, with a loader that keeps the model.

    Args:
        eval_saved_model_path: folder of the SavedModel.
        options: those of `tfma.default_eval_shared_model`.
    """
    shared = tfma.default_eval_shared_model(eval_saved_model_path=eval_saved_model_path, **options)
    loader = shared.model_loader
    # Beam pickles a function of this module by its name, so that it finds `_loaded` and not a copy.
    keep = functools.partial(_load, eval_saved_model_path, loader.construct_fn)
    return shared._replace(model_loader=ModelLoader(keep, loader.tags))


def take_model(folder: str) -> Any | None:
    """Returns a model and forgets it; None if it was not loaded, or in another process.

    Args:
        folder: of the SavedModel, as TFX has it.
    """
    return _loaded.pop(folder, None)


def forget_models() -> None:
    """Frees the memory of all models."""
    _loaded.clear()


def _load(folder: str, construct: Callable[[], Any]) -> Any:
    _loaded[folder] = construct()
    return _loaded[folder]
