"""Plans as manifests are those that were reviewed (golden/), and fit each other and the project's own volume.

After a change that is meant: vaiven rollout manifests 7 --plan golden/plan.yaml --format KIND --out golden/KIND
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vaiven.serving.errors import ServingError
from vaiven.serving.rollout import manifests
from vaiven.serving.rollout import plan as plans
from vaiven.serving.server import flags

GOLDEN = Path(__file__).parent / 'golden'
SERVING = Path(__file__).parent.parent.parent / 'kubeflow' / 'serving'
MAKE = {'kserve': manifests.kserve, 'argo': manifests.argo}


@pytest.fixture(scope='module')
def plan() -> plans.Plan:
    return plans.read(GOLDEN / 'plan.yaml')


@pytest.fixture(scope='module')
def objects(plan: plans.Plan) -> dict[str, dict[str, Any]]:
    documents = [each for found in manifests.argo(plan, 7).values() for each in found]
    return {f'{each["kind"]}/{each["metadata"]["name"]}': each for each in documents}


@pytest.mark.parametrize('kind', ['kserve', 'argo'])
def test_the_command_writes_what_was_reviewed(kind: str, tmp_path: Path) -> None:
    answer = subprocess.run(
        [
            sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', 'manifests', '7',
            '--plan', str(GOLDEN / 'plan.yaml'), '--format', kind, '--out', str(tmp_path / kind),
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (answer.returncode, answer.stderr) == (0, '')
    expected = {path.name: path.read_text() for path in (GOLDEN / kind).iterdir()}
    assert {path.name: path.read_text() for path in (tmp_path / kind).iterdir()} == expected
    assert sorted(answer.stdout.splitlines()) == sorted(str(tmp_path / kind / name) for name in expected)


@pytest.mark.parametrize('kind', ['kserve', 'argo'])
def test_the_server_understands_its_flags_and_sees_one_version(plan: plans.Plan, kind: str) -> None:
    [container] = {
        'kserve': lambda: manifests.kserve(plan, 7)['step-1-5.yaml'][0]['spec']['predictor']['containers'],
        'argo': lambda: manifests.argo(plan, 7)['rollout.yaml'][0]['spec']['template']['spec']['containers'],
    }[kind]()
    options, unknown = flags.parse(container['args'])
    assert unknown == []
    assert (options.model_name, options.rest_api_port) == ('reviews', 8501)
    [mount] = [each for each in container['volumeMounts'] if each['name'] == 'models']
    assert mount['mountPath'] == f'{options.model_base_path}/7'
    assert mount['subPath'] == 'reviews/7'


def test_the_volume_is_the_one_that_the_pipeline_pushes_to() -> None:
    claim = yaml.safe_load((SERVING / 'volume.yaml').read_text())
    assert claim['metadata']['name'] == manifests.CLAIM


def test_the_steps_of_the_plan_are_the_steps_of_the_rollout(
    plan: plans.Plan, objects: dict[str, dict[str, Any]]
) -> None:
    strategy = objects['Rollout/vaiven-reviews']['spec']['strategy']['canary']
    assert [step['setWeight'] for step in strategy['steps'] if 'setWeight' in step] == [5, 25, 50, 100]
    pauses = [step['pause']['duration'] for step in strategy['steps'] if 'pause' in step]
    assert pauses == ['3600s', '3600s', '7200s', '3600s']
    percents = [
        document['spec']['predictor']['canaryTrafficPercent']
        for [document] in manifests.kserve(plan, 7).values()
    ]
    assert percents == [5, 25, 50, 100, 0]


def test_what_one_object_names_another_has(objects: dict[str, dict[str, Any]]) -> None:
    rollout = objects['Rollout/vaiven-reviews']['spec']
    strategy = rollout['strategy']['canary']
    assert {f'Service/{strategy["stableService"]}', f'Service/{strategy["canaryService"]}'} <= objects.keys()
    route = objects[f'VirtualService/{strategy["trafficRouting"]["istio"]["virtualService"]["name"]}']['spec']
    [primary] = route['http']
    assert [primary['name']] == strategy['trafficRouting']['istio']['virtualService']['routes']
    hosts = [each['destination']['host'] for each in primary['route']]
    assert hosts == [strategy['stableService'], strategy['canaryService']]
    [used] = strategy['analysis']['templates']
    template = objects[f'AnalysisTemplate/{used["templateName"]}']['spec']
    given = {each['name'] for each in strategy['analysis']['args']}
    assert {each['name'] for each in template['args']} == given
    for metric in template['metrics']:
        for name in given:
            assert f'{{{{args.{name}}}}}' in metric['provider']['prometheus']['query']
    pods = rollout['template']['metadata']['labels']
    assert rollout['selector']['matchLabels'] == pods
    ports = {each['name'] for each in rollout['template']['spec']['containers'][0]['ports']}
    for name in hosts:
        service = objects[f'Service/{name}']['spec']
        assert service['selector'] == pods
        assert {each['targetPort'] for each in service['ports']} <= ports
    volumes = {each['name']: each for each in rollout['template']['spec']['volumes']}
    mounts = rollout['template']['spec']['containers'][0]['volumeMounts']
    assert {each['name'] for each in mounts} == set(volumes)
    assert f'ConfigMap/{volumes["config"]["configMap"]["name"]}' in objects


def test_the_limits_of_the_plan_are_the_conditions_of_the_analysis(
    objects: dict[str, dict[str, Any]],
) -> None:
    metrics = objects['AnalysisTemplate/vaiven-reviews']['spec']['metrics']
    conditions = {each['name']: each['successCondition'] for each in metrics}
    assert conditions['error-rate'].endswith('result[0] <= 0.002')
    assert conditions['p99-ratio'].endswith('result[0] <= 1.3')


@pytest.mark.parametrize(
    ('kind', 'plan', 'message'),
    [
        ('kserve', {'model': 'Reseñas'}, 'lower-case letters'),
        ('argo', {'model': 'a' * 60}, 'lower-case letters'),
        ('kserve', {'steps': [0.5, 100]}, 'whole percents. Received: 0.5'),
        ('argo', {'steps': [0.5, 100]}, 'whole percents. Received: 0.5'),
        ('argo', {'gates': {'error_rate': None, 'p99_ratio': None}}, 'leaves out both'),
    ],
)
def test_what_a_cluster_cannot_do_is_refused(kind: str, plan: dict[str, Any], message: str) -> None:
    made = plans.of({'model': 'reviews', 'requests': 'r.csv', **plan}, Path('/'))
    with pytest.raises(ServingError, match=message):
        MAKE[kind](made, 7)
