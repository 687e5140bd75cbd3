"""Compiles the pipeline for Kubeflow Pipelines v2."""

from typing import Any

import yaml
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from vaiven.atomic import replacing
from vaiven.components.kubeflow_entry import register_artifact_types
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.pipeline.config import Config
from vaiven.pipeline.graph import Baseline, components

# The command of a step in the image. TFX's entry point does not know the artifact types of this project.
COMMAND = ['python', '-m', 'vaiven.components.kubeflow_entry']
SERVING_MOUNT = '/serving'
SERVING_CLAIM = 'vaiven-serving'

_ResourceSpec = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec
_PUSHER_EXECUTOR = 'AtomicPusher_executor'


def compile_pipeline(
    config: Config,
    files: DataFiles,
    root: str,
    image: str,
    output: str,
    gpus: int = 0,
    baseline: Baseline = 'none',
) -> None:
    """Writes a YAML file with two documents: the pipeline, and its Kubernetes configuration.

    Args:
        config: the configuration of the run.
        files: URIs of the data, as `gs://bucket/reviews.csv`.
        root: URI below which artifacts are stored.
        image: name of the image, built with `kubeflow/Dockerfile`.
        output: path of the YAML file.
        gpus: number of GPUs for the Tuner and the Trainer.
        baseline: the model that the candidate is compared with. `latest` needs a backend that runs TFX's resolver
            tasks; the open-source backend does not.
    """
    register_artifact_types()
    unfinished = f'{root.rstrip("/")}/unfinished/{config.name}'
    nodes = components(config, files, f'{SERVING_MOUNT}/{config.name}', unfinished, baseline)
    for node in nodes:
        if node.id in ('Tuner', 'Trainer'):
            node.with_platform_config(_resources(gpus))  # type: ignore[attr-defined]  # (BaseComponent has it, BaseNode has not)
    pipeline = tfx_pipeline.Pipeline(
        # Kubeflow allows lower-case letters, digits and hyphens.
        pipeline_name=config.name.lower().replace('_', '-').replace('.', '-').strip('-'),
        pipeline_root=root,
        components=nodes,
        enable_cache=True,
        beam_pipeline_args=list(config.placement.beam_args),
    )
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        config=kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            default_image=image, default_commands=COMMAND, use_pipeline_spec_2_1=True
        )
    )
    specification = runner.run(pipeline, write_out=False)['pipelineSpec']
    # The cache does not know which versions are in the serving folder, so the Pusher always runs.
    specification['root']['dag']['tasks']['AtomicPusher']['cachingOptions'] = {}
    with replacing(output) as stream:
        yaml.safe_dump_all([specification, _platform()], stream, sort_keys=True)


def _resources(gpus: int) -> Any:
    resources = _ResourceSpec(cpu_limit=4.0, memory_limit=8.0)
    if gpus:
        resources.accelerator.type = 'nvidia.com/gpu'
        resources.accelerator.count = gpus
    return resources


def _platform() -> dict[str, Any]:
    """Mounts the volume that TensorFlow Serving reads into the Pusher."""
    mount = {'mountPath': SERVING_MOUNT, 'pvcNameParameter': {'runtimeValue': {'constant': SERVING_CLAIM}}}
    executors = {_PUSHER_EXECUTOR: {'pvcMount': [mount]}}
    return {'platforms': {'kubernetes': {'deploymentSpec': {'executors': executors}}}}
