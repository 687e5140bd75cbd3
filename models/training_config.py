"""How the network is trained."""

import dataclasses

from vaiven.models.configuration import require


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training.

    Attributes:
        epochs: passes over the rows with the whole loss, at most; the best by the validation split is kept.
        language_epochs: passes before that with the language loss alone, over labelled and unlabelled text.
        patience: epochs without a better validation loss before training stops.
        batch_size: texts a step.
        learning_rate: Adam's, at the begin; it falls to a tenth along half a cosine.
        language_weight: λ in `sentiment + λ · language`.
        softmax_candidates: tokens that the sampled softmax draws; 0 for the full softmax.
        clip_norm: longest gradient; longer ones are shortened to it (Pascanu et al. 2013).
        seed: of weights, order, dropout and draws.
    """

    epochs: int = 5
    language_epochs: int = 0
    patience: int = 3
    batch_size: int = 64
    learning_rate: float = 2e-3
    language_weight: float = 0.1
    softmax_candidates: int = 512
    clip_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ('epochs', 'patience', 'batch_size'):
            require(getattr(self, name) >= 1, f'training.{name} must be at least 1', getattr(self, name))
        for name in ('language_epochs', 'language_weight', 'softmax_candidates', 'seed'):
            require(getattr(self, name) >= 0, f'training.{name} must not be negative', getattr(self, name))
        for name in ('learning_rate', 'clip_norm'):
            require(getattr(self, name) > 0, f'training.{name} must be above 0', getattr(self, name))
