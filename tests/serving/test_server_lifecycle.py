"""Versions are added and removed on disk, models by configuration; valid ones continue to answer."""

import itertools
import shutil
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from raw_clients import Grpc, wait_until

from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages, tensors

START, LOADING, AVAILABLE, UNLOADING, END = (
    messages.ModelVersionStatus.State.Value(name)
    for name in ('START', 'LOADING', 'AVAILABLE', 'UNLOADING', 'END')
)


@pytest.fixture(scope='module')
def server(base_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess('half', base_path) as running:
        yield running


class Models:
    """Models of one test, in addition to the server's own; every change is one reload."""

    numbers = itertools.count()

    def __init__(self, grpc_client: Grpc, base: Path, folder: Path, made: list[Path]) -> None:
        self.name = f'model-{next(self.numbers)}'
        self.grpc_client = grpc_client
        self.base = base
        self.folder = folder
        self.base_path = folder / 'versions'
        self.made = made
        self.config = messages.ModelServerConfig()
        self.add(base, 'half')

    def add(self, base_path: Path | None = None, name: str = '') -> Any:
        return self.config.model_config_list.config.add(
            name=name or self.name, base_path=str(base_path or self.base_path), model_platform='tensorflow'
        )

    def version(self, number: int | str, which: int = 0) -> Path:
        """Puts a version folder in place at once, as a careful pusher does."""
        self.base_path.mkdir(exist_ok=True)
        shutil.copytree(self.made[which], self.base_path / '.coming')
        return (self.base_path / '.coming').rename(self.base_path / str(number))

    def reload(self) -> None:
        self.grpc_client('HandleReloadConfigRequest', messages.ReloadConfigRequest(config=self.config))

    def refused(self) -> tuple[str, str]:
        return self.grpc_client.error(
            'HandleReloadConfigRequest', messages.ReloadConfigRequest(config=self.config)
        )

    def states(self) -> dict[int, int]:
        request = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name=self.name))
        return {s.version: s.state for s in self.grpc_client('GetModelStatus', request).model_version_status}

    def gone(self) -> bool:
        """Whether the server has forgotten the model."""
        try:
            self.states()
        except grpc.RpcError as error:
            return error.details() == f'Could not find any versions of model {self.name}'
        return False

    def error(self, number: int) -> str:
        request = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name=self.name))
        request.model_spec.version.value = number
        return self.grpc_client('GetModelStatus', request).model_version_status[0].status.error_message

    def answer(self, label: str = '', version: int | None = None, name: str = '') -> float:
        """What x = 1 gives: 2.5 from the first kind of version, 3.5 from the second."""
        spec = messages.ModelSpec(name=name or self.name)
        if label:
            spec.version_label = label
        if version is not None:
            spec.version.value = version
        request = messages.PredictRequest(model_spec=spec)
        request.inputs['x'].CopyFrom(tensors.to_proto([1.0]))
        return self.grpc_client('Predict', request).outputs['y'].float_val[0]


@pytest.fixture
def models(grpc_client, base_path: Path, tmp_path: Path, made_models: list[Path]) -> Iterator[Models]:
    made = Models(grpc_client, base_path, tmp_path, made_models)
    yield made
    del made.config.model_config_list.config[1:]
    made.reload()


