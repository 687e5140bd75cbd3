"""What lines look like whose name does not tell their format."""

import pytest

from vaiven.serving.common.tables.guessing import Guess, guess

TABLES = {
    'text,label\nx,1\n': Guess('csv', True, 'text'),
    'text,label': Guess('csv', True, 'text'),
    '"text","label"\n"a, b",1\n': Guess('csv', True, 'text'),
    ',text,label\n0,x,1\n': Guess('csv', True, 'text'),
    'id,text\n1,"a\nb"\n2,c': Guess('csv', True, 'text'),
    'texts,score\na,1\n': Guess('csv', True, 'texts'),
    'text,label\nnice, really nice,1\n': Guess('csv', False, 'text'),
    'text, label\nx, 1\n': Guess('csv', False, 'text'),
    'text\nx\n': Guess('csv', False, 'text'),
    'id|text\n1|x\n': Guess('csv', True, 'text', '|'),
    'sep=;\nid;text\n': Guess('csv', True),
    'text\tlabel\nx\t1\n': Guess('tsv', True, 'text', '\t'),
    '{"text": "g"}\n': Guess('jsonl', True),
    '[{"text": "g"},': Guess('json', True),
    '__label__0 g\n': Guess('ft', True),
}
LINES = [
    '', '\n', 'text', 'text\n', '{hello} there', '{"quoted"} text', '[sic] he said, "x"',
    'Text, please call\nYes, sure\n', 'text, emails and calls\nI like it, a lot\n',
    'The film, text, is good\n', 'text, email\ncall me\n',
    'Good text, bad film\nx, y\n', 'text,\nme,\n', 'review,sentiment\nx,1\n', 'text,text\na,b\n', '"text,label\nx',
]  # fmt: skip


@pytest.mark.parametrize(('start', 'guessed'), TABLES.items(), ids=map(repr, TABLES))
def test_a_table_is_told_by_its_first_lines(start: str, guessed: Guess) -> None:
    assert guess(start, 'text') == guessed


@pytest.mark.parametrize('start', LINES, ids=repr)
def test_ordinary_lines_are_no_table(start: str) -> None:
    assert guess(start, 'text') is None
