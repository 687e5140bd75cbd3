"""Settings in a YAML file: what is read, what is refused with which line, and what wins over what."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vaiven.configuration import ConfigError
from vaiven.pipeline import cli, train
from vaiven.pipeline.config import PRESETS, Config, configure, settings_of
from vaiven.settings_file import MAX_BYTES

SHOP = """\
# Reviews of the shop.
preset: reviews
name: shop

data:
  text_column: reseña  # Spanish
  positive_labels: [4, 5]
  negative_labels:
    - 1
    - 2
  unlabelled_labels: ['3']
training:
  epochs: 3
  learning_rate: 1e-3
network:
  # units: 64
"""
Read = Callable[..., Config]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Builds the configuration from the content of the file `a.yaml`."""
    monkeypatch.chdir(tmp_path)

    def configured(content: str | bytes, *settings: str) -> Config:
        path = Path('a.yaml')
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return configure(settings=settings, file=path)

    return configured


def test_a_file_says_what_set_says(read: Read) -> None:
    settings = [
        'data.text_column=reseña', 'data.positive_labels=4,5', 'data.negative_labels=1,2', 'data.unlabelled_labels=3',
        'training.epochs=3', 'training.learning_rate=1e-3',
    ]  # fmt: skip
    assert read(SHOP) == configure('reviews', settings, 'shop')


def test_the_example_of_the_documentation_is_read(read: Read) -> None:
    page = (Path(__file__).parents[2] / 'docs' / 'settings.md').read_text(encoding='utf-8')
    [example] = re.findall(r'```yaml\n(.*?)```', page, re.DOTALL)
    config = read(example)
    assert (config.name, config.data.label_column, config.data.positive_labels) == (
        'shop',
        'stars',
        ('4', '5'),
    )
    assert (config.training.epochs, config.training.learning_rate, config.data.delimiter) == (3, 0.001, ';')
    assert config.network == configure().network


@pytest.mark.parametrize('preset', PRESETS)
def test_every_setting_can_be_in_a_file(read: Read, preset: str) -> None:
    config = configure(preset, ['data.classes=a,b', 'data.delimiter=;', 'data.group_column=película'])
    lines = [f"{path}: '{value}'" if path == 'data.label_separator' or value == '' else f'{path}: {value}'
             for path, value in settings_of(config)]  # fmt: skip
    assert read('\n'.join(lines)) == config


@pytest.mark.parametrize(
    'content',
    [
        '',
        '# nothing\n',
        '---\n',
        '{}',
        'training:\n',
        'training:\n  # epochs: 3\n',
        'training: {}',
        '\ufeff# BOM\n',
    ],
)
def test_a_file_without_settings_changes_nothing(read: Read, content: str) -> None:
    assert read(content) == configure()


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_line_ends_and_a_byte_order_mark_do_not_matter(read: Read, end: str) -> None:
    assert read('\ufeff' + SHOP.replace('\n', end)) == read(SHOP)


@pytest.mark.parametrize(
    ('value', 'labels'),
    [
        ('[no, off, n]', ('no', 'off', 'n')),
        ('[1.0, 010, 0x1F, 1_000]', ('1.0', '010', '0x1F', '1_000')),
        ('[2024-01-01, 12:30:00, ~x]', ('2024-01-01', '12:30:00', '~x')),
        ('[true, "null"]', ('true', 'null')),
        ("['a, b', c]", ('a, b', 'c')),
        ('malo, peor', ('malo', 'peor')),
        ('["\U0001f622", רע, "nin\u0303a"]', ('\U0001f622', 'רע', 'nin\u0303a')),
    ],
)
def test_labels_are_the_texts_that_the_file_has(read: Read, value: str, labels: tuple[str, ...]) -> None:
    assert read(f'data:\n  unlabelled_labels: {value}').data.unlabelled_labels == labels


def test_null_and_quotation_marks_are_kept_apart(read: Read) -> None:
    for null in ('null', '~', 'Null', 'NULL'):
        assert read(f'data: {{label_column: {null}}}').data.label_column is None
    assert read('data: {label_column: "null"}').data.label_column == 'null'
    assert read('data: {delimiter: "\\t"}').data.delimiter == '\t'
    assert read('name: 2024').name == '2024'


