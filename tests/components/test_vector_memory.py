"""A large file of vectors does not fill memory."""

import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow

WORDS, VALUES, LIMIT = 250_000, 300, 60_000_000

# In a process of its own: the peak of a process never falls. `import` alone takes hundreds of megabytes.
CODE = """
import resource, sys
from vaiven.components.text_example_gen.local_files import open_local
from vaiven.components.vocabulary.vectors.files import open_vectors
from vaiven.components.vocabulary.vectors.selection import normalize_words, select_vectors
from vaiven.models.text.config import TextConfig

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

normalize_words(['warm-up'] * 8192, TextConfig())
before = peak()
with open_vectors(sys.argv[1], open_local) as file:
    selection = select_vectors(file, ['palabra7', 'palabra249999'], {}, 5000, TextConfig(unit='word'))
print(selection.found, len(selection.read_only), peak() - before)
"""


def test_three_hundred_megabytes_are_read_in_a_fifth_of_that(tmp_path):
    path = tmp_path / 'large.bin'
    values = np.random.default_rng(1).normal(size=VALUES).astype('<f4').tobytes()
    with path.open('wb') as file:
        file.write(f'{WORDS} {VALUES}\n'.encode())
        for number in range(WORDS):
            file.write(f'palabra{number} '.encode() + values)
    assert path.stat().st_size > 300_000_000
    result = subprocess.run(
        [sys.executable, '-c', CODE, str(path)], capture_output=True, text=True, check=True
    )
    found, read_only, grown = map(int, result.stdout.split())
    # A word with digits is two tokens, so that nothing joins the vocabulary.
    assert (found, read_only) == (2, 0)
    assert grown < LIMIT
