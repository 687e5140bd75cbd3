"""Tells by its content whether the code of a component has changed, as TFX tells it of the component's inputs.

TFX finds an earlier result by a component's inputs and parameters, and knows its code only by name. So each node
gets one more parameter, a digest of the sources it runs; it is recorded with the execution, too.
"""

import functools
import hashlib
import importlib.metadata
import pathlib

from google.protobuf import message
from tfx.proto.orchestration import pipeline_pb2

PARAMETER = 'code_digest'

_LIBRARIES = ('tfx', 'tensorflow', 'tensorflow-text', 'keras')
_ROOM = pathlib.Path(__file__).resolve().parent.parent
_COMPONENTS = 'vaiven.components.'
_SHARED = ('models/configuration.py', 'models/text.py')
# Beside its own folder; user functions that the standard components call live in models.
_ALSO = {'serving_check': ('serving',)}
_USER_FUNCTIONS = ('run_fn', 'preprocessing_fn')


def mark(node: pipeline_pb2.PipelineNode, executor_spec: message.Message) -> None:
    """Adds the digest to a node's parameters."""
    parameters = node.parameters.parameters
    sources: tuple[str, ...] = ()
    class_path = _class_path(executor_spec)
    if class_path.startswith(_COMPONENTS):
        folder = class_path.removeprefix(_COMPONENTS).split('.')[0]
        sources += (f'components/{folder}', *_SHARED, *_ALSO.get(folder, ()))
    if any(name in parameters for name in _USER_FUNCTIONS):
        sources += ('models',)
    parameters[PARAMETER].field_value.string_value = digest(sources)


@functools.cache
def digest(sources: tuple[str, ...], room: pathlib.Path = _ROOM) -> str:
    """SHA-256 of the libraries' versions and of the Python files in `sources`, paths below `room`."""
    total = hashlib.sha256()
    for library in _LIBRARIES:
        total.update(f'{library}=={importlib.metadata.version(library)}\n'.encode())
    for source in sources:
        path = room / source
        for file in sorted(path.rglob('*.py')) if path.is_dir() else [path]:
            total.update(f'{file.relative_to(room)}\0'.encode() + file.read_bytes() + b'\0')
    return total.hexdigest()


def _class_path(executor_spec: message.Message) -> str:
    python_spec = getattr(executor_spec, 'python_executor_spec', executor_spec)
    return getattr(python_spec, 'class_path', '')
