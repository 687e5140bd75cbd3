"""The executor of the Vocabulary component."""

import json
import os
from typing import Any

import apache_beam as beam
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils

from vaiven.components.examples import TEXT_FEATURE, TRAIN_SPLIT, UNLABELLED_SPLIT, split_pattern
from vaiven.components.parameters import names_from_json
from vaiven.components.vocabulary import artifact as files
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.components.vocabulary.counting import CountTokens, TokenCount, read_examples
from vaiven.components.vocabulary.token_selection import select_tokens
from vaiven.components.vocabulary.vectors.addition import add_vectors
from vaiven.components.vocabulary.vectors.source import VectorsSource
from vaiven.configuration import from_json
from vaiven.models.text.config import TextConfig, Unit

# Held-out text must not shape the vocabulary.
SPLITS = (TRAIN_SPLIT, UNLABELLED_SPLIT)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes `vocab.txt`, `counts.tsv` and `summary.json`, and `vectors.npz` if there are vectors."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Counts the tokens, selects the vocabulary and writes it.

        Args:
            input_dict: `examples`.
            output_dict: `vocabulary`.
            exec_properties: `config` and `text` as JSON; `splits`, a JSON list; `text_feature`; `vectors`, a
                `VectorsSource` as JSON.

        Raises:
            UserError: if the examples have none of the splits, or the file of vectors cannot be used.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = from_json(VocabularyConfig, exec_properties['config'])
        text = from_json(TextConfig, exec_properties['text'])
        examples = artifact_utils.get_single_instance(input_dict['examples'])
        splits = names_from_json(exec_properties, 'splits', SPLITS)
        present = set(artifact_utils.decode_split_names(examples.split_names))
        # With none of the splits present, the first one is looked up, which raises the error.
        patterns = [
            split_pattern(examples, split)
            for split in splits
            if split in present or not present & set(splits)
        ]
        text_feature = exec_properties.get('text_feature') or TEXT_FEATURE
        uri = artifact_utils.get_single_uri(output_dict['vocabulary'])
        fileio.makedirs(uri)
        with self._make_beam_pipeline() as pipeline:
            serialized = read_examples(pipeline, patterns)
            texts = serialized | 'CountTexts' >> beam.combiners.Count.Globally()
            _ = (
                serialized
                | 'CountTokens' >> CountTokens(text, text_feature)
                # The distinct tokens of a language fit in the memory of one worker; the corpus need not.
                | 'ToList' >> beam.combiners.ToList()
                | 'Write' >> beam.Map(_write, config, text.unit, uri, beam.pvalue.AsSingleton(texts))
            )
        if exec_properties.get('vectors'):
            # After the pipeline, in this process: Beam would wrap an error in pages of its own messages.
            add_vectors(uri, VectorsSource(**json.loads(exec_properties['vectors'])), config, text)


def _write(
    token_counts: list[TokenCount], config: VocabularyConfig, unit: Unit, uri: str, texts: int
) -> None:
    selection = select_tokens(token_counts, config, unit)
    contents = {
        files.VOCABULARY_FILE: selection.vocabulary_text(),
        files.COUNTS_FILE: selection.counts_text(),
        files.SUMMARY_FILE: selection.summary_text(texts),
    }
    for name, content in contents.items():
        with fileio.open(os.path.join(uri, name), 'w') as file:
            file.write(content)
