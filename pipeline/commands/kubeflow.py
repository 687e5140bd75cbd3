"""`vaiven kubeflow`."""

import os

import click

from vaiven.components.text_example_gen.files import remote_files
from vaiven.pipeline.commands.options import ConfigOptions, DataOptions, config_options
from vaiven.pipeline.local_addresses import require_local_path
from vaiven.serving.commands.options import option_group

# `data: DataOptions`, as in `vaiven run`, but with URIs.
_data_options = option_group(
    'data',
    DataOptions,
    click.option(
        '--data',
        required=True,
        multiple=True,
        metavar='URI',
        help='URI of a file as the steps see it, a pattern of URIs, or a folder (ends in /) of .txt files. '
        'Can be repeated.',
    ),
    click.option(
        '--unlabelled',
        multiple=True,
        metavar='URI',
        help='URI of more text for the language model. Can be repeated.',
    ),
    click.option(
        '--teacher',
        multiple=True,
        metavar='URI',
        help='URI of a table of texts with the probabilities of another model. Can be repeated.',
    ),
    click.option(
        '--vectors',
        metavar='URI',
        help='URI of a file of pre-trained vectors of words, or of a folder (ends in /) of model2vec.',
    ),
)


@click.group()
def kubeflow() -> None:
    """Run the pipeline on Kubeflow Pipelines.

    \b
    Example:
      vaiven kubeflow compile --image registry/vaiven:1 \\
          --data gs://bucket/reviews.csv --root gs://bucket/runs
    """


@kubeflow.command('compile')
@click.option('--image', required=True, help='Image of the steps, built with kubeflow/Dockerfile.')
@_data_options
@click.option('--root', required=True, metavar='URI', help='URI below which artifacts are stored.')
@click.option(
    '--output', default='vaiven.yaml', show_default=True, metavar='FILE', help='YAML file to write.'
)
@click.option('--gpus', default=0, show_default=True, type=click.IntRange(0, 16), help='GPUs of the Trainer.')
@click.option(
    '--resolver/--no-resolver',
    default=False,
    help='Compare with the latest blessed model. Vertex AI supports it; the open-source backend does not.',
)
@config_options
def compile_command(
    image: str,
    data: DataOptions,
    root: str,
    output: str,
    gpus: int,
    resolver: bool,
    config_options: ConfigOptions,
) -> int:
    """Compile the pipeline for Kubeflow Pipelines v2.

    \b
    Example:
      vaiven kubeflow compile --image registry/vaiven:1 \\
          --data gs://bucket/reviews.csv --root gs://bucket/runs
    """
    output = require_local_path(output, '--output')
    config = config_options.build(data)
    files = remote_files(data.data, data.unlabelled, data.teachers.files, data.vectors)
    from vaiven.pipeline.input_data import require_compatible_data, require_vectors

    require_compatible_data(files, config)
    if files.vectors is not None:
        require_vectors(config)
    from vaiven.pipeline.progress_display import progress_display

    with progress_display(os.devnull) as display:
        display.set_activity('loading TFX')
        from vaiven.pipeline.kubeflow import compile_pipeline

        compile_pipeline(config, files, root, image, output, gpus, 'latest' if resolver else 'none')
        display.line(f'wrote {output}')
    return 0
