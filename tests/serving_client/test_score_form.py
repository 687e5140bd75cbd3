"""How `vaiven score` writes scores, and their mean."""

import csv
import json
import math

import pytest

from vaiven.serving.commands.keep_columns import KeptColumns
from vaiven.serving.commands.score_form import ScoredText, Surprisal, Total, score_form

LN2 = math.log(2)
SHORT = ScoredText('año', Surprisal(4 * LN2, 2, 4), Surprisal(2 * LN2, 2, 4))
LONG = ScoredText('much\tlonger', Surprisal(36 * LN2, 12, 12), Surprisal(24 * LN2, 12, 12))


def written(form: str | None, *, adapted: bool) -> str:
    texts = [SHORT.text, LONG.text]
    return score_form(adapted).lines(form, [SHORT, LONG], 1, texts, KeptColumns((), ()))


def test_a_terminal_gets_a_table_with_the_names_of_the_columns() -> None:
    assert written(None, adapted=False).splitlines() == [
        'bits/character  perplexity    tokens  text',
        '         1.000        4.00         2  año',
        '         3.000        8.00        12  much longer',
    ]
    assert written(None, adapted=True).splitlines() == [
        'bits/character   adapted  perplexity   adapted    tokens  text',
        '         1.000     0.500        4.00      2.00         2  año',
        '         3.000     2.000        8.00      4.00        12  much longer',
    ]


def test_a_pipe_gets_tab_separated_lines() -> None:
    assert written('text', adapted=False).splitlines() == [
        '1.000000\t4.000000\t2\t4\taño',
        '3.000000\t8.000000\t12\t12\tmuch\\tlonger',
    ]


@pytest.mark.parametrize('adapted', [False, True])
def test_csv_and_jsonl_have_the_same_values(adapted: bool) -> None:
    form = score_form(adapted)
    rows = list(csv.DictReader((form.header('csv') + written('csv', adapted=adapted)).splitlines()))
    objects = [json.loads(line) for line in written('jsonl', adapted=adapted).splitlines()]
    for row, values in zip(rows, objects, strict=True):
        assert row.keys() == values.keys()
        for name, value in values.items():
            assert row[name] == value if name == 'text' else float(row[name]) == pytest.approx(value)
    assert ('adapted_bits_per_character' in objects[0]) == adapted


def test_the_mean_gives_each_character_the_same_weight() -> None:
    total = Total()
    assert total.add([SHORT]) == [SHORT]
    assert total.line() == ''
    total.add([LONG])
    assert total.line() == (
        'mean of 2 texts, 16 characters: 2.500 bits per character, perplexity 7.25; '
        'with adaptation 1.625 bits per character, perplexity 3.62'
    )


def test_a_diverged_model_has_a_perplexity_that_is_a_number() -> None:
    assert math.isfinite(Surprisal(1e6, 1, 1).perplexity)
