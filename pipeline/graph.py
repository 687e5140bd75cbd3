"""The TFX graph: the components and their connections."""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any, Literal

from tfx.components import ExampleValidator, SchemaGen, StatisticsGen, Trainer, Tuner
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel, Channel, standard_artifacts

from vaiven.components.evaluation.behaviour.selection import BehaviourTests
from vaiven.components.evaluation.component import PairedEvaluator
from vaiven.components.evaluation.evaluation import eval_config
from vaiven.components.language_evaluation.component import LanguageEvaluator
from vaiven.components.linear_baseline.component import LinearBaseline
from vaiven.components.pusher.component import AtomicPusher
from vaiven.components.serving_check.component import ServingCheck
from vaiven.components.teacher.checkpoints import checkpoint_digest
from vaiven.components.teacher.component import Teacher
from vaiven.components.text_example_gen.component import TextExampleGen
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.transform.component import TextTransform
from vaiven.components.vocabulary.component import Vocabulary
from vaiven.configuration import to_json
from vaiven.pipeline.baseline import MODEL, LatestBlessedOtherStrategy
from vaiven.pipeline.beam_options import beam_args
from vaiven.pipeline.config import Config
from vaiven.pipeline.paths import RunPaths
from vaiven.pipeline.stages import MODEL_SETTINGS, file_digest
from vaiven.serving.common.model_labels import ModelLabels

_TEST, _UNLABELLED, _TEACHER = 'test', 'unlabelled', 'teacher'

# The baseline model: the latest blessed model other than the candidate; the latest blessed model, by TFX's strategy,
# the only one that a Kubeflow pipeline can express; or none.
Baseline = Literal['other', 'latest', 'none']


def local_pipeline(config: Config, files: DataFiles, paths: RunPaths) -> tfx_pipeline.Pipeline:
    """The pipeline for this machine, with metadata in SQLite and the cache enabled.

    Args:
        config: the configuration of the run.
        files: the data, with paths relative to the root if `paths` are.
        paths: the folders of the run; relative if the root is the working directory.
    """
    return _pipeline(config, paths, components(config, files, paths.serving, paths.unfinished, 'other'))


def _pipeline(config: Config, paths: RunPaths, nodes: list[BaseNode]) -> tfx_pipeline.Pipeline:
    return tfx_pipeline.Pipeline(
        pipeline_name=config.name,
        pipeline_root=paths.artifacts,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(paths.metadata),
        components=nodes,
        enable_cache=True,
        beam_pipeline_args=beam_args(config.placement),
    )


def teacher_pipeline(config: Config, files: DataFiles, paths: RunPaths) -> tfx_pipeline.Pipeline:
    """The first two components of `local_pipeline` with a teacher, which shares their results in the cache.

    Args:
        config: the configuration of the run, with `teacher.checkpoint`.
        files: the data.
        paths: the folders of the run.
    """
    examples = TextExampleGen(files, config.data)
    return _pipeline(config, paths, [examples, _teacher(config, examples, paths.unfinished)])


