"""The lecture's page: a whole document that needs nothing from outside, and the command that writes it."""

import ast
import dataclasses
import html.parser
import json
import pathlib
import re
import string
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from vaiven.errors import UserError
from vaiven.models.lecture.cells_text import CELL_TEXTS, equation
from vaiven.models.lecture.config import LectureConfig
from vaiven.models.lecture.corpus import split_corpus
from vaiven.models.lecture.experiments import Lecture, compute
from vaiven.models.lecture.memory import CopyTask
from vaiven.models.lecture.page import check_output, render_page, write_page
from vaiven.models.lecture.spanish import SPANISH
from vaiven.models.lecture.style import STYLE
from vaiven.models.lecture.svg import Line, heat_map, line_plot, nice_ticks, spread
from vaiven.models.lecture.translation import thousands, translator
from vaiven.models.network.config import CELLS
from vaiven.pipeline.cli import run
from vaiven.pipeline.commands import lecture

pytestmark = pytest.mark.slow

VOID = {'meta', 'br', 'link', 'img', 'hr', 'input'}
TINY = LectureConfig(
    cells=('simple_rnn', 'lstm', 'peephole_lstm'), runs=2, units=8, embedding_size=6, window=12, batch_size=4, steps=8,
    measurements=2, held_out_windows=4, distance=8, excerpts=2, gate_units=4, word_units=8, word_steps=4,
    word_window=8, word_vocabulary=60, candidates=3, word_measurements=2,
    copy_task=CopyTask(units=8, steps=3, measured_delays=(1, 40), measured_rows=8),
)  # fmt: skip
LINES = ['The <b> clouds are in the sky, & this is one of the best films of the year.'] * 150 + [
    'You should see Rome: it is a </script> city.',
    'The plot is too long and the jokes are not funny.',
] * 100


