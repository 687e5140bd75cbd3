"""docs/openapi.yaml describes the REST port: it is complete, and a real server matches it."""

import importlib.util
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from raw_clients import Rest

from vaiven.serving.server.server_process import ServerProcess

FILE = Path(__file__).parents[2] / 'docs' / 'openapi.yaml'
DOCUMENT = yaml.safe_load(FILE.read_text(encoding='utf-8'))
METHODS = ('get', 'post')
TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'integer': int, 'number': int | float}
# The keywords that the checker below implements; another keyword would be a rule that is never checked.
WORDS = {
    '$ref', 'type', 'format', 'description', 'default', 'enum', 'pattern', 'minLength', 'minimum', 'required',
    'properties', 'additionalProperties', 'items', 'minItems', 'maxItems', 'oneOf', 'allOf', 'not',
}  # fmt: skip
GOOD = {'model': 'half', 'version': '1', 'label': 'stable'}
BODIES = {
    'predict': [
        {'instances': [1.0, 2]},
        {'instances': [{'x': 1.0}]},
        {'inputs': {'x': [1.0]}},
        {'signature_name': 'upper', 'instances': ['a', {'b64': 'YQ=='}]},
    ],
    'classify': [
        {'signature_name': 'classify', 'examples': [{'x': 1.0}, {'x': [0.5]}], 'context': {'c': True}}
    ],
    'regress': [{'signature_name': 'regress', 'examples': [{'x': 1.0}]}],
}


def resolved(node: Any) -> Any:
    """What a `$ref` names, else the node itself."""
    while isinstance(node, dict) and '$ref' in node:
        place: Any = DOCUMENT
        head, *names = node['$ref'].split('/')
        assert head == '#', node
        for name in names:
            place = place[name]
        node = place
    return node


def check(value: Any, schema: Any, where: str = '$') -> None:
    """Fails unless `value` matches `schema`."""
    schema = resolved(schema)
    kind = TYPES.get(schema.get('type', ''))
    if kind is not None:
        assert isinstance(value, kind), (where, value)  # type: ignore[arg-type]
        assert not isinstance(value, bool) or kind is bool, (where, value)
    assert value in schema.get('enum', [value]), (where, value)
    if isinstance(value, str):
        assert re.search(schema.get('pattern', ''), value), (where, value)
        assert len(value) >= schema.get('minLength', 0), (where, value)
    if isinstance(value, list):
        assert schema.get('minItems', 0) <= len(value) <= schema.get('maxItems', len(value)), (where, value)
        for index, item in enumerate(value):
            check(item, schema.get('items', {}), f'{where}[{index}]')
    if isinstance(value, dict):
        known = schema.get('properties', {})
        assert set(schema.get('required', ())) <= value.keys(), (where, value)
        rest = schema.get('additionalProperties', {})
        assert rest is not False or value.keys() <= known.keys(), (where, value)
        for key, item in value.items():
            check(item, known.get(key, rest or {}), f'{where}.{key}')
    for part in schema.get('allOf', ()):
        check(value, part, where)
    if 'oneOf' in schema:
        assert sum(fits(value, part) for part in schema['oneOf']) == 1, (where, value)
    assert 'not' not in schema or not fits(value, schema['not']), (where, value)


