"""How closely a served model is looked at before it is pushed."""

import dataclasses

from vaiven.configuration import require


@dataclasses.dataclass(frozen=True)
class ServingCheckConfig:
    """What the served model is asked, and how far its answers may lie from the model's own.

    Attributes:
        max_rows: the most held-out rows that are asked, over gRPC and over REST.
        batch_size: rows a request.
        tolerance: the largest difference of a probability that passes.
        start_seconds: how long the server may take to load the model.
    """

    max_rows: int = 2000
    batch_size: int = 64
    tolerance: float = 1e-6
    start_seconds: float = 120.0

    def __post_init__(self) -> None:
        require(self.max_rows >= 1, 'serving.max_rows must be at least 1', self.max_rows)
        require(
            1 <= self.batch_size <= 10_000, 'serving.batch_size must lie between 1 and 10000', self.batch_size
        )
        require(0 <= self.tolerance < 1, 'serving.tolerance must lie between 0 and 1', self.tolerance)
        require(self.start_seconds > 0, 'serving.start_seconds must be positive', self.start_seconds)
