"""The Teacher component: its rows, its file, and what a kill leaves."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from tests.components.executor_runs import read_split, run, write_examples
from tests.models.tiny_checkpoint import write_checkpoint
from vaiven.components.teacher import executor
from vaiven.components.teacher.component import Teacher
from vaiven.components.text_example_gen.errors import DataError
from vaiven.configuration import ConfigError
from vaiven.label_spec import LabelSpec
from vaiven.models.teacher import scoring
from vaiven.models.teacher.config import TeacherConfig

pytestmark = pytest.mark.slow

UNLABELLED = ['a good film', 'the plot was awful', 'it is\na “fine” film \u2028 ¡sí! 😀', 'bad', '']
# Words, by class, with which the tiny encoder learns.
WORDS = ('bad', 'fine', 'great')
SPECS = {
    'binary': LabelSpec(),
    'multiclass': LabelSpec('multiclass', ('ham', 'spam', 'news')),
    'ordinal': LabelSpec('ordinal', ('1', '2', '3')),
    'multilabel': LabelSpec('multilabel', ('a', 'b', 'c')),
}


def rows(count: int, spec: LabelSpec) -> list[dict]:
    draw = random.Random(count)
    made = []
    for _ in range(count):
        label = draw.randrange(spec.size)
        words = [WORDS[label], *draw.sample(['film', 'plot', 'the', 'was', 'it'], 3)]
        made.append({'text': ' '.join(words), 'label': label, 'rating': 2.0 * label / (spec.size - 1) - 1})
    return made


def examples(folder: Path, spec: LabelSpec, unlabelled: list[str] = UNLABELLED):
    return write_examples(
        folder,
        {
            'train': rows(60, spec),
            'eval': rows(20, spec),
            'test': rows(10, spec),
            'unlabelled': [{'text': text} for text in unlabelled],
        },
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / 'checkpoint', layers=1)


def teach(given, folder: Path, checkpoint: Path, spec: LabelSpec, **settings):
    config = TeacherConfig(
        str(checkpoint),
        **{'learning_rate': 3e-3, 'epochs': 4, 'batch_size': 8, 'altered_copies': 0, **settings},
    )
    component = Teacher(given_channel(given), config, spec, str(folder / 'unfinished'))
    return run(component, folder / 'out', {'examples': given})['taught_examples']


def given_channel(artifact):
    from tfx.types import channel_utils

    return channel_utils.as_channel([artifact])


@pytest.mark.parametrize('spec', SPECS.values(), ids=SPECS)
def test_text_without_a_label_gets_probabilities_and_all_other_rows_stay(
    tmp_path: Path, checkpoint: Path, spec: LabelSpec
) -> None:
    given = examples(tmp_path / 'given', spec)
    taught = teach(given, tmp_path, checkpoint, spec)
    for split in ('train', 'eval', 'test'):
        assert read_split(taught, split) == read_split(given, split)
    assert read_split(taught, 'unlabelled') == []
    scored = read_split(taught, 'teacher')
    assert [row['text'] for row in scored] == UNLABELLED
    probabilities = np.array([row['probabilities'] for row in scored])
    assert probabilities.shape == (5, spec.size)
    if spec.kind != 'multilabel':
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    # «fine» and «bad» are words of other classes.
    assert probabilities[3, 0] > probabilities[2, 0]
    lines = [json.loads(line) for line in Path(taught.uri, 'scores.jsonl').read_text().split('\n')[:-1]]
    assert [line['text'] for line in lines] == UNLABELLED
    if spec.kind == 'binary':
        assert [set(line) for line in lines] == [{'text', 'probability'}] * 5
        written = [[1 - line['probability'], line['probability']] for line in lines]
    else:
        assert all(tuple(line['probabilities']) == spec.classes for line in lines)
        written = [list(line['probabilities'].values()) for line in lines]
    np.testing.assert_allclose(written, probabilities, atol=1e-6)
    summary = json.loads(Path(taught.uri, 'scores.json').read_text())
    assert (summary['rows'], summary['eval_rows']) == (5, 20)
    assert summary['accuracy'] > 0.4  # a third or a half by chance
    assert list((tmp_path / 'unfinished').iterdir()) == []


def test_a_killed_run_resumes_after_its_last_texts_without_training_again(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec = LabelSpec()
    texts = [f'a good film {number}' for number in range(25)]
    given = examples(tmp_path / 'given', spec, texts)
    whole = teach(given, tmp_path / 'whole', checkpoint, spec)
    expected = Path(whole.uri, 'scores.jsonl').read_text()
    monkeypatch.setattr(scoring, '_TEXTS_AT_ONCE', 10)
    score_lines, calls = scoring.score_lines, []

    def kill_at_the_second_part(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return score_lines(*arguments)

    monkeypatch.setattr(scoring, 'score_lines', kill_at_the_second_part)
    with pytest.raises(KeyboardInterrupt):
        teach(given, tmp_path, checkpoint, spec)
    [scores] = (tmp_path / 'unfinished').glob('*.jsonl')
    assert scores.read_text().count('\n') == 10
    with scores.open('a') as file:
        file.write('{"text": "a go')  # a line that the kill cut off
    monkeypatch.setattr(scoring, 'score_lines', score_lines)
    caplog.clear()  # other tests may have switched progress on before the first runs
    with caplog.at_level('INFO', logger='vaiven.progress'):
        resumed = teach(given, tmp_path, checkpoint, spec)
    assert '10 of 25 texts were scored before' in caplog.text
    assert 'epoch 1/4' not in caplog.text
    assert Path(resumed.uri, 'scores.jsonl').read_text() == expected


def test_altered_training_texts_are_scored_too_unless_they_are_a_labelled_row(
    tmp_path: Path, checkpoint: Path
) -> None:
    spec = LabelSpec()
    given = examples(tmp_path / 'given', spec, ['a good film'])
    taught = teach(given, tmp_path, checkpoint, spec, altered_copies=3)
    first, *altered = [row['text'] for row in read_split(taught, 'teacher')]
    assert first == 'a good film'
    assert 100 < len(altered) <= 180
    held_out = {row['text'] for split in ('train', 'eval', 'test') for row in read_split(given, split)}
    assert not held_out & set(altered)
    words = {word for row in read_split(given, 'train') for word in row['text'].split()}
    assert {word for text in altered for word in text.split()} <= words
    summary = json.loads(Path(taught.uri, 'scores.json').read_text())
    assert (summary['rows'], summary['altered']) == (1 + len(altered), len(altered))


def test_without_text_to_score_one_line_says_so_before_any_training(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(DataError, match='add --unlabelled FILE') as caught:
        teach(examples(tmp_path / 'given', LabelSpec(), []), tmp_path, checkpoint, LabelSpec())
    assert '\n' not in str(caught.value)


def test_rows_of_a_file_of_a_teacher_are_kept_beside_the_scored_ones(
    tmp_path: Path, checkpoint: Path
) -> None:
    spec = LabelSpec()
    row = {'text': 'of a file', 'probabilities': 0.5}
    given = write_examples(
        tmp_path / 'given',
        {
            'train': rows(60, spec),
            'eval': rows(20, spec),
            'unlabelled': [{'text': 'dull'}],
            'teacher': [row],
        },
    )
    taught = teach(given, tmp_path, checkpoint, spec)
    assert [row['text'] for row in read_split(taught, 'teacher')] == ['of a file', 'dull']
    assert executor.artifact_utils.decode_split_names(taught.split_names).count('teacher') == 1


def test_a_component_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    given = examples(tmp_path, LabelSpec())
    with pytest.raises(ConfigError, match=r'teacher\.checkpoint must name a checkpoint'):
        Teacher(given_channel(given), TeacherConfig(), LabelSpec(), 'unfinished')
