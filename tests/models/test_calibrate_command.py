"""`vaiven calibrate` on a real exported model."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401 (operations of the model)
from click.testing import CliRunner

from tests.models.conftest import corpus
from vaiven.errors import UserError
from vaiven.label_spec import LabelSpec
from vaiven.models.export.combination import read_combination
from vaiven.pipeline.commands.calibrate import calibrate
from vaiven.serving.evaluation.measures import measure

pytestmark = pytest.mark.slow


@pytest.fixture
def root(trained, tmp_path):
    """The folder of a run with one pushed version."""
    shutil.copytree(trained.folder, tmp_path / 'run' / 'serving' / 'reviews' / '1')
    return tmp_path / 'run'


def table(path, labels: dict[int, str], rows=None):
    """Rows on which the model is often wrong: a third of the labels are the opposite of what it learned."""
    rows = [(text, label) for text, label in corpus() if label is not None] if rows is None else rows
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(('text', 'label'))
        for number, (text, label) in enumerate(rows):
            writer.writerow((text, labels[1 - label if number % 3 == 0 else label]))
    return path


def run(root, *arguments):
    result = CliRunner().invoke(calibrate, ['--root', str(root), *map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def served(folder, texts) -> dict[str, np.ndarray]:
    signatures = tf.saved_model.load(str(folder)).signatures
    return {
        name: {key: value.numpy() for key, value in signatures[name](text=tf.constant(texts)).items()}
        for name in ('serving_default', 'embed')
    }


def test_the_calibrated_version_is_pushed_and_only_the_probabilities_change(root, tmp_path):
    data = table(tmp_path / 'rows.csv', {0: 'negativa', 1: 'positiva'})
    output = run(root, '--data', data).output
    assert 'log loss' in output
    assert 'version 2 pushed' in output
    models = root / 'serving' / 'reviews'
    texts = [text for text, label in corpus() if label is not None]
    truth = np.array([label for _, label in corpus() if label is not None])
    truth = np.where(np.arange(len(truth)) % 3 == 0, 1 - truth, truth)
    before, after = served(models / '1', texts), served(models / '2', texts)
    np.testing.assert_array_equal(before['embed']['embedding'], after['embed']['embedding'])
    losses = [
        measure(truth, answer['serving_default']['probabilities'], LabelSpec()).log_loss
        for answer in (before, after)
    ]
    assert losses[1] < losses[0]
    record = json.loads((models / '2' / 'assets.extra' / 'vaiven.json').read_text(encoding='utf-8'))
    assert record['calibration']['version'] == 1
    assert record['calibration']['rows'] == len(truth)
    assert record['calibration']['sha256'] == hashlib.sha256(data.read_bytes()).hexdigest()
    old, new = read_combination(models / '1'), read_combination(models / '2')
    factor, bias = record['calibration']['factor'], record['calibration']['bias']
    np.testing.assert_allclose(new, [factor * old[0], factor * old[1], factor * old[2] + bias], rtol=1e-5)


def test_a_dry_run_pushes_nothing_and_no_library_writes_to_the_terminal(root, tmp_path):
    data = table(tmp_path / 'rows.csv', {0: 'neg', 1: 'pos'})
    command = [sys.executable, '-m', 'vaiven', 'calibrate', '--root', root, '--data', data, '--dry-run']
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, '')
    assert 'log loss' in result.stdout
    assert 'pushed' not in result.stdout
    assert [path.name for path in (root / 'serving' / 'reviews').iterdir()] == ['1']


def test_a_model_that_is_calibrated_already_is_left_alone(root, tmp_path):
    data = table(tmp_path / 'rows.csv', {0: 'neg', 1: 'pos'})
    run(root, '--data', data)
    with pytest.raises(UserError, match='nothing was pushed: on rows like these, version 2 is calibrated'):
        run(root, '--data', data)
    assert sorted(path.name for path in (root / 'serving' / 'reviews').iterdir() if path.is_dir()) == [
        '1',
        '2',
    ]


@pytest.mark.parametrize(
    ('rows', 'said'),
    [
        ([('good', 1)] * 49, 'at least 50 labelled rows of two classes. Received: 49 rows'),
        ([('good', index % 3 == 0) for index in range(60)], '60 rows of 1'),
        ([], '0 rows of 0'),
    ],
    ids=['few rows', 'one class', 'no rows'],
)
def test_too_few_rows_are_refused_in_one_line(rows, said, root, tmp_path):
    data = table(tmp_path / 'rows.csv', {0: 'neg', 1: 'pos'}, rows)
    with pytest.raises(UserError, match='a calibration needs') as raised:
        run(root, '--data', data)
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_model_without_a_combination_is_refused_before_any_text_is_read(root, tmp_path):
    variables = root / 'serving' / 'reviews' / '1' / 'variables'
    tf.raw_ops.SaveV2(
        prefix=str(variables / 'variables'),
        tensor_names=['a'],
        shape_and_slices=[''],
        tensors=[tf.constant(1)],
    )
    with pytest.raises(UserError, match='it has no calibration that can be replaced'):
        run(root, '--data', tmp_path / 'is-not-read.csv')
