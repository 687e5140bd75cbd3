"""No flag is accepted and then ignored: each is read, refused, or reported to be without effect."""

import ast
import dataclasses
from pathlib import Path

import pytest

from vaiven.serving.common.errors import ServingError
from vaiven.serving.server import flags
from vaiven.serving.server.server import Server
from vaiven.serving.server.server_process import ServerProcess

SERVER = Path(flags.__file__).parent
REFUSED = {'use_alts_credentials': True, 'thread_pool_factory_config_file': 'file'}


def names_read() -> set[str]:
    """Attributes of variables named `options` in the server's code, except in the module that declares them."""
    names = set()
    for path in SERVER.glob('*.py'):
        if path.name == 'flags.py':
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                owner = node.value
                name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, 'id', '')
                if name.lstrip('_') == 'options':
                    names.add(node.attr)
    return names


def test_every_flag_is_read_or_refused_or_said_to_be_without_effect() -> None:
    fields = {option.name: option for option in dataclasses.fields(flags.Options)}
    silent = {name for name, option in fields.items() if option.metadata['help'].startswith(flags.NO_EFFECT)}
    read = names_read()
    assert not set(fields) - read - silent - set(REFUSED), 'these are never read'
    assert not silent & read, 'these have an effect'


@pytest.mark.parametrize('name', REFUSED)
def test_unsupported_flags_are_refused(name: str) -> None:
    with pytest.raises(ServingError, match=f'--{name} '):
        flags.check(flags.Options(model_base_path='/x', **{name: REFUSED[name]}))


def test_threads_for_rest_are_as_many_as_the_flag_says() -> None:
    options = flags.Options(model_base_path='/x', rest_api_num_threads=3, grpc_max_threads=5)
    made = Server(options)
    assert (made._rest_workers._max_workers, made._workers._max_workers) == (3, 5)


def test_a_flag_without_effect_is_reported_once_when_it_is_set(base_path: Path) -> None:
    given = {
        'num_unload_threads': 2,
        'enable_grpc_healthcheck_service': True,
        'flush_filesystem_caches': True,
    }
    with ServerProcess('half', base_path, flags=given) as server:
        lines = [line for line in server.log_tail(100).splitlines() if 'flag without effect' in line]
    assert [line.split('flag=')[1].split()[0] for line in lines] == [
        '--num_unload_threads', '--enable_grpc_healthcheck_service',
    ]  # fmt: skip
