"""Settings of the lecture page."""

import dataclasses
import typing

from vaiven.configuration import require
from vaiven.models.lecture.memory import CopyTask
from vaiven.models.lecture.translation import Language
from vaiven.models.network.config import CELLS

# One of each kind; the others take as long again.
QUICK_CELLS = ('simple_rnn', 'gru', 'lstm', 'peephole_lstm', 'slstm', 'min_gru', 'min_lstm')


@dataclasses.dataclass(frozen=True)
class LectureConfig:
    """Sizes and training budgets of the models on the page. The defaults take about five minutes, `quick` about one.

    Attributes:
        language: Language of the page, `en` or `es`.
        seed: Seed of the weights and of the order of the training windows.
        cells: Cells to compare, of those in `vaiven.models.network.cells`.
        runs: Trainings per cell, with the seeds `seed`, `seed + 1`, …
        units: Units of the character models.
        embedding_size: Embedding size of the character models.
        window: Characters per row.
        batch_size: Rows per training step.
        steps: Training steps of a character model.
        measurements: Points of a learning curve.
        held_out_windows: Rows that a point is measured on.
        learning_rate: Initial learning rate of Adam; it falls to a tenth along half a cosine.
        distance: Longest distance T − t of the gradients.
        excerpts: Excerpts of the held-out text that the gradients are averaged over.
        gate_units: Rows of the heat maps of the gates.
        word_units: Units and embedding size of the word models.
        copy_task: Sizes of the task that only memory solves.
        word_steps: Maximum number of training steps of a word model.
        word_measurements: Measurements of a word model on the end of its training part.
        word_patience: Measurements without improvement after which a word model stops (early stopping).
        word_window: Words per row.
        word_vocabulary: Size of the vocabulary of the word models.
        word_learning_rate: Initial learning rate of the word models.
        candidates: Words shown for a gap.
        max_characters: Longer texts are truncated to this many characters.
    """

    language: Language = 'en'
    seed: int = 0
    cells: tuple[str, ...] = CELLS
    runs: int = 2
    units: int = 64
    embedding_size: int = 32
    window: int = 64
    batch_size: int = 32
    steps: int = 250
    measurements: int = 10
    held_out_windows: int = 128
    learning_rate: float = 5e-3
    distance: int = 60
    excerpts: int = 8
    gate_units: int = 24
    word_units: int = 128
    copy_task: CopyTask = dataclasses.field(default_factory=CopyTask)
    word_steps: int = 400
    word_measurements: int = 10
    word_patience: int = 2
    word_window: int = 32
    word_vocabulary: int = 6000
    word_learning_rate: float = 1e-2
    candidates: int = 6
    max_characters: int = 3_000_000

    def __post_init__(self) -> None:
        languages = typing.get_args(Language)
        require(
            self.language in languages, f'the language must be one of {", ".join(languages)}', self.language
        )
        require(0 <= self.seed < 2**31 - 1000, 'the seed must lie between 0 and 2147482647', self.seed)
        require(
            bool(self.cells) and set(self.cells) <= set(CELLS), f'cells are {", ".join(CELLS)}', self.cells
        )
        for field in dataclasses.fields(self):
            if field.type is int and field.name != 'seed':
                value = getattr(self, field.name)
                require(value >= 1, f'{field.name} must be at least 1', value)
        for name in ('learning_rate', 'word_learning_rate'):
            require(getattr(self, name) > 0, f'{name} must be above 0', getattr(self, name))

    def quick(self) -> 'LectureConfig':
        """Returns a copy with smaller budgets: fewer cells, one run per cell, and fewer steps."""
        return dataclasses.replace(
            self,
            cells=QUICK_CELLS,
            runs=1,
            steps=100,
            measurements=5,
            held_out_windows=64,
            excerpts=4,
            copy_task=dataclasses.replace(self.copy_task, steps=150, measured_rows=128),
            word_steps=170,
            word_vocabulary=3000,
        )
