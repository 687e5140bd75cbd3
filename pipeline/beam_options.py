"""What Apache Beam is told, by where its workers run."""

from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, WorkerOptions

from vaiven.pipeline.config import PlacementConfig

_IN_PROCESS = frozenset({'fnapirunner', 'bundlebaseddirectrunner'})


def in_process(placement: PlacementConfig) -> bool:
    """Whether the data steps run on this machine, in this process and its working directory."""
    runner = PipelineOptions(list(placement.beam_args)).view_as(StandardOptions).runner
    return runner is not None and runner.rsplit('.', 1)[-1].lower() in _IN_PROCESS


def beam_args(placement: PlacementConfig) -> list[Any]:
    """The options of Beam for a run on this machine.

    TFX packs itself for remote workers, 53 MB and some seconds for each step, unless an image is named that has it.
    Workers in this process need no image, and read no such name.
    """
    arguments = list(placement.beam_args)
    if in_process(placement) and not PipelineOptions(arguments).view_as(WorkerOptions).sdk_container_image:
        arguments.append('--sdk_container_image=in-process')
    return arguments
