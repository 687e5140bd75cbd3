import json
import subprocess
import sys

import pytest

from vaiven.configuration import ConfigError, from_json, to_json
from vaiven.models.text.config import UNITS
from vaiven.pipeline.config import PRESETS, Config, configure, settings_of


def test_every_preset_builds_and_survives_json():
    for preset in PRESETS:
        config = configure(preset)
        assert from_json(Config, to_json(config)) == config


def test_settings_are_applied_in_order_over_the_preset():
    config = configure('reviews', ['training.epochs=3', 'training.epochs=4', 'network.units=8'])
    assert (config.training.epochs, config.network.units) == (4, 8)
    assert config.data == configure('reviews').data


def test_settings_that_only_fit_together_come_in_any_order():
    settings = ['data.positive_labels=0', 'data.negative_labels=1', 'data.unlabelled_labels=2']
    assert configure('reviews', settings) == configure('reviews', settings[::-1])


def test_the_printed_tree_builds_the_same_tree_again():
    config = configure(
        'reviews', ['text.unit=character', 'data.group_column=film', 'evaluation.min_accuracy=0.5']
    )
    settings = [f'{path}={value}' for path, value in settings_of(config)]
    assert len(settings) > 30
    assert configure('reviews', settings) == config


def test_the_recipe_of_the_paper_is_the_published_one():
    config = configure('novel_paper')
    training, network = config.training, config.network
    assert (training.window, training.targets, training.weight_averaging) == (60, 'last', 0)
    assert (training.learning_rate, training.final_rate_fraction) == (1e-3, 1)
    assert (network.cell, network.layers, network.units, network.dropout) == ('lstm', 2, 256, 0.2)
    assert (network.embedding_size, network.bidirectional, network.locked_dropout) == (0, False, False)
    assert (config.text.unit, config.text.lowercase) == ('character', True)


@pytest.mark.parametrize('unit', UNITS)
def test_a_language_model_takes_whole_passages_whatever_the_order_of_the_settings(unit):
    settings = [f'text.unit={unit}', 'text.max_tokens=300', 'data.passage_characters=300']
    assert configure('novel', settings) == configure('novel', settings[::-1])
    with pytest.raises(
        ConfigError, match=r'max_tokens must be at least data\.passage_characters=2000'
    ) as raised:
        configure('novel', settings[:2])
    assert 'Received: 300' in str(raised.value)


def test_only_a_forward_network_predicts_the_last_token():
    both = ['network.bidirectional=true']
    with pytest.raises(ConfigError, match=r'network\.bidirectional=false.*Received: True'):
        configure('novel_paper', both)
    assert configure('novel', both).network.bidirectional
    assert configure('reviews', ['training.targets=last']).network.bidirectional  # says nothing there


@pytest.mark.parametrize(('epochs', 'layers', 'unfreeze'), [(4, 1, 2), (3, 2, 1)])
def test_every_layer_learns_before_the_training_ends(epochs, layers, unfreeze):
    settings = [f'network.layers={layers}', f'training.unfreeze_epochs={unfreeze}']
    with pytest.raises(ConfigError, match=f'must be below training.epochs={epochs}, .* Received: {unfreeze}'):
        configure('reviews', [*settings, f'training.epochs={epochs}'])
    configure('reviews', [*settings, f'training.epochs={epochs + 1}'])


def test_parts_without_effect_are_removed_from_the_network():
    reviews = configure('reviews').network
    assert reviews.subword_buckets > 0
    assert reviews.wide_ngrams > 0
    characters = configure('reviews', ['text.unit=character']).network
    assert (characters.subword_buckets, characters.wide_ngrams) == (0, reviews.wide_ngrams)
    language = configure('reviews', ['training.task=language', 'text.max_tokens=2000']).network
    assert (language.subword_buckets, language.wide_ngrams) == (reviews.subword_buckets, 0)
    assert configure('reviews', ['text.unit=character', 'text.unit=word']).network == reviews


def test_a_name_given_beside_the_settings_wins():
    assert configure('reviews', ['name=a'], name='b').name == 'b'


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (['training.epoch=3'], 'training.epochs'),
        (['training.epochs'], 'training.epochs=3'),
        (['training=3'], 'group of settings'),
        (['training.epochs=many'], "'many'"),
        (['training.epochs=0'], 'Received: 0'),
        (['name=a/b'], "'a/b'"),
        (['name=..'], "'..'"),
        (['placement.beam_args=runner'], "'runner'"),
    ],
)
def test_an_invalid_setting_is_reported_with_its_value(settings, message):
    with pytest.raises(ConfigError, match=message.replace('.', r'\.')) as raised:
        configure('reviews', settings)
    assert '\n' not in str(raised.value)


# Former names of settings, with the current ones.
RENAMED = {
    'network.piece_buckets': ('network.subword_buckets', 512),
    'training.state_reset': ('training.state_reset_probability', 0.5),
    'training.last_rate': ('training.final_rate_fraction', 0.25),
}


@pytest.mark.parametrize(('former', 'current', 'value'), [(old, *new) for old, new in RENAMED.items()])
def test_a_former_name_of_a_setting_works_and_is_reported_in_one_line(former, current, value, caplog):
    assert configure('reviews', [f'{former}={value}']) == configure('reviews', [f'{current}={value}'])
    [record] = caplog.records
    assert record.levelname == 'WARNING'
    assert record.getMessage() == f'the setting {former} has been renamed to {current}'


@pytest.mark.parametrize(('former', 'current', 'value'), [(old, *new) for old, new in RENAMED.items()])
def test_the_json_of_an_earlier_version_has_former_names_and_is_read(former, current, value):
    values = json.loads(to_json(configure('reviews', [f'{current}={value}'])))
    group, name = current.split('.')
    values[group][former.split('.')[1]] = values[group].pop(name)
    assert from_json(Config, json.dumps(values)) == configure('reviews', [f'{current}={value}'])
    values[group]['no_such_setting'] = 1
    with pytest.raises(ConfigError, match=f"there is no setting '{group}.no_such_setting'"):
        from_json(Config, json.dumps(values))


def test_the_command_line_prints_one_line_for_a_former_name(tmp_path):
    path = tmp_path / 'a.csv'
    rows = (f'text {number},{number % 2}' for number in range(100))
    path.write_text('\n'.join(['text,label', *rows]))
    arguments = ['plan', '--data', str(path), '--root', str(tmp_path), '--set', 'training.last_rate=0.25']
    result = subprocess.run(
        [sys.executable, '-m', 'vaiven', *arguments], capture_output=True, text=True, check=True
    )
    assert result.stderr == (
        'the setting training.last_rate has been renamed to training.final_rate_fraction\n'
    )
    assert 'training.final_rate_fraction = 0.25' in result.stdout


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ConfigError, match='reviews'):
        configure('films')


def test_the_configuration_imports_neither_tensorflow_nor_tfx_nor_numpy():
    program = (
        'import sys; import vaiven.pipeline.config; '
        'print([name for name in ("tensorflow", "tfx", "keras", "apache_beam", "numpy") if name in sys.modules])'
    )
    result = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    assert result.stdout == '[]\n'