def failure(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


def test_a_new_version_takes_over_under_load_without_a_failed_request(models: Models) -> None:
    models.version(1)
    models.add()
    models.reload()
    stop = threading.Event()
    answers: list[list[float]] = [[], []]

    def load(mine: list[float]) -> None:
        while not stop.is_set():
            mine.append(models.answer())

    threads = [threading.Thread(target=load, args=(mine,)) for mine in answers]
    for thread in threads:
        thread.start()
    try:
        models.version(2, which=1)
        wait_until(lambda: models.states() == {2: AVAILABLE, 1: END})
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for mine in answers:
        assert [value for value, _ in itertools.groupby(mine)] in ([2.5, 3.5], [2.5])
    assert models.answer() == 3.5
    assert failure(lambda: models.answer(version=1)) == (
        'NOT_FOUND',
        f'Servable not found for request: Specific({models.name}, 1)',
    )


def test_a_corrupt_version_does_not_replace_a_good_one_and_loads_once_mended(models: Models) -> None:
    models.version(1)
    models.add()
    models.reload()
    broken = models.base_path / '2'
    broken.mkdir()
    (broken / 'saved_model.pb').write_bytes(b'\x00 this is no model')
    wait_until(lambda: models.states().get(2) == END)
    assert models.states() == {2: END, 1: AVAILABLE}
    assert models.error(2)
    assert models.answer() == 2.5
    shutil.rmtree(broken)
    models.version(2, which=1)
    wait_until(lambda: models.states() == {2: AVAILABLE, 1: END})
    assert models.answer() == 3.5


def test_a_version_that_appears_piece_by_piece_loads_when_it_is_whole(models: Models) -> None:
    models.version(1)
    models.add()
    models.reload()
    whole = models.made[1]
    part = models.base_path / '2'
    part.mkdir()
    wait_until(lambda: models.states().get(2) == END)
    assert 'Could not find SavedModel' in models.error(2)
    shutil.copytree(whole / 'variables', part / 'variables')
    shutil.copy(whole / 'saved_model.pb', part / 'saved_model.pb')
    wait_until(lambda: models.states() == {2: AVAILABLE, 1: END})


def test_a_version_without_its_variables_fails(models: Models) -> None:
    models.version(1)
    models.add()
    models.reload()
    models.made = [models.made[0], models.folder / 'bare']
    models.made[1].mkdir()
    shutil.copy(models.made[0] / 'saved_model.pb', models.made[1])
    models.version(2, which=1)
    wait_until(lambda: models.states().get(2) == END)
    assert models.answer() == 2.5


def test_folder_names_that_are_not_numbers_are_skipped_and_leading_zeros_ignored(models: Models) -> None:
    models.version('007')
    models.version('abc')
    models.version('²')
    models.version('-8')
    models.version('9' * 30)
    models.add()
    models.reload()
    assert models.states() == {7: AVAILABLE}


def test_a_base_path_that_vanishes_keeps_its_model_and_an_emptied_one_does_not(models: Models) -> None:
    models.version(1)
    models.add()
    models.reload()
    base = models.base_path
    base.rename(models.folder / 'away')
    assert models.answer() == 2.5
    (models.folder / 'away').rename(base)
    models.version(2, which=1)
    wait_until(lambda: models.states().get(2) == AVAILABLE)
    for number in ('1', '2'):
        shutil.rmtree(base / number)
    wait_until(lambda: models.states() == {2: END, 1: END})
    assert failure(lambda: models.answer()) == (
        'NOT_FOUND',
        f'Servable not found for request: Latest({models.name})',
    )


def test_policies_choose_versions(models: Models) -> None:
    for number in (1, 2, 3):
        models.version(number)
    entry = models.add()
    entry.model_version_policy.specific.versions.extend([1, 2])
    models.reload()
    wait_until(lambda: models.states() == {2: AVAILABLE, 1: AVAILABLE})
    entry.model_version_policy.all.SetInParent()
    models.reload()
    wait_until(lambda: models.states() == {3: AVAILABLE, 2: AVAILABLE, 1: AVAILABLE})
    entry.model_version_policy.latest.num_versions = 2
    models.reload()
    wait_until(lambda: models.states() == {3: AVAILABLE, 2: AVAILABLE, 1: END})


def test_a_label_needs_a_loaded_version_and_then_names_it(models: Models) -> None:
    for number in (1, 2):
        models.version(number, which=number - 1)
    entry = models.add()
    entry.model_version_policy.all.SetInParent()
    entry.version_labels['stable'] = 1
    assert models.refused() == (
        'FAILED_PRECONDITION',
        f'Request to assign label to version 1 of model {models.name}, '
        'which is not currently available for inference',
    )
    assert failure(lambda: models.states())[0] == 'NOT_FOUND'
    entry.version_labels.clear()
    models.reload()
    wait_until(lambda: models.states() == {2: AVAILABLE, 1: AVAILABLE})
    entry.version_labels['stable'] = 1
    entry.version_labels['canary'] = 2
    models.reload()
    assert models.answer(label='stable') == 2.5
    assert models.answer(label='canary') == 3.5
    entry.version_labels['stable'] = 9
    assert models.refused()[0] == 'FAILED_PRECONDITION'
    assert models.answer(label='stable') == 2.5
    entry.version_labels['stable'] = 2
    models.reload()
    assert models.answer(label='stable') == 3.5


def test_a_label_whose_version_is_gone_is_not_found(models: Models) -> None:
    models.version(1)
    entry = models.add()
    models.reload()
    entry.version_labels['stable'] = 1
    models.reload()
    models.version(2, which=1)
    wait_until(lambda: models.states() == {2: AVAILABLE, 1: END})
    assert failure(lambda: models.answer(label='stable')) == (
        'NOT_FOUND',
        f'Servable not found for request: Specific({models.name}, 1)',
    )


def test_a_removed_model_is_unloaded_after_its_running_requests(models: Models) -> None:
    models.version(1)
    models.add()
    models.reload()
    request = messages.PredictRequest(model_spec=messages.ModelSpec(name=models.name, signature_name='slow'))
    request.inputs['seconds'].CopyFrom(tensors.to_proto([2.0]))
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(models.grpc_client('Predict', request)))
    thread.start()
    # The request must have started before the model is removed.
    threading.Event().wait(0.3)
    del models.config.model_config_list.config[1:]
    models.reload()
    wait_until(lambda: models.states() == {1: UNLOADING})
    assert failure(lambda: models.answer())[0] == 'NOT_FOUND'
    thread.join()
    assert answers[0].outputs['done'].float_val == [2.0]
    wait_until(lambda: models.gone())


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (lambda m: (m.add(), m.add()), 'multiple times in config list'),
        (lambda m: m.add(Path('relative')), 'to have an absolute path or URI'),
        (lambda m: setattr(m.add(), 'model_platform', ''), 'neither ModelServerConfig::model_type nor'),
        (lambda m: setattr(m.add(), 'model_platform', 'pytorch'), 'unsupported platform pytorch'),
        (lambda m: m.config.custom_model_config.SetInParent(), 'Only ModelConfigList is currently supported'),
    ],
)
def test_configurations_that_are_refused_change_nothing(models: Models, change: Any, says: str) -> None:
    change(models)
    code, text = models.refused()
    assert code == 'INVALID_ARGUMENT'
    assert says in text
    assert models.answer(name='half') == 2.5
    models.config.model_config_list.SetInParent()
    del models.config.model_config_list.config[:]
    models.add(models.base, 'half')


