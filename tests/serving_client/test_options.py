"""Option groups: a command gets one value for all options of a group."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from vaiven.serving.commands.options import Target, model_version_options, option_group, server_options


def region(city: str, radius: float) -> str:
    if radius > 100:
        raise click.UsageError('--radius is too large for a city')
    return f'{radius:g} km around {city}'


region_options = option_group(
    'region', region, click.option('--city', required=True), click.option('--radius', default=1.0)
)


def invoke(command: click.Command, *arguments: str) -> Any:
    return CliRunner().invoke(command, list(arguments), standalone_mode=False)


@click.command()
@click.option('--first')
@region_options
@click.option('--last')
def show(first: str | None, region: str, last: str | None) -> str:
    return f'{first} {region} {last}'


def test_a_command_gets_one_value_for_a_group_beside_its_own_options() -> None:
    answer = invoke(show, '--city', 'Toledo', '--first', 'a', '--last', 'z')
    assert answer.return_value == 'a 1 km around Toledo z'


def test_the_help_lists_the_options_in_the_order_of_the_source() -> None:
    page = show.get_help(click.Context(show))
    assert sorted(('--first', '--city', '--radius', '--last'), key=page.index) == [
        '--first',
        '--city',
        '--radius',
        '--last',
    ]


def test_options_that_contradict_each_other_are_a_usage_error() -> None:
    error = invoke(show, '--city', 'Toledo', '--radius', '200').exception
    assert isinstance(error, click.UsageError)
    assert str(error) == '--radius is too large for a city'


def target(*arguments: str, options: Any = model_version_options) -> Target:
    @click.command()
    @options
    def command(target: Target) -> Target:
        return target

    answer = invoke(command, *arguments)
    if answer.exception:
        raise answer.exception
    value: Target = answer.return_value
    return value


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('VAIVEN_SERVER', raising=False)


def test_the_default_target_is_not_explicit_and_names_no_model() -> None:
    assert target() == Target('127.0.0.1:8500', '', explicit=False)
    assert target(options=server_options) == Target('127.0.0.1:8500', 'reviews', explicit=False)


@pytest.mark.parametrize(
    ('arguments', 'address'),
    [
        (('--server', 'models:8500'), 'models:8500'),
        (('--rest',), 'http://127.0.0.1:8501'),
        (('--rest', '--server', 'models:8501'), 'http://models:8501'),
        (('--rest', '--tls'), 'https://127.0.0.1:8501'),
        (('--rest', '--ca', 'ca.pem'), 'https://127.0.0.1:8501'),
        (('--rest', '--server', 'http://models:8501'), 'http://models:8501'),
    ],
)
def test_the_address_follows_the_options_and_is_explicit(arguments: tuple[str, ...], address: str) -> None:
    assert (target(*arguments).server, target(*arguments).explicit) == (address, True)


def test_the_connection_has_only_the_given_options_and_the_token(tmp_path: Path) -> None:
    token = tmp_path / 'token'
    token.write_text('secret\n')
    assert target('--tls', '--token-file', str(token)).connection == {'tls': True, 'token': 'secret'}
    assert target('--version', '3').version == 3


def test_a_version_and_a_label_contradict_each_other() -> None:
    with pytest.raises(click.UsageError, match='give --version or --label, not both'):
        target('--version', '1', '--label', 'stable')
