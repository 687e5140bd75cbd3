"""The options of Apache Beam, which depend on where its workers run."""

from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, WorkerOptions

from vaiven.pipeline.config import PlacementConfig

_IN_PROCESS = frozenset({'fnapirunner', 'bundlebaseddirectrunner'})


def in_process(placement: PlacementConfig) -> bool:
    """Whether the Beam workers run in this process, and so share its working directory."""
    runner = PipelineOptions(list(placement.beam_args)).view_as(StandardOptions).runner
    return runner is not None and runner.rsplit('.', 1)[-1].lower() in _IN_PROCESS


def beam_args(placement: PlacementConfig) -> list[Any]:
    """The options of Beam for a run on this machine.

    Unless a container image is named, TFX packages itself for remote workers, which takes 53 MB and some seconds per
    step. Workers in this process need no image and ignore its name.

    Args:
        placement: where the data steps run.
    """
    arguments = list(placement.beam_args)
    if in_process(placement) and not PipelineOptions(arguments).view_as(WorkerOptions).sdk_container_image:
        arguments.append('--sdk_container_image=in-process')
    return arguments
