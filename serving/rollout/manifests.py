"""A plan as manifests for a cluster: an InferenceService of KServe, or a Rollout of Argo Rollouts with its analyses.

On a cluster each pod serves one version, the only one that is mounted from the volume of `kubeflow/serving`, and the
mesh splits the traffic: by request, not by key. Agreement, accuracy and drift are not in the servers' metrics, so they
are not gates there.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import manifest_analysis
from vaiven.serving.rollout.manifest_pods import CLAIM as CLAIM
from vaiven.serving.rollout.manifest_pods import GRPC, REST, knative_pod, pod
from vaiven.serving.rollout.plan import Plan, Step

IMAGE = 'tensorflow/serving:2.20.0'
NAME = re.compile(r'[a-z]([-a-z0-9]{0,38}[a-z0-9])?')

Manifests = dict[str, list[dict[str, Any]]]  # documents by file name


def kserve(plan: Plan, version: int, image: str = IMAGE) -> Manifests:
    """Returns an InferenceService for each step, to be applied one after the other, and one for the rollback.

    Args:
        plan: the plan.
        version: the new version.
        image: of TensorFlow Serving or vaiven's server.

    Raises:
        ServingError: the model's name is not valid in Kubernetes, or a percent is not an integer.
    """
    name = _name(plan)

    def service(percent: int) -> list[dict[str, Any]]:
        # KServe sends the rest to the last revision that had all traffic, which it stores itself.
        predictor = {
            'canaryTrafficPercent': percent,
            'minReplicas': 1,
            **knative_pod(plan.model, version, image),
        }
        return [
            {
                'apiVersion': 'serving.kserve.io/v1beta1',
                'kind': 'InferenceService',
                'metadata': {'name': name, 'annotations': {'serving.kserve.io/deploymentMode': 'Serverless'}},
                'spec': {'predictor': predictor},
            }
        ]

    steps = {}
    for number, step in enumerate(plan.steps, 1):
        percent = _whole(step, 'KServe')
        steps[f'step-{number}-{percent}.yaml'] = service(percent)
    return {**steps, 'rollback.yaml': service(0)}


def argo(plan: Plan, version: int, image: str = IMAGE, prometheus: str | None = None) -> Manifests:
    """Returns a Rollout with its Services, its VirtualService, and the analyses that abort or pause it.

    Argo Rollouts does not count requests: a step lasts its `minimum_seconds`, but at least as long as the analyses need
    to measure.

    Args:
        plan: the plan.
        version: the new version.
        image: of TensorFlow Serving or vaiven's server.
        prometheus: address of the Prometheus that scrapes the servers.

    Raises:
        ServingError: the model's name is not valid in Kubernetes, or a percent is 0 or not an integer.
    """
    name = _name(plan)
    hashes: list[dict[str, Any]] = [
        {'name': f'{which.lower()}-hash', 'valueFrom': {'podTemplateHashValue': which}}
        for which in ('Latest', 'Stable')
    ]
    steps: list[dict[str, Any]] = []
    for step in plan.steps:
        percent = _whole(step, 'Argo Rollouts')
        if not percent:
            raise ServingError('a step of 0 % has no traffic that Argo Rollouts could measure: remove it')
        steps += [
            {'setWeight': percent},
            {'pause': {'duration': f'{manifest_analysis.pause_seconds(step)}s'}},
            {'analysis': {'templates': [{'templateName': f'{name}-step'}], 'args': hashes}},
        ]
    pods = {'app.kubernetes.io/name': name}
    rollout = {
        'apiVersion': 'argoproj.io/v1alpha1',
        'kind': 'Rollout',
        'metadata': {'name': name, 'labels': pods},
        'spec': {
            'replicas': 2,
            'revisionHistoryLimit': 3,
            'selector': {'matchLabels': pods},
            'strategy': {
                'canary': {
                    'stableService': f'{name}-stable',
                    'canaryService': f'{name}-canary',
                    'trafficRouting': {'istio': {'virtualService': {'name': name, 'routes': ['primary']}}},
                    'analysis': {'templates': [{'templateName': name}], 'startingStep': 1, 'args': hashes},
                    'steps': steps,
                }
            },
            'template': {
                'metadata': {'labels': pods, 'annotations': {'vaiven/version': str(version)}},
                'spec': pod(plan.model, version, image, f'{name}-monitoring'),
            },
        },
    }
    return {
        'rollout.yaml': [rollout],
        'services.yaml': [*(_service(name, which, pods) for which in ('stable', 'canary')), _route(name)],
        'analysis.yaml': manifest_analysis.templates(
            plan,
            name,
            prometheus or 'http://prometheus.monitoring:9090',
            [argument['name'] for argument in hashes],
        ),
        'monitoring.yaml': [
            {
                'apiVersion': 'v1',
                'kind': 'ConfigMap',
                'metadata': {'name': f'{name}-monitoring'},
                'data': {'monitoring.config': 'prometheus_config { enable: true }\n'},
            }
        ],
    }


def write(manifests: Manifests, folder: Path) -> list[Path]:
    """Writes the files to a folder, which is created if necessary.

    Args:
        manifests: documents by file name.
        folder: the folder.

    Returns:
        The paths of the files.

    Raises:
        ServingError: a file cannot be written.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True  # people read these files, and YAML anchors are hard to read

    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, documents in manifests.items():
            path = folder / name
            path.write_text(
                yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110),
                encoding='utf-8',
            )
            written.append(path)
    except OSError as error:
        raise ServingError(f'cannot write {error.filename}: {error.strerror}') from error
    return written


def _name(plan: Plan) -> str:
    if not NAME.fullmatch(plan.model):
        raise ServingError(
            'on a cluster a model name must be at most 40 lower-case letters, digits and hyphens. '
            f'Received: {plan.model!r}'
        )
    return f'vaiven-{plan.model}'


def _whole(step: Step, who: str) -> int:
    if step.percent != round(step.percent):
        raise ServingError(f'{who} requires integer percents. Received: {step.percent:g}')
    return round(step.percent)


def _service(name: str, which: str, pods: Mapping[str, str]) -> dict[str, Any]:
    ports = [
        {'name': 'grpc', 'port': GRPC, 'targetPort': 'grpc', 'appProtocol': 'kubernetes.io/h2c'},
        {'name': 'http-rest', 'port': REST, 'targetPort': 'rest'},
    ]
    return {
        'apiVersion': 'v1',
        'kind': 'Service',
        'metadata': {'name': f'{name}-{which}'},
        'spec': {'selector': dict(pods), 'ports': ports},
    }


def _route(name: str) -> dict[str, Any]:
    """The VirtualService. Argo Rollouts changes the weights; clients use the host name of the stable Service."""
    destinations = [
        {'destination': {'host': f'{name}-{which}'}, 'weight': weight}
        for which, weight in (('stable', 100), ('canary', 0))
    ]
    return {
        'apiVersion': 'networking.istio.io/v1',
        'kind': 'VirtualService',
        'metadata': {'name': name},
        'spec': {'hosts': [f'{name}-stable'], 'http': [{'name': 'primary', 'route': destinations}]},
    }
