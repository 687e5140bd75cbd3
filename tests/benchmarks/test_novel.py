"""The writer of the benchmark, with a network whose weights are drawn."""

import numpy as np
import pytest


@pytest.fixture(scope='module')
def writer():
    from benchmarks.novel_writer import NovelWriter
    from vaiven.models.network.config import NetworkConfig
    from vaiven.models.network.network import Network
    from vaiven.models.text.tokenization import SPECIAL_TOKENS

    vocabulary = [*SPECIAL_TOKENS, *' abcñ']
    config = NetworkConfig(units=6, embedding_size=0, bidirectional=False, wide_ngrams=0)
    network = Network(config, len(vocabulary), seed=1)
    network(np.full((1, 2), 2))
    for variable in network.trainable_variables:
        variable.assign(variable * 4)
    return NovelWriter(network, vocabulary)


TEXT = 'abc ñab cab ñña bca bac'


def test_windows_foresee_each_character_from_those_before_it_alone(writer) -> None:
    bits = writer.surprisal_by_windows(TEXT, 4)
    assert bits.shape == (len(TEXT) - 4,)
    alone = [writer.surprisal_by_windows(TEXT[start : start + 5], 4)[0] for start in range(len(TEXT) - 4)]
    np.testing.assert_allclose(bits, alone, atol=1e-5)


def test_the_likeliest_by_windows_has_the_fewest_bits_each_time(writer) -> None:
    written = writer.write_by_windows('abca', 10)
    for place in range(10):
        before = ('abca' + written)[place : place + 4]
        bits = {each: writer.surprisal_by_windows(before + each, 4)[0] for each in ' abcñ'}
        assert min(bits, key=bits.__getitem__) == written[place]


def test_writing_goes_on_for_as_long_as_it_is_told(writer) -> None:
    settings = {'temperature': 1.0, 'top_p': 1.0, 'top_k': 0, 'no_repeat': 0, 'seed': 1}
    assert len(writer.write('abc', 50, **settings)) == 50
    assert writer.write('abc', 50, **settings) == writer.write('abc', 50, **settings)
    assert set(writer.write('abc', 50, **settings)) <= set(' abcñ')


def test_both_take_as_many_steps() -> None:
    from benchmarks.novel import _configs

    configs, steps = _configs(20_000, 2, ())
    assert steps['ours'] <= steps['paper'] < steps['ours'] * 1.2
    assert configs['paper'].training.epochs == 2
