"""`vaiven run`."""

import dataclasses

import click

from vaiven.pipeline.commands.options import (
    ConfigOptions,
    DataOptions,
    config_options,
    data_options,
    root_option,
)
from vaiven.pipeline.training_result import TrainingResult, error_json


@click.command()
@data_options
@config_options
@root_option
@click.option(
    '--tune',
    type=click.IntRange(min=1),
    metavar='N',
    help='Try N settings before training, including the given ones, and train with the best.',
)
@click.option(
    '--serve/--no-serve',
    default=True,
    help='Start a server with the pushed model, show its predictions, and stop it.',
)
@click.option(
    '--json',
    'as_json',
    is_flag=True,
    help='Print the result, or the error, as one JSON object, and the progress on standard error.',
)
def run(
    data: DataOptions,
    config_options: ConfigOptions,
    root: str | None,
    tune: int | None,
    serve: bool,
    as_json: bool,
) -> int:
    """Train a model, evaluate it, push it as the next version, and show its predictions.

    Without --data, the model is trained on 10,605 sentences of English film reviews. The kind of the labels is found in
    the data: two classes, several classes, ordered classes such as stars, or several labels per row; data.label_kind
    and data.classes change it. Results of earlier and
    interrupted runs are taken from the cache. Exit status: 0 if a model was pushed, 1 if the run failed or the model
    was not blessed, 2 for a usage error.

    \b
    Examples:
      vaiven run
      vaiven run --data tickets.csv --label-column topic --name tickets
      vaiven run --data reviews.csv --text-column body --label-column stars
      vaiven run --data reviews.csv --text-column body --label-column stars \\
          --set data.positive_labels=4,5 --set data.negative_labels=1,2 \\
          --set data.unlabelled_labels=3 --name shop
      vaiven run --data reviews.jsonl --unlabelled forum.txt.gz
      vaiven run --data reviews.csv --teacher scored.jsonl
      vaiven run --data reviews.csv --unlabelled forum.txt --teacher minilm
      vaiven run --data reviews.csv --vectors glove.6B.100d.txt
      vaiven run --preset novel --data book.txt --data 'books/*.txt'
      vaiven run --set training.epochs=3 --set network.units=64
      vaiven run --tune 20
      vaiven run --config shop.yaml --data reviews.csv --json > result.json
    """
    settings = () if tune is None else (f'tuning.trials={tune}',)
    try:
        result = _run(data, config_options, settings, root, serve, as_json)
    except BaseException as error:
        if as_json:
            click.echo(error_json(error))
        raise
    if as_json:
        click.echo(result.to_json())
    return 1 if result.version is None else 0


def _run(
    data: DataOptions,
    config_options: ConfigOptions,
    settings: tuple[str, ...],
    root: str | None,
    serve: bool,
    as_json: bool,
) -> TrainingResult:
    config = config_options.build(data, settings)
    from vaiven.pipeline.input_data import find_data

    config, files, notes = find_data(data.data, data.unlabelled, config, data.teachers.files, data.vectors)
    from vaiven.pipeline.demo_inputs import DEFAULT_DEMO_INPUTS, held_out_demo_inputs
    from vaiven.pipeline.main_job import run_job
    from vaiven.pipeline.paths import RunPaths
    from vaiven.pipeline.progress_display import STDERR, STDOUT

    demo_inputs = None
    if serve:
        default_inputs = DEFAULT_DEMO_INPUTS[config.training.task]
        demo_inputs = held_out_demo_inputs(files, config) if data.data else default_inputs
    click.echo('\n'.join(notes), err=as_json)
    paths = RunPaths.at(root, config.name)
    results = run_job(config, files, paths, demo_inputs, STDERR if as_json else STDOUT)
    return TrainingResult.from_run(config, paths.root, dataclasses.asdict(results))
