"""`vaiven plan`."""

import click

from vaiven.pipeline.commands.options import configured, data_options, located
from vaiven.serving.common import terminal


@click.command()
@data_options
@click.option('--root', metavar='DIR', help='Folder of the runs; by default vaiven-runs/NAME.')
def plan(
    data: tuple[str, ...],
    unlabelled: tuple[str, ...],
    text_column: str | None,
    label_column: str | None,
    preset: str,
    settings: tuple[str, ...],
    name: str | None,
    root: str | None,
) -> int:
    """Show the configuration, and which components a run would run, without running any.

    \b
    Examples:
      vaiven plan
      vaiven plan --data reviews.csv --unlabelled forum.txt --set network.units=64
    """
    config = configured(data, preset, settings, name, text_column, label_column)
    files, notes = located(data, unlabelled, config)
    from vaiven.pipeline.completed import DoneBefore
    from vaiven.pipeline.config import settings_of
    from vaiven.pipeline.paths import RunPaths
    from vaiven.pipeline.stages import ALWAYS, stages, to_run

    paths = RunPaths.at(root, config.name)
    running = to_run(config, files, DoneBefore(paths.root))
    for path, value in settings_of(config):
        terminal.say(f'{path} = {value}')
    click.echo()
    for source in files.sources():
        terminal.say(f'{"unlabelled" if source.more else "data":10}  {source.path}')
    click.echo(f'{"root":10}  {paths.root}\n')
    click.echo('\n'.join(notes) + '\n')
    planned = stages(config)
    width = max(len(stage.name) for stage in planned)
    for number, stage in enumerate(planned, start=1):
        state = 'always' if stage.name in ALWAYS else 'run' if stage.name in running else 'cached'
        terminal.say(f'{number:2}  {stage.name:{width}}  {state:6}  {stage.does}')
    return 0
