"""Several classes, ordered classes and several labels per text: from a file to answers, measures and explanations."""

import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import sharing
from tests.e2e.support import run_arguments, vaiven
from vaiven.label_spec import LabelSpec
from vaiven.serving.client import Client, Vaiven
from vaiven.serving.server.server_process import ServerProcess

pytestmark = pytest.mark.slow

# Words of each class: names in Spanish, with an emoji, from right to left, and plain.
TOPICS = {
    'año nuevo': 'fiesta uvas campanadas enero',
    'envío 📦': 'paquete correo caja cartero',
    'precio': 'caro barato coste euros',
    'شكوى': 'broken refund complaint angry',
}
STARS = {
    '1': 'pésimo horrible odioso',
    '2': 'malo flojo aburrido',
    '3': 'regular normal pasable',
    '4': 'bueno bonito agradable',
    '5': 'excelente perfecto genial',
}
OTHERS = ['the', 'a', 'de', 'la', 'que', 'y', 'it', 'was', 'el', 'los']


@dataclass(frozen=True)
class Trained:
    """A run.

    Attributes:
        spec: kind and classes that the run must find.
        root: folder of the runs.
        result: what `vaiven run --json` printed.
        words: words of each class.
    """

    spec: LabelSpec
    root: Path
    result: dict
    words: dict[str, str]

    def text_about(self, *classes: str) -> str:
        return ' '.join(self.words[name] for name in classes)


def sentence(rng: random.Random, words: str, number: int) -> str:
    return ' '.join([*rng.choices(words.split(), k=4), *rng.choices(OTHERS, k=4), str(number)])


def write(kind: str, folder: Path) -> Path:
    rng = random.Random(4)
    path = folder / ('rows.jsonl' if kind == 'multilabel' else 'rows.csv')
    words = STARS if kind == 'ordinal' else TOPICS
    rows: list[tuple[str, object]] = []
    for number in range(300):
        names = [name for name in words if rng.random() < 0.35]
        if kind != 'multilabel':
            names = [list(words)[number % len(words)]]
        text = ' '.join(
            [sentence(rng, words[name], number) for name in names] or [sentence(rng, 'the', number)]
        )
        rows.append((text, names if kind == 'multilabel' else names[0]))
    with path.open('w', encoding='utf-8', newline='') as file:
        if kind == 'multilabel':
            file.writelines(
                json.dumps({'text': text, 'label': label}, ensure_ascii=False) + '\n' for text, label in rows
            )
        else:
            csv.writer(file).writerows([('text', 'label'), *rows])
    return path


def run(kind: str, folder: Path) -> None:
    arguments = run_arguments(
        write(kind, folder), folder / 'runs', 'network.wide_ngrams=2000', 'training.epochs=6'
    )
    completed = vaiven(*arguments, '--no-serve', '--json')
    assert completed.returncode == 0, completed.stdout + completed.stderr
    (folder / 'result.json').write_text(completed.stdout, encoding='utf-8')


@pytest.fixture(scope='module', params=['multiclass', 'ordinal', 'multilabel'])
def trained(request, tmp_path_factory) -> Trained:
    kind = request.param
    # pytest makes a fixture again when it sorts the tests by another parameter.
    folder = sharing.made_once(tmp_path_factory, f'run-{kind}', lambda made: run(kind, made))
    words = STARS if kind == 'ordinal' else TOPICS
    result = json.loads((folder / 'result.json').read_text('utf-8'))
    return Trained(LabelSpec(kind, tuple(words)), folder / 'runs', result, words)


@pytest.fixture(scope='module')
def server(trained) -> Iterator[ServerProcess]:
    with ServerProcess('tiny', trained.root / 'serving' / 'tiny') as process:
        yield process


@pytest.fixture(scope='module', params=['grpc', 'rest'])
def model(request, server) -> Iterator[Vaiven]:
    with Client(server.grpc_address if request.param == 'grpc' else server.rest_url) as client:
        yield Vaiven(client, 'tiny')


def test_the_run_finds_kind_and_classes_and_learns_them(trained):
    assert (trained.result['label_kind'], tuple(trained.result['classes'])) == (
        trained.spec.kind, trained.spec.classes,
    )  # fmt: skip
    assert trained.result['version'] == 1
    assert trained.result['metrics']['macro_f1'] > 0.8
    made = json.loads(
        (trained.root / 'serving' / 'tiny' / '1' / 'assets.extra' / 'vaiven.json').read_text('utf-8')
    )
    assert LabelSpec.from_config(made) == trained.spec


def test_each_class_is_answered_by_its_name(trained, model):
    results = model.classify([trained.text_about(name) for name in trained.spec.classes])
    assert [result.label for result in results] == list(trained.spec.classes)
    for result in results:
        assert result.classes == trained.spec.classes
        assert result.score == pytest.approx(max(result.probabilities))
        if trained.spec.kind != 'multilabel':
            assert sum(result.probabilities) == pytest.approx(1, abs=1e-5)


def test_the_answer_has_what_the_kind_adds(trained, model):
    first, last = trained.spec.classes[0], trained.spec.classes[-1]
    low, high, both = model.classify(
        [trained.text_about(first), trained.text_about(last), trained.text_about(first, last)]
    )
    if trained.spec.kind == 'ordinal':
        assert 1 <= low.expected_value < 2.5 < 3.5 < high.expected_value <= 5
    if trained.spec.kind == 'multilabel':
        assert set(both.labels) == {first, last}
        assert both.joined_labels == f'{first}|{last}'


def test_the_words_of_a_class_speak_for_it(trained, model):
    name = trained.spec.classes[-1]
    [result] = model.explain([f'the {trained.text_about(name)} was'])
    assert result.label == name
    values = {word.text: word.value for word in result.words}
    assert all(values[word] > max(values['the'], values['was']) for word in trained.words[name].split())


def test_the_exported_split_is_measured_as_the_run_measured_it(trained, tmp_path):
    exported = vaiven('export', '--split', 'test', '--root', trained.root, tmp_path / 'test.csv')
    assert exported.returncode == 0, exported.stdout + exported.stderr
    version = trained.root / 'serving' / 'tiny' / '1'
    measured = vaiven(
        'evaluate', '--data', tmp_path / 'test.csv', '--server', f'saved-model:{version}', '--json'
    )
    assert measured.returncode == 0, measured.stdout + measured.stderr
    measures = json.loads(measured.stdout)['measures']
    assert measures['macro_f1']['value'] == pytest.approx(trained.result['metrics']['macro_f1'], abs=1e-5)
