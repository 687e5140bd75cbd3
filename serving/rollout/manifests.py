"""A plan as manifests for a cluster: KServe's InferenceService, or Rollout and analysis of Argo Rollouts.

On a cluster each pod serves one version, mounted alone out of the volume of `kubeflow/serving`, and the mesh splits the
traffic. It splits by request, not by key, and what metrics do not tell (agreement, accuracy, drift) is no gate there.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaiven.serving.errors import ServingError
from vaiven.serving.rollout.plan import Plan

IMAGE = 'tensorflow/serving:2.20.0'
CLAIM, MODELS = 'vaiven-serving', '/models'
GRPC, REST = 8500, 8501
NAME = re.compile(r'[a-z]([-a-z0-9]{0,38}[a-z0-9])?')
RATE = '5m'

Manifests = dict[str, list[dict[str, Any]]]  # documents by name of file


def kserve(plan: Plan, version: int, image: str = IMAGE) -> Manifests:
    """An InferenceService for each step, to be applied one after the other, and one that goes back.

    Raises:
        ServingError: the model's name is none of Kubernetes.
    """
    name = _name(plan)
    ports = [{'name': 'http1', 'containerPort': REST, 'protocol': 'TCP'}]  # the name says HTTP/1.1 to Knative

    def service(percent: int) -> list[dict[str, Any]]:
        # The last revision that had all traffic gets the rest; KServe remembers which one that was.
        predictor = {
            'canaryTrafficPercent': percent,
            'minReplicas': 1,
            'containers': [{**_container(plan, version, image, ports), 'name': 'kserve-container'}],
            'volumes': _volumes(),
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
        if step.percent != round(step.percent):
            raise ServingError(f'KServe takes whole percents. Received: {step.percent:g}')
        steps[f'step-{number}-{step.percent:g}.yaml'] = service(round(step.percent))
    return {**steps, 'rollback.yaml': service(0)}


def argo(plan: Plan, version: int, image: str = IMAGE, prometheus: str | None = None) -> Manifests:
    """A Rollout with its services, Istio's route, and the analysis that aborts it.

    Args:
        plan: as it stands, but that Argo Rollouts counts no requests: a step lasts its `minimum_seconds`.
        version: the new version.
        image: of the stock server or ours.
        prometheus: address of the Prometheus that reads the servers' metrics.

    Raises:
        ServingError: the model's name is none of Kubernetes, or a percent is not whole.
    """
    name = _name(plan)
    steps: list[dict[str, Any]] = []
    for step in plan.steps:
        if step.percent != round(step.percent):
            raise ServingError(f'Argo Rollouts takes whole percents. Received: {step.percent:g}')
        steps.append({'setWeight': round(step.percent)})
        if step.minimum_seconds >= 1:
            steps.append({'pause': {'duration': f'{round(step.minimum_seconds)}s'}})
    pods = {'app.kubernetes.io/name': name}
    ports = [
        {'name': 'grpc', 'containerPort': GRPC, 'protocol': 'TCP'},
        {'name': 'rest', 'containerPort': REST, 'protocol': 'TCP'},
    ]
    ready = {'httpGet': {'path': f'/v1/models/{plan.model}', 'port': 'rest'}, 'periodSeconds': 5}
    container = {**_container(plan, version, image, ports), 'readinessProbe': ready}
    container['args'] = [
        *container['args'],
        f'--port={GRPC}',
        '--monitoring_config_file=/config/monitoring.config',
    ]
    container['volumeMounts'] = [
        *container['volumeMounts'], {'name': 'config', 'mountPath': '/config', 'readOnly': True}
    ]  # fmt: skip
    hashes = [
        {'name': f'{which.lower()}-hash', 'valueFrom': {'podTemplateHashValue': which}}
        for which in ('Latest', 'Stable')
    ]
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
                'spec': {
                    'automountServiceAccountToken': False,
                    'securityContext': {'runAsNonRoot': True, 'runAsUser': 10001, 'fsGroup': 10001},
                    'containers': [container],
                    'volumes': [*_volumes(), {'name': 'config', 'configMap': {'name': f'{name}-monitoring'}}],
                },
            },
        },
    }
    return {
        'rollout.yaml': [rollout],
        'services.yaml': [*(_service(name, which, pods) for which in ('stable', 'canary')), _route(name)],
        'analysis.yaml': [_analysis(plan, name, prometheus or 'http://prometheus.monitoring:9090')],
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
    """Writes the files into a folder, which is made where it is not there. Raises ServingError."""
    import yaml

    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, documents in manifests.items():
            path = folder / name
            path.write_text(
                yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=110),
                encoding='utf-8',
            )
            written.append(path)
    except OSError as error:
        raise ServingError(f'cannot write {error.filename}: {error.strerror}') from error
    return written


def _name(plan: Plan) -> str:
    if not NAME.fullmatch(plan.model):
        raise ServingError(
            'on a cluster the model is called by lower-case letters, digits and hyphens, at most 40. '
            f'Received: {plan.model!r}'
        )
    return f'vaiven-{plan.model}'


def _container(plan: Plan, version: int, image: str, ports: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        'name': 'tensorflow-serving',
        'image': image,
        'command': ['tensorflow_model_server'],
        'args': [
            f'--rest_api_port={REST}',
            f'--model_name={plan.model}',
            f'--model_base_path={MODELS}/{plan.model}',
        ],
        'ports': ports,
        'resources': {'requests': {'cpu': '1', 'memory': '1Gi'}, 'limits': {'memory': '2Gi'}},
        'securityContext': {'allowPrivilegeEscalation': False, 'capabilities': {'drop': ['ALL']}},
        'volumeMounts': [
            {
                'name': 'models',
                'mountPath': f'{MODELS}/{plan.model}/{version}',
                'subPath': f'{plan.model}/{version}',
                'readOnly': True,
            }
        ],
    }


def _volumes() -> list[dict[str, Any]]:
    return [{'name': 'models', 'persistentVolumeClaim': {'claimName': CLAIM, 'readOnly': True}}]


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
    """Argo Rollouts writes the weights; clients ask for the stable service's name."""
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


