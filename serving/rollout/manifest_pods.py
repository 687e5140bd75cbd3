"""The pod of one version on a cluster, with the settings of `kubeflow/serving/deployment.yaml`.

Tests keep the two equal: people read and change that file.
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
    """Returns the pod of a Deployment or a Rollout: gRPC, REST, and metrics on the REST port.

    Args:
        model: name of the model.
        version: the only version that is mounted.
        image: of TensorFlow Serving or vaiven's server.
        config_map: name of the ConfigMap with `monitoring.config`.
    """
    ports = [
        {'name': 'grpc', 'containerPort': GRPC, 'protocol': 'TCP'},
        {'name': 'rest', 'containerPort': REST, 'protocol': 'TCP'},
    ]
    container = _container('tensorflow-serving', model, version, image, ports)
    container['args'] += [f'--port={GRPC}', '--monitoring_config_file=/config/monitoring.config']
    container |= probes(model, opened='grpc', rest='rest')
    # TensorFlow Serving drops running requests on SIGTERM. The delay lets endpoints forget the pod before.
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
    """Returns the pod of a KServe predictor in serverless mode: REST only, with the fields that Knative accepts.

    Knative rejects `lifecycle` and `terminationGracePeriodSeconds`. It adds its own preStop hook, which waits until no
    request is running, and uses the predictor's `timeout` as the grace period. It also rejects a security context of
    the pod, unless a feature is enabled; it accepts one of the container.

    Args:
        model: name of the model.
        version: the only version that is mounted.
        image: of TensorFlow Serving or vaiven's server.
    """
    ports = [
        {'name': 'http1', 'containerPort': REST, 'protocol': 'TCP'}
    ]  # Knative takes the protocol from this name
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
    """Returns the three probes. TensorFlow Serving opens its ports when a version is AVAILABLE and warmed up.

    Args:
        model: name of the model.
        opened: name of the port for the startup and liveness probes.
        rest: name of the port for the readiness probe.
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
