"""--prefer_tflite_model: model.tflite is served with all its signatures where a version has one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from raw_clients import Grpc, Rest, predict, values

from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

A, B = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [[2.0, 2.0]] * 3


@pytest.fixture(scope='module')
def server(
    other_models: Path, base_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    reason = other_models / 'no-converter'
    if reason.exists():
        pytest.skip(f'TFLiteConverter cannot run: {reason.read_text()}')
    folder = tmp_path_factory.mktemp('tflite')
    shutil.copytree(other_models / 'lite-two', folder / 'lite-two')
    (folder / 'lite-two' / '2').mkdir()
    (folder / 'lite-two' / '2' / 'model.tflite').write_bytes(b'no model')
    config = folder / 'models.config'
    paths = {
        'one': other_models / 'lite-one',
        'two': folder / 'lite-two',
        'declared': other_models / 'lite-declared',
        'tensors': other_models / 'lite-tensors',
        'half': base_path,
    }
    config.write_text(
        'model_config_list {'
        + ''.join(
            f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" }}'
            for name, path in paths.items()
        )
        + '}'
    )
    flags = {
        'model_config_file': config,
        'prefer_tflite_model': True,
        'num_tflite_pools': 2,
        'num_tflite_interpreters_per_pool': 2,
    }
    with ServerProcess('one', base_path, flags=flags) as running:
        yield running


def test_a_tflite_model_answers_with_any_number_of_rows(grpc_client: Grpc, rest: Rest) -> None:
    for rows in (3, 1, 2, 3):
        answer = grpc_client('Predict', predict('one', a=A[:rows], b=B[:rows]))
        assert values(answer, 'sum') == [[x + 2, y + 2] for x, y in A[:rows]]
        assert values(answer, 'product') == [[2 * x, 2 * y] for x, y in A[:rows]]
    body = {'instances': [{'a': [1, 2], 'b': [3, 4]}]}
    assert rest('/v1/models/one:predict', body) == (
        200, {'predictions': [{'sum': [4, 6], 'product': [3, 8]}]}
    )  # fmt: skip


def test_each_signature_has_its_own_inputs(grpc_client: Grpc) -> None:
    assert values(grpc_client('Predict', predict('two', 'double', number=[1, 2, 3])), 'twice') == [2, 4, 6]
    assert values(grpc_client('Predict', predict('two', a=A, b=B)), 'product') == [[2, 4], [6, 8], [10, 12]]
    request = predict('two', a=A, b=B)
    request.output_filter.append('sum')
    assert list(grpc_client('Predict', request).outputs) == ['sum']


def test_what_does_not_fit_is_refused_and_the_next_answered(grpc_client: Grpc) -> None:
    code, text = grpc_client.error('Predict', predict('one', a=np.ones((1, 2), np.int32), b=B[:1]))
    assert code == 'INVALID_ARGUMENT', text
    assert grpc_client.error('Predict', predict('one', a=[[1.0, 2.0, 3.0]], b=B[:1]))[0] == 'INVALID_ARGUMENT'
    assert grpc_client.error('Predict', predict('one', a=[[1.0, 2.0]]))[0] == 'INVALID_ARGUMENT'
    assert values(grpc_client('Predict', predict('one', a=A, b=B)), 'sum')[0] == [3, 4]


def test_signatures_in_the_metadata_are_the_models(grpc_client: Grpc, rest: Rest) -> None:
    status, answer = rest('/v1/models/declared/metadata')
    signatures = answer['metadata']['signature_def']['signature_def']
    assert (status, set(signatures)) == (200, {'serving_default', 'added', 'twice'})
    assert signatures['added']['inputs']['left']['name'] == 'a', 'the model has no tensor a:0'
    answer = grpc_client('Predict', predict('declared', left=A, right=B))
    assert (values(answer, 'total')[0], values(answer, 'area')[0]) == ([3, 4], [2, 4])
    assert list(grpc_client('Predict', predict('declared', 'added', left=A, right=B)).outputs) == ['total']


def test_an_input_that_a_signature_lacks_keeps_nothing_of_the_request_before(grpc_client: Grpc) -> None:
    grpc_client('Predict', predict('declared', left=A, right=B))
    for _ in range(4):  # all interpreters
        assert values(grpc_client('Predict', predict('declared', 'twice', left=B)), 'total') == B


def test_a_model_without_signatures_is_one_of_all_its_tensors(grpc_client: Grpc) -> None:
    assert values(grpc_client('Predict', predict('tensors', a=A, b=B)), 'product') == [
        [2, 4],
        [6, 8],
        [10, 12],
    ]


def test_an_error_does_not_come_back_with_the_next_one(grpc_client: Grpc) -> None:
    wrong = predict('declared', left=[[1.0, 2.0, 3.0]], right=[[1.0, 2.0]])
    texts = {grpc_client.error('Predict', wrong)[1] for _ in range(10)}
    assert len(texts) == 1
    assert '\n' not in texts.pop()
    assert values(grpc_client('Predict', predict('declared', left=A, right=B)), 'total')[0] == [3, 4]


def test_a_version_without_one_is_a_saved_model(grpc_client: Grpc) -> None:
    assert values(grpc_client('Predict', predict('half', x=[2.0]))) == [3]


def test_a_broken_one_fails_to_load_and_the_version_before_answers(grpc_client: Grpc) -> None:
    spec = messages.ModelSpec(name='two')
    states = grpc_client(
        'GetModelStatus', messages.GetModelStatusRequest(model_spec=spec)
    ).model_version_status
    assert [(state.version, state.state) for state in states] == [(2, 50), (1, 30)]
    assert 'is not a TFLite model that can run here' in states[0].status.error_message


def test_metadata_and_states_are_those_of_any_model(rest: Rest) -> None:
    status, answer = rest('/v1/models/two/versions/1/metadata')
    signatures = answer['metadata']['signature_def']['signature_def']
    assert status == 200
    assert set(signatures) == {'serving_default', 'double'}
    info = signatures['serving_default']['inputs']['a']
    assert info['dtype'] == 'DT_FLOAT'
    assert [dim['size'] for dim in info['tensor_shape']['dim']] == ['-1', '2']


@pytest.mark.parametrize(
    ('name', 'says'),
    [
        ('parsed', 'unresolved custom op: ParseExample'),
        ('unknown', "Signature input left references an unknown tensor: Unknown tensor 'c:0'"),
    ],
)
def test_a_model_that_cannot_run_fails_its_load_in_one_line(
    server: ServerProcess, other_models: Path, name: str, says: str
) -> None:
    grpc_client = Grpc(server.grpc_address)
    reload = messages.ReloadConfigRequest()
    models = [('one', 'lite-one'), ('two', 'lite-two'), (name, f'lite-{name}')]
    for model, folder in models:
        reload.config.model_config_list.config.add(
            name=model, base_path=str(other_models / folder), model_platform='tensorflow'
        )
    _, text = grpc_client.error('HandleReloadConfigRequest', reload)
    assert says in text
    assert '\n' not in text
