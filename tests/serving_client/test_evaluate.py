"""`vaiven evaluate`, as a shell runs it: on servers, SavedModels and tables of every kind."""

import csv
import gzip
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from tests.serving_client.classifiers import TOPICS
from tests.serving_client.test_commands import COMMAND, Shell
from vaiven.serving.client.results import Metadata, Signature, TensorSpec
from vaiven.serving.commands.evaluate_model import EvaluatedModel
from vaiven.serving.commands.options import Target
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.server_process import ServerProcess

pytestmark = pytest.mark.slow

# A class is as probable as its letter is frequent: `aab` is 2/3 the first class.
ROWS = (
    ('aab', TOPICS[0], 'es', '1'),
    ('b', TOPICS[1], 'es', '2'),
    ('ccd', TOPICS[2], 'ar', '3'),
    ('ab\nbb', TOPICS[0], 'ar', '4'),
    ('bc', '', 'es', '5'),
    ('dddc', TOPICS[2], '', '6'),
)


def write(
    path: Path, rows: tuple[tuple[str, ...], ...] = ROWS, header: str = 'text,label,language,number'
) -> Path:
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([header.split(','), *rows])
    return path


@pytest.fixture
def shell(classifier_server: ServerProcess, tmp_path: Path) -> Shell:
    return Shell(classifier_server.grpc_address, tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / 'filas.csv')


def evaluated(shell: Shell, *arguments: object) -> dict:
    return json.loads(shell('evaluate', '--json', *map(str, arguments)).stdout)


def values(answer: dict) -> dict[str, float]:
    return {name: measure['value'] for name, measure in answer['measures'].items()}


def test_each_measure_has_its_interval_and_rows_without_a_label_are_counted(shell: Shell, data: Path) -> None:
    answer = evaluated(shell, '--data', data, '--model', 'topics')
    assert (answer['model'], answer['version'], answer['kind']) == ('topics', 1, 'multiclass')
    assert answer['classes'] == list(TOPICS)
    assert (answer['rows'], answer['unlabelled'], answer['unknown_labels']) == (5, 1, {})
    assert values(answer)['accuracy'] == 0.6
    assert values(answer)['macro_f1'] == pytest.approx((2 / 3 + 2 / 3 + 2 / 3 + 0) / 4, abs=1e-6)
    for measure in answer['measures'].values():
        assert measure['low'] <= measure['high']
    assert answer['confusion'] == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]]
    assert [one['rows'] for one in answer['per_class']] == [2, 1, 2, 0]
    assert answer['per_class'][3]['recall'] is None
    # Of equally confident errors the first comes first.
    assert [(error['text'], error['score']) for error in answer['errors']] == [
        ('ab\nbb', 0.75),
        ('dddc', 0.75),
    ]
    assert answer['errors'][1]['label'] == [TOPICS[2]]
    assert answer['errors'][1]['predicted'] == [TOPICS[3]]
    assert sum(bucket['rows'] for bucket in answer['calibration']) == 5


def test_a_pipe_gets_the_report_as_plain_lines(shell: Shell, data: Path) -> None:
    printed = shell(
        'evaluate', '--data', str(data), '--model', 'topics', '--slice-by', 'language'
    ).stdout.decode()
    assert '\x1b' not in printed
    lines = printed.splitlines()
    assert lines[0].startswith('version 1 of model topics (127.0.0.1:')
    assert lines[0].endswith(f': 5 rows of {data}')
    assert lines[1] == '1 of 6 rows have no label and are not measured'
    assert any(line.split()[:2] == ['accuracy', '60.0'] for line in lines)
    assert any(line.startswith(f'{TOPICS[0]} ') and line.endswith('2          1') for line in lines)
    assert [line.split()[0] for line in lines if line.endswith('few rows')] == ['es', 'ar', '(none)']
    assert 'worst errors: the label, the prediction and its probability, the text' in lines
    assert lines[-2] == f'  line 5: {TOPICS[0]} → {TOPICS[1]}  75.0%  ab bb'


