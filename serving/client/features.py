"""Features of tf.Examples: the values that callers may give, converted to the three kinds of lists."""

from math import inf
from typing import Any

import numpy as np

from vaiven.serving.common.errors import ServingError

_LARGEST = float(np.finfo(np.float32).max)
Values = list[bytes] | list[int] | list[float]


def values_of(name: str, value: Any) -> Values:
    """Converts a feature to a list of one kind; integers among floats become floats.

    Args:
        name: of the feature.
        value: a string, bytes, a number of Python or numpy, or a list or an array of one dimension of one kind.

    Raises:
        ServingError: it is of another type.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    items = list(value) if isinstance(value, list | tuple) else [value]
    items = [item.item() if isinstance(item, np.generic) else item for item in items]
    try:
        if all(isinstance(item, str | bytes) for item in items):
            return [item.encode() if isinstance(item, str) else item for item in items]
    except UnicodeEncodeError as error:
        raise ServingError(f'feature {name!r} is not valid UTF-8, at character {error.start + 1}') from None
    if all(isinstance(item, int) for item in items):
        numbers = [int(item) for item in items]
        for number in numbers:
            if not -(2**63) <= number < 2**63:
                raise ServingError(f'feature {name!r} must be a whole number of 64 bits. Received: {number}')
        return numbers
    if all(isinstance(item, int | float) for item in items):
        for item in items:
            if _LARGEST < abs(item) < inf:
                raise ServingError(f'feature {name!r} must be a float of 32 bits. Received: {item}')
        return [float(item) for item in items]
    kinds = ', '.join(sorted({type(item).__name__ for item in items}))
    raise ServingError(
        f'feature {name!r} must be a string, a number, or a flat list of one kind. Received: {kinds}'
    )
