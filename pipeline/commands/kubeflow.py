"""`vaiven kubeflow`."""

import os

import click

from vaiven.components.text_example_gen.files import addressed
from vaiven.pipeline.commands.options import configured, require_together
from vaiven.pipeline.config import PRESETS
from vaiven.pipeline.local_addresses import require_local


@click.group()
def kubeflow() -> None:
    """Bring the pipeline to Kubeflow.

    \b
    Example:
      vaiven kubeflow compile --image registry/vaiven:1 \\
          --data gs://bucket/reviews.csv --root gs://bucket/runs
    """


@kubeflow.command('compile')
@click.option('--image', required=True, help='Image of the steps, made by kubeflow/Dockerfile.')
@click.option(
    '--data',
    required=True,
    multiple=True,
    metavar='URI',
    help='Address of a file as the steps see it, a pattern of addresses, or a folder (ends in /) of .txt files. '
    'May be repeated.',
)
@click.option(
    '--unlabelled', multiple=True, metavar='URI', help='The same for more text for the language part.'
)
@click.option('--root', required=True, metavar='URI', help='Address below which artifacts are kept.')
@click.option('--output', default='vaiven.yaml', show_default=True, metavar='FILE', help='File to write.')
@click.option('--gpus', default=0, show_default=True, type=click.IntRange(0, 16), help='For the Trainer.')
@click.option(
    '--resolver/--no-resolver',
    default=False,
    help='Compare with the latest blessed model. Vertex AI can; the open-source backend runs no resolver tasks.',
)
@click.option('--text-column', metavar='NAME', help='Column with the text; by default text.')
@click.option('--label-column', metavar='NAME', help='Column with the label; by default label.')
@click.option('--preset', default='reviews', show_default=True, help=f'One of: {", ".join(PRESETS)}.')
@click.option('--set', 'settings', multiple=True, metavar='SETTING=VALUE', help='As training.epochs=3.')
@click.option('--name', help="Name of the served model; by default the preset's.")
def compile_command(
    image: str,
    data: tuple[str, ...],
    unlabelled: tuple[str, ...],
    root: str,
    output: str,
    gpus: int,
    resolver: bool,
    text_column: str | None,
    label_column: str | None,
    preset: str,
    settings: tuple[str, ...],
    name: str | None,
) -> int:
    """Write the pipeline as a specification of Kubeflow Pipelines v2.

    \b
    Example:
      vaiven kubeflow compile --image registry/vaiven:1 \\
          --data gs://bucket/reviews.csv --root gs://bucket/runs
    """
    output = require_local(output, '--output')
    config = configured(data, preset, settings, name, text_column, label_column)
    files = addressed(data, unlabelled)
    require_together(files, config)
    from vaiven.pipeline.progress_display import screen

    with screen(os.devnull) as shown:
        shown.doing('loading TFX')
        from vaiven.pipeline.kubeflow import compile_pipeline

        compile_pipeline(config, files, root, image, output, gpus, 'latest' if resolver else 'none')
        shown.line(f'wrote {output}')
    return 0