def test_slices_have_measures_of_their_own(shell: Shell, data: Path) -> None:
    answer = evaluated(
        shell, '--data', data, '--model', 'topics', '--slice-by', 'language', '--slice-by', 'number'
    )
    found = {
        (part['column'], part['value']): (part['rows'], values(part)['accuracy']) for part in answer['slices']
    }
    assert found == {
        ('language', 'es'): (2, 1.0), ('language', 'ar'): (2, 0.5), ('language', '(none)'): (1, 0.0),
        ('number', '1'): (1, 1.0), ('number', '2'): (1, 1.0), ('number', '3'): (1, 1.0),
        ('number', '4'): (1, 0.0), ('number', '6'): (1, 0.0),
    }  # fmt: skip
    assert all(part['few_rows'] for part in answer['slices'])


def test_the_label_itself_can_be_a_slice(shell: Shell, data: Path) -> None:
    answer = evaluated(shell, '--data', data, '--model', 'topics', '--slice-by', 'label')
    assert {part['value']: part['rows'] for part in answer['slices']} == {
        TOPICS[0]: 2,
        TOPICS[1]: 1,
        TOPICS[2]: 2,
    }


@pytest.mark.parametrize('form', ['tsv', 'jsonl', 'json', 'parquet', 'csv.gz', 'ft.txt'])
def test_every_format_of_tables_is_read(shell: Shell, form: str) -> None:
    path = shell.folder / f'rows.{form}'
    rows = [{'text': text, 'label': label} for text, label in (('a', 'bad'), ('bb', 'GOOD '), ('c', 'good'))]
    if form == 'parquet':
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif form.startswith('json'):
        path.write_text(json.dumps(rows) if form == 'json' else '\n'.join(map(json.dumps, rows)))
    elif form == 'ft.txt':
        path.write_text(''.join(f'__label__{row["label"].strip()} {row["text"]}\n' for row in rows))
    else:
        separator = '\t' if form == 'tsv' else ','
        content = ''.join(f'{row["text"]}{separator}{row["label"]}\n' for row in rows)
        content = f'text{separator}label\n{content}'
        path.write_bytes(gzip.compress(content.encode()) if form.endswith('gz') else content.encode())
    answer = evaluated(shell, '--data', path, '--model', 'moods')
    assert (answer['rows'], answer['confusion']) == (3, [[1, 0, 0], [0, 0, 0], [0, 1, 1]])


def test_ordered_classes_have_the_measures_of_their_order(shell: Shell) -> None:
    path = write(shell.folder / 'stars.csv', (('a', '★'), ('b', '★★★'), ('cc', '★★★')), 'reseña,estrellas')
    answer = evaluated(
        shell, '--data', path, '--model', 'stars', '--text-column', 'reseña', '--label-column', 'estrellas'
    )
    assert values(answer)['mean_absolute_error'] == pytest.approx(1 / 3, abs=1e-6)
    assert values(answer)['quadratic_kappa'] == pytest.approx(0.8, abs=1e-6)


def test_rows_with_several_labels_are_measured_by_label(shell: Shell) -> None:
    rows = (('aab', 'precio|envío 📦'), ('b', '["envío 📦"]'), ('c', '[]'), ('a', ''))
    path = write(shell.folder / 'tags.csv', rows, 'text,label')
    out = shell.folder / 'out.jsonl'
    answer = json.loads(
        shell_with_notes(shell, 'evaluate', '--json', '--data', path, '--model', 'tags', '--out', out)
    )
    assert (answer['rows'], answer['unlabelled']) == (3, 1)
    assert values(answer)['accuracy'] == pytest.approx(2 / 3, abs=1e-6)
    assert values(answer)['hamming'] == pytest.approx(1 / 9, abs=1e-6)
    assert 'confusion' not in answer
    assert answer['errors'][0] | {'log_loss': 0} == {
        'where': f'{path}, line 4', 'text': 'c', 'label': [], 'predicted': ['רכב'], 'score': 1.0, 'log_loss': 0,
    }  # fmt: skip
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row['predicted_label'] for row in written] == ['precio|envío 📦', 'envío 📦', 'רכב', 'precio']


def test_lists_of_labels_are_read_from_jsonl_and_parquet(shell: Shell) -> None:
    rows = [{'text': 'aab', 'label': ['envío 📦', 'precio']}, {'text': 'b', 'label': []}]
    jsonl, table = shell.folder / 'tags.jsonl', shell.folder / 'tags.parquet'
    jsonl.write_text('\n'.join(map(json.dumps, rows)))
    parquet.write_table(pyarrow.Table.from_pylist(rows), table)
    for path in (jsonl, table):
        answer = evaluated(shell, '--data', path, '--model', 'tags')
        assert (answer['rows'], values(answer)['accuracy'], values(answer)['micro_f1']) == (2, 0.5, 0.8)


