"""What the columns of a table are used for, guessed from their names and values."""

import csv
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from vaiven.components.text_example_gen.column_guess import guess_columns
from vaiven.components.text_example_gen.column_profiles import TableProfile, profile_tables
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError

TEXTS = [f'una reseña bastante larga de la película número {number}' for number in range(400)]


def cycle(*values: object) -> list[object]:
    return list(itertools.islice(itertools.cycle(values), len(TEXTS)))


def write(
    path: Path, header: Sequence[str], columns: Iterable[Sequence[object]], delimiter: str = ','
) -> Path:
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))
    return path


def profile(path: Path, config: DataConfig | None = None) -> TableProfile:
    return profile_tables((str(path),), config or DataConfig())


NAMED = {
    'the defaults': ({'text': TEXTS, 'label': cycle(0, 1)}, {'text': 'text', 'label': 'label'}),
    'the longest column is the text': (
        {'id': range(400), 'title': cycle('uno', 'dos'), 'body': TEXTS, 'stars': cycle(1, 2, 3, 4, 5)},
        {'text': 'body', 'label': 'stars'},
    ),
    'text is the text even if another is longer': (
        {'text': cycle('sí', 'no me gusta'), 'review': TEXTS, 'sentiment': cycle('pos', 'neg')},
        {'text': 'text', 'label': 'sentiment'},
    ),
    'Spanish names with accents and spaces': (
        {'Reseña completa': TEXTS, 'Categoría': cycle('cine', 'teatro', 'música')},
        {'text': 'Reseña completa', 'label': 'Categoría'},
    ),
    'names in another form': (
        {'reviewBody': TEXTS, 'ReviewClass': cycle('a', 'b'), 'nin\u0303o': cycle('x', 'y')},
        {'text': 'reviewBody', 'label': 'ReviewClass'},
    ),
    'a label without a telling name': (
        {'id': range(400), 'what': TEXTS, 'kind of thing': cycle('a', 'b', 'c')},
        {'text': 'what', 'label': 'kind of thing'},
    ),
    'labels in another script and with emoji': (
        {'text': TEXTS, 'תווית': cycle('חיובי', 'שלילי', '\U0001f610')},
        {'text': 'text', 'label': 'תווית'},
    ),
    'a sentiment beside stars': (
        {'text': TEXTS, 'stars': cycle(1, 2, 3, 4, 5), 'sentiment': cycle('pos', 'neg')},
        {'text': 'text', 'label': 'sentiment', '?rating': 'stars'},
    ),
    'many groups': (
        {'text': TEXTS, 'label': cycle(0, 1), 'película': cycle(*range(100))},
        {'text': 'text', 'label': 'label', 'group': 'película'},
    ),
    'few groups are a suggestion': (
        {'text': TEXTS, 'label': cycle(0, 1), 'author_id': cycle(*'abcd')},
        {'text': 'text', 'label': 'label', '?group': 'author_id'},
    ),
    'language, split and time': (
        {'text': TEXTS, 'label': cycle(0, 1), 'lang': cycle('es', 'en'), 'part': cycle('Train', 'dev', 'test'),
         'fecha': cycle('2024-01-31', '2023-12-01 12:00')},
        {'text': 'text', 'label': 'label', 'language': 'lang', 'split': 'part', '?time': 'fecha'},
    ),
    'several labels in a row': (
        {'text': TEXTS, 'tags': cycle('a|b', 'a', 'b|c', '')},
        {'text': 'text', 'label': 'tags'},
    ),
    'dates that are longer than the texts': (
        {'what': cycle('bien', 'mal'), 'fecha': cycle('2024-01-31T12:00:00'), 'label': cycle(0, 1)},
        {'text': 'what', 'label': 'label', '?time': 'fecha'},
    ),
    'no labels': ({'text': TEXTS, 'id': range(400)}, {'text': 'text'}),
    'no texts': ({'n': range(400), 'label': cycle(1, 2)}, {'label': 'label'}),
}  # fmt: skip


