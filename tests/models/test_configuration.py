import dataclasses

import pytest

from vaiven.configuration import ConfigError, from_json, replace, to_json
from vaiven.models.network.config import NetworkConfig
from vaiven.models.training.config import TrainingConfig


@dataclasses.dataclass(frozen=True)
class Tree:
    name: str = 'reviews'
    labels: tuple[str, ...] = ('0',)
    column: str | None = None
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)


def test_a_tree_survives_json():
    tree = Tree(labels=('malo', 'peor'), column='película')
    assert from_json(Tree, to_json(tree)) == tree


@pytest.mark.parametrize(
    ('path', 'text', 'expected'),
    [
        ('training.epochs', '3', 3),
        ('training.learning_rate', '1', 1.0),
        ('network.cell', 'gru', 'gru'),
        ('labels', 'malo,peor', ('malo', 'peor')),
        ('labels', '["a,b"]', ('a,b',)),
        ('column', '2024', '2024'),
        ('column', 'null', None),
        ('name', '7', '7'),
    ],
)
def test_one_value_is_changed_by_its_dotted_path(path, text, expected):
    value: object = replace(Tree(), path, text)
    for name in path.split('.'):
        value = getattr(value, name)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ('path', 'text', 'message'),
    [
        ('training.epoch', '3', "there is no setting 'training.epoch'; did you mean 'training.epochs'?"),
        ('epochs', '3', "there is no setting 'epochs'; did you mean 'training.epochs'?"),
        ('training.colour', '3', "there is no setting 'training.colour'; there are: training.task, "),
        ('training', '3', "'training' is a group"),
        ('name.x', '3', 'is a single value'),
        ('training.epochs', 'three', 'training.epochs must be of type int'),
        ('training.epochs', '2.5', 'training.epochs must be of type int'),
        ('training.epochs', 'true', 'training.epochs must be of type int'),
        ('training.epochs', '0', 'training.epochs must be at least 1. Received: 0'),
        ('network.cell', 'transformer', 'network.cell must be one of'),
        ('network.units', '0', 'network.units must lie between 1 and 16384'),
        ('network.units', '1000000000', 'network.units must lie between 1 and 16384'),
        ('network.layers', '600', 'network.layers must lie between 1 and 32'),
        ('network.embedding_size', '-1', 'network.embedding_size must lie between 0 and 16384'),
        ('network.dropout', '1.2', 'network.dropout must be at least 0 and below 1'),
        ('training.learning_rate', 'NaN', 'training.learning_rate must be above 0'),
        ('training.learning_rate', 'Infinity', 'training.learning_rate must be above 0, and finite'),
        ('training.clip_norm', 'Infinity', 'training.clip_norm must be above 0, and finite'),
        ('training.soft_labels', 'Infinity', 'training.soft_labels must not be negative, and must be finite'),
        ('training.teacher_weight', '0', 'training.teacher_weight must be above 0, and at most 100'),
        ('training.teacher_weight', 'NaN', 'training.teacher_weight must be above 0, and at most 100'),
        ('training.language_weight', 'Infinity', 'training.language_weight must not be negative, and must'),
        (
            'training.final_rate_fraction',
            '1.5',
            'training.final_rate_fraction must lie between 0 and 1. Received: 1.5',
        ),
        (
            'training.state_reset_probability',
            '1',
            'training.state_reset_probability must be at least 0 and below 1. Received: 1',
        ),
        ('training.final_rate_fraction', 'NaN', 'training.final_rate_fraction must lie between 0 and 1'),
        ('training.batch_size', '65537', 'training.batch_size must be at most 65536. Received: 65537'),
        ('training.seed', '2147483647', 'training.seed must be at most 2147483646'),
    ],
)
def test_an_invalid_value_is_refused_with_the_rule(path, text, message):
    with pytest.raises(ConfigError) as caught:
        replace(Tree(), path, text)
    assert message in str(caught.value)
    assert caught.value.exit_status == 2