def _analysis(plan: Plan, name: str, prometheus: str) -> dict[str, Any]:
    """Error rate and p99 of the stock server's own metrics, canary against stable."""

    def of(which: str, more: str = '') -> str:
        pods = f'{name}-{{{{args.{which}-hash}}}}-.*'
        return f'model_name="{plan.model}",pod=~"{pods}"{more}'

    def errors(which: str) -> str:
        count = ':tensorflow:serving:request_count'
        failed, every = of(which, ',status!="OK"'), of(which)
        return (
            f'(sum(rate({count}{{{failed}}}[{RATE}])) or vector(0)) / '
            f'clamp_min(sum(rate({count}{{{every}}}[{RATE}])) or vector(0), 1e-9)'
        )

    def p99(which: str) -> str:
        buckets = f':tensorflow:serving:request_latency_bucket{{{of(which)}}}'
        return f'histogram_quantile(0.99, sum by (le) (rate({buckets}[{RATE}])))'

    queries = {
        'error-rate': (plan.gates.error_rate, f'{errors("latest")} - ({errors("stable")})'),
        'p99-ratio': (plan.gates.p99_ratio, f'{p99("latest")} / {p99("stable")}'),
    }
    metrics = [
        {
            'name': gate,
            'interval': '1m',
            'initialDelay': RATE,
            # No traffic, no verdict: then there is no number, or none that compares.
            'successCondition': f'len(result) == 0 || isNaN(result[0]) || result[0] <= {limit:g}',
            'failureLimit': 2,
            'provider': {'prometheus': {'address': prometheus, 'query': query}},
        }
        for gate, (limit, query) in queries.items()
        if limit is not None
    ]
    if not metrics:
        raise ServingError('a cluster judges by error_rate and p99_ratio alone: the plan leaves out both')
    return {
        'apiVersion': 'argoproj.io/v1alpha1',
        'kind': 'AnalysisTemplate',
        'metadata': {'name': name},
        'spec': {'args': [{'name': 'latest-hash'}, {'name': 'stable-hash'}], 'metrics': metrics},
    }
