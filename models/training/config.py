"""Settings of the training."""

import dataclasses
import math
import typing
from typing import Literal

from vaiven.configuration import require

Task = Literal['sentiment', 'language']
Targets = Literal['all', 'last']
ClassWeight = Literal['none', 'balanced']
AUGMENTATIONS = ('negation', 'names')
_MAX_BATCH_SIZE = 65_536
# Some draws use the seed plus 1, and all seeds must fit 32 bits.
_MAX_SEED = 2**31 - 2


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the network is trained.

    Attributes:
        task: `sentiment`: the sentiment of labelled texts, and language as an auxiliary task. `language`: language
            alone, from long texts that are read window by window with the state kept: `batch_size` segments in
            parallel, `window` tokens per step.
        window: Tokens of a text per step; gradients reach no further back (truncated BPTT, Williams & Peng 1990). In
            the sentiment task, each epoch trains on one random segment of this length of every longer text. From 2 to
            10000.
        targets: For the language task. `all`: every token of a window is a target, and the state is kept for the next
            window. `last`: only the last token is a target, and the windows slide by one token from the initial state.
        state_reset_probability: For the language task: probability that a row of a batch starts from the
            initial state, as every text does when the model is used. 0: only at the start of an epoch. Below 1.
        epochs: Maximum number of passes over the training data. The weights of the best epoch are kept, by the loss on
            the validation split.
        language_epochs: Passes with the language loss alone before them, over labelled and unlabelled texts (Dai & Le
            2015).
        layer_decay: Factor by which the learning rate falls with each layer below the sentiment head, as 2.6
            (discriminative fine-tuning, Howard & Ruder 2018); 1 for one rate. Useful after `language_epochs`. From 1 to
            100.
        unfreeze_epochs: Epochs until the next lower layer starts to train (gradual unfreezing, Howard & Ruder 2018); 0
            for all layers at once.
        patience: Epochs without a lower validation loss before training stops.
        batch_size: Texts per step, or segments in the language task; at most 65536.
        learning_rate: Initial learning rate of Adam (Kingma & Ba 2015).
        final_rate_fraction: Fraction of the learning rate that is left at the end of half a cosine (Loshchilov & Hutter
            2017); 1 for a constant rate.
        soft_labels: If rows have a rating between −1 and 1, the target probability is the logistic function of this
            factor times the rating. 0 to train on the labels alone.
        teacher_weight: How much a row of `--teacher` counts in the loss, beside 1 of a labelled row. At most 100.
        class_weight: `balanced`: every class counts the same, however many rows it has: a row is weighted by the
            inverse of the number of rows of its class, and probabilities follow. `none`: every row counts the same.
        augment: Changes of the training rows that help where rows are few, separated by commas (docs/training.md).
            `negation`: sentences such as "it is not boring" are added, in English and Spanish, for labels of sentiment.
            `names`: in every second text, names are replaced by other names, and the wide path does not see them. An
            empty list for no change.
        language_weight: Weight λ of the language loss in `sentiment + λ · language`.
        softmax_candidates: Tokens of the sampled softmax in training (Bengio & Senécal 2003); 0 for the full softmax.
        clip_norm: Maximum norm of the gradient; longer gradients are scaled down to it (Pascanu et al. 2013).
        weight_averaging: Decay of the running average of the weights (Polyak & Juditsky 1992), as 0.999; 0 for no
            averaging. Below 1.
        mixed_precision: Whether to compute in 16 bits where that is safe (Micikevicius et al. 2018); on GPUs only.
        seed: Seed of the initial weights, the order, dropout and all other draws.
    """

    task: Task = 'sentiment'
    window: int = 128
    targets: Targets = 'all'
    state_reset_probability: float = dataclasses.field(default=0.01, metadata={'formerly': 'state_reset'})
    epochs: int = 5
    language_epochs: int = 0
    layer_decay: float = 1.0
    unfreeze_epochs: int = 0
    patience: int = 3
    batch_size: int = 64
    learning_rate: float = 2e-3
    final_rate_fraction: float = dataclasses.field(default=0.1, metadata={'formerly': 'last_rate'})
    soft_labels: float = 6.0
    teacher_weight: float = 1.0
    class_weight: ClassWeight = 'none'
    augment: tuple[str, ...] = ()
    language_weight: float = 0.1
    softmax_candidates: int = 512
    clip_norm: float = 1.0
    weight_averaging: float = 0.0
    mixed_precision: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (
            ('task', typing.get_args(Task)),
            ('targets', typing.get_args(Targets)),
            ('class_weight', typing.get_args(ClassWeight)),
        ):
            value = getattr(self, name)
            require(value in choices, f'training.{name} must be {" or ".join(choices)}', value)
        require(
            set(self.augment) <= set(AUGMENTATIONS) and len(set(self.augment)) == len(self.augment),
            f'training.augment must name {" or ".join(AUGMENTATIONS)} or both, separated by commas',
            ','.join(self.augment),
        )
        require(2 <= self.window <= 10_000, 'training.window must lie between 2 and 10000', self.window)
        for name in ('epochs', 'patience', 'batch_size'):
            require(getattr(self, name) >= 1, f'training.{name} must be at least 1', getattr(self, name))
        for name, limit in (('batch_size', _MAX_BATCH_SIZE), ('seed', _MAX_SEED)):
            value = getattr(self, name)
            require(value <= limit, f'training.{name} must be at most {limit}', value)
        for name in ('language_epochs', 'unfreeze_epochs', 'softmax_candidates', 'seed'):
            require(getattr(self, name) >= 0, f'training.{name} must not be negative', getattr(self, name))
        for name in ('soft_labels', 'language_weight'):
            value = getattr(self, name)
            require(0 <= value < math.inf, f'training.{name} must not be negative, and must be finite', value)
        for name in ('weight_averaging', 'state_reset_probability'):
            value = getattr(self, name)
            require(0 <= value < 1, f'training.{name} must be at least 0 and below 1', value)
        require(
            0 < self.teacher_weight <= 100,
            'training.teacher_weight must be above 0, and at most 100',
            self.teacher_weight,
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
            value = getattr(self, name)
            require(0 < value < math.inf, f'training.{name} must be above 0, and finite', value)
