"""How the network is trained."""

import dataclasses
import math
import typing
from typing import Literal

from vaiven.configuration import require

Task = Literal['sentiment', 'language']
Targets = Literal['all', 'last']
_MAX_TEXTS = 65_536
# One more is a seed as well, and all of them fit 32 bits.
_LAST_SEED = 2**31 - 2


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training.

    Attributes:
        task: `sentiment` learns opinions and language from labelled texts; `language` learns language alone, from
            texts that are read on and on, as streams: `batch_size` streams side by side, `window` tokens a step.
        window: tokens of a text in a step; gradients reach no further back (truncated BPTT). Of the language task's
            streams that is one window after the other; of a longer text with a label, a stretch that begins
            elsewhere in each epoch.
        targets: `all` tokens of a window are predicted and the state is kept for the next window, or the `last`
            alone, from windows that begin anew and slide by one token.
        state_reset: how probable it is for each stream of the language task to begin anew with a window, as every text
            does that is read later; 0 for the begin of an epoch alone.
        epochs: passes over the rows with the whole loss, at most; the best by the validation split is kept.
        language_epochs: passes before that with the language loss alone, over labelled and unlabelled text.
        layer_decay: how many times lower the learning rate is with each layer further below the sentiment head (Howard
            & Ruder 2018), as 2.6; 1 for one rate. Of use after `language_epochs`.
        unfreeze_epochs: epochs before each next layer below begins to learn; 0 for all at once.
        patience: epochs without a better validation loss before training stops.
        batch_size: texts a step.
        learning_rate: Adam's, at the begin.
        final_rate_fraction: the share of it that is left at the end, after half a cosine (Loshchilov & Hutter
            2017); 1 keeps the rate as it is.
        soft_labels: where rows have a rating from −1 to 1, the probability that is learnt is the logistic function of
            this times the rating; 0 to learn the labels.
        language_weight: λ in `sentiment + λ · language`.
        softmax_candidates: tokens that the sampled softmax draws; 0 for the full softmax.
        clip_norm: longest gradient; longer ones are shortened to it (Pascanu et al. 2013).
        weight_averaging: how much of the running average of the weights a step keeps (Polyak & Juditsky 1992), as
            0.999; 0 for no averaging.
        mixed_precision: whether to compute in 16 bits where that is safe; on a GPU only.
        seed: of weights, order, dropout and draws.
    """

    task: Task = 'sentiment'
    window: int = 128
    targets: Targets = 'all'
    state_reset: float = 0.01
    epochs: int = 5
    language_epochs: int = 0
    layer_decay: float = 1.0
    unfreeze_epochs: int = 0
    patience: int = 3
    batch_size: int = 64
    learning_rate: float = 2e-3
    final_rate_fraction: float = dataclasses.field(default=0.1, metadata={'formerly': 'last_rate'})
    soft_labels: float = 6.0
    language_weight: float = 0.1
    softmax_candidates: int = 512
    clip_norm: float = 1.0
    weight_averaging: float = 0.0
    mixed_precision: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (('task', typing.get_args(Task)), ('targets', typing.get_args(Targets))):
            require(
                getattr(self, name) in choices,
                f'training.{name} must be {" or ".join(choices)}',
                getattr(self, name),
            )
        require(2 <= self.window <= 10_000, 'training.window must lie between 2 and 10000', self.window)
        require(
            0 <= self.weight_averaging < 1,
            'training.weight_averaging must be at least 0 and below 1',
            self.weight_averaging,
        )
        for name in ('epochs', 'patience', 'batch_size'):
            require(getattr(self, name) >= 1, f'training.{name} must be at least 1', getattr(self, name))
        for name, most in (('batch_size', _MAX_TEXTS), ('seed', _LAST_SEED)):
            require(
                getattr(self, name) <= most, f'training.{name} must be at most {most}', getattr(self, name)
            )
        for name in ('language_epochs', 'unfreeze_epochs', 'softmax_candidates', 'seed'):
            require(getattr(self, name) >= 0, f'training.{name} must not be negative', getattr(self, name))
        for name in ('soft_labels', 'language_weight'):
            require(
                0 <= getattr(self, name) < math.inf,
                f'training.{name} must not be negative, and must be finite',
                getattr(self, name),
            )
        require(
            0 <= self.state_reset < 1, 'training.state_reset must be at least 0 and below 1', self.state_reset
        )
        require(
            0 <= self.final_rate_fraction <= 1,
            'training.final_rate_fraction must lie between 0 and 1',
            self.final_rate_fraction,
        )
        require(
            1 <= self.layer_decay <= 100, 'training.layer_decay must lie between 1 and 100', self.layer_decay
        )
        for name in ('learning_rate', 'clip_norm'):
            require(
                0 < getattr(self, name) < math.inf,
                f'training.{name} must be above 0, and finite',
                getattr(self, name),
            )
