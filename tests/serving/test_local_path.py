"""Addresses of folders: what is on this machine is taken, everything else is refused at once."""

from pathlib import Path

import pytest

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path


@pytest.mark.parametrize(
    ('text', 'path'),
    [
        ('/models/half', '/models/half'),
        ('models/half', 'models/half'),
        ('file:///models/half', '/models/half'),
        ('FILE://localhost/models', '/models'),
        ('file:///a%20b', '/a%20b'),
        ('/models/gs://x', '/models/gs:/x'),
        ('1://x', '1:/x'),
    ],
)
def test_paths_and_file_addresses_are_folders_of_this_machine(text: str, path: str) -> None:
    assert local_path(text) == Path(path)


@pytest.mark.parametrize(
    'text',
    ['gs://bucket/m', 's3://b/m', 'hdfs://n:1/m', 'GS://x', 'abfs+x.y-z://x', 'file://host/m', 'file://m'],
)
def test_other_schemes_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ServingError) as caught:
        local_path(text, 'model half: base_path')
    assert str(caught.value).startswith('model half: base_path must be a folder of this machine: ')
    assert repr(text) in str(caught.value)
    assert '\n' not in str(caught.value)