def fits(value: Any, schema: Any) -> bool:
    try:
        check(value, schema)
    except AssertionError:
        return False
    return True


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(part)


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and its nested schemas; the target of a `$ref` is listed among the components."""
    yield schema
    inner = [*schema.get('oneOf', ()), *schema.get('allOf', ()), *schema.get('properties', {}).values()]
    inner += [
        schema[name]
        for name in ('items', 'not', 'additionalProperties')
        if isinstance(schema.get(name), dict)
    ]
    for part in inner:
        yield from schemas(part)


def operations() -> list[Any]:
    return [
        pytest.param(path, method, item[method], id=item[method]['operationId'])
        for path, item in DOCUMENT['paths'].items()
        for method in METHODS
        if method in item
    ]


def parameters(path: str) -> dict[str, Any]:
    found = [resolved(parameter) for parameter in DOCUMENT['paths'][path].get('parameters', ())]
    return {parameter['name']: parameter for parameter in found}


def test_every_reference_names_something_and_every_part_is_used() -> None:
    used = {node['$ref'] for node in nodes(DOCUMENT) if '$ref' in node}
    for name in used:
        assert resolved({'$ref': name}) is not None
    parts = {
        f'#/components/{kind}/{name}'
        for kind, found in DOCUMENT['components'].items()
        for name in found
        if kind != 'securitySchemes'
    }
    assert used == parts


def test_every_schema_uses_only_checked_keywords() -> None:
    roots = [node['schema'] for node in nodes(DOCUMENT) if isinstance(node.get('schema'), dict)]
    roots += DOCUMENT['components']['schemas'].values()
    for root in roots:
        for schema in schemas(root):
            assert schema.keys() <= WORDS, schema
            assert '$ref' not in schema or len(schema) == 1, schema
            if 'pattern' in schema:
                re.compile(schema['pattern'])


def test_the_document_has_the_form_of_openapi() -> None:
    assert DOCUMENT['openapi'] == '3.0.3'
    assert {'title', 'version'} <= DOCUMENT['info'].keys()
    assert {node['operationId'] for node in nodes(DOCUMENT['paths']) if 'operationId' in node}
    names = [operation.values[2]['operationId'] for operation in operations()]
    assert len(names) == len(set(names))
    tags = {tag['name'] for tag in DOCUMENT['tags']}
    for operation in operations():
        path, _, says = operation.values
        assert set(re.findall(r'{(\w+)}', path)) == parameters(path).keys()
        assert set(says['tags']) <= tags
        assert says['summary'].endswith('.')
        assert '200' in says['responses']
        for response in says['responses'].values():
            assert resolved(response)['description']
    for parameter in DOCUMENT['components']['parameters'].values():
        assert (parameter['in'], parameter['required']) == ('path', True)


def test_the_examples_match_their_schemas() -> None:
    for body in DOCUMENT['components']['requestBodies'].values():
        content = body['content']['application/json']
        for named in content['examples'].values():
            check(named['value'], content['schema'])


def test_the_checker_finds_mismatches() -> None:
    error = {'$ref': '#/components/schemas/Error'}
    for value in ({}, {'error': 1}, {'error': 'x', 'more': 1}, [], None):
        assert not fits(value, error)
    predict = DOCUMENT['components']['requestBodies']['Predict']['content']['application/json']['schema']
    for value in (
        {},
        {'instances': []},
        {'instances': [1], 'inputs': 1},
        {'instances': [1], 'signature_name': 1},
    ):
        assert not fits(value, predict)


# -- on a real server ------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def server(base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp('files')
    (folder / 'models').write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{base_path}" model_platform: "tensorflow" '
        'version_labels { key: "stable" value: 1 } } }'
    )
    (folder / 'monitoring').write_text('prometheus_config { enable: true }')
    flags = {
        'model_config_file': folder / 'models',
        'allow_version_labels_for_unavailable_models': True,
        'monitoring_config_file': folder / 'monitoring',
    }
    with ServerProcess('half', base_path, flags=flags) as running:
        yield running


def filled(path: str, **values: str) -> str:
    return re.sub(r'{(\w+)}', lambda match: values[match[1]], path)


def check_answer(says: Any, status: int, answer: Any) -> None:
    responses = says['responses']
    response = resolved(responses.get(str(status)) or responses['default'])
    ((kind, content),) = response['content'].items()
    if kind == 'application/json':
        check(answer, content['schema'])
    else:
        assert isinstance(answer, str)


@pytest.mark.parametrize(('path', 'method', 'says'), operations())
def test_the_server_answers_as_the_document_says(rest: Rest, path: str, method: str, says: Any) -> None:
    bodies = BODIES[path.rpartition(':')[2]] if method == 'post' else [None]
    for body in bodies:
        if body is not None:
            check(body, resolved(says['requestBody'])['content']['application/json']['schema'])
        status, answer = rest(filled(path, **GOOD), body)
        assert status == 200, answer
        check_answer(says, status, answer)
    if '400' in says['responses'] and method == 'post':
        status, answer = rest(filled(path, **GOOD), {})
        assert status == 400
        check_answer(says, status, answer)
    if '404' in says['responses'] and 'model' in parameters(path):
        for bad in (
            ({'model': 'no'}, {'version': '9'}) if 'version' in parameters(path) else ({'model': 'no'},)
        ):
            status, answer = rest(filled(path, **{**GOOD, **bad}), bodies[0])
            assert status == 404 or (status == 400 and 'label' in parameters(path)), answer
            check_answer(says, status, answer)


def test_the_type_of_the_content_is_as_the_document_says(rest: Rest) -> None:
    for operation in operations():
        path, method, says = operation.values
        data = b'{}' if method == 'post' else None
        request = urllib.request.Request(rest.url + filled(path, **GOOD), data)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                status, kind = answer.status, answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            status, kind = error.code, error.headers.get_content_type()
        assert kind in resolved(says['responses'][str(status)])['content']


def schemathesis() -> str:
    """The interpreter that has schemathesis: this one, or the one that the environment names."""
    found = importlib.util.find_spec('schemathesis') is not None
    return os.environ.get('VAIVEN_SCHEMATHESIS') or (sys.executable if found else '')


@pytest.mark.skipif(
    not schemathesis(), reason='needs schemathesis, or VAIVEN_SCHEMATHESIS: a python that has it'
)
def test_schemathesis_finds_nothing(server: ServerProcess, tmp_path: Path) -> None:
    names = '\n'.join(f'"path.{name}" = "{value}"' for name, value in GOOD.items())
    (tmp_path / 'schemathesis.toml').write_text(f'[parameters]\n{names}\n')
    checks = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance'
    command = [
        schemathesis(), '-m', 'schemathesis.cli', 'run', str(FILE), f'--url={server.rest_url}', f'--checks={checks}',
        '--max-examples=30', '--phases=examples,coverage,fuzzing', '--seed=1', '--suppress-health-check=all',
        '--no-color',
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
