"""The options that several commands of the pipeline share: data, configuration and folder of the runs.

They are option groups, as `vaiven.serving.commands.options` describes.
"""

import dataclasses

import click

from vaiven.components.text_example_gen import default_data
from vaiven.pipeline.config import DEFAULT_PRESET, PRESETS, Config, configure
from vaiven.pipeline.teacher_option import Teachers, read_teachers
from vaiven.serving.commands.options import option_group


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """The input files.

    Attributes:
        data: values of `--data`; empty for the default data.
        unlabelled: values of `--unlabelled`.
        teacher: values of `--teacher`.
        vectors: value of `--vectors`; None for none.
    """

    data: tuple[str, ...]
    unlabelled: tuple[str, ...]
    teacher: tuple[str, ...]
    vectors: str | None = None

    @property
    def teachers(self) -> Teachers:
        """The files and the encoder that `teacher` names."""
        return read_teachers(self.teacher)


@dataclasses.dataclass(frozen=True)
class ConfigOptions:
    """The options that the configuration is built from.

    Attributes:
        text_column: name of the column with the text; None for the preset's.
        label_column: name of the column with the label; None for the preset's.
        preset: name of the preset; None for the one of the file, or the default.
        config: path of a file with settings; None for none.
        settings: values of `--set`, as `training.epochs=3`; they win over the file.
        augment: value of `training.augment`; None for that of the settings.
        name: name of the served model; None for that of the file, or of the preset.
    """

    text_column: str | None
    label_column: str | None
    preset: str | None
    config: str | None
    settings: tuple[str, ...]
    augment: str | None
    name: str | None

    def build(self, data: DataOptions, settings: tuple[str, ...] = ()) -> Config:
        """Builds the configuration.

        Args:
            data: without files, the settings of the default data apply.
            settings: more settings, which win over `--set`.

        Raises:
            ConfigError: a setting or its value is not valid, or the file cannot be read.
        """
        options = {
            'data.text_column': self.text_column,
            'data.label_column': self.label_column,
            'training.augment': self.augment,
        }
        given = [f'{path}={value}' for path, value in options.items() if value is not None]
        return configure(
            self.preset,
            [*self.settings, *data.teachers.settings, *settings, *given],
            self.name,
            file=self.config,
            defaults=() if data.data else default_data.SETTINGS,
        )


# `data: DataOptions`.
data_options = option_group(
    'data',
    DataOptions,
    click.option(
        '--data',
        multiple=True,
        metavar='FILE',
        help='Labelled rows (.csv, .tsv, .jsonl, .parquet) or unlabelled text (.txt: files, folders, patterns such '
        "as 'books/*.txt'), in UTF-8, compressed or not. Can be repeated.",
    ),
    click.option(
        '--unlabelled',
        multiple=True,
        metavar='FILE',
        help='More text for the language model: the lines of a .txt file, or the text column of a table. '
        'Can be repeated.',
    ),
    click.option(
        '--teacher',
        multiple=True,
        metavar='FILE',
        help='Texts with the probabilities of another model, which the model learns to give as well: a table that '
        '`vaiven predict --out` writes. Or an encoder that scores the text without labels first, as by '
        '`vaiven teach`: minilm, e5 or a folder. For training only. Can be repeated.',
    ),
    click.option(
        '--vectors',
        metavar='FILE',
        help='Pre-trained vectors of words: a file of word2vec, fastText or GloVe, as text or .bin, compressed or not, '
        'or a folder of model2vec.',
    ),
)
# `config_options: ConfigOptions`.
config_options = option_group(
    'config_options',
    ConfigOptions,
    click.option('--text-column', metavar='NAME', help='Column with the text.  [default: text]'),
    click.option('--label-column', metavar='NAME', help='Column with the label.  [default: label]'),
    click.option(
        '--preset',
        metavar='NAME',
        help=f'Default settings: {", ".join(PRESETS)}.  [default: {DEFAULT_PRESET}]',
    ),
    click.option(
        '--config',
        metavar='FILE',
        help='YAML file with settings, which win over those of the preset. `vaiven init` writes one.',
    ),
    click.option(
        '--set',
        'settings',
        multiple=True,
        metavar='SETTING=VALUE',
        help='Change a setting, as training.epochs=3; wins over --config. Can be repeated.',
    ),
    click.option(
        '--augment',
        metavar='LIST',
        help="Change the training rows: negation, names or both, as negation,names; '' for none.",
    ),
    click.option('--name', help='Name of the served model.  [default: that of the preset]'),
)
root_option = click.option('--root', metavar='DIR', help='Folder of the runs.  [default: vaiven-runs/NAME]')