REFUSED = {
    'an unknown setting': (
        'training:\n  epoch: 3',
        "line 2: there is no setting 'training.epoch'; did you mean 'training.epochs'?",
    ),
    'an unknown group': ('a: 1\ntrainig:\n  epochs: 3', "line 1: there is no setting 'a'; there are: name, "),
    'a misspelled group': (
        'trainig:\n  epochs: 3',
        "line 2: there is no setting 'trainig.epochs'; did you mean 'training.epochs'?",
    ),
    'a setting outside its group': (
        'epochs: 3',
        "line 1: there is no setting 'epochs'; did you mean 'training.epochs'?",
    ),
    'an unknown group without settings': ('foo:', "line 1: there is no setting 'foo'"),
    'a group with a value': ('\ntraining: 3', "line 2: 'training' is a group of settings; choose one of: "),
    'a setting with settings': (
        'training: {epochs: {a: 1}}',
        "'training.epochs' is a single value and has no setting 'a'",
    ),
    'yes': ('network: {bidirectional: yes}', "network.bidirectional must be true or false. Received: 'yes'"),
    'True': ('network: {bidirectional: True}', "must be true or false. Received: 'True'"),
    'an octal number': ('training: {epochs: 010}', "training.epochs must be of type int. Received: '010'"),
    'a date': ('training: {epochs: 2024-01-01}', "must be of type int. Received: '2024-01-01'"),
    'a number in quotes': ('training: {epochs: "3"}', "must be of type int. Received: '3'"),
    'no number': ('training: {clip_norm: .nan}', "must be of type float. Received: '.nan'"),
    'null': ('training: {epochs: null}', 'must be of type int. Received: None'),
    'no value': ('training:\n  epochs:\n  window: 3', 'line 2: training.epochs has no value; write null'),
    'an empty mapping': ('training: {epochs: {}}', 'training.epochs has no value'),
    'an item without a value': (
        'data:\n  rating_range:\n  - 1\n  -',
        'data.rating_range must be of type float. Received: {}',
    ),
    'a list for a value': ('training: {epochs: [3]}', 'training.epochs must be of type int. Received: [3]'),
    'a value for a list': ('data: {classes: "a"}', "data.classes must be a list. Received: 'a'"),
    'a list in a list': ('data: {classes: [[a]]}', "line 1: 'data.classes' must be a list of single values"),
    'a mapping in a list': ('data: {classes: [{a: b}]}', "'data.classes' must be a list of single values"),
    'a value out of range': (
        'training:\n\n  epochs: 0',
        'line 3: training.epochs must be at least 1. Received: 0',
    ),
    'an invalid name': ('name: a/b', 'line 1: name must have 1 to 100 letters'),
    'an unknown preset': ('\npreset: films', "line 2: no preset is named 'films'; choose one of: reviews, "),
    'a list of presets': ('preset: [novel]', "no preset is named ['novel']"),
    'a rule between groups': (
        'name: a\ntraining: {unfreeze_epochs: 5}',
        'line 2: training.unfreeze_epochs times 2',
    ),
    'a rule of a group': ('data: {label_column: text}', 'data: text, label, group, '),
    'the same key twice': (
        'training:\n  epochs: 3\n  epochs: 4',
        "line 3: 'training.epochs' is there a second time; the first is in line 2",
    ),
    'a group twice': (
        'data: {}\ntraining: {}\ndata: {}',
        "line 3: 'data' is there a second time; the first is in line 1",
    ),
    'two forms of a path': (
        'training.epochs: 3\ntraining: {epochs: 3}',
        'line 2: training.epochs is set a second time; the first is in line 1',
    ),
    'two names of a setting': (
        'training:\n  last_rate: 0.1\n  final_rate_fraction: 0.1',
        'line 3: training.final_rate_fraction is set a second time; the first is in line 2',
    ),
    'a list': ('- 1', 'line 1: the file must consist of settings, such as training: {epochs: 3}'),
    'a text': ('epochs', 'the file must consist of settings'),
    'null alone': ('null', 'the file must consist of settings'),
    'two documents': ('name: a\n---\nname: b', 'line 2: a second document starts here'),
    'an alias': ('data: &a {min_rows: 20}\ntext: *a', 'line 1: an anchor (&a) is not allowed'),
    'an alias alone': ('data: *a', 'an alias (*a) is not allowed; repeat the value'),
    'a merge key': ('data: {<<: *a}', 'an alias (*a) is not allowed'),
    'a tag': ('name: !!python/object:os.system x', 'line 1: a tag (!…) is not allowed'),
    'a tag of a group': ('data: !x {}', 'a tag (!…) is not allowed'),
    'a key that is a list': ('? [a]\n: 1', 'the name of a setting must be a single word'),
    'a tab': ('training:\n\tepochs: 3', 'line 2: a tab is not allowed here; indent with spaces'),
    'a wrong indentation': (
        'training:\n  epochs: 3\n   window: 4',
        'line 3: is not valid YAML (mapping values',
    ),
    'an open quotation mark': ('name: "a\nb: c\n', 'line 1: a quotation mark or bracket is not closed'),
    'an open bracket': (
        'name: a\ndata: {classes: [a, b\n',
        'line 2: a quotation mark or bracket is not closed',
    ),
    'a control character': (
        'name: a\n# \x07',
        'line 2: the character U+0007 is not allowed in YAML; remove it',
    ),
    'Latin-1': ('name: a\n# año'.encode('latin-1'), 'line 2: is not UTF-8; save the file in UTF-8'),
    'UTF-16': ('name: a'.encode('utf-16'), 'line 1: is not UTF-8'),
    'a deep nesting': ('{a: ' * 100_000, "'a.a.a.a.a.a.a.a.a' is nested too deeply"),
    'deep lists': ('data: {classes: ' + '[' * 100_000, 'must be a list of single values'),
    'a large file': (b'#' * (MAX_BYTES + 1), 'a file with settings must have at most 1,048,576 bytes'),
}


