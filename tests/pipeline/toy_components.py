"""Small components for tests of the runner; the last one fails or waits if its mode says so."""

import logging
import os
import pathlib
import signal
import subprocess
import sys
import time

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.types.standard_artifacts import Model

from vaiven.configuration import ConfigError


@component
def Write(text: Parameter[str], model: OutputArtifact[Model]) -> None:  # noqa: N802
    pathlib.Path(model.uri, 'text').write_text(text)
    model.set_string_custom_property('text', text)


@component
def Copy(mode_file: Parameter[str], model: InputArtifact[Model], copy: OutputArtifact[Model]) -> None:  # noqa: N802
    pathlib.Path(copy.uri, 'text').write_text(pathlib.Path(model.uri, 'text').read_text())
    match pathlib.Path(mode_file).read_text():
        case 'break':
            try:
                int('x')
            except ValueError as error:
                raise RuntimeError('the outer one') from error
        case 'refuse':
            raise ConfigError('text must be longer. Received: 1')
        case 'die':
            os.kill(os.getpid(), signal.SIGKILL)
        case 'wait':
            wait_for_a_child()
        case 'wait and wrap':  # as libraries do that call back into Python
            try:
                wait_for_a_child()
            except BaseException as error:
                raise RuntimeError('a callback failed') from error


def wait_for_a_child() -> None:
    """Starts a process as a server is started, and waits for it in vain."""
    with subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE) as child:
        try:
            logging.getLogger('vaiven.progress').info('waiting for child %d', child.pid)
            time.sleep(60)
        finally:
            child.kill()


def toy_pipeline(root: pathlib.Path, text: str = 'hello') -> Pipeline:
    """Write → Copy; what Copy does is in the file `mode` of `root`."""
    written = Write(text=text)
    copied = Copy(mode_file=str(root / 'mode'), model=written.outputs['model'])
    return Pipeline(
        pipeline_name='toy',
        pipeline_root=str(root / 'artifacts'),
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(root / 'metadata.sqlite')),
        components=[written, copied],
        enable_cache=True,
    )
