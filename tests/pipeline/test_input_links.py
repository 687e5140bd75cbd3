import os
from pathlib import Path

import pytest

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.vocabulary.vectors.source import VectorsSource
from vaiven.pipeline.config import configure
from vaiven.pipeline.input_links import input_links, link_names
from vaiven.pipeline.paths import RunPaths
from vaiven.pipeline.stages import fingerprints


@pytest.mark.parametrize(
    ('paths', 'names'),
    [
        (['/a/reviews.csv', '/b/more.txt'], ['reviews.csv', 'more.txt']),
        (['/a/r.csv', '/b/r.csv'], ['0/r.csv', '1/r.csv']),
        (['/a/r [1]*?.csv.gz'], ['r__1___.csv.gz']),
        (['/a/{SPAN}.csv', '/a/ñ\'"%41\n.csv'], ['_SPAN_.csv', 'ñ___41_.csv']),
        (['/a/.hidden.csv'], ['_hidden.csv']),
    ],
)
def test_a_file_gets_a_name_that_no_library_takes_for_a_pattern(paths, names):
    assert link_names(DataFiles(tuple(paths[:1]), tuple(paths[1:]))) == names


def test_links_lead_to_the_files_and_are_gone_afterwards(tmp_path):
    data, more = tmp_path / 'a[b]' / '*.csv', tmp_path / '*.csv'
    data.parent.mkdir()
    data.write_text('one')
    more.write_text('two')
    paths = RunPaths(str(tmp_path / 'root'), 'reviews')
    scored = tmp_path / 'scored.csv'
    scored.write_text('three')
    with input_links(DataFiles((str(data),), (str(more),), (str(scored),)), paths) as links:
        linked = [*links.data, *links.unlabelled, *links.teacher]
        assert [Path(path).read_text() for path in linked] == ['one', 'two', 'three']
        assert [len(kind) for kind in (links.data, links.unlabelled, links.teacher)] == [1, 1, 1]
        assert os.path.commonpath(linked) == paths.inputs
    assert not os.path.exists(paths.inputs)


def test_vectors_are_linked_in_a_folder_of_their_own_files_and_folders_alike(tmp_path):
    folder = tmp_path / 'potion [8M]'
    folder.mkdir()
    (folder / 'tokenizer.json').write_text('{}')
    data = tmp_path / 'data.csv'
    data.write_text('text,label\n')
    paths = RunPaths(str(tmp_path / 'root'), 'reviews')
    files = DataFiles((str(data),), vectors=VectorsSource(str(folder), 'abc'))
    with input_links(files, paths) as links:
        assert links.vectors == VectorsSource(f'{paths.inputs}/vectors/potion__8M_', 'abc')
        assert Path(links.vectors.path, 'tokenizer.json').read_text() == '{}'
        assert links.data == (f'{paths.inputs}/data.csv',)
    assert not os.path.exists(paths.inputs)
    assert (folder / 'tokenizer.json').exists()


def test_fingerprints_do_not_depend_on_the_location_of_a_file(tmp_path):
    marks = []
    for folder in ('here', 'there [2]'):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / 'data.csv'
        path.write_text('text,label\n')
        marks.append(fingerprints(configure(), DataFiles((str(path),))))
    assert marks[0] == marks[1]
    path.write_text('text,label\nmore,1\n')
    assert fingerprints(configure(), DataFiles((str(path),))) != marks[1]
