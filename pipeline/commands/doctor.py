"""`vaiven doctor`: what is there, what is not, and what to do about it."""

import dataclasses
import json
import sys
from pathlib import Path

import click

from vaiven.pipeline.doctor import libraries, machine
from vaiven.pipeline.doctor.check import BAD, NOTE, OK, Check
from vaiven.serving.common import terminal

MARKS = {OK: ('ok', 'green'), NOTE: ('note', 'yellow'), BAD: ('BAD', 'red')}


@click.command()
@click.option('--json', 'as_json', is_flag=True, help='Print one JSON object.')
def doctor(as_json: bool) -> int:
    """Say what this machine has and what it lacks.

    Ends with status 1 if `vaiven run` could not work here.

    \b
    Examples:
      vaiven doctor
      vaiven doctor --json
    """
    checks = examine(Path())
    good = all(check.state != BAD for check in checks)
    if as_json:
        values = [dataclasses.asdict(check) for check in checks]
        click.echo(json.dumps({'ok': good, 'checks': values}, ensure_ascii=False, indent=1))
        return 0 if good else 1
    width = max(len(check.name) for check in checks)
    for check in checks:
        text, colour = MARKS[check.state]
        indent = ' ' * (width + 8)
        line = terminal.folded(f'{text:4}  {check.name:{width}}  {check.found}', sys.stdout, indent)
        click.echo(click.style(line[:4], fg=colour) + line[4:])
        if check.remedy:
            click.echo(terminal.folded(f'{indent}→ {check.remedy}', sys.stdout, f'{indent}  '))
    bad = [check.name for check in checks if check.state == BAD]
    if bad:
        click.echo(f'`vaiven run` cannot work here: {", ".join(bad)}')
    else:
        click.echo('`vaiven run` can work here')
    return 0 if good else 1


def examine(folder: Path) -> list[Check]:
    """All checks; a run would write below `folder`."""
    tensorflow = libraries.TensorFlow()
    first = [machine.python(), machine.system(), libraries.installed(), libraries.locked()]
    last = [
        libraries.bytecode(),
        machine.cores(),
        machine.memory(),
        machine.disk(folder.absolute()),
        machine.temporary(),
        machine.ports(),
        data(),
    ]
    found = [check for check in first if check is not None]
    return [*found, *tensorflow.checks(), *last]


def data() -> Check:
    """Whether the default data is here already."""
    from vaiven.components.text_example_gen.default_data import cached_file

    if (path := cached_file()).exists():
        return Check('default data', OK, str(path))
    return Check('default data', OK, 'not here yet: pip fetches it when it is first used')
