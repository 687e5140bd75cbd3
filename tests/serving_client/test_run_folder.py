"""What the folder of a run knows of its versions, also after it was moved: figures, held-out rows."""

import csv
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.serving_client.run_folder import make_run
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.reading import read_rows
from vaiven.label_spec import LabelSpec
from vaiven.serving.client import Client
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import configuration, held_out, lineage, requests
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.server.server_process import ServerProcess

pytestmark = pytest.mark.slow

MULTILINE = 'año, "largo"\n y malo'


@pytest.fixture(scope='module')
def folder(pushed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where people stand when they give commands: it holds `vaiven-runs`, which was moved after the runs."""
    made = tmp_path_factory.mktemp('made') / 'vaiven-runs' / 'reviews'
    for version in ('1', '2'):
        shutil.copytree(pushed / version, made / 'serving' / 'reviews' / version)
    make_run(made)
    moved = tmp_path_factory.mktemp('moved')
    made.parent.rename(moved / 'vaiven-runs')
    return moved


@pytest.fixture(scope='module')
def base_path(folder: Path) -> Path:
    return folder / 'vaiven-runs' / 'reviews' / 'serving' / 'reviews'


@pytest.fixture(scope='module')
def client(base_path: Path) -> Iterator[Client]:
    """Version 1 is stable, version 2 the canary."""
    with ServerProcess('reviews', base_path) as running, Client(running.grpc_address) as made:
        rollout = Rollout(made, 'reviews', configuration.single_model_config('reviews', base_path))
        rollout.promote(1)
        rollout.canary(2, 10)
        yield made


def vaiven(cwd: Path, *arguments: object, status: int = 0) -> 'subprocess.CompletedProcess[str]':
    answer = subprocess.run(
        [sys.executable, '-m', 'vaiven.pipeline.cli', *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, timeout=120,
    )  # fmt: skip
    assert answer.returncode == status, answer
    if status:
        assert answer.stderr.count('\n') == 1, answer.stderr
    return answer


def test_each_version_has_its_own_figures_though_the_next_was_evaluated_against_it(base_path: Path) -> None:
    found = lineage.origins(lineage.store_path(base_path), base_path)
    assert {version: origin.metrics for version, origin in found.items()} == {
        1: {'binary_accuracy': 0.75},
        2: {'binary_accuracy': 0.8125},
    }
    assert {version: origin.rows for version, origin in found.items()} == {1: 1000, 2: 2000}


def test_addresses_relative_to_the_run_are_found_and_the_last_push_of_a_number_counts(
    base_path: Path, tmp_path: Path
) -> None:
    store = tmp_path / 'copy' / 'metadata.sqlite'
    shutil.copytree(base_path.parents[1], tmp_path / 'copy')
    with closing(sqlite3.connect(store)) as connection, connection:
        tail = "substr({0}, instr({0}, '{1}/'))"
        connection.execute(f'update Artifact set uri = {tail.format("uri", "artifacts")}')
        # The second run pushed its model as version 1 again, from where the folder had been moved to.
        destinations = connection.execute(
            "select artifact_id from ArtifactProperty where name = 'pushed_destination' order by artifact_id"
        ).fetchall()
        for [artifact], place in zip(
            destinations, ('/old/serving/reviews/1', 'serving/reviews/1'), strict=False
        ):
            connection.execute(
                "update ArtifactProperty set string_value = ? where artifact_id = ? and name = 'pushed_destination'",
                (place, artifact),
            )
    base = tmp_path / 'copy' / 'serving' / 'reviews'
    [(version, origin)] = lineage.origins(store, base).items()
    assert (version, origin.metrics, origin.rows) == (1, {'binary_accuracy': 0.8125}, 2000)
    assert held_out.examples_folder(base, 1).is_relative_to(tmp_path / 'copy')


def test_a_copy_of_a_run_is_read_and_not_where_it_was_copied_from(base_path: Path, tmp_path: Path) -> None:
    run = base_path.parents[1]
    shutil.copytree(run, tmp_path / 'copy')
    base = tmp_path / 'copy' / 'serving' / 'reviews'
    shutil.rmtree(tmp_path / 'copy' / 'artifacts' / 'TextExampleGen')
    for path in (tmp_path / 'copy').rglob('metrics-*'):
        path.write_bytes(b'\xff' * 20)
    problem = lineage.origins(lineage.store_path(base), base)[1].problem
    assert problem.startswith(str(tmp_path / 'copy'))
    with pytest.raises(ServingError, match='the examples of version 2 were deleted'):
        held_out.examples_folder(base, 2)
    assert held_out.examples_folder(base_path, 2).is_dir()


def test_compare_asks_the_rows_that_the_run_of_the_canary_held_out(client: Client, folder: Path) -> None:
    answer = vaiven(
        folder, 'rollout', 'compare', '--server', client.address, '--json', '--limit', 42, status=3
    )
    assert '42 rows that the run of version 2 held out' in answer.stderr
    told = json.loads(answer.stdout)
    assert (told['new'], told['old'], told['requests']) == (2, 1, 42)
    # `g2` is half g, which is not more than half; all others are right.
    assert told['accuracy']['labelled'] == 42
    assert told['accuracy']['new'] == pytest.approx(41 / 42, abs=1e-5)


@pytest.mark.parametrize('name', ['held-out.csv', 'held-out.jsonl'])
def test_an_exported_split_is_read_back_as_the_run_had_it(folder: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    said = vaiven(folder, 'export', '--split', 'test', file).stdout
    assert said.startswith(f'{file}: 42 rows, split test of the run of version 2')
    rows = (
        [json.loads(line) for line in file.read_text().splitlines()]
        if name.endswith('.jsonl')
        else list(csv.DictReader(file.open(newline='')))
    )
    assert list(rows[0]) == ['text', 'label', 'language', 'rating']
    assert [str(value) for value in rows[0].values()] == ['g2', 'positive', 'es', '0.1']
    assert (rows[1]['text'], rows[1]['label']) == (MULTILINE, 'negative')
    assert not rows[1]['rating']
    assert list(tmp_path.iterdir()) == [file]
    given = requests.read_requests(file, 'reviews')
    assert [(asked.inputs, asked.expected_label) for asked in given] == [
        (asked.inputs, asked.expected_label)
        for asked in held_out.requests(held_out.examples_folder(base_path_of(folder), 2), LabelSpec())
    ]
    read = list(read_rows(str(file), DataConfig()))
    assert [(row.text, row.label) for row in read[:2]] == [('g2', 1), (MULTILINE, 0)]


def base_path_of(folder: Path) -> Path:
    return folder / 'vaiven-runs' / 'reviews' / 'serving' / 'reviews'


def test_splits_versions_and_runs_are_named(folder: Path, tmp_path: Path) -> None:
    root = folder / 'vaiven-runs' / 'reviews'
    vaiven(tmp_path, 'export', '--root', root, '--version', '1', 'one.jsonl')
    assert json.loads((tmp_path / 'one.jsonl').read_text().splitlines()[0])['text'] == 'g1'
    vaiven(folder, 'export', '--name', 'reviews', '--split', 'unlabelled', tmp_path / 'more.tsv')
    assert (tmp_path / 'more.tsv').read_text() == 'text\tlabel\nnobody knows\t\n'
    vaiven(folder, 'export', '--split', 'train', tmp_path / 'train.csv')
    assert (tmp_path / 'train.csv').read_text() == '"text","label"\n"one\ttab","positive"\n'


def test_what_cannot_be_exported_is_one_line_and_leaves_the_file_as_it_was(
    folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / 'rows.tsv'
    file.write_text('mine\n')
    for arguments, message in (
        (['--split', 'train', file], "a tab or a line break in 'text', which a .tsv file cannot store"),
        (['--split', 'eval', file], "split 'eval' of the run of version 2 has no rows"),
        (['--version', '9', file], 'has no version 9; it has: 2, 1'),
        (['--name', 'films', file], "no pushed model of 'films' below vaiven-runs"),
        (['--root', tmp_path, file], 'has no such model with a version'),
        (
            ['--root', 'gs://bucket/runs', file],
            '--root must be a folder of this machine: gs:// is not supported',
        ),
        (['gs://bucket/rows.csv'], 'FILE must be a file of this machine: gs:// is not supported'),
        (['--split', 'held-out', file], "'held-out' is not one of"),
        ([tmp_path / 'rows.parquet'], 'FILE must end in .csv, .tsv, .jsonl'),
        ([tmp_path / 'none' / 'rows.csv'], 'cannot write'),
    ):
        assert message in vaiven(folder, 'export', *arguments, status=2).stderr
    assert file.read_text() == 'mine\n'
    assert list(tmp_path.iterdir()) == [file]


def test_a_damaged_file_of_examples_is_told(folder: Path, tmp_path: Path) -> None:
    source = (
        held_out.examples_folder(base_path_of(folder), 2) / 'Split-test' / 'data_tfrecord-00000-of-00001.gz'
    )
    broken = tmp_path / 'Split-test' / 'data_tfrecord-00000-of-00001.gz'
    broken.parent.mkdir()
    whole = source.read_bytes()
    for content in (whole[:-40], b'not gzip at all', whole[:30] + b'\0\0\0' + whole[33:]):
        broken.write_bytes(content)
        with pytest.raises(ServingError, match=r'is damaged|cannot read|no TFRecord file'):
            list(held_out.rows(tmp_path, 'test', LabelSpec()))
    with pytest.raises(ServingError, match="has no split 'eval'"):
        list(held_out.rows(tmp_path, 'eval', LabelSpec()))


def test_a_folder_that_belongs_to_no_run_is_told(client: Client, pushed: Path, tmp_path: Path) -> None:
    shutil.copytree(pushed, tmp_path / 'reviews')
    said = vaiven(
        tmp_path,
        'rollout',
        'compare',
        '--server',
        client.address,
        '--base-path',
        tmp_path / 'reviews',
        status=2,
    ).stderr
    assert 'does not belong to a run' in said
    assert 'or use --requests or --log' in said


def test_a_base_path_of_another_machine_is_refused_and_makes_no_folder(
    client: Client, tmp_path: Path
) -> None:
    for command in (['status'], ['canary', '2', '--percent', '5'], ['promote', '2'], ['compare']):
        said = vaiven(
            tmp_path,
            'rollout',
            *command,
            '--server',
            client.address,
            '--base-path',
            'gs://bucket/reviews',
            status=2,
        ).stderr
        assert 'gs:// is not supported' in said
    assert list(tmp_path.iterdir()) == []


def test_the_command_works_without_tensorflow(folder: Path, tmp_path: Path) -> None:
    code = (
        'import sys; from vaiven.pipeline.cli import run; '
        f'status = run(["export", "--root", {str(folder / "vaiven-runs" / "reviews")!r}, "x.csv"]); '
        'assert not {"tensorflow", "tfx", "apache_beam"} & set(sys.modules); sys.exit(status)'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=tmp_path, capture_output=True, timeout=60)
    assert (tmp_path / 'x.csv').exists()
