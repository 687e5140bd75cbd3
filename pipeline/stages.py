"""The components of the pipeline, their dependencies, and which of them must run.

This module imports neither TFX nor TensorFlow, so that `vaiven plan` starts fast. `vaiven.pipeline.graph` builds the
graph.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from vaiven.components.teacher.checkpoints import checkpoint_digest
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.configuration import to_json
from vaiven.pipeline.code_digest import digest
from vaiven.pipeline.completed import CompletedComponents
from vaiven.pipeline.config import Config
from vaiven.pipeline.input_links import link_names, vectors_link_name

_EXAMPLES, _TEACHER = 'TextExampleGen', 'Teacher'
_VOCABULARY, _TRANSFORM = 'Vocabulary', 'TextTransform'
_TUNER, _MODEL = 'Tuner', 'Trainer'
_LINEAR, _EVALUATOR, _LANGUAGE_EVALUATOR = 'LinearBaseline', 'Evaluator', 'LanguageEvaluator'
_TEXT = 'models/text'
_READING = 'components/examples.py'
_SERVING = ('serving/client', 'serving/common', 'serving/server', 'serving/wire')
# The parts of the configuration that a model depends on.
MODEL_SETTINGS = ('name', 'preset', 'data', 'vocabulary', 'text', 'network', 'training', 'teacher')


@dataclasses.dataclass(frozen=True)
class Stage:
    """One component.

    Attributes:
        name: its id in the graph.
        description: what it does, in a few words.
        inputs: the components whose outputs it reads.
        settings: the parts of the configuration that it reads.
        sources: files and folders of this package that it runs.
    """

    name: str
    description: str
    inputs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


STAGES = (
    Stage(
        _EXAMPLES,
        'reads the files, removes duplicates, splits the rows',
        (),
        ('data', 'placement'),
        ('components/text_example_gen',),
    ),
    Stage(
        _TEACHER,
        'fine-tunes an encoder and scores the text without labels',
        (_EXAMPLES,),
        ('teacher',),
        ('components/teacher', 'components/packages.py', 'models', 'serving/evaluation', _READING),
    ),
    Stage(
        _LINEAR,
        'evaluates the majority class and a linear model',
        (_EXAMPLES,),
        (),
        (
            'components/linear_baseline',
            'models/training/nb_svm.py',
            'models/training/class_information.py',
            'models/training/wide_fit.py',
            _READING,
        ),
    ),
    Stage('StatisticsGen', 'computes statistics of the rows', (_EXAMPLES,), ('placement',)),
    Stage(
        _VOCABULARY,
        'counts the tokens and keeps the frequent ones',
        (_EXAMPLES,),
        ('vocabulary', 'text', 'placement'),
        ('components/vocabulary', _TEXT),
    ),
    Stage('SchemaGen', 'infers the schema of a row', ('StatisticsGen',)),
    Stage('ExampleValidator', 'finds rows that do not fit the schema', ('StatisticsGen', 'SchemaGen')),
    Stage(
        _TRANSFORM,
        'converts texts to ids in a TensorFlow graph',
        (_EXAMPLES, _TEACHER, 'SchemaGen', _VOCABULARY),
        ('text', 'placement'),
        ('components/transform', 'models/data/preprocessing.py', _TEXT),
    ),
    Stage(
        _TUNER,
        'searches for the best settings',
        (_TRANSFORM, 'SchemaGen'),
        (*MODEL_SETTINGS, 'tuning'),
        ('models',),
    ),
    Stage(
        _MODEL,
        'trains the network and exports it',
        (_TRANSFORM, 'SchemaGen', _TUNER),
        MODEL_SETTINGS,
        ('models',),
    ),
    Stage('BaselineModel', 'finds the latest other blessed model', (_MODEL,)),
    Stage(
        'ServingCheck',
        'serves the model and compares its predictions',
        (_EXAMPLES, _MODEL),
        ('serving',),
        ('components/serving_check', *_SERVING, _READING),
    ),
    Stage(
        _EVALUATOR,
        'evaluates on the held-out rows, and blesses or not',
        (_EXAMPLES, _MODEL, 'BaselineModel'),
        ('evaluation', 'placement'),
        ('components/evaluation', 'serving/evaluation', 'serving/common/model_labels.py', _READING),
    ),
    Stage(
        _LANGUAGE_EVALUATOR,
        'evaluates on the held-out texts, and blesses or not',
        (_EXAMPLES, _MODEL, 'BaselineModel'),
        ('evaluation', 'text'),
        ('components/language_evaluation', 'components/evaluation/config.py', _READING, _TEXT),
    ),
    Stage(
        'AtomicPusher',
        'pushes the blessed model as the next version',
        (_MODEL, _EVALUATOR, _LANGUAGE_EVALUATOR, 'ServingCheck'),
        ('name',),
        ('components/pusher',),
    ),
)

# Their result depends on state outside of the metadata store, so it is never taken from the cache.
ALWAYS_RUN = frozenset({'BaselineModel', 'AtomicPusher'})
SOURCES: Mapping[str, tuple[str, ...]] = {stage.name: stage.sources for stage in STAGES}


def stages(config: Config) -> tuple[Stage, ...]:
    """The components that a configuration needs, in an order in which they can run."""
    excluded = set() if config.tuning.trials else {_TUNER}
    excluded |= set() if config.teacher.checkpoint else {_TEACHER}
    excluded |= {_LANGUAGE_EVALUATOR} if config.training.task == 'sentiment' else {_LINEAR, _EVALUATOR}
    return tuple(
        dataclasses.replace(stage, inputs=tuple(name for name in stage.inputs if name not in excluded))
        for stage in STAGES
        if stage.name not in excluded
    )


def fingerprints(config: Config, files: DataFiles) -> dict[str, str]:
    """A digest of everything that the result of each component depends on: settings, code, data and inputs.

    Args:
        config: the configuration of the run.
        files: the data.

    Returns:
        The digest by id of the component.
    """
    values = json.loads(to_json(config))
    if file := config.evaluation.behaviour_file:
        values['evaluation']['behaviour_file'] = file_digest(file)
    # The name of the link in the folder of the run: the location of a file does not matter.
    data = [
        [name, source.kind, file_digest(source.path)]
        for name, source in zip(link_names(files), files.sources(), strict=True)
    ]
    vectors = None if files.vectors is None else [vectors_link_name(files.vectors), files.vectors.sha256]
    digests: dict[str, str] = {}
    for stage in stages(config):
        # Components that always run do not make later ones run again.
        inputs = {name: digests[name] for name in stage.inputs if name not in ALWAYS_RUN}
        settings = {name: values[name] for name in stage.settings}
        if stage.name == _TRANSFORM and 'names' in config.training.augment:
            settings['augment'] = 'names'
        key: list[Any] = [
            stage.name,
            settings,
            digest(stage.sources),
            inputs,
            data if not stage.inputs else None,
        ]
        if stage.name == _TEACHER:
            key.append(checkpoint_digest(config.teacher.checkpoint))
        if stage.name == _VOCABULARY and vectors:
            key.append(vectors)
        digests[stage.name] = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return digests


def file_digest(path: str) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def stages_to_run(config: Config, files: DataFiles, completed: CompletedComponents) -> set[str]:
    """The ids of the components whose results are not in the cache.

    A component runs if it has not been completed with the same fingerprint, or if one of its inputs runs.

    Args:
        config: the configuration of the run.
        files: the data.
        completed: the components that were completed in the folder of the run.
    """
    current = fingerprints(config, files)
    pending: set[str] = set()
    for stage in stages(config):
        is_completed = completed.has(stage.name, current[stage.name])
        if not is_completed or pending.intersection(stage.inputs):
            pending.add(stage.name)
        if stage.name in ALWAYS_RUN:
            pending.discard(stage.name)
    return pending