class Checker(html.parser.HTMLParser):
    """Notes every element and attribute; fails where an end does not match its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope='module')
def results() -> Lecture:
    return compute([split_corpus('a <text> & more', LINES, 1_000_000)], TINY)


@pytest.fixture(scope='module')
def document(results) -> str:
    return render_page(results)


def parse(document: str) -> Checker:
    checker = Checker()
    checker.feed(document)
    checker.close()
    return checker


@pytest.fixture(scope='module')
def parsed(document) -> Checker:
    return parse(document)


def test_every_element_is_closed_and_every_id_is_there_once(parsed):
    assert parsed.open == []
    ids = [attributes['id'] for _, attributes in parsed.elements if 'id' in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes['href'] for tag, attributes in parsed.elements if tag == 'a']
    assert links
    assert {link.removeprefix('#') for link in links} <= set(ids)


def test_the_page_loads_nothing_from_a_network(document, parsed):
    assert not re.search(r'https?://|@import|//[a-z]+\.', document)
    for tag, attributes in parsed.elements:
        assert tag not in ('link', 'img', 'iframe', 'object', 'embed', 'image')
        assert 'src' not in attributes
        if tag == 'script':
            assert attributes['type'] == 'application/json'
    assert set(re.findall(r'url\(([^)]*)', document)) == {
        f'#{attributes["id"]}' for tag, attributes in parsed.elements if tag == 'clippath'
    }


def test_the_five_subjects_are_there_for_each_cell(parsed):
    sections = {attributes.get('id') for tag, attributes in parsed.elements if tag == 'section'}
    assert sections == {'gradients', 'gates', 'curves', 'memory', 'words', 'made', 'references'}
    text = ''.join(parsed.text)
    for cell in TINY.cells:
        assert CELL_TEXTS[cell].source in text
    classes = [attributes.get('class') or '' for _, attributes in parsed.elements]
    assert sum(name.startswith('plot') for name in classes) == 6
    assert sum(name.startswith('heat') for name in classes) == 2 * 3


def test_the_figures_come_with_the_page_as_json(document):
    figures = json.loads(re.search(r'id="figures">(.*)</script>', document, re.DOTALL)[1])
    assert set(figures['gradients']) == set(TINY.cells)
    assert figures['gradients']['lstm']['trained'][0] == pytest.approx(1)
    assert len(figures['gradients']['lstm']['trained']) == TINY.distance
    assert [run['steps'] for run in figures['curves']['lstm']] == [[0, 4, 8]] * 2
    assert figures['words']['a <text> & more']
    assert set(figures['memory']) == set(TINY.cells)
    assert set(figures['memory']['lstm']) == {'1', '40'}


def test_names_and_words_of_the_text_are_escaped(document):
    assert 'a <text>' not in document.split('<script type')[0]
    assert 'a &lt;text&gt; &amp; more' in document


def test_sentences_with_unknown_words_are_listed_and_skipped(parsed):
    assert '“las nubes están en el …”' in ''.join(parsed.text)


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(parsed):
    scrolling = [attributes for _, attributes in parsed.elements if attributes.get('class') == 'scroll']
    assert len(scrolling) == 6  # four tables, and the gates of two cells
    for attributes in scrolling:
        assert (attributes['tabindex'], attributes['role']) == ('0', 'region')
        assert attributes['aria-label']
    assert set(re.findall(r'([^{}]*)\{[^{}]*overflow-x: auto', STYLE)) == {'\n.scroll '}


def test_the_page_in_spanish_has_the_same_elements_and_values_and_no_english_text(results, document, parsed):
    spanish = render_page(dataclasses.replace(results, config=dataclasses.replace(TINY, language='es')))
    checker = parse(spanish)
    assert [tag for tag, _ in checker.elements] == [tag for tag, _ in parsed.elements]
    assert '<html lang="es">' in spanish
    assert '<h1>Redes recurrentes, celda a celda</h1>' in spanish
    shown = spanish[spanish.index('<body>') : spanish.index('<section id="references">')]
    labels = re.findall(r'aria-label="([^"]*)"', shown)
    found = set(re.findall(r'[a-z]+', ' '.join([re.sub('<[^>]*>', ' ', shown), *labels]).lower()))
    english = {
        'with',
        'which',
        'training',
        'steps',
        'cell',
        'from',
        'after',
        'held',
        'gate',
        'gates',
        'words',
    }
    assert not found & english
    figures = [re.search(r'id="figures">(.*)</script>', page, re.DOTALL)[1] for page in (spanish, document)]
    assert figures[0] == figures[1]


def test_every_text_of_the_page_has_a_translation_with_the_same_values():
    folder = pathlib.Path(compute.__code__.co_filename).parent
    calls = [
        node.args[0].value
        for path in folder.glob('*.py')
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == '_'
        and isinstance(node.args[0], ast.Constant)
    ]
    assert len(calls) > 60
    assert set(calls) <= set(SPANISH)

    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for english, spanish in SPANISH.items():
        assert fields(english) == fields(spanish), english


def test_numbers_are_grouped_as_the_language_does():
    assert thousands(1234567, 'en') == '1,234,567'
    assert thousands(1234567, 'es') == '1\u202f234\u202f567'
    assert translator('es')('{count} novels', count=3) == '3 novelas'
    assert translator('en')('{count} novels', count=3) == '3 novels'


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, as WCAG 2.2 defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_text_and_labels_have_the_contrast_of_wcag_aa(scheme):
    blocks = re.findall(r':root \{(.*?)\}', STYLE, re.DOTALL)
    colours = dict(re.findall(r'--([\w-]+): (#[0-9a-f]{6})', blocks[scheme == 'dark']))
    # Labels of lines have the colour of the line.
    lines = set(re.findall(r'--line: var\(--([\w-]+)\)', STYLE))
    assert not re.search(r'--line: #', STYLE)
    assert {colours[name] for name in lines} >= {colours['lstm'], colours['min-lstm']}
    for name in {*lines, 'ink', 'soft'}:
        for ground in ('paper', 'card'):
            bright, dark = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, (scheme, name, ground)


@pytest.mark.parametrize('cell', CELLS)
def test_every_cell_has_a_colour(cell):
    pattern = rf'\.{cell}\b[^{{}}]*\{{ --line: var\(--([\w-]+)\)'
    assert re.search(pattern, STYLE), cell


@pytest.mark.parametrize('cell', CELLS)
def test_every_cell_has_equations(cell):
    assert CELL_TEXTS[cell].equations[-1].startswith('h_t = ')
    for text in CELL_TEXTS[cell].equations:
        ElementTree.fromstring(equation(text))


def test_an_equation_has_subscripts_and_upright_functions():
    assert equation('f = σ(W_f h_{t−1})') == (
        '<div class="eq">f = <span class="fn">σ</span>(W<sub>f</sub> h<sub>t−1</sub>)</div>'
    )


def test_a_plot_puts_larger_values_higher_and_is_well_formed():
    plot = line_plot(
        [Line('a & b', 'lstm', [0, 1, 2], [1e-4, 1e-2, 1.0])],
        title='x < y', x_label='x', y_label='y', low=1e-4, high=1, log=True,
    )  # fmt: skip
    root = ElementTree.fromstring(plot)
    points = next(element for element in root.iter('polyline')).get('points').split()
    heights = [float(point.split(',')[1]) for point in points]
    assert heights[0] > heights[1] > heights[2]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert root.get('aria-label') == 'x < y'


def test_labels_keep_their_distance_and_their_order():
    places = spread([50, 51, 52, 10], 0, 100, distance=15)
    assert places[0] < places[1] < places[2]
    assert np.diff(sorted(places)).min() >= 15
    assert max(spread([99, 99, 99], 0, 100, distance=15)) <= 100


def test_ticks_are_round_and_lie_inside():
    assert nice_ticks(0, 60) == [0, 20, 40, 60]
    assert nice_ticks(2.4, 3.6) == [2.5, 2.75, 3.0, 3.25, 3.5]


def test_a_heat_map_draws_each_value_once():
    values = np.array([[0.0, 0.05, 1.0], [0.5, 0.55, 0.99]])
    root = ElementTree.fromstring(heat_map(values, ['<', ' '], title='t', style='lstm', with_tokens=True))
    assert sum(path.get('d').count('M') for path in root.iter('path')) == values.size
    assert [text.text for text in root.iter('text')] == ['<', '␣']


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'page.html'
    write_page(str(path), 'new')
    assert path.read_text() == 'new'
    with pytest.raises(UnicodeEncodeError):
        write_page(str(path), 'half \ud800')
    assert [file.name for file in tmp_path.iterdir()] == ['page.html']
    assert path.read_text() == 'new'
    with pytest.raises(UserError, match='is a directory'):
        check_output(str(tmp_path))
    with pytest.raises(UserError, match='does not exist'):
        check_output(str(tmp_path / 'none' / 'page.html'))


def test_a_spanish_page_uses_the_installed_sayings(tmp_path):
    (tmp_path / 'refranes.u8').write_text('Más vale tarde\nque nunca.\n%\n' * 1500, encoding='utf-8')
    config = LectureConfig(language='es')
    (corpus,) = lecture.corpora((), [str(tmp_path / 'refranes.u8')], True, config)
    assert corpus.name == 'Refranes y citas en español'
    assert set(corpus.training) == {'más vale tarde que nunca.'}


def test_without_spanish_sayings_a_line_says_which_text_is_used(caplog):
    caplog.set_level('INFO', 'vaiven.progress')
    (corpus,) = lecture.corpora((), [], True, LectureConfig(language='es'))
    assert corpus.name == 'Reseñas de películas en inglés'
    assert caplog.messages[0].startswith('no Spanish text: the page uses English film reviews; install')


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--data', 'missing.txt'], 'missing.txt: the file does not exist'),
        (['--no-reviews'], 'needs another text: add --data FILE'),
        (['--seed', '-1'], 'seed must lie between'),
        (['--output', '.'], 'is a directory'),
    ],
)
def test_bad_input_is_reported_in_one_line_with_exit_status_2(arguments, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert run(['lecture', *arguments]) == 2
    error = capfd.readouterr().err
    assert error.startswith('vaiven: ')
    assert said in error
    assert error.count('\n') == 1
