"""Settings of the teacher."""

import dataclasses
import math

from vaiven.configuration import require

# Of the position embeddings that every published BERT has.
_MAX_TOKENS = 512
_MAX_COPIES = 20


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
    """How a pre-trained encoder is fine-tuned to score the text without labels.

    Attributes:
        checkpoint: The encoder: `minilm` (English), `e5` (94 languages), or a folder; empty for none. `--teacher` sets
            it.
        epochs: Maximum number of passes over the training rows. The weights of the best epoch are kept, by the loss on
            the validation split.
        learning_rate: Highest learning rate of Adam, after a warm-up over the first tenth of the steps.
        batch_size: Texts per step; at most 1024.
        frozen_layers: Lowest layers of the encoder that stay as they are, which saves time. The embeddings always do.
        max_tokens: Subwords of a text that the encoder reads, from 8 to 512.
        altered_copies: Altered copies of each training text that the encoder scores beside the texts without labels; at
            most 20, and 50,000 in all.
        soft_labels: As `training.soft_labels`, for the rows that the encoder is fine-tuned on.
        seed: Seed of the head's initial weights, the order and dropout.
    """

    checkpoint: str = ''
    epochs: int = 2
    learning_rate: float = 1e-4
    batch_size: int = 32
    frozen_layers: int = 0
    max_tokens: int = 256
    altered_copies: int = 3
    soft_labels: float = 6.0
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.epochs >= 1, 'teacher.epochs must be at least 1', self.epochs)
        require(
            0 < self.learning_rate < math.inf,
            'teacher.learning_rate must be above 0, and finite',
            self.learning_rate,
        )
        require(
            1 <= self.batch_size <= 1024, 'teacher.batch_size must lie between 1 and 1024', self.batch_size
        )
        require(
            0 <= self.altered_copies <= _MAX_COPIES,
            f'teacher.altered_copies must lie between 0 and {_MAX_COPIES}',
            self.altered_copies,
        )
        for name in ('frozen_layers', 'soft_labels', 'seed'):
            require(getattr(self, name) >= 0, f'teacher.{name} must not be negative', getattr(self, name))
        require(
            8 <= self.max_tokens <= _MAX_TOKENS,
            f'teacher.max_tokens must lie between 8 and {_MAX_TOKENS}',
            self.max_tokens,
        )