@pytest.mark.parametrize(('columns', 'expected'), NAMED.values(), ids=NAMED)
def test_columns_are_recognised_by_name_and_values(
    tmp_path: Path, columns: dict[str, Sequence[object]], expected: dict[str, str]
) -> None:
    guess = guess_columns(profile(write(tmp_path / 'a.csv', list(columns), columns.values())), {})
    found = {
        key.removeprefix('data.').removesuffix('_column'): value for key, value in guess.settings.items()
    }
    for key, value in guess.suggestions.items():
        if key.endswith('_column'):
            found['?' + key.removeprefix('data.').removesuffix('_column')] = value
    assert found == expected


def test_the_range_of_a_rating_is_measured_and_named_columns_are_kept(tmp_path: Path) -> None:
    columns = {'text': TEXTS, 'a': cycle('x', 'y'), 'label': cycle(0, 1), 'score': cycle(-2.5, 0, 4)}
    table = profile(write(tmp_path / 'a.csv', list(columns), columns.values()))
    guess = guess_columns(table, {'label': 'a'})
    assert guess.settings == {'data.label_column': 'a', 'data.text_column': 'text'}
    assert guess.suggestions == {'data.rating_column': 'score', 'data.rating_range': (-2.5, 4.0)}
    columns['score'] = cycle(-0.9, 0.2, 0.8)
    table = profile(write(tmp_path / 'b.csv', list(columns), columns.values()))
    assert guess_columns(table, {}).suggestions == {'data.rating_column': 'score'}
    columns['score'] = cycle(-2.5, 0, 4)
    table = profile(write(tmp_path / 'c.csv', list(columns), columns.values()))
    guess = guess_columns(table, {'rating': 'score'})
    assert guess.settings['data.rating_range'] == (-2.5, 4.0)


def test_every_format_is_profiled(tmp_path: Path) -> None:
    labels = cycle('a', 'b')
    rows = [{'text': text, 'label': label} for text, label in zip(TEXTS, labels, strict=True)]
    (tmp_path / 'a.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    (tmp_path / 'a.json').write_text(json.dumps(rows))
    (tmp_path / 'a.ft.txt').write_text(''.join(f'__label__{row["label"]} {row["text"]}\n' for row in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / 'a.parquet')
    write(tmp_path / 'a.tsv', ['text', 'label'], [TEXTS, labels], '\t')
    for delimiter, name in ((';', 'b.csv'), ('\t', 'c.csv'), ('|', 'd.csv')):
        write(tmp_path / name, ['text', 'label'], [TEXTS, labels], delimiter)
    for path in sorted(tmp_path.iterdir()):
        table = profile(path)
        assert guess_columns(table, {}).settings == {'data.text_column': 'text', 'data.label_column': 'label'}
        assert table.rows == len(TEXTS)
        delimiters = {'b.csv': ';', 'c.csv': '\t', 'd.csv': '|'}
        assert table.delimiter == delimiters.get(path.name)


def test_lists_and_times_of_a_typed_file_are_not_texts(tmp_path: Path) -> None:
    times = pyarrow.array([number * 10**9 for number in range(400)], pyarrow.timestamp('ns'))
    columns = {'temas': cycle(['a', 'b'], ['a'], []), 'when': times, 'short': cycle('x', 'yy', 'zzz')}
    parquet.write_table(pyarrow.table(columns), tmp_path / 'a.parquet')
    guess = guess_columns(profile(tmp_path / 'a.parquet'), {'label': 'temas'})
    assert guess.settings == {'data.text_column': 'short', 'data.label_column': 'temas'}
    assert guess.suggestions == {'data.time_column': 'when'}


def test_missing_values_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / 'a.jsonl').write_text(
        '{"text": "a", "n": 1}\n{"text": "", "n": NaN}\n{"text": null, "n": "NA"}\n{"text": "b"}\n'
    )
    text, number = profile(tmp_path / 'a.jsonl').columns
    assert (text.filled, text.values) == (2, {'a': 1, 'b': 1})
    assert (number.filled, number.values, number.numbers) == (1, {'1': 1}, 1)


def test_a_table_without_a_header_is_refused_and_read_with_names(tmp_path: Path) -> None:
    path = tmp_path / 'a.csv'
    path.write_text(''.join(f'{n},una película preciosa de las que ya no se hacen\n' for n in range(3)))
    with pytest.raises(DataError, match=r'the first row looks like data: .* --set data\.columns=label,text'):
        profile(path)
    table = profile(path, DataConfig(columns=('label', 'text')))
    assert [column.name for column in table.columns] == ['label', 'text']