@pytest.mark.parametrize(('content', 'message'), REFUSED.values(), ids=REFUSED)
def test_an_invalid_file_is_refused_in_one_line_with_the_place(
    read: Read, content: str | bytes, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(content)
    assert message in str(caught.value)
    assert str(caught.value).startswith('a.yaml')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('.', r'\. is a folder; name the file with the settings'),
        ('none.yaml', r"the settings in 'none.yaml' cannot be read \(No such file or directory\)"),
        ('a\0b', r"the settings in 'a\\x00b' cannot be read \(embedded null byte\)"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        configure(file=name)


def test_the_command_line_wins_over_the_file_and_the_file_over_the_preset(read: Read) -> None:
    content = 'preset: novel\nname: mine\nnetwork: {units: 32}\ntraining: {window: 64}'
    config = read(content, 'training.window=32')
    assert (config.preset, config.name, config.network.units, config.training.window) == (
        'novel',
        'mine',
        32,
        32,
    )
    assert config.network.weight_dropout == configure('novel').network.weight_dropout
    assert configure('novel_paper', file='a.yaml', name='yours').name == 'yours'
    assert configure('novel_paper', file='a.yaml').network.layers == 2
    assert read(content, 'preset=novel_paper').network.layers == 2
    assert configure(file='a.yaml', defaults=['network.units=8', 'network.layers=3']).network.units == 32
    # A value that the command line replaces is not blamed.
    with pytest.raises(ConfigError, match=r'^training\.epochs must be at least 1'):
        read('training: {epochs: 3}', 'training.epochs=0')


def test_a_former_name_works_and_is_reported_with_its_line(
    read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    assert read('training:\n  last_rate: 0.25').training.final_rate_fraction == 0.25
    assert [record.getMessage() for record in caplog.records] == [
        'a.yaml, line 2: the setting training.last_rate has been renamed to training.final_rate_fraction'
    ]
    with pytest.raises(ConfigError, match=r'^a\.yaml, line 2: training\.final_rate_fraction must lie'):
        read('training:\n  last_rate: 2')


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / 'reviews.csv'
    rows = (f'texto {number},{1 + number % 5}' for number in range(200))
    path.write_text('\n'.join(['reseña,label', *rows]), encoding='utf-8')
    return path


def test_plan_takes_a_file_with_set_and_text_column_above_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'shop.yaml'
    path.write_text(SHOP.replace('text_column: reseña', 'text_column: body'), encoding='utf-8')
    arguments = ['plan', '--data', str(data), '--root', str(tmp_path / 'runs'), '--config', str(path)]
    assert cli.run([*arguments, '--text-column', 'reseña', '--set', 'training.epochs=7']) == 0
    printed = capsys.readouterr().out.splitlines()
    assert {'name = shop', 'data.text_column = reseña', 'training.epochs = 7', 'preset = reviews'} < set(
        printed
    )
    assert 'data.positive_labels = ["4", "5"]' in printed
    path.write_text('training: {epoch: 3}')
    assert cli.run(arguments) == 2
    assert capsys.readouterr() == (
        '', f"vaiven: {path}, line 1: there is no setting 'training.epoch'; did you mean 'training.epochs'?\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    'command', [['run'], ['plan'], ['kubeflow', 'compile', '--image', 'x', '--output', 'none.yaml']]
)
def test_every_command_with_settings_checks_the_file_first(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    path = tmp_path / 'año [1].yaml'
    path.write_text('# ñ\nnetwork: {units: 0}')
    arguments = ['--data', str(data), '--root', str(tmp_path / 'runs'), '--config', str(path)]
    assert cli.run([*command, *arguments]) == 2
    assert capsys.readouterr() == (
        '', f'vaiven: {path}, line 2: network.units must lie between 1 and 16384. Received: 0\n'
    )  # fmt: skip
    assert not (tmp_path / 'runs').exists()


def test_train_takes_a_file(data: Path, tmp_path: Path) -> None:
    path = tmp_path / 'shop.yaml'
    path.write_text('training: {epochs: 0}')
    with pytest.raises(ConfigError, match=r'shop\.yaml, line 1: training\.epochs must be at least 1'):
        train(data, config=path)


def test_a_file_is_checked_without_tensorflow(tmp_path: Path) -> None:
    path = tmp_path / 'a.yaml'
    path.write_text('network: {units: 64}')
    program = (
        'import sys; from vaiven.pipeline.config import configure; '
        f'print(configure(file={str(path)!r}).network.units); '
        'print([name for name in ("tensorflow", "tfx", "keras", "apache_beam", "numpy") if name in sys.modules])'
    )
    result = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    assert result.stdout == '64\n[]\n'
