"""The manifests fit each other, the server's flags, and what the compiled pipeline mounts. No cluster is asked."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from vaiven.serving.server import flags, model_config

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / 'kubeflow'
SERVING = FOLDER / 'serving'


@pytest.fixture(scope='module')
def objects() -> dict[str, dict]:
    names = yaml.safe_load((SERVING / 'kustomization.yaml').read_text())['resources']
    documents = [found for name in names for found in yaml.safe_load_all((SERVING / name).read_text())]
    return {f'{found["kind"]}/{found["metadata"]["name"]}': found for found in documents}


@pytest.fixture(scope='module')
def container(objects) -> dict:
    [only] = objects['Deployment/vaiven-serving']['spec']['template']['spec']['containers']
    return only


@pytest.fixture(scope='module')
def model() -> model_config.ModelConfig:
    [only] = model_config.read(SERVING / 'models.config')
    return only


def mounts(objects, container) -> dict[str, dict]:
    volumes = {
        volume['name']: volume
        for volume in objects['Deployment/vaiven-serving']['spec']['template']['spec']['volumes']
    }
    assert set(volumes) == {mount['name'] for mount in container['volumeMounts']}
    return {mount['mountPath']: volumes[mount['name']] for mount in container['volumeMounts']}


def test_every_manifest_is_in_the_kustomization():
    listed = yaml.safe_load((SERVING / 'kustomization.yaml').read_text())['resources']
    assert {*listed, 'kustomization.yaml'} == {path.name for path in SERVING.glob('*.yaml')}


def test_services_and_autoscaler_find_the_pods(objects):
    deployment = objects['Deployment/vaiven-serving']
    labels = deployment['spec']['template']['metadata']['labels']
    assert deployment['spec']['selector']['matchLabels'].items() <= labels.items()
    ports = {port['name'] for port in deployment['spec']['template']['spec']['containers'][0]['ports']}
    services = [found for found in objects.values() if found['kind'] == 'Service']
    assert len(services) == 2
    for service in services:
        assert service['spec']['selector'].items() <= labels.items()
        assert {port['targetPort'] for port in service['spec']['ports']} <= ports
    target = objects['HorizontalPodAutoscaler/vaiven-serving']['spec']['scaleTargetRef']
    assert (target['apiVersion'], target['kind'], target['name']) == (
        deployment['apiVersion'],
        deployment['kind'],
        deployment['metadata']['name'],
    )
    assert 'replicas' not in deployment['spec'], 'the autoscaler decides; applying must not undo it'


def test_the_servers_flags_exist_and_name_the_ports_and_the_mounted_configuration(objects, container):
    options, rest = flags.parse(container['args'])
    assert rest == []
    ports = {port['name']: port['containerPort'] for port in container['ports']}
    assert (options.port, options.rest_api_port) == (ports['grpc'], ports['rest'])
    config = Path(options.model_config_file)
    assert mounts(objects, container)[str(config.parent)]['configMap']['name'] == 'vaiven-models'
    [generated] = yaml.safe_load((SERVING / 'kustomization.yaml').read_text())['configMapGenerator']
    assert generated == {'name': 'vaiven-models', 'files': [config.name]}
    # Without it a server with labels never starts.
    assert not model_labels() or options.allow_version_labels_for_unavailable_models


def model_labels() -> dict[str, int]:
    return dict(model_config.read(SERVING / 'models.config')[0].labels)


def test_the_model_lies_on_the_claimed_volume_that_the_pipeline_pushes_to(objects, container, model):
    volume = mounts(objects, container)[str(model.base_path.parent)]
    claim = volume['persistentVolumeClaim']['claimName']
    assert f'PersistentVolumeClaim/{claim}' in objects
    assert model.base_path.name == model.name
    _, platform = yaml.safe_load_all((ROOT / 'tests' / 'pipeline' / 'golden' / 'reviews.yaml').read_text())
    [executor] = platform['platforms']['kubernetes']['deploymentSpec']['executors'].values()
    [mount] = executor['pvcMount']
    assert mount['mountPath'] == str(model.base_path.parent)
    assert mount['pvcNameParameter']['runtimeValue']['constant'] == claim


def test_a_pod_is_ready_only_when_the_model_answers_and_a_label_names_a_version(container, model):
    assert container['readinessProbe']['httpGet'] == {'path': f'/v1/models/{model.name}', 'port': 'rest'}
    assert set(model.labels) == {'stable'}
    assert container['resources']['requests'].keys() == {'cpu', 'memory'}


def test_the_server_neither_is_root_nor_writes_to_its_image(objects, container):
    pod = objects['Deployment/vaiven-serving']['spec']['template']['spec']
    assert pod['securityContext']['runAsNonRoot'] is True
    assert container['securityContext']['readOnlyRootFilesystem'] is True
    grace = int(container['lifecycle']['preStop']['exec']['command'][1])
    assert pod['terminationGracePeriodSeconds'] > grace


def test_kustomize_builds_the_folder():
    if shutil.which('kubectl') is None:
        pytest.skip('kubectl is not installed')
    built = subprocess.run(
        ['kubectl', 'kustomize', SERVING], capture_output=True, text=True, check=True
    ).stdout
    kinds = {found['kind'] for found in yaml.safe_load_all(built)}
    assert kinds == {
        'ConfigMap', 'Deployment', 'HorizontalPodAutoscaler', 'PersistentVolumeClaim', 'Service'
    }  # fmt: skip
    assert re.search(r'image: tensorflow/serving:\d', built)


def test_the_image_copies_what_exists_and_starts_the_entry_point_without_root():
    text = (FOLDER / 'Dockerfile').read_text()
    copied = [
        source
        for line in re.findall(r'^COPY (?!--from)(.+) \S+$', text, re.MULTILINE)
        for source in line.split()
    ]
    assert {'pipeline', 'components', 'models', 'serving'} <= set(copied)
    ignored = (FOLDER / 'Dockerfile.dockerignore').read_text().splitlines()
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f'!{source.split("/")[0]}' in ignored, source
    [user] = re.findall(r'^USER (\d+)$', text, re.MULTILINE)
    assert int(user) > 0
    [module] = re.findall(r'^ENTRYPOINT \["python", "-m", "(.+)"\]$', text, re.MULTILINE)
    assert importlib.util.find_spec(module)
