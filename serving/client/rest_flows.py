"""`RequestFlows` in the JSON of TensorFlow Serving's REST API, which has no MultiInference and no reloads."""

import base64
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaiven.serving.client.errors import UNKNOWN_OUTPUT, InvalidRequestError, RequestError, no_target
from vaiven.serving.client.features import values_of
from vaiven.serving.client.results import Metadata, Signature, Target, TensorSpec, VersionStatus
from vaiven.serving.client.signatures import Signatures, as_array, numpy_dtype, unsendable
from vaiven.serving.client.transport import Arrays, Call, Classes, Features, Outputs, RequestFlow
from vaiven.serving.wire.dtypes import kind_of_array


class HttpRequest(NamedTuple):
    """One HTTP request: its path, its body for POST, and the key that makes the body of a 503 a valid response."""

    path: str
    body: Any = None
    in_503: str | None = None


def predict(
    target: Target, inputs: Mapping[str, ArrayLike], outputs: Outputs, known: Signatures
) -> RequestFlow[Arrays]:
    """Runs a signature. JSON omits dtypes and the name of a single output: both come from the metadata.

    Args:
        target: model, version and signature.
        inputs: values by input name.
        outputs: the outputs to return; the server sends all.
        known: cache of metadata.
    """
    values = {name: _to_json(name, value) for name, value in inputs.items()}
    body = _body(target, 'inputs', values)
    whole = yield Call('Predict', HttpRequest(_path(target) + ':predict', body))
    with _reading():
        answer = whole['outputs']
    signatures = known.get(target)
    if signatures is None:
        signatures = yield from metadata(target)
        known.put(target, signatures)
    signature = signatures.signatures.get(target.signature or 'serving_default')
    specs = signature.outputs if signature is not None else {}
    if not isinstance(answer, dict):
        answer = {next(iter(specs), 'outputs'): answer}
    names = [name for name in outputs.names or answer if name in answer]
    if not outputs.missing_ok and (missing := [name for name in outputs.names if name not in names]):
        details = f'{UNKNOWN_OUTPUT}{missing[0]}'
        raise InvalidRequestError(f'the server refused the request: {details}', 'INVALID_ARGUMENT', details)
    dtypes = {name: numpy_dtype(specs[name].dtype) if name in specs else None for name in names}
    with _reading():
        return {name: _from_json(answer[name], dtypes[name]) for name in names}


def classify(target: Target, examples: Sequence[Features]) -> RequestFlow[list[Classes]]:
    """Returns classes and scores of each example."""
    body = _body(target, 'examples', list(map(_example, examples)))
    answer = yield Call('Classify', HttpRequest(_path(target) + ':classify', body))
    with _reading():
        return [[(label, float(score)) for label, score in each] for each in answer['results']]


def regress(target: Target, examples: Sequence[Features]) -> RequestFlow[list[float]]:
    """Returns a number for each example."""
    body = _body(target, 'examples', list(map(_example, examples)))
    answer = yield Call('Regress', HttpRequest(_path(target) + ':regress', body))
    with _reading():
        return [float(value) for value in answer['results']]


def multi_inference(
    target: Target, examples: Sequence[Features], signatures: Mapping[str, str]
) -> RequestFlow[dict[str, list[Classes] | list[float]]]:
    """Raises RequestError: REST does not offer it."""
    _over_grpc_alone('several signatures at once are')
    yield 0.0


def metadata(target: Target) -> RequestFlow[Metadata]:
    """Returns the signatures of a version."""
    answer = yield Call('GetModelMetadata', HttpRequest(_path(target) + '/metadata'))
    with _reading():
        signatures = answer['metadata']['signature_def']['signature_def']
        return Metadata(
            int(answer['model_spec']['version']),
            {
                name: Signature(
                    _tensor_specs(each['inputs']), _tensor_specs(each['outputs']), each['method_name']
                )
                for name, each in signatures.items()
            },
        )


