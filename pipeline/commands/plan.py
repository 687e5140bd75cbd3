"""`vaiven plan`."""

import click

from vaiven.pipeline.commands.options import (
    ConfigOptions,
    DataOptions,
    config_options,
    data_options,
    root_option,
)
from vaiven.serving.common import terminal


@click.command()
@data_options
@config_options
@root_option
def plan(data: DataOptions, config_options: ConfigOptions, root: str | None) -> int:
    """Show the settings of a run, its data, and which components would run. Nothing is run.

    \b
    Examples:
      vaiven plan
      vaiven plan --data reviews.csv --unlabelled forum.txt --set network.units=64
    """
    config = config_options.build(data)
    from vaiven.pipeline.input_data import find_data

    config, files, notes = find_data(data.data, data.unlabelled, config, data.teachers.files, data.vectors)
    from vaiven.pipeline.completed import CompletedComponents
    from vaiven.pipeline.config import settings_of
    from vaiven.pipeline.paths import RunPaths
    from vaiven.pipeline.stages import ALWAYS_RUN, stages, stages_to_run

    paths = RunPaths.at(root, config.name)
    pending = stages_to_run(config, files, CompletedComponents(paths.root))
    for path, value in settings_of(config):
        terminal.say(f'{path} = {value}')
    click.echo()
    for source in files.sources():
        terminal.say(f'{source.kind:10}  {source.path}')
    if files.vectors is not None:
        terminal.say(f'{"vectors":10}  {files.vectors.path}')
    click.echo(f'{"root":10}  {paths.root}\n')
    click.echo('\n'.join(notes) + '\n')
    planned = stages(config)
    width = max(len(stage.name) for stage in planned)
    for number, stage in enumerate(planned, start=1):
        state = 'always' if stage.name in ALWAYS_RUN else 'run' if stage.name in pending else 'cached'
        terminal.say(f'{number:2}  {stage.name:{width}}  {state:6}  {stage.description}')
    return 0
