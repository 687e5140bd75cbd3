"""`vaiven predict` with models of every kind of labels: each form of output, undecided texts, every way to a model."""

import csv
import io
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.serving_client.classifiers import TOPICS
from tests.serving_client.test_commands import COMMAND, Shell
from vaiven.serving.common import terminal
from vaiven.serving.common.split import Split, write
from vaiven.serving.gateway.gateway_process import GatewayProcess
from vaiven.serving.server.server_process import ServerProcess


@pytest.fixture(scope='module')
def shell(classifier_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(classifier_server.grpc_address, tmp_path_factory.mktemp('shell'))


def predict(shell: Shell, model: str, *arguments: str, stdin: bytes = b'') -> str:
    return shell('predict', '--model', model, *arguments, stdin=stdin).stdout.decode()


def objects(jsonl: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in jsonl.splitlines()]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline='')))


def shown(shell: Shell, *arguments: str, colours: bool = False) -> list[str]:
    """The lines in a terminal with 60 columns."""
    parent, child = pty.openpty()
    environment = {**os.environ, 'COLUMNS': '60', 'FORCE_COLOR' if colours else 'NO_COLOR': '1'}
    process = subprocess.Popen(
        [*COMMAND, 'predict', '--server', shell.address, *arguments],
        stdin=child, stdout=child, stderr=child, close_fds=True, env=environment,
    )  # fmt: skip
    os.close(child)
    assert process.wait(60) == 0
    lines = os.read(parent, 1 << 16).decode().splitlines()
    os.close(parent)
    return lines


def test_a_pipe_gets_the_label_its_score_and_the_text(shell: Shell) -> None:
    assert predict(shell, 'topics', 'cccd', '¿ñ?\tb') == (
        'شكوى\t0.750000\tcccd\n'
        '😀 alegría\t1.000000\t¿ñ?\\tb\n'
    )  # fmt: skip
    assert predict(shell, 'topics', 'd') == 'fin\\tde\x1b[2Jlínea\t1.000000\td\n'
    assert predict(shell, 'mail', 'aaab', 'b') == 'ham\t0.750000\taaab\nspam\t1.000000\tb\n'
    assert predict(shell, 'stars', 'bbbc') == '★★\t0.750000\tbbbc\n'
    assert predict(shell, 'tags', 'aab', '') == 'precio;envío 📦\t1.000000\taab\n\t0.000000\t\n'


def test_two_classes_have_the_probability_of_the_second_in_csv_and_jsonl(shell: Shell) -> None:
    assert predict(shell, 'mail', '--to', 'csv', 'aaab') == 'label,probability,text\nham,0.250000,aaab\n'
    assert objects(predict(shell, 'mail', '--to', 'jsonl', 'aaab')) == [
        {'text': 'aaab', 'label': 'ham', 'probability': 0.25}
    ]
    asked = ('--probabilities', 'aaab')
    assert predict(shell, 'mail', '--to', 'csv', *asked) == (
        'label,probability,text,ham,spam\nham,0.250000,aaab,0.750000,0.250000\n'
    )
    assert objects(predict(shell, 'mail', '--to', 'jsonl', *asked)) == [
        {'text': 'aaab', 'label': 'ham', 'probability': 0.25, 'probabilities': {'ham': 0.75, 'spam': 0.25}}
    ]


def test_several_classes_have_a_score_in_csv_and_a_column_each_where_asked(shell: Shell) -> None:
    assert predict(shell, 'topics', '--to', 'csv', 'cccd') == 'label,score,text\nشكوى,0.750000,cccd\n'
    (row,) = rows(predict(shell, 'topics', '--to', 'csv', '--probabilities', 'cccd'))
    assert row == {
        'label': 'شكوى', 'score': '0.750000', 'text': 'cccd',
        **dict(zip(TOPICS, ('0.000000', '0.000000', '0.750000', '0.250000'), strict=True)),
    }  # fmt: skip


