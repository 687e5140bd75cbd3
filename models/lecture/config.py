"""How much a lecture's page computes."""

import dataclasses

from vaiven.configuration import require
from vaiven.models.network.config import CELLS


@dataclasses.dataclass(frozen=True)
class LectureConfig:
    """Sizes and budgets; the same code for a minute and for five.

    Attributes:
        seed: of weights and of the order of the training windows.
        cells: which cells are compared, see `vaiven.models.network.cells`.
        runs: trainings of each cell, with the seeds `seed`, `seed + 1`, …
        units, embedding_size: of the character models.
        window, batch_size: characters a row, and rows a training step.
        steps: training steps of a character model.
        measurements: points of a learning curve.
        held_out_windows: rows that a point is measured on.
        learning_rate: of Adam at the first step; it falls to a tenth along a cosine.
        distance: longest T − t of the gradients.
        excerpts: pieces of the held-out text that the gradients are averaged over.
        gate_units: rows of the gates' heat maps.
        word_units, word_steps, word_window, word_vocabulary, word_learning_rate: of the word models.
        candidates: words shown for a gap.
        max_characters: a longer text is cut.
    """

    seed: int = 0
    cells: tuple[str, ...] = CELLS
    runs: int = 2
    units: int = 64
    embedding_size: int = 32
    window: int = 64
    batch_size: int = 32
    steps: int = 400
    measurements: int = 10
    held_out_windows: int = 128
    learning_rate: float = 5e-3
    distance: int = 60
    excerpts: int = 8
    gate_units: int = 24
    word_units: int = 128
    word_steps: int = 500
    word_window: int = 32
    word_vocabulary: int = 6000
    word_learning_rate: float = 1e-2
    candidates: int = 6
    max_characters: int = 3_000_000

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**31 - 1000, 'the seed must lie between 0 and 2147482647', self.seed)
        require(
            bool(self.cells) and set(self.cells) <= set(CELLS), f'cells are {", ".join(CELLS)}', self.cells
        )
        for field in dataclasses.fields(self):
            if field.type is int and field.name != 'seed':
                require(
                    getattr(self, field.name) >= 1,
                    f'{field.name} must be at least 1',
                    getattr(self, field.name),
                )
        for name in ('learning_rate', 'word_learning_rate'):
            require(getattr(self, name) > 0, f'{name} must be above 0', getattr(self, name))

    def quick(self) -> 'LectureConfig':
        """Less of everything that takes time: one run a cell, and fewer steps."""
        return dataclasses.replace(
            self,
            runs=1,
            steps=100,
            measurements=5,
            held_out_windows=64,
            excerpts=4,
            word_steps=170,
            word_vocabulary=3000,
        )
