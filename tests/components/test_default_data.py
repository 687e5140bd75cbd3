"""The default film reviews, from a package made here."""

import io
import pathlib
import subprocess
import sys
import tarfile

import pytest

from vaiven.components.text_example_gen import default_data
from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.errors import DownloadError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_rows
from vaiven.pipeline import input_data
from vaiven.pipeline.config import configure


def archive(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz') as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def package(reviews, **others):
    files = {'movieReviewSnippets': reviews, **others}
    rated = {f'hutto_ICWSM_2014/{name}_GroundTruth.txt': content for name, content in files.items()}
    inner = archive({'../evil.txt': b'x', **rated})
    return archive({'vaderSentiment-3.2.1/additional_resources/hutto_ICWSM_2014.tar.gz': inner})


def test_the_label_is_the_sign_of_the_rating_and_the_rating_lies_between_minus_one_and_one():
    reviews = '1\t2.5\tQué bonita\r\n2\t-0.1\tbad\tfilm\r\n3\t0.0\tso so\r\n'.encode()
    assert list(default_data.read_reviews(package(reviews))) == [
        ('Qué bonita', 'positive', '0.625'),
        ('bad film', 'negative', '-0.025'),
        ('so so', '', '0'),
    ]


def test_the_file_in_the_cache_is_read_with_its_ratings_and_nobody_has_to_ask(tmp_path, monkeypatch):
    reviews = b'1\t4.0\tgood\n2\t-1.0\tbad\n3\t0.0\tso so\n'
    monkeypatch.setattr(default_data, 'fetch_package', lambda _: package(reviews))
    path = default_data.default_data(tmp_path)
    config = configure(settings=default_data.SETTINGS).data
    assert [(row.label, row.rating) for row in read_rows(path, config)] == [(1, 1.0), (0, -0.25), (None, 0.0)]


def test_sentences_of_other_domains_are_for_a_teacher_of_the_default_data_alone(tmp_path, monkeypatch):
    others = {
        'amazonReviewSnippets': b'1\t4.0\tworks\twell\n',
        'tweets': '1\t-1.0\t¡uf! 😀\n'.encode(),
        'nytEditorialSnippets': b'1\t0.0\tIt passed.\n',
    }
    monkeypatch.setattr(
        default_data, 'fetch_package', lambda _: package(b'1\t4.0\tgood\n2\t-1.0\tbad\n' * 30, **others)
    )
    monkeypatch.setattr(default_data, 'cache_folder', lambda: tmp_path)
    path = default_data.other_domains()
    assert pathlib.Path(path).read_text('utf-8') == 'works well\n¡uf! 😀\nIt passed.\n'
    with_teacher = configure(settings=[*default_data.SETTINGS, 'teacher.checkpoint=minilm'])
    monkeypatch.setattr(input_data, 'check_data', _Stop.check)
    own = str(tmp_path / 'own.txt')
    pathlib.Path(own).write_text('¿sí?\n', 'utf-8')
    for config, data, unlabelled, expected in (
        (with_teacher, [], [], [path]),
        (with_teacher, [], [own], [own]),
        (with_teacher, [str(tmp_path / 'film-reviews-2.tsv')], [], []),
        (configure(settings=default_data.SETTINGS), [], [], []),
    ):
        default_data.default_data()
        with pytest.raises(_Stop) as caught:
            input_data.find_data(data, unlabelled, config)
        assert list(caught.value.files.unlabelled) == expected


class _Stop(Exception):  # noqa: N818
    """Ends a function at the point where it knows the files."""

    def __init__(self, files):
        self.files = files

    @classmethod
    def check(cls, files, _):
        raise cls(files)


@pytest.mark.parametrize(
    'content', [b'no archive', archive({'other': b''})], ids=['not an archive', 'another archive']
)
def test_another_package_is_refused(content):
    with pytest.raises(DownloadError, match='does not contain'):
        list(default_data.read_reviews(content))


def test_what_is_in_the_cache_is_used_without_pip(tmp_path, monkeypatch):
    (tmp_path / 'film-reviews-2.tsv').write_text('text\tlabel\n')
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: pytest.fail('fetched'))
    assert default_data.default_data(tmp_path) == str(tmp_path / 'film-reviews-2.tsv')


def test_without_an_index_one_line_says_so_and_nothing_is_left(tmp_path, monkeypatch):
    empty = tmp_path / 'index'
    empty.mkdir()
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(empty))
    with pytest.raises(DownloadError, match='name your own data with --data') as caught:
        default_data.default_data(tmp_path / 'cache')
    assert '\n' not in str(caught.value)
    assert caught.value.exit_status == 1
    assert list((tmp_path / 'cache').iterdir()) == []


def test_another_file_under_the_name_is_refused_before_anything_of_it_runs(tmp_path, monkeypatch):
    links = tmp_path / 'links'
    links.mkdir()
    setup = b"open('RAN', 'w'); raise SystemExit(3)"
    (links / 'vaderSentiment-3.2.1.tar.gz').write_bytes(archive({'vaderSentiment-3.2.1/setup.py': setup}))
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(links))
    with pytest.raises(DownloadError, match='could not fetch'):
        default_data.default_data(tmp_path / 'cache')
    assert not list(tmp_path.rglob('RAN'))


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DownloadError, match='XDG_CACHE_HOME'):
        default_data.default_data(tmp_path / 'file' / 'cache')


def test_the_cache_lies_where_the_user_keeps_caches(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert default_data.cache_folder() == tmp_path / 'vaiven'
    monkeypatch.setenv('XDG_CACHE_HOME', 'relative')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert default_data.cache_folder() == tmp_path / '.cache' / 'vaiven'


def test_the_rows_and_splits_of_the_default_data_are_what_the_published_figures_were_measured_on():
    try:
        path = default_data.default_data()
    except DownloadError as error:
        pytest.skip(str(error))
    summary = check_data(DataFiles((path,)), configure(settings=default_data.SETTINGS).data).summary
    assert (summary.rows, summary.duplicates, summary.conflicting, summary.unlabelled) == (10605, 2, 0, 37)
    assert summary.splits == {
        'train': {'negative': 4280, 'positive': 4202},
        'eval': {'negative': 506, 'positive': 550},
        'test': {'negative': 539, 'positive': 489},
    }
    assert summary.columns.contradicting == 0


def test_a_file_is_checked_without_tensorflow():
    code = (
        'import sys, vaiven.components.text_example_gen.check, vaiven.components.text_example_gen.default_data;'
        'sys.exit(any(name in sys.modules for name in ("tensorflow", "apache_beam", "tfx", "numpy")))'
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
