"""The sizes of requests, read from their messages without a copy of the values."""

import math
from typing import Any

# The conversion of a larger tensor takes more than a millisecond, which would delay all other requests.
LARGE_TENSOR_VALUES = 1 << 13


def has_large_inputs(request: Any) -> bool:
    """Whether a PredictRequest has large inputs. A short message can have them: a tensor may repeat its last value."""
    return any(
        math.prod(dim.size for dim in value.tensor_shape.dim) >= LARGE_TENSOR_VALUES
        for value in request.inputs.values()
    )


def count_rows(request: Any) -> int:
    """Rows or examples of an inference request; a scalar input counts as 1 row."""
    if request.DESCRIPTOR.name != 'PredictRequest':
        kind = request.input.WhichOneof('kind')
        return len(getattr(request.input, kind).examples) if kind else 0
    return max(
        (
            value.tensor_shape.dim[0].size if value.tensor_shape.dim else 1
            for value in request.inputs.values()
        ),
        default=0,
    )
