"""Settings of the hyperparameter search."""

import dataclasses

from vaiven.configuration import require


@dataclasses.dataclass(frozen=True)
class TuningConfig:
    """How hyperparameters are searched.

    Attributes:
        trials: Number of trainings to compare, the first with the settings as they are; 0 for no search. At most 1000.
    """

    trials: int = 0

    def __post_init__(self) -> None:
        require(0 <= self.trials <= 1000, 'tuning.trials must lie between 0 and 1000', self.trials)