def test_jsonl_has_the_probabilities_by_class(shell: Shell) -> None:
    assert objects(predict(shell, 'topics', '--to', 'jsonl', 'cccd')) == [
        {
            'text': 'cccd', 'label': 'شكوى', 'score': 0.75,
            'probabilities': dict(zip(TOPICS, (0.0, 0.0, 0.75, 0.25), strict=True)),
        }
    ]  # fmt: skip
    assert objects(predict(shell, 'tags', '--to', 'jsonl', 'aab', '')) == [
        {
            'text': 'aab', 'label': ['precio', 'envío 📦'], 'score': 1.0,
            'probabilities': {'precio': 1.0, 'envío 📦': 0.5, 'רכב': 0.0},
        },
        {'text': '', 'label': [], 'score': 0.0, 'probabilities': {'precio': 0.0, 'envío 📦': 0.0, 'רכב': 0.0}},
    ]  # fmt: skip


def test_classes_with_an_order_have_an_expected_value(shell: Shell) -> None:
    (found,) = objects(predict(shell, 'stars', '--to', 'jsonl', 'bbbc'))
    assert list(found) == ['text', 'label', 'score', 'expected_value', 'probabilities']
    assert found['expected_value'] == 2.25
    assert predict(shell, 'stars', '--to', 'csv', 'bbbc') == (
        'label,score,expected_value,text\n★★,0.750000,2.250000,bbbc\n'
    )
    assert [line.split() for line in shown(shell, '--model', 'stars', 'bbbc')] == [
        ['★★', '75.0%', '2.25', 'bbbc']
    ]


def test_a_terminal_aligns_labels_of_any_script(shell: Shell) -> None:
    lines = shown(shell, '--model', 'topics', 'a', 'b', 'c', 'd', 'x')
    assert [line.split('%')[0].split('  ')[0] for line in lines] == [
        'año nuevo', '😀 alegría', '\u2068شكوى\u2069', 'fin de [2Jlínea', 'año nuevo',
    ]  # fmt: skip
    assert {terminal.columns(line.partition('%')[0]) for line in lines} == {len('fin de [2Jlínea') + 7}
    assert all('\x1b' not in line for line in lines)
    (line,) = shown(shell, '--model', 'topics', 'a' + 'ñ😀' * 40)
    assert terminal.columns(line) <= 60
    assert line.endswith('…')


def test_a_terminal_shows_several_labels_or_a_dash(shell: Shell) -> None:
    lines = shown(shell, '--model', 'tags', 'aab', 'c', 'x', 'abc')
    assert [line.split('  ')[0] for line in lines[:3]] == ['precio;envío 📦', '\u2068רכב\u2069', '–']
    assert len({terminal.columns(line.partition('%')[0]) for line in lines}) == 1


def test_a_class_has_one_colour_and_sentiment_is_green_and_red(shell: Shell) -> None:
    positive, negative = shown(shell, '--model', 'reviews', 'b', 'a', colours=True)
    assert positive.startswith('\x1b[32mpositive\x1b[0m  100.0%')
    assert negative.startswith('\x1b[31mnegative\x1b[0m  100.0%')
    lines = shown(shell, '--model', 'topics', 'a', 'b', 'a', '--min-score', '0.8', 'ab', colours=True)
    first, second, again = (line.partition('m')[0] for line in lines[:3])
    assert first == again != second
    assert {first, second}.isdisjoint({'\x1b[31', '\x1b[32'})
    assert lines[3].startswith('undecided ')


def test_a_score_below_the_minimum_is_undecided_in_every_form(shell: Shell) -> None:
    asked = ('--min-score', '0.7', 'aaab', 'ab')
    assert predict(shell, 'topics', *asked) == 'año nuevo\t0.750000\taaab\nundecided\t0.500000\tab\n'
    assert predict(shell, 'mail', '--to', 'csv', *asked) == (
        'label,probability,text\nham,0.250000,aaab\nundecided,0.500000,ab\n'
    )
    (decided, undecided) = objects(predict(shell, 'topics', '--to', 'jsonl', *asked))
    assert (decided['label'], decided['score']) == (TOPICS[0], 0.75)
    assert (undecided['label'], undecided['score']) == ('undecided', 0.5)
    assert undecided['probabilities'][TOPICS[0]] == 0.5
    assert predict(shell, 'moods', 'b') == 'undecided\t1.000000\tb\n'