def shell_with_notes(shell: Shell, *arguments: object) -> bytes:
    """The standard output of a command that also prints notes on standard error."""
    answer = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        env={**os.environ, 'VAIVEN_SERVER': shell.address},
        cwd=shell.folder,
        timeout=120,
    )
    assert answer.returncode == 0, answer
    return answer.stdout


def test_predictions_keep_every_column_and_every_row_in_order(shell: Shell, data: Path) -> None:
    out = shell.folder / 'out.csv'
    shell_with_notes(shell, 'evaluate', '--data', data, '--model', 'topics', '--out', out)
    with out.open(newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        'text', 'label', 'language', 'number', 'predicted_label', 'predicted_score',
        *(f'predicted_probability_{name}' for name in TOPICS),
    ]  # fmt: skip
    assert [tuple(row.values())[:4] for row in rows] == list(ROWS)
    assert rows[0]['predicted_label'] == TOPICS[0]
    assert float(rows[0]['predicted_score']) == pytest.approx(2 / 3, abs=1e-6)
    assert rows[4]['predicted_label'] == TOPICS[1]  # also of a row without a label
    again = shell.folder / 'again.jsonl'
    note = shell.fails(2, 'evaluate', '--data', str(out), '--model', 'topics', '--out', str(again))
    assert (
        "would overwrite the column 'predicted_label' of the data: choose other names with --out-prefix"
        in note
    )
    assert not again.exists()
    shell_with_notes(
        shell, 'evaluate', '--data', out, '--model', 'topics', '--out', again, '--out-prefix', 'v2 '
    )
    kept = json.loads(again.read_text().splitlines()[0])
    assert (kept['predicted_label'], kept['v2 label']) == (TOPICS[0], TOPICS[0])


def test_jsonl_predictions_keep_the_types_of_the_data(shell: Shell) -> None:
    path, out = shell.folder / 'rows.jsonl', shell.folder / 'out.jsonl'
    row = {'id': 7, 'text': 'a', 'tags': ['x'], 'label': 'bad', 'ok': None}
    path.write_text(json.dumps(row) + '\n{"text": "c"}\n')
    shell_with_notes(shell, 'evaluate', '--data', path, '--model', 'moods', '--out', out)
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert {name: written[0][name] for name in row} == row
    assert (written[1]['text'], written[1]['predicted_label']) == ('c', 'good')