def test_a_model_that_cannot_load_fails_the_reload(models: Models) -> None:
    (models.base_path / '1').mkdir(parents=True)
    models.add()
    code, text = models.refused()
    assert code == 'UNKNOWN'
    assert f'no version of model {models.name} could be loaded' in text


def write_warm_up(version: Path, *logs: Any) -> None:
    (version / 'assets.extra').mkdir()
    with open(version / 'assets.extra' / 'tf_serving_warmup_requests', 'wb') as file:
        for log in logs:
            data = log if isinstance(log, bytes) else log.SerializeToString()
            file.write(struct.pack('<QI', len(data), 0) + data + b'\0\0\0\0')


def recorded(signature: str, **inputs: Any) -> Any:
    log = messages.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = 'whatever'
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tensors.to_proto(value))
    return log


def staged(models: Models, *logs: Any) -> None:
    """Version 1 plain, then version 2 with these warm-up records."""
    models.version(1)
    models.add()
    models.reload()
    source = models.folder / 'warm'
    shutil.copytree(models.made[1], source)
    write_warm_up(source, *logs)
    models.made = [models.made[0], source]
    models.version(2, which=1)


def test_warm_up_records_run_before_a_version_is_available(models: Models, server: ServerProcess) -> None:
    staged(models, recorded('', x=[1.0]), recorded('upper', text=['a']))
    wait_until(lambda: models.states() == {2: AVAILABLE, 1: END})
    assert f'warmed up model={models.name} version=2 records=2' in server.log_tail(1000)


@pytest.mark.parametrize(
    ('records', 'says'),
    [
        ([recorded('no', x=[1.0])], 'Serving signature key "no" not found.'),
        ([recorded('', x=['text'])], 'actual string vs. expect float'),
        ([messages.PredictionLog()], 'Unsupported log_type for warmup'),
        ([b'\xff\xff'], 'Failed to parse warmup record 1'),
        ([recorded('', x=[1.0])] * 1001, 'Number of warmup records exceeds the maximum (1000)'),
    ],
)
def test_a_warm_up_that_fails_is_a_load_that_fails(models: Models, records: list[Any], says: str) -> None:
    staged(models, *records)
    wait_until(lambda: models.states().get(2) == END)
    assert says in models.error(2)
    assert models.answer() == 2.5


def test_a_cut_warm_up_file_is_a_load_that_fails(models: Models) -> None:
    staged(models, recorded('', x=[1.0]))
    wait_until(lambda: models.states().get(2) == AVAILABLE)
    path = models.made[1] / 'assets.extra' / 'tf_serving_warmup_requests'
    path.write_bytes(path.read_bytes()[:-6])
    models.version(3, which=1)
    wait_until(lambda: models.states().get(3) == END)
    assert 'truncated record' in models.error(3)