def components(
    config: Config, files: DataFiles, serving_dir: str, unfinished: str, baseline: Baseline
) -> list[BaseNode]:
    """The components, in an order in which they can run.

    Args:
        config: the configuration of the run.
        files: the data.
        serving_dir: base path of the served model, with a subfolder for each version.
        unfinished: folder of the state from which a killed training resumes.
        baseline: the model that the candidate is compared with.
    """
    examples = TextExampleGen(files, config.data)
    teacher = _teacher(config, examples, unfinished) if config.teacher.checkpoint else None
    # The splits for training only; without a teacher, the graph is that of earlier versions.
    more_splits = [_UNLABELLED, *([_TEACHER] if files.teacher else [])]
    statistics = StatisticsGen(examples=examples.outputs['examples'], exclude_splits=more_splits)
    schema = SchemaGen(
        statistics=statistics.outputs['statistics'], infer_feature_shape=False, exclude_splits=more_splits
    )
    validator = ExampleValidator(
        statistics=statistics.outputs['statistics'],
        schema=schema.outputs['schema'],
        exclude_splits=more_splits,
    )
    vocabulary = Vocabulary(
        examples=examples.outputs['examples'],
        config=config.vocabulary,
        text=config.text,
        splits=['train', *more_splits],
        vectors=files.vectors,
    )
    taught = examples.outputs['examples']
    if teacher is not None:
        taught = teacher.outputs['taught_examples']
        more_splits = [_UNLABELLED, _TEACHER]
    transform = TextTransform(
        examples=taught,
        schema=schema.outputs['schema'],
        vocabulary=vocabulary.outputs['vocabulary'],
        preprocessing_fn='vaiven.models.data.preprocessing.preprocessing_fn',
        custom_config={'config': json.dumps(_transform_config(config), sort_keys=True)},
        splits=['train', 'eval', *more_splits],
    )
    training_inputs: dict[str, Any] = {
        'examples': transform.outputs['transformed_examples'],
        'transform_graph': transform.outputs['transform_graph'],
        'schema': schema.outputs['schema'],
        'train_args': trainer_pb2.TrainArgs(splits=['train', *more_splits]),
        'eval_args': trainer_pb2.EvalArgs(splits=['eval']),
    }
    tuner = _tuner(config, files.teacher, training_inputs, unfinished)
    trainer = Trainer(
        run_fn='vaiven.models.training.trainer.run_fn',
        hyperparameters=tuner.outputs['best_hyperparameters'] if tuner else None,
        custom_config={'config': training_config(config, files.teacher), 'unfinished': unfinished},
        **training_inputs,
    )
    model = trainer.outputs['model']
    resolver = _resolver(model, baseline)
    baseline_model = resolver.outputs[MODEL] if resolver else None
    evaluator: BaseNode
    linear_baseline = None
    if config.training.task == 'sentiment':
        linear_baseline = LinearBaseline(
            examples=examples.outputs['examples'], labels=config.data.label_spec()
        )
        evaluator = PairedEvaluator(
            examples=examples.outputs['examples'],
            model=model,
            baseline_model=baseline_model,
            eval_config=eval_config(config.evaluation, config.data.label_spec()),
            example_splits=[_TEST],
            behaviour=BehaviourTests.from_config(
                config.evaluation, ModelLabels.from_config(dataclasses.asdict(config))
            ),
        ).with_id('Evaluator')
    else:
        evaluator = LanguageEvaluator(
            examples=examples.outputs['examples'],
            model=model,
            baseline_model=baseline_model,
            config=config.evaluation,
            text=config.text,
        )
    serving_check = ServingCheck(model=model, examples=examples.outputs['examples'], config=config.serving)
    pusher = AtomicPusher(
        model=model,
        model_blessing=evaluator.outputs['blessing'],
        infra_blessing=serving_check.outputs['blessing'],
        serving_dir=serving_dir,
    )
    nodes = [
        examples,
        teacher,
        statistics,
        schema,
        validator,
        vocabulary,
        transform,
        tuner,
        trainer,
        resolver,
        evaluator,
        linear_baseline,
        serving_check,
        pusher,
    ]
    return [node for node in nodes if node is not None]


def _teacher(config: Config, examples: TextExampleGen, unfinished: str) -> Teacher:
    return Teacher(examples.outputs['examples'], config.teacher, config.data.label_spec(), unfinished)


def _transform_config(config: Config) -> dict[str, Any]:
    """The part of the configuration that Transform depends on."""
    data = {'label_kind': config.data.label_kind, 'classes': config.data.classes}
    values: dict[str, Any] = {'text': dataclasses.asdict(config.text), 'data': data}
    if 'names' in config.training.augment:
        values['training'] = {'augment': ['names']}
    return values


def training_config(config: Config, teacher: Sequence[str] = ()) -> str:
    """The part of the configuration that a model depends on, as JSON. It is saved in the assets of the model.

    Args:
        config: the configuration of the run.
        teacher: files of a teacher. The assets name them, with the hashes of those on this machine.
    """
    values = json.loads(to_json(config))
    settings = {key: values[key] for key in MODEL_SETTINGS}
    if teacher:
        settings['teacher_files'] = [_describe_file(path) for path in teacher]
    if config.teacher.checkpoint:
        settings['teacher_checkpoint'] = {'sha256': checkpoint_digest(config.teacher.checkpoint)}
    return json.dumps(settings, ensure_ascii=False)


def _describe_file(path: str) -> dict[str, str]:
    if not os.path.exists(path):
        return {'file': path}
    return {'file': os.path.basename(path), 'sha256': file_digest(path)}


def _tuner(
    config: Config, teacher: Sequence[str], training_inputs: dict[str, Any], unfinished: str
) -> Tuner | None:
    if not config.tuning.trials:
        return None
    values = {**json.loads(training_config(config, teacher)), 'tuning': dataclasses.asdict(config.tuning)}
    return Tuner(
        tuner_fn='vaiven.models.training.tuning.tuner_fn',
        custom_config={'config': json.dumps(values, ensure_ascii=False), 'unfinished': unfinished},
        **training_inputs,
    )


def _resolver(model: BaseChannel[Any], baseline: Baseline) -> Resolver | None:
    models, blessings = Channel(type=standard_artifacts.Model), Channel(type=standard_artifacts.ModelBlessing)
    if baseline == 'none':
        return None
    if baseline == 'latest':
        resolver = Resolver(strategy_class=LatestBlessedModelStrategy, model=models, model_blessing=blessings)
    else:
        resolver = Resolver(
            strategy_class=LatestBlessedOtherStrategy, model=models, model_blessing=blessings, candidate=model
        )
    resolver.with_id('BaselineModel')
    return resolver
