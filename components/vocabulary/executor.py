"""Counts, chooses, and writes the vocabulary."""

import os
from typing import Any

import apache_beam as beam
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils

from vaiven.components.vocabulary import artifact as files
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.components.vocabulary.counting import CountTokens, TokenCount, read_examples
from vaiven.components.vocabulary.token_selection import choose
from vaiven.configuration import from_json
from vaiven.models.text.config import TextConfig, Unit

# Held-out text must not shape the vocabulary.
_SPLITS = ('train', 'unlabelled')


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes `vocab.txt`, `counts.tsv` and `summary.json`; see `VocabularyArtifact`."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        config = from_json(VocabularyConfig, exec_properties['config'])
        text = from_json(TextConfig, exec_properties['text'])
        examples = artifact_utils.get_single_instance(input_dict['examples'])
        present = artifact_utils.decode_split_names(examples.split_names)
        patterns = [
            os.path.join(artifact_utils.get_split_uri([examples], split), '*')
            for split in _SPLITS
            if split in present
        ]
        uri = artifact_utils.get_single_uri(output_dict['vocabulary'])
        fileio.makedirs(uri)
        with self._make_beam_pipeline() as pipeline:
            serialized = read_examples(pipeline, patterns)
            texts = serialized | 'CountTexts' >> beam.combiners.Count.Globally()
            _ = (
                serialized
                | 'CountTokens' >> CountTokens(text)
                # The distinct tokens of a language fit one worker; the text need not.
                | 'Gather' >> beam.combiners.ToList()
                | 'Write' >> beam.Map(_write, config, text.unit, uri, beam.pvalue.AsSingleton(texts))
            )


def _write(counted: list[TokenCount], config: VocabularyConfig, unit: Unit, uri: str, texts: int) -> None:
    choice = choose(counted, config, unit)
    contents = {
        files.VOCABULARY_FILE: choice.vocabulary_text(),
        files.COUNTS_FILE: choice.counts_text(),
        files.SUMMARY_FILE: choice.summary_text(texts),
    }
    for name, content in contents.items():
        with fileio.open(os.path.join(uri, name), 'w') as file:
            file.write(content)
