"""Reads and replaces the combination of the paths in a SavedModel; its graph and all other weights stay."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from vaiven.errors import UserError
from vaiven.models.export.files import VARIABLES_PATH, variable_key

_KEY = variable_key('combination')


class CombinationError(UserError):
    """The SavedModel has no combination that can be replaced."""

    exit_status = 1


def read_combination(saved_model: Path) -> np.ndarray:
    """Returns `Network.combination` of a SavedModel.

    Args:
        saved_model: its folder.

    Raises:
        CombinationError: an earlier version of this package or another program wrote it, or it is damaged.
    """
    try:
        return np.asarray(tf.train.load_variable(str(saved_model / VARIABLES_PATH), _KEY))
    except (tf.errors.OpError, KeyError, ValueError) as error:
        raise CombinationError(
            f'{saved_model}: it has no calibration that can be replaced; only models that this version of vaiven '
            'trained have one. Train it again with `vaiven run`'
        ) from error


def replace_combination(saved_model: Path, combination: np.ndarray) -> None:
    """Replaces the combination in a SavedModel.

    Args:
        saved_model: its folder.
        combination: as `Network.combination`.
    """
    prefix = str(saved_model / VARIABLES_PATH)
    reader = tf.train.load_checkpoint(prefix)
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    values[_KEY] = combination.astype(values[_KEY].dtype).reshape(values[_KEY].shape)
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(values),
        shape_and_slices=[''] * len(values),
        tensors=[tf.constant(value) for value in values.values()],
    )
