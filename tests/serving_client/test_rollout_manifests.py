"""Plans as manifests are those that were reviewed (golden/), and fit each other and the project's own volume.

After a change that is meant: vaiven rollout manifests 7 --plan golden/plan.yaml --format KIND --out golden/KIND
"""

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import manifest_analysis, manifests
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
        ('kserve', {'steps': [0.5, 100]}, 'integer percents. Received: 0.5'),
        ('argo', {'steps': [0.5, 100]}, 'integer percents. Received: 0.5'),
        ('argo', {'steps': [0, 100]}, 'a step of 0 % has no traffic'),
        ('argo', {'gates': {'error_rate': None, 'p99_ratio': None}}, 'turns both off'),
    ],
)
def test_what_a_cluster_cannot_do_is_refused(kind: str, plan: dict[str, Any], message: str) -> None:
    made = plans.from_values({'model': 'reviews', 'requests': 'r.csv', **plan}, Path('/'))
    with pytest.raises(ServingError, match=message):
        MAKE[kind](made, 7)


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r'(\d+)(s|m|h)', duration).groups()  # type: ignore[union-attr]
    return int(number) * {'s': 1, 'm': 60, 'h': 3600}[unit]


def simulated(made: manifests.Manifests) -> dict[int, dict[str, int]]:
    """By weight, how often each analysis measures while the rollout has it, if nothing ever fails."""
    templates = {each['metadata']['name']: each['spec']['metrics'] for each in made['analysis.yaml']}
    canary = made['rollout.yaml'][0]['spec']['strategy']['canary']
    clock, weight, background_start = 0, 0, math.inf
    spans: list[tuple[int, int, int]] = []
    closing: dict[int, int] = {}
    for index, step in enumerate(canary['steps']):
        if index == canary['analysis']['startingStep']:
            background_start = clock
        start = clock
        if 'setWeight' in step:
            weight = step['setWeight']
        elif 'pause' in step:
            clock += seconds(step['pause']['duration'])
        else:
            [template] = step['analysis']['templates']
            counts = {metric['count'] for metric in templates[template['templateName']]}
            [closing[weight]] = counts
            clock += max(
                seconds(metric.get('initialDelay', '0s'))
                + (metric['count'] - 1) * seconds(metric['interval'])
                for metric in templates[template['templateName']]
            )
        spans.append((weight, start, clock))
    [template] = canary['analysis']['templates']
    measured: dict[int, dict[str, int]] = {}
    for metric in templates[template['templateName']]:
        assert 'count' not in metric, 'it measures until the last step has ended'
        moment = background_start + seconds(metric['initialDelay'])
        while moment < clock:
            [at] = [weight for weight, start, end in spans if start <= moment < end]
            found = measured.setdefault(at, {'closing': closing[at]})
            found[metric['name']] = found.get(metric['name'], 0) + 1
            moment += seconds(metric['interval'])
    return measured


@pytest.mark.parametrize('values', [
    {},  # the plan of the documentation: pauses of 60 s
    {'minimum_seconds': 0},
    {'minimum_seconds': 599.5, 'steps': [1, 100]},
    {'minimum_seconds': 3600, 'steps': [5, {'percent': 50, 'minimum_seconds': 10}, 100]},
])  # fmt: skip
def test_every_step_is_measured_a_few_times_before_the_next_one(values: dict[str, Any]) -> None:
    plan = plans.from_values({'model': 'reviews', 'requests': 'r.csv', **values}, Path('/'))
    measured = simulated(manifests.argo(plan, 7))
    assert list(measured) == [step.percent for step in plan.steps]
    for weight, counts in measured.items():
        assert counts.keys() == {'closing', 'error-rate', 'p99-ratio'}
        assert min(counts.values()) >= manifest_analysis.MEASUREMENTS >= 3, weight


def test_bad_data_and_no_data_show_within_the_first_step(plan: plans.Plan) -> None:
    measured = simulated(manifests.argo(plan, 7))[5]
    background, closing = (each['spec']['metrics'] for each in manifests.argo(plan, 7)['analysis.yaml'])
    for metric in background:
        assert metric['failureLimit'] < measured[metric['name']]
        assert metric['inconclusiveLimit'] < measured[metric['name']]
    for metric in closing:
        # An analysis with a count is successful where neither limit is exceeded: most must be good by then.
        assert metric['failureLimit'] + metric['inconclusiveLimit'] < metric['count'] / 2


