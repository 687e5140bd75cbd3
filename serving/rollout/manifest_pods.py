"""The pod of one version on a cluster, as the pods of `kubeflow/serving/deployment.yaml` are.

Tests compare the two: that file is the one that people read and change.
"""

from typing import Any

CLAIM, MODELS = 'vaiven-serving', '/models'
GRPC, REST = 8500, 8501
GRACE_SECONDS, PRE_STOP_SECONDS = 45, 15

RUN_AS: dict[str, Any] = {
    'runAsNonRoot': True,
    'runAsUser': 10001,
    'runAsGroup': 10001,
    'seccompProfile': {'type': 'RuntimeDefault'},
}
CONTAINED: dict[str, Any] = {
    'allowPrivilegeEscalation': False,
    'readOnlyRootFilesystem': True,
    'capabilities': {'drop': ['ALL']},
}


def pod(model: str, version: int, image: str, config_map: str) -> dict[str, Any]:
    """The pod of a Deployment or a Rollout: both APIs, and metrics on the REST port.

    Args:
        model: name of the model.
        version: the only one that the server sees.
        image: of the stock server or ours.
        config_map: holds `monitoring.config`.
    """
    ports = [
        {'name': 'grpc', 'containerPort': GRPC, 'protocol': 'TCP'},
        {'name': 'rest', 'containerPort': REST, 'protocol': 'TCP'},
    ]
    container = _container('tensorflow-serving', model, version, image, ports)
    container['args'] += [f'--port={GRPC}', '--monitoring_config_file=/config/monitoring.config']
    container |= probes(model, opened='grpc', rest='rest')
    # The stock server drops what is in flight on SIGTERM; by then no new requests shall come.
    container['lifecycle'] = {'preStop': {'exec': {'command': ['sleep', str(PRE_STOP_SECONDS)]}}}
    container['securityContext'] = dict(CONTAINED)
    container['volumeMounts'].append({'name': 'config', 'mountPath': '/config', 'readOnly': True})
    return {
        'automountServiceAccountToken': False,
        'terminationGracePeriodSeconds': GRACE_SECONDS,
        'securityContext': {**RUN_AS, 'fsGroup': 10001},
        'containers': [container],
        'volumes': [*_volumes(), {'name': 'config', 'configMap': {'name': config_map}}],
    }


def knative_pod(model: str, version: int, image: str) -> dict[str, Any]:
    """The pod of a KServe predictor in serverless mode: REST alone, and only what Knative lets a pod say.

    Knative refuses `lifecycle` and `terminationGracePeriodSeconds`. It puts a preStop hook of its own into the
    container, which waits until no request is under way, and takes the predictor's `timeout` for the grace period. A
    security context of the pod is refused too, unless a feature is switched on; that of the container is not.
    """
    ports = [{'name': 'http1', 'containerPort': REST, 'protocol': 'TCP'}]  # the name says HTTP/1.1 to Knative
    container = _container('kserve-container', model, version, image, ports)
    container |= probes(model, opened='http1', rest='http1')
    container['securityContext'] = {**RUN_AS, **CONTAINED}
    return {
        'automountServiceAccountToken': False,
        'timeout': GRACE_SECONDS,
        'containers': [container],
        'volumes': _volumes(),
    }


def probes(model: str, opened: str, rest: str) -> dict[str, Any]:
    """The three probes. The ports open only when the model has an AVAILABLE version, warmed up.

    Args:
        model: name of the model.
        opened: name of the port that start-up and liveness look at.
        rest: name of the port that answers for the model.
    """
    socket = {'tcpSocket': {'port': opened}}
    return {
        'startupProbe': {**socket, 'periodSeconds': 2, 'failureThreshold': 90},
        'readinessProbe': {'httpGet': {'path': f'/v1/models/{model}', 'port': rest}, 'periodSeconds': 5},
        'livenessProbe': {**socket, 'periodSeconds': 20, 'failureThreshold': 3},
    }


def _container(
    name: str, model: str, version: int, image: str, ports: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        'name': name,
        'image': image,
        'command': ['tensorflow_model_server'],
        'args': [
            f'--rest_api_port={REST}',
            f'--model_name={model}',
            f'--model_base_path={MODELS}/{model}',
        ],
        'ports': ports,
        'resources': {'requests': {'cpu': '1', 'memory': '1Gi'}, 'limits': {'memory': '2Gi'}},
        'volumeMounts': [
            {
                'name': 'models',
                'mountPath': f'{MODELS}/{model}/{version}',
                'subPath': f'{model}/{version}',
                'readOnly': True,
            },
            {'name': 'scratch', 'mountPath': '/tmp'},
        ],
    }


def _volumes() -> list[dict[str, Any]]:
    return [
        {'name': 'models', 'persistentVolumeClaim': {'claimName': CLAIM, 'readOnly': True}},
        {'name': 'scratch', 'emptyDir': {}},
    ]
