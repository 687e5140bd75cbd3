"""Settings of dynamic evaluation."""

import dataclasses
import math

from vaiven.configuration import require

MAX_WINDOW = 1000


@dataclasses.dataclass(frozen=True)
class AdaptationConfig:
    """How the weights of a language model adapt to the text that it reads (Krause et al. 2018).

    Attributes:
        window: number of tokens between two gradient steps.
        learning_rate: factor of the steps; 0 for no adaptation.
        decay: share of the way back to its original value that an average weight goes in each step.
    """

    window: int = 64
    learning_rate: float = 0.001
    decay: float = 0.0

    def __post_init__(self) -> None:
        require(
            1 <= self.window <= MAX_WINDOW, f'the window must have 1 to {MAX_WINDOW:,} tokens', self.window
        )
        require(
            0 <= self.learning_rate < math.inf, 'the learning rate must be at least 0', self.learning_rate
        )
        require(0 <= self.decay <= 1, 'the decay must be between 0 and 1', self.decay)
