"""`vaiven run`."""

import click

from vaiven.pipeline.commands.options import (
    ConfigOptions,
    DataOptions,
    config_options,
    data_options,
    root_option,
)


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
def run(
    data: DataOptions, config_options: ConfigOptions, root: str | None, tune: int | None, serve: bool
) -> int:
    """Train a model, evaluate it, push it as the next version, and show its predictions.

    Without --data, the model is trained on 10,605 sentences of English film reviews. Results of earlier and
    interrupted runs are taken from the cache. Exit status: 0 if a model was pushed, 1 if the run failed or the model
    was not blessed, 2 for a usage error.

    \b
    Examples:
      vaiven run
      vaiven run --data reviews.csv --text-column body --label-column stars \\
          --set data.positive_labels=4,5 --set data.negative_labels=1,2 \\
          --set data.unlabelled_labels=3 --name shop
      vaiven run --data reviews.jsonl --unlabelled forum.txt.gz
      vaiven run --preset novel --data book.txt --data 'books/*.txt'
      vaiven run --set training.epochs=3 --set network.units=64
      vaiven run --tune 20
    """
    config = config_options.build(data, () if tune is None else (f'tuning.trials={tune}',))
    from vaiven.pipeline.input_data import find_data

    files, notes = find_data(data.data, data.unlabelled, config)
    from vaiven.pipeline.demo_inputs import DEFAULT_DEMO_INPUTS, held_out_demo_inputs
    from vaiven.pipeline.main_job import run_job
    from vaiven.pipeline.paths import RunPaths

    demo_inputs = None
    if serve:
        default_inputs = DEFAULT_DEMO_INPUTS[config.training.task]
        demo_inputs = held_out_demo_inputs(files, config) if data.data else default_inputs
    click.echo('\n'.join(notes))
    results = run_job(config, files, RunPaths.at(root, config.name), demo_inputs)
    return 1 if results.version is None else 0
