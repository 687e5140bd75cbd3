"""What the components are, what each depends on, and which of them have been done before.

Light: neither TFX nor TensorFlow is imported, so that a plan is printed at once. The graph itself is in
`vaiven.pipeline.graph`.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.configuration import to_json
from vaiven.pipeline.code_digest import digest
from vaiven.pipeline.completed import DoneBefore
from vaiven.pipeline.config import Config
from vaiven.pipeline.input_links import plain_names

_EXAMPLES, _TUNER, _MODEL = 'TextExampleGen', 'Tuner', 'Trainer'
_LINEAR, _EVALUATOR, _LANGUAGE_EVALUATOR = 'LinearBaseline', 'Evaluator', 'LanguageEvaluator'
_TEXT = 'models/text'
_READING = 'components/examples.py'
_SERVING = ('serving/client', 'serving/common', 'serving/server', 'serving/wire')
# Changing any other part of the configuration makes no difference to a model.
MODEL_SETTINGS = ('name', 'preset', 'data', 'vocabulary', 'text', 'network', 'training')


@dataclasses.dataclass(frozen=True)
class Stage:
    """One component.

    Attributes:
        name: its id in the graph.
        does: what it does, in a few words.
        after: those whose outputs it reads.
        settings: parts of the configuration that it is given.
        sources: files and folders of this package that it runs.
    """

    name: str
    does: str
    after: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


STAGES = (
    Stage(
        _EXAMPLES,
        'reads the files, removes duplicates, divides the rows',
        (),
        ('data', 'placement'),
        ('components/text_example_gen',),
    ),
    Stage(
        _LINEAR,
        'what the majority class and a linear model reach',
        (_EXAMPLES,),
        (),
        ('components/linear_baseline', 'models/training/nb_svm.py', _READING),
    ),
    Stage('StatisticsGen', 'counts what is in the rows', (_EXAMPLES,), ('placement',)),
    Stage(
        'Vocabulary',
        'counts the tokens and keeps the frequent ones',
        (_EXAMPLES,),
        ('vocabulary', 'text', 'placement'),
        ('components/vocabulary', _TEXT),
    ),
    Stage('SchemaGen', 'says what a row looks like', ('StatisticsGen',)),
    Stage('ExampleValidator', 'looks for rows that do not fit the schema', ('StatisticsGen', 'SchemaGen')),
    Stage(
        'TextTransform',
        'turns texts into ids, inside the TensorFlow graph',
        (_EXAMPLES, 'SchemaGen', 'Vocabulary'),
        ('text', 'placement'),
        ('components/transform', 'models/data/preprocessing.py', _TEXT),
    ),
    Stage(
        _TUNER,
        'tries other settings and keeps the best ones',
        ('TextTransform', 'SchemaGen'),
        (*MODEL_SETTINGS, 'tuning'),
        ('models',),
    ),
    Stage(
        _MODEL,
        'trains the network and exports it',
        ('TextTransform', 'SchemaGen', _TUNER),
        MODEL_SETTINGS,
        ('models',),
    ),
    Stage('BaselineModel', 'finds the latest blessed model before this one', (_MODEL,)),
    Stage(
        'ServingCheck',
        'asks a real server, and compares its answers',
        (_EXAMPLES, _MODEL),
        ('serving',),
        ('components/serving_check', *_SERVING, _READING),
    ),
    Stage(
        _EVALUATOR,
        'measures on the held-out rows, and blesses or not',
        (_EXAMPLES, _MODEL, 'BaselineModel'),
        ('evaluation', 'placement'),
        ('components/evaluation', _READING),
    ),
    Stage(
        _LANGUAGE_EVALUATOR,
        'measures on the held-out texts, and blesses or not',
        (_EXAMPLES, _MODEL, 'BaselineModel'),
        ('evaluation', 'text'),
        ('components/language_evaluation', 'components/evaluation/config.py', _READING, _TEXT),
    ),
    Stage(
        'AtomicPusher',
        'makes the blessed model the next version',
        (_MODEL, _EVALUATOR, _LANGUAGE_EVALUATOR, 'ServingCheck'),
        ('name',),
        ('components/pusher',),
    ),
)

# Their work lies outside of the metadata's sight, so that an earlier result proves nothing.
ALWAYS = frozenset({'BaselineModel', 'AtomicPusher'})
SOURCES: Mapping[str, tuple[str, ...]] = {stage.name: stage.sources for stage in STAGES}


def stages(config: Config) -> tuple[Stage, ...]:
    """Those that a configuration asks for."""
    left_out = set() if config.tuning.trials else {_TUNER}
    left_out |= {_LANGUAGE_EVALUATOR} if config.training.task == 'sentiment' else {_LINEAR, _EVALUATOR}
    return tuple(
        dataclasses.replace(stage, after=tuple(name for name in stage.after if name not in left_out))
        for stage in STAGES
        if stage.name not in left_out
    )


def fingerprints(config: Config, files: DataFiles) -> dict[str, str]:
    """For each component a digest of all that decides what it gives: settings, code, data, those before it."""
    values = json.loads(to_json(config))
    # The name as the run reads it: where a file lies decides nothing.
    data = [
        [name, source.more, _digest(source.path)]
        for name, source in zip(plain_names(files), files.sources(), strict=True)
    ]
    found: dict[str, str] = {}
    for stage in stages(config):
        # What is always done again decides nothing about those after it.
        before = {name: found[name] for name in stage.after if name not in ALWAYS}
        settings = {name: values[name] for name in stage.settings}
        whole = [stage.name, settings, digest(stage.sources), before, data if not stage.after else None]
        found[stage.name] = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    return found


def _digest(path: str) -> str:
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def to_run(config: Config, files: DataFiles, done_before: DoneBefore) -> set[str]:
    """Names of the components whose results are not in the cache: not done before, or after one that is not."""
    current = fingerprints(config, files)
    found: set[str] = set()
    for stage in stages(config):
        done = done_before.has(stage.name, current[stage.name])
        if not done or found.intersection(stage.after):
            found.add(stage.name)
        if stage.name in ALWAYS:
            found.discard(stage.name)
    return found
