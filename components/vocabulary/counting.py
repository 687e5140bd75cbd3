"""Counts the tokens of texts on any Beam runner.

    serialized tf.Example ─ Batch ─ CountTokensInBatch ─ (token, partial count) ─ SumCounts ─ (token, count)

Each worker counts its tokens in a dictionary and emits it once per bundle. Only the partial counts are shuffled: some
hundred thousand pairs instead of every word of the corpus.
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

# A worker with more distinct tokens than this emits its counts before the bundle ends; bounds its memory.
_MAX_DISTINCT_TOKENS = 1_000_000
_BATCH_SIZE = 1024


@beam.typehints.with_input_types(list[bytes])
@beam.typehints.with_output_types(TokenCount)
class CountTokensInBatch(beam.DoFn):
    """Tokenises batches of serialized examples with the graph that the model serves with, and counts the tokens."""

    def __init__(self, config: TextConfig, text_feature: str) -> None:
        self._config, self._text_feature = config, text_feature
        self._counts: Counter[bytes] = Counter()
        self._texts = beam.metrics.Metrics.counter(NAMESPACE, 'texts')
        self._tokens = beam.metrics.Metrics.counter(NAMESPACE, 'tokens')

    def setup(self) -> None:
        config, text_feature = self._config, self._text_feature

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def tokenize_examples(examples: tf.Tensor) -> tf.Tensor:
            parsed = tf.io.parse_example(examples, {text_feature: tf.io.FixedLenFeature([], tf.string)})
            return tokenize(parsed[text_feature], config).flat_values  # (tokens of the batch,)

        self._tokenize_examples = tokenize_examples

    def start_bundle(self) -> None:
        self._counts = Counter()

    def process(self, examples: list[bytes]) -> Iterator[TokenCount]:
        tokens = self._tokenize_examples(tf.constant(examples, tf.string)).numpy().tolist()
        self._counts.update(tokens)
        self._texts.inc(len(examples))
        self._tokens.inc(len(tokens))
        if len(self._counts) > _MAX_DISTINCT_TOKENS:
            yield from self._counts.items()
            self._counts = Counter()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        for token_count in self._counts.items():
            yield WindowedValue(token_count, window.max_timestamp(), (window,))
        self._counts = Counter()


@beam.typehints.with_input_types(bytes)
@beam.typehints.with_output_types(TokenCount)
class CountTokens(beam.PTransform[Any, Any]):
    """Serialized tf.Examples → (token, count) for each distinct token.

    Args:
        config: how texts are normalised, and the unit of a token.
        text_feature: name of the feature with the text.
    """

    def __init__(self, config: TextConfig, text_feature: str = 'text') -> None:
        super().__init__()
        self._config, self._text_feature = config, text_feature

    def expand(self, examples: beam.PCollection[bytes]) -> beam.PCollection[TokenCount]:
        counts: beam.PCollection[TokenCount] = (
            examples
            | 'Batch' >> beam.BatchElements(min_batch_size=_BATCH_SIZE, max_batch_size=_BATCH_SIZE)
            | 'CountTokensInBatch' >> beam.ParDo(CountTokensInBatch(self._config, self._text_feature))
            | 'SumCounts' >> beam.CombinePerKey(sum).with_output_types(TokenCount)
        )
        return counts


def read_examples(pipeline: beam.Pipeline, patterns: Sequence[str]) -> beam.PCollection[bytes]:
    """Reads the serialized examples of all files that match one of the patterns."""
    splits = [
        pipeline | f'Read[{index}]' >> beam.io.ReadFromTFRecord(pattern)
        for index, pattern in enumerate(patterns)
    ]
    examples: beam.PCollection[bytes] = splits | 'AllSplits' >> beam.Flatten(pipeline=pipeline)
    return examples
