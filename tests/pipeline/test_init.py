"""`vaiven init`: the settings that are found in a data file, and the files that are written and updated."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vaiven.configuration import ConfigError
from vaiven.pipeline import cli
from vaiven.pipeline.config import PRESETS, Config, configure
from vaiven.pipeline.initial_settings import model_name
from vaiven.pipeline.settings_template import settings_template, yaml_value
from vaiven.pipeline.settings_update import replace_values
from vaiven.settings_file import parse_settings

ROWS = 600
Init = Callable[..., tuple[int, str, str]]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Init:
    """Runs the command in an empty folder; gives the exit status and both outputs."""
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str) -> tuple[int, str, str]:
        status = cli.run(['init', *arguments])
        return status, *capsys.readouterr()

    return ran


def table(name: str, *labels: str, text: str = 'text', label: str = 'label', **columns: str) -> Path:
    with open(name, 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow([text, label, *columns])
        for number in range(ROWS):
            others = [value.format(number) for value in columns.values()]
            writer.writerow([f'una reseña con el número {number}', labels[number % len(labels)], *others])
    return Path(name)


def plan(config: str, data: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    status = cli.run(['plan', '--config', config, '--data', data, '--root', 'runs'])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    return printed.out.splitlines()


def uncommented(text: str) -> str:
    return re.sub(r'(?m)^( *)#(?! )', r'\1', text)


KINDS = {
    'sentiment': (('pos', 'neg', ''), 'binary', ('negative', 'positive')),
    'two classes': (('ham', 'spam'), 'binary', ('ham', 'spam')),
    'stars': (('1', '2', '3', '4', '5'), 'ordinal', ('1', '2', '3', '4', '5')),
    'topics': (('envío', 'cobro', 'devolución'), 'multiclass', ('cobro', 'devolución', 'envío')),
    'right-to-left names': (('תשלום', 'a: b', 'no'), 'multiclass', ('a: b', 'no', 'תשלום')),
    'emoji': (('\U0001f69a', '\U0001f4b6', '#1'), 'multiclass', ('#1', '\U0001f4b6', '\U0001f69a')),
    'several labels': (('a|b', 'b', 'c|a'), 'multilabel', ('a', 'b', 'c')),
}  # fmt: skip


@pytest.mark.parametrize(('labels', 'kind', 'classes'), KINDS.values(), ids=KINDS)
def test_the_labels_are_found_and_a_plan_accepts_the_file(
    init: Init,
    capsys: pytest.CaptureFixture[str],
    labels: tuple[str, ...],
    kind: str,
    classes: tuple[str, ...],
) -> None:
    table('a.csv', *labels, text='reseña', label='categoría')
    status, output, errors = init('--data', 'a.csv', 'shop.yaml')
    assert (status, errors) == (0, '')
    config = configure(file='shop.yaml')
    assert (config.data.text_column, config.data.label_column) == ('reseña', 'categoría')
    assert (config.data.label_kind, config.data.classes) == (kind, classes)
    assert (config.preset, config.name) == ('reviews', 'a')
    assert output.splitlines()[-3:] == [
        'wrote shop.yaml',
        'next, to check the settings:  vaiven plan --config shop.yaml --data a.csv',
        'and to train the model:       vaiven run --config shop.yaml --data a.csv',
    ]
    assert f'data.label_kind = {kind}' in plan('shop.yaml', 'a.csv', capsys)


def test_other_columns_are_written_or_suggested_with_what_they_contain(init: Init) -> None:
    table('a.csv', 'pos', 'neg', lang='es', stars='4', film='film {0:03}', author='A', day='2024-01-02')
    with open('a.csv', encoding='utf-8') as file:
        rows = [line.replace('film ', f'film {number % 120}x') for number, line in enumerate(file)]
    Path('a.csv').write_text(''.join(rows).replace('x0', '').replace('x1', ''), encoding='utf-8')
    assert init('--data', 'a.csv')[0] == 0
    text = Path('a.yaml').read_text(encoding='utf-8')
    assert '  # lang: es 600.\n  language_column: lang\n' in text
    assert '  # stars: 600 numbers from 4 to 4.\n  #rating_column: stars\n' in text
    assert '  # day: 600 values, such as 2024-01-02.\n  #time_column: day\n' in text
    assert '# Data: a.csv, 600 rows. Columns: text, label, lang, stars, film, author, day.\n' in text
    assert '# labels: negative 300, positive 300\n' in text


def test_a_column_of_splits_is_used_if_the_data_can_be_split_by_it(init: Init) -> None:
    table('a.csv', 'pos', 'neg', part='{0}')
    text = Path('a.csv').read_text(encoding='utf-8')
    parts = {'test': r',[0-4]\d$', 'eval': r',[5-9]\d$', 'train': r',\d+$'}
    for part, pattern in parts.items():
        text = re.sub(pattern, f',{part}', text, flags=re.MULTILINE)
    Path('a.csv').write_text(text, encoding='utf-8')
    assert init('--data', 'a.csv')[0] == 0
    assert configure(file='a.yaml').data.split_column == 'part'
    # Without rows for the test, it is only suggested.
    Path('a.csv').write_text(text.replace('test', 'train'), encoding='utf-8')
    assert init('--data', 'a.csv', '--force')[0] == 0
    assert configure(file='a.yaml').data.split_column is None
    assert '\n  #split_column: part\n' in Path('a.yaml').read_text(encoding='utf-8')


def test_named_columns_and_settings_are_written(init: Init) -> None:
    table('a.csv', 'x', 'y', label='one', two='3')
    Path('a.csv').write_text(Path('a.csv').read_text('utf-8').replace(',', ';'), 'cp1252')
    status, _, errors = init('--data', 'a.csv')
    assert status == 2
    assert '--set data.encoding=latin1' in errors
    arguments = ['--set', 'data.encoding=cp1252', '--set', 'training.epochs=7', '--label-column', 'one']
    assert init('--data', 'a.csv', '--name', 'mine', *arguments)[0] == 0
    config = configure(file='a.yaml')
    assert (config.name, config.training.epochs, config.data.encoding) == ('mine', 7, 'cp1252')
    assert (config.data.delimiter, config.data.label_column, config.data.classes) == (';', 'one', ('x', 'y'))


def test_running_text_and_no_data_have_files_too(init: Init, capsys: pytest.CaptureFixture[str]) -> None:
    Path('book.txt').write_text('\n'.join(f'La vida es sueño, capítulo {n}. ' * 40 for n in range(300)))
    assert init('--data', 'book.txt')[0] == 0
    assert configure(file='book.yaml') == configure('novel', name='book')
    plan('book.yaml', 'book.txt', capsys)
    table('a.csv', 'pos', 'neg')
    assert init('--data', 'a.csv', '--set', 'preset=novel')[0] == 0
    config = configure(file='a.yaml')
    assert (config.preset, config.data.label_column, config.data.classes) == ('novel', None, ())
    plan('a.yaml', 'a.csv', capsys)
    assert init('--set', 'training.epochs=3')[0] == 0
    assert configure(file='reviews.yaml') == configure('reviews', ['training.epochs=3'])


def test_standard_output_has_the_file_alone(init: Init) -> None:
    table('a.csv', 'pos', 'neg')
    status, output, errors = init('--data', 'a.csv', '-')
    assert status == 0
    assert {change.path for change in parse_settings(output, '-')} >= {
        'data.text_column',
        'data.classes',
        'name',
    }
    assert 'next, to check the settings:  vaiven plan --config FILE --data a.csv\n' in errors
    assert sorted(path.name for path in Path().iterdir()) == ['a.csv']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--data', 'none.csv'], 'none.csv: there is no such file'),
        (['--data', 'a.csv', '--text-column', 'body'], "no column is named 'body'"),
        (['--data', 'ids.csv'], 'no column looks like labels: name it with --label-column=NAME; there are: '),
        (['--data', 'a.csv', '.'], '. is a folder; name the file to write'),
        (['--data', 'a.csv', 'none/a.yaml'], 'cannot write none/a.yaml: No such file or directory'),
        (['--data', 'a.csv', 'gs://b/a.yaml'], 'FILE must be a path on this machine'),
        (['--data', 'a.csv', '--set', 'training.epoch=3'], "did you mean 'training.epochs'?"),
        (['--update', 'a.yaml'], '--update needs the new data: add --data FILE'),
        (['--update', '--data', 'a.csv', 'none.yaml'], "the settings in 'none.yaml' cannot be read"),
        (['--update', '--data', 'a.csv', 'a.yaml', '--name', 'b'], '--update takes only --data and FILE'),
        (['--update', '--data', 'a.csv', '-'], '--update needs the name of a file'),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(init: Init, arguments: list[str], message: str) -> None:
    table('a.csv', 'pos', 'neg')
    Path('ids.csv').write_text('text,id\n' + ''.join(f'una reseña {n},{n}\n' for n in range(100)))
    status, output, errors = init(*arguments)
    assert (status, output) == (2, '')
    assert message in errors
    assert errors.count('\n') == 1


def test_a_file_is_overwritten_only_with_force(init: Init) -> None:
    table('a.csv', 'pos', 'neg')
    Path('a.yaml').write_text('mine')
    status, _, errors = init('--data', 'a.csv')
    assert status == 2
    assert errors.startswith('vaiven: a.yaml exists already: choose another name, ')
    assert Path('a.yaml').read_text() == 'mine'
    assert init('--data', 'a.csv', '--force')[0] == 0
    assert configure(file='a.yaml').name == 'a'


@pytest.mark.parametrize('end', ['\n', '\r\n'])
@pytest.mark.parametrize('mark', ['', '\ufeff'])
def test_an_update_changes_only_values_that_do_not_fit(init: Init, end: str, mark: str) -> None:
    text = end.join([
        '# Mine: ñ', 'training: {epochs: 3}  # few', 'data:', '  classes:   # of the shop', '    - envío  # first',
        '    - "cobro"', '', '  # the text', '  text_column:   body   # was: text', "  label_column: 'topic'",
        '  label_kind: multiclass', 'name: shop',
    ])  # fmt: skip
    Path('a.yaml').write_bytes((mark + text).encode())
    table('a.csv', 'envío', 'cobro', 'רע', text='mensaje', label='topic')
    status, output, errors = init('--data', 'a.csv', '--update', 'a.yaml')
    assert (status, errors) == (0, '')
    assert {'changed: data.text_column: mensaje', 'changed: data.classes: [envío, cobro, רע]'} <= set(
        output.splitlines()
    )
    expected = text.replace('body', 'mensaje').replace('- "cobro"', f'- "cobro"{end}    - רע')
    assert Path('a.yaml').read_bytes() == (mark + expected).encode()
    status, output, _ = init('--data', 'a.csv', '--update', 'a.yaml')
    assert 'a.yaml fits the data; nothing is changed' in output.splitlines()
    assert Path('a.yaml').read_bytes() == (mark + expected).encode()


def test_values_are_replaced_where_they_stand() -> None:
    text = 'data: {classes: [a, b], label_kind: binary}  # x\nname: "y"\n'
    changes = {'data.classes': ('a', 'no'), 'name': 'z'}
    assert (
        replace_values(text, changes, 'a') == 'data: {classes: [a, "no"], label_kind: binary}  # x\nname: z\n'
    )
    with pytest.raises(
        ConfigError, match=r'a: the data needs data\.text_column; add this line to the group data: text_c'
    ):
        replace_values(text, {'data.text_column': 'x'}, 'a')
    block = 'data:\n  classes:\n  - a  # first\n  - b\n'
    with pytest.raises(ConfigError, match=r'its list has comments; change it by hand to \[b, a\]'):
        replace_values(block, {'data.classes': ('b', 'a')}, 'a')
    assert (
        replace_values(block.replace('# first', ''), {'data.classes': ('b',)}, 'a')
        == 'data:\n  classes:\n  - b\n'
    )


@pytest.mark.parametrize('preset', PRESETS)
def test_a_commented_line_is_the_default(preset: str, tmp_path: Path) -> None:
    text = settings_template(configure(preset), {'preset': preset, 'name': preset}, {}, {}, ['Head.'])
    path = tmp_path / 'a.yaml'
    assert uncommented(text).count('\n') == text.count('\n')
    for content in (text, uncommented(text)):
        path.write_text(content, encoding='utf-8')
        assert configure(file=path) == configure(preset)


@pytest.mark.parametrize(
    'value',
    [
        'a', 'año', 'nin\u0303o', 'רע', '\U0001f622', 'null', 'no', '1', '1.0', '1e-3', '2024-01-01', '~', '', ' a',
        'a ', 'a: b', 'a #b', '#a', '- a', '-', '[a]', '{a}', 'a, b', '"', "'", "it's", '|', '>', '&a', '*a', '!a',
        '%a', '@a', '`', 'a\nb', 'a\tb', '\x7f', '\x85', '\u2028', '\ufeff', '\\', '?', ':', '=', '<<',
    ],
)  # fmt: skip
def test_any_text_is_written_so_that_it_is_read_again(value: str) -> None:
    import yaml

    for text in (
        f'name: {yaml_value(value)}',
        f'name: {yaml_value([value, value])}',
        f'name:\n- {yaml_value(value)}',
    ):
        [change] = parse_settings(text, 'a')
        assert change.value in (value, [value], [value, value])
        assert yaml.safe_load(text)['name'] == change.value


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        ('/x/reviews.csv.gz', 'reviews'),
        ('Reseñas 2024.tsv', 'Rese-as-2024'),
        ('.csv', 'model'),
        ('ñ.csv', 'model'),
    ],
)
def test_the_name_of_a_model_comes_from_the_file(path: str, name: str) -> None:
    assert model_name(path) == name
    Config(name=name)


def test_the_command_imports_no_tensorflow(tmp_path: Path) -> None:
    program = (
        'import sys; from vaiven.pipeline import cli; status = cli.run(["init", "a.yaml"]); '
        'print(status, [n for n in ("tensorflow", "tfx", "keras", "apache_beam") if n in sys.modules])'
    )
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert result.stdout.splitlines()[-1] == '0 []'
