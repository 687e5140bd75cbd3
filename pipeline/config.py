"""The whole configuration: one tree, composed of the parts that the rooms own.

Importing this module imports neither TensorFlow nor TFX: the command line needs it before either.
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.serving_check.config import ServingCheckConfig
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.configuration import ConfigError, from_dict, replace_all, require
from vaiven.models.network.config import NetworkConfig
from vaiven.models.text.config import TextConfig
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.tuning_config import TuningConfig

_RUNNING_TEXT: dict[str, Any] = {
    # No text has a label, so none is looked for in tables either.
    'data': {'label_column': None},
    'vocabulary': {'min_count': 2},
    # Whole passages take long to read, and many of them would not be another question.
    'serving': {'max_rows': 32, 'batch_size': 16},
}
_FORWARD_ONLY: dict[str, Any] = {'bidirectional': False, 'token_dropout': 0.0, 'head_dropout': 0.0}

# What each preset changes in the defaults below.
PRESETS: dict[str, dict[str, Any]] = {
    'reviews': {'network': {'subword_buckets': 16_384}},
    # A writer of novels by characters, capitals among them: they say where sentences and names begin.
    'novel': {
        **_RUNNING_TEXT,
        'text': {'unit': 'character', 'lowercase': False, 'max_tokens': 2500},
        'network': {
            **_FORWARD_ONLY,
            'units': 384,
            'embedding_size': 64,
            'dropout': 0.3,
            'weight_dropout': 0.2,
        },
        'training': {
            'task': 'language',
            'window': 128,
            'batch_size': 8,
            'epochs': 15,
            'learning_rate': 3e-3,
            'softmax_candidates': 0,
            'weight_averaging': 0.995,
        },
    },
    # The recipe of the paper: one-hot characters in lower case, windows of 60 that slide by one, each with one
    # target, two layers of 256 LSTM units, plain dropout, Adam as it comes, at one rate.
    'novel_paper': {
        **_RUNNING_TEXT,
        'text': {'unit': 'character', 'lowercase': True, 'max_tokens': 2500},
        'network': {
            **_FORWARD_ONLY,
            'layers': 2,
            'units': 256,
            'embedding_size': 0,
            'dropout': 0.2,
            'locked_dropout': False,
        },
        'training': {
            'task': 'language',
            'targets': 'last',
            'window': 60,
            'batch_size': 128,
            'epochs': 20,
            'learning_rate': 1e-3,
            'final_rate_fraction': 1.0,
            'softmax_candidates': 0,
            'clip_norm': 1e6,
        },
    },
}


@dataclasses.dataclass(frozen=True)
class PlacementConfig:
    """Where the data steps run.

    Attributes:
        beam_args: options of Apache Beam. The default runs in this process; DirectRunner would fetch a binary.
    """

    beam_args: tuple[str, ...] = ('--runner=FnApiRunner',)

    def __post_init__(self) -> None:
        for argument in self.beam_args:
            require(
                argument.startswith('--'),
                'placement.beam_args are options such as --runner=FlinkRunner',
                argument,
            )


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides what a run makes.

    Attributes:
        name: name of the pipeline and of the served model.
        preset: the preset that the values began from.
    """

    name: str = 'reviews'
    preset: str = 'reviews'
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    vocabulary: VocabularyConfig = dataclasses.field(default_factory=VocabularyConfig)
    text: TextConfig = dataclasses.field(default_factory=TextConfig)
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    tuning: TuningConfig = dataclasses.field(default_factory=TuningConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
    serving: ServingCheckConfig = dataclasses.field(default_factory=ServingCheckConfig)
    placement: PlacementConfig = dataclasses.field(default_factory=PlacementConfig)

    def __post_init__(self) -> None:
        require(
            re.fullmatch(r'[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}', self.name) is not None,
            'a name has letters, digits, "_", "-" and "." only, does not begin with ".", and has at most 100 of them',
            self.name,
        )


def configure(preset: str = 'reviews', settings: Iterable[str] = (), name: str | None = None) -> Config:
    """The configuration of a preset, changed by settings as typed, without what would have no effect.

    Args:
        preset: a key of `PRESETS`.
        settings: texts such as `training.epochs=3`; of two for one setting the later one counts.
        name: name of the served model; the preset's own if None.

    Raises:
        ConfigError: where preset or setting do not exist, or a value makes no sense.
    """
    if preset not in PRESETS:
        raise ConfigError(f'no preset is named {preset!r}; there are: ' + ', '.join(PRESETS))
    config = from_dict(Config, {'name': preset, 'preset': preset, **PRESETS[preset]})
    changes = []
    for setting in settings:
        path, equals, value = setting.partition('=')
        if not equals:
            raise ConfigError(
                f'--set takes a setting and a value, as in training.epochs=3. Received: {setting!r}'
            )
        changes.append((path.strip(), value))
    config = replace_all(config, changes)
    _check_whole(config)
    config = _without_idle_parts(config)
    return config if name is None else dataclasses.replace(config, name=name)


def _check_whole(config: Config) -> None:
    """What parts have to say to each other."""
    network, training = config.network, config.training
    if training.task == 'sentiment':
        # See `vaiven.models.training.fine_tuning`: below the layers are the vectors of the tokens.
        require(
            training.unfreeze_epochs * (network.layers + 1) < training.epochs,
            f'training.unfreeze_epochs times {network.layers + 1} (network.layers and one) must be below '
            f'training.epochs={training.epochs}, or the lowest layer never learns',
            training.unfreeze_epochs,
        )
        return
    require(
        config.text.max_tokens >= config.data.passage_characters,
        f'text.max_tokens must be at least data.passage_characters={config.data.passage_characters}, '
        'or passages lose their end: a token may be a single character',
        config.text.max_tokens,
    )
    require(
        training.targets == 'all' or not network.bidirectional,
        'training.targets=last reads in one direction: set network.bidirectional=false, or training.targets=all',
        network.bidirectional,
    )


def _without_idle_parts(config: Config) -> Config:
    """Leaves out of the network what can have no effect, so that it is neither trained nor served.

    A character has no pieces, and what the wide path learns is opinions.
    """
    idle: dict[str, Any] = {}
    if config.text.unit == 'character':
        idle['subword_buckets'] = 0
    if config.training.task == 'language':
        idle['wide_ngrams'] = 0
    return dataclasses.replace(config, network=dataclasses.replace(config.network, **idle))


def settings_of(config: Any, path: str = '') -> Iterator[tuple[str, str]]:
    """Each setting of the tree as dotted path and value, the value as `--set` takes it."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from settings_of(value, f'{path}{field.name}.')
        else:
            yield (
                path + field.name,
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
            )
