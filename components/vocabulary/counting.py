"""Counts the tokens of texts on any Beam runner.

    serialized tf.Example ─ Batch ─ CountInBatch ─ (token, part) ─ SumParts ─ (token, count)

A word is counted where it is read, in a dictionary that leaves the worker once a bundle: only partial counts
are shuffled, some hundred thousand instead of every word of the corpus.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import tokenize

NAMESPACE = 'vaiven.Vocabulary'

TokenCount = tuple[bytes, int]

# A bundle with more distinct tokens than this sends what it has counted so far.
_MAX_IN_MEMORY = 1_000_000
_BATCH_ROWS = 1024


@beam.typehints.with_input_types(list[bytes])
@beam.typehints.with_output_types(TokenCount)
class CountInBatch(beam.DoFn):
    """Tokenises batches in the very graph that serves later, and counts."""

    def __init__(self, config: TextConfig) -> None:
        self._config = config
        self._counts: Counter[bytes] = Counter()
        self._texts = beam.metrics.Metrics.counter(NAMESPACE, 'texts')
        self._tokens = beam.metrics.Metrics.counter(NAMESPACE, 'tokens')

    def setup(self) -> None:
        config = self._config

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def tokens_of(examples: tf.Tensor) -> tf.Tensor:
            parsed = tf.io.parse_example(examples, {'text': tf.io.FixedLenFeature([], tf.string)})
            return tokenize(parsed['text'], config).flat_values

        self._tokens_of = tokens_of

    def start_bundle(self) -> None:
        self._counts = Counter()

    def process(self, examples: list[bytes]) -> Iterator[TokenCount]:
        tokens = self._tokens_of(tf.constant(examples, tf.string)).numpy().tolist()
        self._counts.update(tokens)
        self._texts.inc(len(examples))
        self._tokens.inc(len(tokens))
        if len(self._counts) > _MAX_IN_MEMORY:
            yield from self._counts.items()
            self._counts = Counter()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        for pair in self._counts.items():
            yield WindowedValue(pair, window.max_timestamp(), (window,))
        self._counts = Counter()


@beam.typehints.with_input_types(bytes)
@beam.typehints.with_output_types(TokenCount)
class CountTokens(beam.PTransform[Any, Any]):
    """Serialized tf.Examples with `text` → each distinct token with its count."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self._config = config

    def expand(self, examples: beam.PCollection[bytes]) -> beam.PCollection[TokenCount]:
        counts: beam.PCollection[TokenCount] = (
            examples
            | 'Batch' >> beam.BatchElements(min_batch_size=_BATCH_ROWS, max_batch_size=_BATCH_ROWS)
            | 'CountInBatch' >> beam.ParDo(CountInBatch(self._config))
            | 'SumParts' >> beam.CombinePerKey(sum).with_output_types(TokenCount)
        )
        return counts


def read_examples(pipeline: beam.Pipeline, patterns: Sequence[str]) -> beam.PCollection[bytes]:
    """The serialized examples of all files that fit one of the patterns."""
    parts = [
        pipeline | f'Read[{index}]' >> beam.io.ReadFromTFRecord(pattern)
        for index, pattern in enumerate(patterns)
    ]
    examples: beam.PCollection[bytes] = parts | 'AllSplits' >> beam.Flatten(pipeline=pipeline)
    return examples