@pytest.mark.parametrize(
    ('result', 'phase'),
    [
        ([], 'Inconclusive'),
        ([math.nan], 'Inconclusive'),
        ([0.0], 'Successful'),
        ([99.0], 'Failed'),
        ([math.inf], 'Failed'),
    ],
)
def test_without_data_a_measurement_is_neither_good_nor_bad(
    objects: dict[str, dict[str, Any]], result: list[float], phase: str
) -> None:
    for name in ('vaiven-reviews', 'vaiven-reviews-step'):
        for metric in objects[f'AnalysisTemplate/{name}']['spec']['metrics']:
            good, bad = (
                eval(metric[condition].replace('&&', 'and'), {'result': result, 'len': len})
                for condition in ('successCondition', 'failureCondition')
            )
            assert ('Failed' if bad else 'Successful' if good else 'Inconclusive') == phase
            assert 'vector(0), 1e-9' not in metric['provider']['prometheus']['query']


def test_the_stable_pods_are_looked_at_over_longer_than_the_step_in_which_nobody_asks_them(
    plan: plans.Plan, objects: dict[str, dict[str, Any]]
) -> None:
    steps = objects['Rollout/vaiven-reviews']['spec']['strategy']['canary']['steps']
    last = seconds(steps[-2]['pause']['duration'])
    for metric in objects['AnalysisTemplate/vaiven-reviews-step']['spec']['metrics']:
        query = metric['provider']['prometheus']['query']
        windows = {
            side: {seconds(each) for each in re.findall(rf'{side}-hash[^\]]*\[(\w+)\]', query)}
            for side in ('latest', 'stable')
        }
        assert windows['latest'] == {300}
        closing = (metric['count'] - 1) * seconds(metric['interval'])
        assert min(windows['stable']) >= last + closing + 300


def test_a_step_that_is_made_longer_is_told(tmp_path: Path) -> None:
    (tmp_path / 'plan.yaml').write_text(
        '{model: reviews, requests: r.csv, steps: [5, {percent: 100, minimum_seconds: 900}]}'
    )
    answer = subprocess.run(
        [
            sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', 'manifests', '7',
            '--plan', str(tmp_path / 'plan.yaml'), '--format', 'argo', '--out', str(tmp_path / 'out'),
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0
    assert answer.stderr == (
        'step 1: 600 s, longer than in the plan, so that the analysis can measure 5 times\n'
    )


@pytest.fixture(scope='module')
def deployed() -> dict[str, Any]:
    """The pod of `kubeflow/serving`."""
    return yaml.safe_load((SERVING / 'deployment.yaml').read_text())['spec']['template']['spec']


def test_the_pods_of_argo_are_those_of_the_deployment(
    objects: dict[str, dict[str, Any]], deployed: dict[str, Any]
) -> None:
    pod = objects['Rollout/vaiven-reviews']['spec']['template']['spec']
    for part in ('automountServiceAccountToken', 'terminationGracePeriodSeconds', 'securityContext'):
        assert pod[part] == deployed[part]
    [container], [reviewed] = pod['containers'], deployed['containers']
    for part in (
        'startupProbe', 'readinessProbe', 'livenessProbe', 'lifecycle', 'securityContext', 'resources'
    ):  # fmt: skip
        assert container[part] == reviewed[part]
    assert {'name': 'scratch', 'mountPath': '/tmp'} in container['volumeMounts']


def test_the_pods_of_kserve_are_those_of_the_deployment_as_far_as_knative_lets_a_pod_say(
    plan: plans.Plan, deployed: dict[str, Any]
) -> None:
    for [document] in manifests.kserve(plan, 7).values():
        pod = document['spec']['predictor']
        [container], [reviewed] = pod['containers'], deployed['containers']
        # Knative puts a preStop hook of its own, takes the timeout as the grace period, and refuses both fields.
        assert not {'lifecycle', 'terminationGracePeriodSeconds'} & {*pod, *container}
        assert pod['timeout'] == deployed['terminationGracePeriodSeconds']
        for probe in ('startupProbe', 'readinessProbe', 'livenessProbe'):
            told = {**reviewed[probe]}
            for kind in ('tcpSocket', 'httpGet'):
                if kind in told:  # the only port that Knative allows has another name
                    told[kind] = {**told[kind], 'port': 'http1'}
            assert container[probe] == told
        apart_from_volumes = {
            key: value for key, value in deployed['securityContext'].items() if key != 'fsGroup'
        }
        assert container['securityContext'] == {**apart_from_volumes, **reviewed['securityContext']}
