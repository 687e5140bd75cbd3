"""The configuration of a run: a tree of the groups of settings that `components` and `models` define.

Importing this module imports neither TensorFlow nor TFX, so that the command line can check settings fast.
"""

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.serving_check.config import ServingCheckConfig
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.configuration import Change, ConfigError, from_dict, located, replace_all, require
from vaiven.models.network.config import NetworkConfig
from vaiven.models.teacher.config import TeacherConfig
from vaiven.models.text.config import NEGATION_SCOPE, TextConfig
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.tuning_config import TuningConfig
from vaiven.settings_file import read_settings

_UNLABELLED_TEXT: dict[str, Any] = {
    # Tables are read without a label column, too.
    'data': {'label_column': None},
    'vocabulary': {'min_count': 2},
    # Passages are long, and a few of them are enough to check the server.
    'serving': {'max_rows': 32, 'batch_size': 16},
}
DEFAULT_PRESET = 'reviews'
_FORWARD_ONLY: dict[str, Any] = {'bidirectional': False, 'token_dropout': 0.0, 'head_dropout': 0.0}

# The settings of each preset that differ from the defaults.
PRESETS: dict[str, dict[str, Any]] = {
    'reviews': {'network': {'subword_buckets': 16_384}, 'training': {'augment': ('negation', 'names')}},
    # A character language model. It keeps capital letters, which mark the start of sentences and names.
    'novel': {
        **_UNLABELLED_TEXT,
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
    # The recipe of the paper: one-hot lower-case characters, windows of 60 that slide by one with one target each,
    # two layers of 256 LSTM units, plain dropout, and Adam with a constant rate and no clipping.
    'novel_paper': {
        **_UNLABELLED_TEXT,
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
        beam_args: options of Apache Beam. The default runner works in this process; DirectRunner would download a
            binary.
    """

    beam_args: tuple[str, ...] = ('--runner=FnApiRunner',)

    def __post_init__(self) -> None:
        for argument in self.beam_args:
            require(
                argument.startswith('--'),
                'placement.beam_args must be options, such as --runner=FlinkRunner',
                argument,
            )


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run.

    Attributes:
        name: name of the pipeline and of the served model.
        preset: the preset whose values are the defaults.
        data: which columns are read, and how rows are split.
        vocabulary: which tokens get an id.
        text: how a text becomes tokens.
        network: sizes and regularisation of the network.
        training: how the network is trained.
        teacher: a pre-trained encoder that scores the text without labels.
        tuning: the search for better settings.
        evaluation: the thresholds for a blessing.
        serving: the check of the served model.
        placement: where the data steps run.
    """

    name: str = DEFAULT_PRESET
    preset: str = DEFAULT_PRESET
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    vocabulary: VocabularyConfig = dataclasses.field(default_factory=VocabularyConfig)
    text: TextConfig = dataclasses.field(default_factory=TextConfig)
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    teacher: TeacherConfig = dataclasses.field(default_factory=TeacherConfig)
    tuning: TuningConfig = dataclasses.field(default_factory=TuningConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
    serving: ServingCheckConfig = dataclasses.field(default_factory=ServingCheckConfig)
    placement: PlacementConfig = dataclasses.field(default_factory=PlacementConfig)

    def __post_init__(self) -> None:
        require(
            re.fullmatch(r'[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}', self.name) is not None,
            'name must have 1 to 100 letters, digits, "_", "-" and ".", and must not start with "."',
            self.name,
        )


def configure(
    preset: str | None = None,
    settings: Iterable[str] = (),
    name: str | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    defaults: Iterable[str] = (),
) -> Config:
    """Builds the configuration from a preset, a file of settings, and changed settings, where later ones win.

    Parts of the network that have no effect with these settings are removed.

    Args:
        preset: a key of `PRESETS`; None for that of the settings or the file, or else `reviews`.
        settings: texts such as `training.epochs=3`. If a setting occurs twice, the last value counts.
        name: name of the served model; None for that of the settings or the file, or else the name of the preset.
        file: YAML file with settings (`vaiven.settings_file`).
        defaults: settings that win over the preset only.

    Returns:
        The configuration.

    Raises:
        ConfigError: there is no such preset or setting, a value is not valid, or the file cannot be read.
    """
    from_file = [] if file is None else read_settings(file)
    changes = [*_changes(defaults), *from_file, *_changes(settings)]
    chosen = Change('preset', preset or DEFAULT_PRESET)
    if preset is None:
        chosen = next((change for change in reversed(changes) if change.path == 'preset'), chosen)
    if not isinstance(chosen.value, str) or chosen.value not in PRESETS:
        raise ConfigError(
            f'{chosen.where}no preset is named {chosen.value!r}; choose one of: ' + ', '.join(PRESETS)
        )
    preset = str(chosen.value)  # in quotes or not
    config = from_dict(Config, {'name': preset, 'preset': preset, **PRESETS[preset]})
    if name is not None:
        changes.append(Change('name', name))
    config = replace_all(config, [*changes, Change('preset', preset)])
    with located(Config, changes):
        _check_consistency(config)
    return _with_negation_scope(_without_unused_parts(config))


def _changes(settings: Iterable[str]) -> Iterator[Change]:
    """The changes that texts such as `training.epochs=3` describe."""
    for setting in settings:
        path, equals, value = setting.partition('=')
        if not equals:
            raise ConfigError(
                f'--set must have the form SETTING=VALUE, as training.epochs=3. Received: {setting!r}'
            )
        yield Change(path.strip(), value)


def _check_consistency(config: Config) -> None:
    """Checks rules between groups of settings."""
    network, training = config.network, config.training
    if training.task == 'sentiment':
        # Gradual unfreezing (Howard & Ruder 2018) reaches the layers one by one, and the embedding last.
        require(
            training.unfreeze_epochs * (network.layers + 1) < training.epochs,
            f'training.unfreeze_epochs times {network.layers + 1} (network.layers + 1) must be below '
            f'training.epochs={training.epochs}, or the lowest layer is never trained',
            training.unfreeze_epochs,
        )
        return
    require(
        config.text.max_tokens >= config.data.passage_characters,
        f'text.max_tokens must be at least data.passage_characters={config.data.passage_characters}, '
        'or passages are cut: a token may be a single character',
        config.text.max_tokens,
    )
    require(
        training.targets == 'all' or not network.bidirectional,
        'training.targets=last needs a forward network: set network.bidirectional=false, or training.targets=all',
        network.bidirectional,
    )


def _without_unused_parts(config: Config) -> Config:
    """Removes parts of the network that have no effect, so that they are neither trained nor exported.

    A character has no subwords, and the wide path and changes of labelled rows are for labels only.
    """
    unused: dict[str, Any] = {}
    if config.training.task == 'language':
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, augment=()))
    if config.text.unit == 'character':
        unused['subword_buckets'] = 0
    if config.training.task == 'language':
        unused['wide_ngrams'] = 0
    return dataclasses.replace(config, network=dataclasses.replace(config.network, **unused))


def _with_negation_scope(config: Config) -> Config:
    """Marks negated words for the wide path if sentences with a negation are added: without, they confuse it."""
    if config.text.negation_scope is not None or 'negation' not in config.training.augment:
        return config
    if not config.data.label_spec().has_opposites:
        return config
    return dataclasses.replace(config, text=dataclasses.replace(config.text, negation_scope=NEGATION_SCOPE))


def settings_of(config: Any, path: str = '') -> Iterator[tuple[str, str]]:
    """All settings of a group and its subgroups.

    Args:
        config: the configuration, or a group of it.
        path: start of the paths: the path of the group and a dot.

    Yields:
        The dotted path of each setting and its value, as `--set` accepts it.
    """
    for name, value in setting_values(config, path):
        yield name, setting_text(value)


def setting_values(config: Any, path: str = '') -> Iterator[tuple[str, Any]]:
    """The dotted path and the value of each setting; arguments as for `settings_of`."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from setting_values(value, f'{path}{field.name}.')
        else:
            yield path + field.name, value


def setting_text(value: Any) -> str:
    """The value of a setting, as `--set` accepts it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