def status(target: Target) -> RequestFlow[list[VersionStatus]]:
    """Returns the versions that the server knows, newest first."""
    answer = yield Call('GetModelStatus', HttpRequest(_path(target)))
    with _reading():
        found = [
            VersionStatus(
                int(each['version']), each['state'], each.get('status', {}).get('error_message', '')
            )
            for each in answer['model_version_status']
        ]
    return sorted(found, key=lambda each: each.version, reverse=True)


def health() -> RequestFlow[bool]:
    """Returns whether the server is ready. The stock server has no such page."""
    try:
        answer = yield Call('Check', HttpRequest('/readyz', in_503='ready'))
    except RequestError as error:
        if error.code not in ('NOT_FOUND', 'UNIMPLEMENTED'):
            raise
        message = 'the server has no health page over REST: use gRPC, or the status of a model'
        raise RequestError(message, 'UNIMPLEMENTED', error.details) from error
    with _reading():
        return bool(answer['ready'])


def reload(config: Any) -> RequestFlow[None]:
    """Raises RequestError: REST does not offer it."""
    _over_grpc_alone('labels and versions can be changed')
    yield 0.0


@contextmanager
def _reading() -> Iterator[None]:
    """Raises RequestError if reading a response fails, because its form is not that of TensorFlow Serving."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RequestError(
            'the server is not a TensorFlow Serving server: its JSON has another form',
            'UNIMPLEMENTED',
            repr(error),
        ) from error


def _over_grpc_alone(what: str) -> NoReturn:
    raise RequestError(f'{what} over gRPC alone: give the gRPC address', 'UNIMPLEMENTED', '')


def _body(target: Target, name: str, values: Any) -> dict[str, Any]:
    signature = {'signature_name': target.signature} if target.signature else {}
    return {**signature, name: values}


def _path(target: Target) -> str:
    try:
        path = '/v1/models/' + urllib.parse.quote(target.model, safe='')
        if target.version is not None:
            return f'{path}/versions/{target.version}'
        if target.label is not None:
            return f'{path}/labels/{urllib.parse.quote(target.label, safe="")}'
    except (ValueError, TypeError) as error:
        raise no_target(target) from error
    return path


def _to_json(name: str, value: ArrayLike) -> Any:
    """Converts a value to JSON. Raises ServingError for values that gRPC cannot carry either, and complex ones."""
    array = as_array(name, value)
    try:
        kind_of_array(array)
        if array.dtype.kind == 'c':
            raise ValueError('JSON has no complex numbers; ask over gRPC')
        return _text(array.tolist()) if array.dtype.kind in 'SUO' else array.tolist()
    except (ValueError, TypeError) as error:
        raise unsendable(name, error) from error


def _example(features: Features) -> dict[str, Any]:
    values = {name: values_of(name, value) for name, value in features.items()}
    return {
        name: _text(list_) if list_ and isinstance(list_[0], bytes) else list_
        for name, list_ in values.items()
    }


def _text(value: Any) -> Any:
    """Converts strings and bytes; bytes that are not UTF-8 become base64. Raises ValueError for other types."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {'b64': base64.b64encode(value).decode()}
    if not isinstance(value, str):
        raise ValueError(f'a tensor of strings takes str and bytes; received: {type(value).__name__}')
    value.encode()  # or it would travel, and be another one there
    return value


def _from_json(value: Any, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    first = value
    while isinstance(first, list) and first:
        first = first[0]
    if isinstance(first, str | dict):
        return np.asarray(_bytes(value), object)
    array = np.asarray(value)
    if array.dtype.kind not in 'biuf':
        raise ValueError(f'neither numbers nor strings: {array.dtype}')
    if dtype is not None and (array.dtype.kind != 'f' or dtype.kind == 'f' or not array.size):
        return array.astype(dtype)
    return array  # what was not said, or by another version: no number is changed without a word


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    return base64.b64decode(value['b64']) if isinstance(value, dict) else value.encode()


def _tensor_specs(infos: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(
            str(info['dtype']),
            None
            if info['tensor_shape'].get('unknown_rank')
            else tuple(int(dim['size']) for dim in info['tensor_shape'].get('dim', [])),
        )
        for name, info in infos.items()
    }
