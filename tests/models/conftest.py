"""A tiny trained and exported model, made once: rows → Transform → training → SavedModel."""

import dataclasses
import json
import logging
import pickle
import types
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import sharing

POSITIVE = (
    'a wonderful film',
    'una película maravillosa',
    'I loved it',
    'me encantó',
    'great and moving',
    'qué bonita',
)
NEGATIVE = (
    'a terrible film',
    'una película horrible',
    'I hated it',
    'me aburrió',
    'bad and boring',
    'qué fea',
)
FRAMES = ('{}', '{} .', 'well , {}', 'pues {}', '{} !', '¡ {} !', 'honestly {}', 'sinceramente {}')
CONFIG = {
    'text': {'unit': 'word', 'lowercase': True, 'max_tokens': 64, 'html': False},
    'network': {'units': 16, 'embedding_size': 12, 'token_dropout': 0.0, 'dropout': 0.1, 'head_dropout': 0.1},
    'training': {
        'epochs': 6,
        'language_epochs': 1,
        'batch_size': 8,
        'learning_rate': 0.02,
        'softmax_candidates': 10,
    },
}


@dataclasses.dataclass(frozen=True)
class Trained:
    """What `run_fn` was given, what it wrote, and the progress lines."""

    arguments: types.SimpleNamespace
    folder: str
    lines: tuple[str, ...]


def corpus() -> list[tuple[str, int | None]]:
    rows: list[tuple[str, int | None]] = []
    for frame in FRAMES:
        rows += [(frame.format(text), 1) for text in POSITIVE]
        rows += [(frame.format(text), 0) for text in NEGATIVE]
    return [*rows, ('a film without a sentiment label', None), ('', 0), ('niño 👍🏽 שלום', 1)]


def corpus_rows() -> list[tuple[str, list[int]]]:
    """The corpus with a list of labels, empty if there is none."""
    return [(text, [] if label is None else [label]) for text, label in corpus()]


def write_vocabulary(folder, config: dict, texts: Sequence[str]) -> Sequence[str]:
    import collections

    import tensorflow as tf

    from vaiven.configuration import from_dict
    from vaiven.models.text.config import TextConfig
    from vaiven.models.text.tokenization import SPECIAL_TOKENS, tokenize

    tokens = tokenize(tf.constant(texts), from_dict(TextConfig, config['text']))
    counts = collections.Counter(token.decode() for token in tokens.flat_values.numpy())
    vocabulary = [
        *SPECIAL_TOKENS,
        *(token for token, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0]))),
    ]
    (folder / 'vocab.txt').write_text('\n'.join(vocabulary) + '\n', encoding='utf-8')
    return vocabulary


def transform_rows(folder, config: dict, rows: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Runs the real `preprocessing_fn` through TensorFlow Transform on Beam; writes rows and graph."""
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    from vaiven.models.data.preprocessing import preprocessing_fn

    spec = {'text': tf.io.VarLenFeature(tf.string), 'label': tf.io.VarLenFeature(tf.int64)}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    examples = [{'text': [text], 'label': list(labels)} for text, labels in rows]
    custom_config = {'config': json.dumps(config), 'vocabulary_uri': str(folder)}
    with (
        beam.Pipeline(runner='FnApiRunner') as pipeline,
        tft_beam.Context(temp_dir=str(folder / 'temporary')),
    ):
        data = pipeline | beam.Create(examples)
        (transformed, transformed_metadata), graph = (data, metadata) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, custom_config)
        )
        graph | tft_beam.WriteTransformFn(str(folder / 'transform'))
        metadata | tft_beam.WriteMetadata(str(folder / 'transform' / 'metadata'), pipeline)
        (
            (transformed, transformed_metadata)
            | tft_beam.EncodeTransformedDataset()
            | beam.io.WriteToTFRecord(str(folder / 'rows'), file_name_suffix='.gz', num_shards=1)
        )
    return str(folder / 'transform')


@pytest.fixture(scope='session')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Made once for all processes of the test run; do not change its files."""
    folder = sharing.made_once(tmp_path_factory, 'trained', _train)
    return pickle.loads((folder / 'trained.pickle').read_bytes())


def _train(folder: Path) -> None:
    train_and_export(folder, CONFIG, corpus_rows())


def train_and_export(folder: Path, config: dict, rows: Sequence[tuple[str, Sequence[int]]]) -> None:
    """Writes a pickled `Trained`: `trained.pickle`."""
    from vaiven.models.training.trainer import run_fn

    write_vocabulary(folder, config, [text for text, _ in rows])
    files = [str(folder / 'rows-00000-of-00001.gz')]
    arguments = types.SimpleNamespace(
        custom_config={'config': json.dumps(config)},
        transform_output=transform_rows(folder, config, rows),
        train_files=files,
        eval_files=files,
        serving_model_dir=str(folder / 'serving'),
        model_run_dir=str(folder / 'run'),
        hyperparameters=None,
    )
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger('vaiven.progress')
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        run_fn(arguments)
    finally:
        logger.removeHandler(handler)
    trained = Trained(arguments, arguments.serving_model_dir, tuple(lines))
    (folder / 'trained.pickle').write_bytes(pickle.dumps(trained))
