"""How settings are searched for."""

import dataclasses

from vaiven.configuration import require


@dataclasses.dataclass(frozen=True)
class TuningConfig:
    """Settings of the search for better settings.

    Attributes:
        trials: trainings to compare, the one with the settings as they are among them; 0 for no search.
    """

    trials: int = 0

    def __post_init__(self) -> None:
        require(0 <= self.trials <= 1000, 'tuning.trials must lie between 0 and 1000', self.trials)