@pytest.fixture(scope='module')
def versions(classifiers: Path, pushed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A serving folder with two versions of sentiment, of which the first was exported by an earlier version."""
    base = tmp_path_factory.mktemp('versions') / 'vaiven-runs' / 'reviews' / 'serving' / 'reviews'
    shutil.copytree(pushed / '1', base / '1')
    shutil.copytree(classifiers / 'reviews' / '1', base / '2')
    return base


@pytest.fixture(scope='module')
def two_versions(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    config = tmp_path_factory.mktemp('config') / 'models.config'
    config.write_text(
        f'model_config_list {{ config {{ name: "reviews" base_path: "{versions}" model_platform: "tensorflow" '
        'model_version_policy { all {} } version_labels { key: "stable" value: 1 } } }'
    )
    flags = {'model_config_file': config, 'allow_version_labels_for_unavailable_models': True}
    with ServerProcess('reviews', versions, flags=flags) as running:
        yield running


# Version 1 counts the letter g, version 2 the letters a and b.
SENTIMENTS = (
    ('gb', 'pos'), ('gga', 'negative'), ('ggb', 'POS'), ('a', 'negativa'), ('gggb', 'positivo'), ('b', 'Positive'),
)  # fmt: skip


@pytest.mark.parametrize('rest', [False, True])
def test_two_versions_are_compared_on_the_same_rows(
    two_versions: ServerProcess, tmp_path: Path, rest: bool
) -> None:
    shell = Shell(two_versions.rest_url if rest else two_versions.grpc_address, tmp_path)
    path = write(tmp_path / 'rows.csv', SENTIMENTS, 'text,label')
    answer = evaluated(shell, '--data', path, '--model', 'reviews', '--compare', '1', '--slice-by', 'label')
    assert (answer['version'], answer['reference']['version']) == (2, 1)
    assert (answer['kind'], answer['classes']) == ('binary', ['negative', 'positive'])
    assert values(answer)['accuracy'] == 1
    assert answer['reference_measures']['accuracy'] == 0.5
    comparison = answer['comparison']
    assert (comparison['only_this_right'], comparison['only_reference_right']) == (3, 0)
    assert comparison['p_value'] == 0.25
    difference = comparison['differences']['accuracy']
    assert difference['value'] == 0.5
    assert difference['low'] < 0 < difference['high']
    assert answer['changed'] == 3
    assert {change['text'] for change in answer['changes']} == {'gb', 'gga', 'b'}
    assert {change['effect'] for change in answer['changes']} == {1}
    assert all('comparison' in part for part in answer['slices'])
    by_label = evaluated(
        shell, '--data', path, '--model', 'reviews', '--label', 'stable', '--compare', '2', '--errors', '0'
    )
    assert (by_label['version'], by_label['reference']['version']) == (1, 2)
    assert (by_label['errors'], by_label['changes'], by_label['changed']) == ([], [], 3)
    printed = shell(
        'evaluate', '--data', str(path), '--model', 'reviews', '--compare', 'stable'
    ).stdout.decode()
    assert 'compared with version 1 of model reviews' in printed
    assert (
        "only this model is right: 3 rows; only the compared one: 0 rows (McNemar's exact test: p = 0.25)"
        in printed
    )
    assert 'changed predictions: 3 rows (50.0%)' in printed
    assert '  line 2: now right, positive: negative → positive  gb' in printed


def test_without_a_server_the_newest_pushed_version_is_evaluated_and_compared_by_number(
    versions: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / 'rows.csv', SENTIMENTS, 'text,label')
    answer = subprocess.run(
        [*COMMAND, 'evaluate', '--data', str(path), '--json', '--compare', '1'],
        capture_output=True,
        cwd=versions.parents[3],
        env={**os.environ, 'VAIVEN_SERVER': ''},
        timeout=120,
    )
    assert answer.returncode == 0, answer
    assert b'using version 2 of' in answer.stderr
    printed = json.loads(answer.stdout)
    assert (printed['version'], printed['reference']['version'], printed['changed']) == (2, 1, 3)


def test_folders_of_saved_models_are_compared_in_this_process(
    classifiers: Path, versions: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / 'rows.csv', SENTIMENTS, 'text,label')
    shell = Shell(f'saved-model:{classifiers / "reviews" / "1"}', tmp_path)
    answer = evaluated(shell, '--data', path, '--compare', versions / '1')
    assert (answer['model'], answer['changed']) == ('reviews', 3)


def test_a_server_is_evaluated_without_tensorflow(
    classifier_server: ServerProcess, tmp_path: Path, data: Path
) -> None:
    code = (
        'import sys; from vaiven.pipeline.cli import run; '
        f'status = run(["evaluate", "--data", {str(data)!r}, "--server", {classifier_server.grpc_address!r}, '
        '"--model", "topics", "--slice-by", "language"]); '
        'assert not {"tensorflow", "tfx", "sklearn", "pandas"} & set(sys.modules); sys.exit(status)'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=tmp_path, capture_output=True, timeout=60)


def test_a_terminal_shows_progress_and_cuts_long_texts(shell: Shell) -> None:
    path = write(shell.folder / 'long.csv', (('c ' + 'muy solo ' * 50, 'bad'),), 'text,label')
    leader, follower = pty.openpty()
    answer = subprocess.run(
        [*COMMAND, 'evaluate', '--data', str(path), '--model', 'moods'],
        stdout=follower,
        stderr=subprocess.PIPE,
        env={**os.environ, 'VAIVEN_SERVER': shell.address, 'COLUMNS': '80', 'TERM': 'xterm'},
        timeout=120,
    )
    os.close(follower)
    printed = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert answer.returncode == 0, answer
    assert '\x1b[1m' in printed
    [line] = [line for line in printed.splitlines() if 'bad → ' in line]
    assert line.rstrip().endswith('…')
    assert len(line.rstrip()) <= 80


def test_usage_errors_are_one_line_and_name_the_remedy(shell: Shell, data: Path, classifiers: Path) -> None:
    (shell.folder / 'empty.csv').write_text('text,label\n')
    (shell.folder / 'blank.csv').write_text('text,label\na,\n')
    (shell.folder / 'rows.txt').write_text('a\n')
    (shell.folder / 'other.csv').write_text('text,label\na,bad\nb,new\n')
    (shell.folder / 'shades.csv').write_text('text,label\na,0\nb,-1\na,1\n')
    (shell.folder / 'kept.csv').write_text('mine\n')
    topics, moods = ('--model', 'topics'), ('--model', 'moods')
    for arguments, message in (
        ([*topics], "Missing option '--data'"),
        (['--data', 'none.csv', *topics], 'cannot read none.csv: No such file or directory'),
        (['--data', 'rows.txt', *topics], '--data must be a .csv, .tsv'),
        (['--data', 'gs://bucket/rows.csv'], '--data must be a file of this machine'),
        (['--data', 'empty.csv', *topics], 'empty.csv has no rows: give a table with texts and labels'),
        (['--data', 'blank.csv', *topics], "no row with a label in column 'label' among 1 rows"),
        (
            ['--data', 'other.csv', *moods],
            "other.csv, line 3: 'new' is not one of the labels of the model (bad, undecided, good); correct it, or add "
            '--ignore-unknown-labels',
        ),
        (
            ['--data', 'shades.csv', '--model', 'reviews'],
            "'0' and '-1' in column 'label' would all be negative",
        ),
        (
            ['--data', data, *topics, '--label-column', 'Labels'],
            "no column is named 'Labels'; there are: 'text', 'label', 'language', 'number'; name it with "
            '--label-column label',
        ),
        (['--data', data, *topics, '--slice-by', 'year'], "no column is named 'year'"),
        (
            ['--data', data, *topics, '--out', 'x.parquet'],
            '--out must end in .csv, .jsonl. Received: x.parquet',
        ),
        (['--data', data, *topics, '--out', data], '--out must be another file than --data'),
        (
            ['--data', data, *topics, '--out', 'kept.csv'],
            'kept.csv exists already: name another file, or remove it',
        ),
        (['--data', data, *topics, '--out', 'none/x.csv'], 'cannot write none/x.csv: No such file'),
        (
            ['--data', data, *topics, '--compare', classifiers / 'moods'],
            'two models can be compared if their classes are the same. Received: multiclass with 4 classes and '
            'multiclass with 3',
        ),
        (['--data', data, *topics, '--compare', 'none/here'], 'no folder none/here'),
        (['--data', data, *topics, '--version', '1', '--label', 'x'], 'give --version or --label, not both'),
        (['--data', data, *topics, '--errors', '-1'], "Invalid value for '--errors'"),
    ):
        assert message in shell.fails(2, 'evaluate', *map(str, arguments)), arguments
    assert (shell.folder / 'kept.csv').read_text() == 'mine\n'


def test_unknown_labels_are_left_out_on_request_and_counted(shell: Shell) -> None:
    path = write(
        shell.folder / 'rows.csv', (('a', 'bad'), ('b', 'new'), ('c', 'new'), ('c', 'good')), 'text,label'
    )
    answer = evaluated(shell, '--data', path, '--model', 'moods', '--ignore-unknown-labels')
    assert (answer['rows'], answer['unknown_labels'], answer['unlabelled']) == (2, {'new': 2}, 0)
    printed = shell(
        'evaluate', '--data', str(path), '--model', 'moods', '--ignore-unknown-labels'
    ).stdout.decode()
    assert "2 of 4 rows have a label that the model does not have and are not measured: 'new' (2)" in printed


def test_a_model_without_labels_is_not_evaluated() -> None:
    class LanguageModel:
        def metadata(self, *arguments: object, **selector: object) -> Metadata:
            return Metadata(
                7, {'serving_default': Signature({}, {'log_probability': TensorSpec('DT_FLOAT', (-1,))}, '')}
            )

    with pytest.raises(ServingError, match="version 7 of model 'novel' is not a classifier"):
        EvaluatedModel.connect(Target('127.0.0.1:1', 'novel'), LanguageModel())  # type: ignore[arg-type]
