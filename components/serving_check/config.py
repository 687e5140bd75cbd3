"""Configuration of the serving check."""

import dataclasses

from vaiven.configuration import require


@dataclasses.dataclass(frozen=True)
class ServingCheckConfig:
    """What is sent to the served model, and how much its answers may differ from those of the SavedModel.

    Attributes:
        max_rows: maximum number of held-out texts that are sent over gRPC and over REST.
        batch_size: texts per request.
        tolerance: maximum difference of a number; relative for numbers above 1.
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