def test_what_makes_no_sense_is_one_line(shell: Shell) -> None:
    def told(*arguments: str) -> str:
        return shell.fails(2, 'predict', *arguments)

    for value in ('-0.1', '1.1', 'x', '70%'):
        assert "'--min-score'" in told('--min-score', value, 'a')
    assert 'min_score must be between 0 and 1. Received: nan' in told(
        '--model', 'mail', '--min-score', 'nan', 'a'
    )
    assert "'moods' has a class named 'undecided'" in told('--model', 'moods', '--min-score', '0.5', 'a')
    assert "'tags' gives a text any number of labels" in told('--model', 'tags', '--min-score', '0.5', 'a')
    assert '--course is about words' in told('--model', 'mail', '--course', '--min-score', '0.5', 'a')
    assert '--probabilities needs --to csv or jsonl' in told('--model', 'mail', '--probabilities', 'a')
    for model in ('topics', 'stars', 'tags'):
        assert f"--course needs a model with two classes, and '{model}' has others" in told(
            '--model', model, '--course', 'a'
        )
    assert predict(shell, 'mail', '--course', 'a b') == '1\t0.000000\ta\n1\t1.000000\tb\n'


def test_columns_are_kept_and_results_resumed(shell: Shell) -> None:
    table = shell.folder / 'tickets.csv'
    table.write_text(
        'id,text,score\n' + ''.join(f'{number},{"abcd"[number % 4]} ñ,9\n' for number in range(300))
    )
    for model, options, endings in (
        ('topics', (), ('csv', 'tsv')), ('topics', ('--probabilities',), ('csv',)), ('stars', (), ('tsv', 'jsonl')),
    ):  # fmt: skip
        for ending in endings:
            out = shell.folder / f'{model}{len(options)}.{ending}'
            command = ('--file', table.name, '--out', out.name, '--keep-columns', 'id', *options)
            predict(shell, model, *command)
            whole = out.read_bytes()
            for size in (len(whole) // 2, len(whole) - 1):
                out.write_bytes(whole[:size])
                predict(shell, model, *command, '--resume')
                assert out.read_bytes() == whole
    told = shell.fails(
        2, 'predict', '--model', 'topics', '--file', table.name, '--keep-columns', 'score', '--to', 'csv'
    )
    assert "the output already has a column 'score'" in told
    kept = predict(shell, 'mail', '--file', table.name, '--keep-columns', 'score', '--to', 'csv')
    assert kept.startswith('label,probability,text,score\n')
    told = shell.fails(
        2, 'predict', '--model', 'mail', '--file', table.name, '--out', 'topics0.csv', '--keep-columns', 'id',
        '--resume',
    )  # fmt: skip
    assert 'has results with other columns' in told


def test_every_way_to_a_model_gives_the_same(
    shell: Shell, classifier_server: ServerProcess, classifiers: Path
) -> None:
    server, split = classifier_server, shell.folder / 'split.json'
    write(split, Split('reviews'))
    options = ('--to', 'jsonl', '--min-score', '0.4', 'aab', 'ñ 😀 c', '')
    addresses = ('--server', server.grpc_address), ('--rest-server', server.rest_url.removeprefix('http://'))
    with GatewayProcess(*addresses[0], *addresses[1], '--split', f'reviews={split}') as gateway:
        for model in ('topics', 'stars', 'mail'):
            expected = predict(shell, model, *options)
            local = f'saved-model:{classifiers / model}'
            for address in (server.rest_url, local, gateway.grpc_address, gateway.rest_url):
                assert predict(shell, model, '--server', address, *options) == expected


def test_a_model_of_an_earlier_version_is_written_as_before(server: ServerProcess, tmp_path: Path) -> None:
    shell = Shell(server.grpc_address, tmp_path)
    assert predict(shell, 'reviews', 'gg', 'ga') == 'positive\t1.000000\tgg\nnegative\t0.500000\tga\n'
    assert predict(shell, 'reviews', '--to', 'csv', '--probabilities', 'ggga') == (
        'label,probability,text,negative,positive\npositive,0.750000,ggga,0.250000,0.750000\n'
    )
    assert predict(shell, 'reviews', '--min-score', '0.8', 'ggga') == 'undecided\t0.750000\tggga\n'
    assert shown(shell, 'ggga') == ['positive   75.0%  ggga']


def test_a_class_named_as_a_column_is_refused_in_csv(tmp_path: Path) -> None:
    from vaiven.serving.commands.prediction_form import PredictionForm
    from vaiven.serving.common.errors import ServingError

    form = PredictionForm('m', frozenset({'label', 'score', 'probabilities', 'classes'}), probabilities=True)
    with pytest.raises(
        ServingError, match="'m' has a class named 'text', as another column of csv: write jsonl"
    ):
        form.form(('billing', 'text'))
