"""`vaiven run`."""

import click

from vaiven.pipeline.commands.options import configured, data_options, located


@click.command()
@data_options
@click.option('--root', metavar='DIR', help='Folder of the runs; by default vaiven-runs/NAME.')
@click.option(
    '--tune',
    type=click.IntRange(min=1),
    metavar='N',
    help='Before training, try N settings, those as given among them, and train with the best.',
)
@click.option(
    '--serve/--no-serve',
    default=True,
    help='Whether to start a server on the pushed model at the end, ask it, and stop it.',
)
def run(
    data: tuple[str, ...],
    unlabelled: tuple[str, ...],
    text_column: str | None,
    label_column: str | None,
    preset: str,
    settings: tuple[str, ...],
    name: str | None,
    root: str | None,
    tune: int | None,
    serve: bool,
) -> int:
    """Train a model, check it, push it as the next version, and show its answers.

    Without --data it learns from 10,605 English film-review sentences. What is done already, by an earlier or an
    interrupted run, is taken from the cache. Exit status: 0 pushed, 1 failed or not good enough, 2 asked wrongly.

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
    if tune is not None:
        settings = (*settings, f'tuning.trials={tune}')
    config = configured(data, preset, settings, name, text_column, label_column)
    files, notes = located(data, unlabelled, config)
    from vaiven.pipeline.demo_inputs import DEFAULT_QUESTIONS, held_out_questions
    from vaiven.pipeline.main_job import run_job
    from vaiven.pipeline.paths import RunPaths

    questions = None
    if serve:
        known = DEFAULT_QUESTIONS[config.training.task]
        questions = held_out_questions(files, config) if data else known
    click.echo('\n'.join(notes))
    return run_job(config, files, RunPaths.at(root, config.name), questions)
