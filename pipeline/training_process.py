"""The child process of `vaiven.pipeline.train`: `python -m vaiven.pipeline.training_process RESULT_FILE`.

Reads the request as a line of JSON from standard input, and writes the results of the run, or its error, as JSON to the
file. The run stops when standard input ends, so it does not outlive the process that started it.
"""

import dataclasses
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.vocabulary.vectors.source import VectorsSource
from vaiven.configuration import from_json
from vaiven.errors import UserError
from vaiven.pipeline.cli import terminate
from vaiven.pipeline.config import Config
from vaiven.pipeline.main_job import run_job
from vaiven.pipeline.paths import RunPaths


def main() -> int:
    """Runs the pipeline; returns the exit status."""
    signal.signal(signal.SIGTERM, terminate)
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_stop_with_stdin, name='stdin', daemon=True).start()
    config = from_json(Config, request['config'])
    vectors = None if request['vectors'] is None else VectorsSource(*request['vectors'])
    files = DataFiles(*(tuple(request[kind]) for kind in ('data', 'unlabelled', 'teacher')), vectors=vectors)
    status, answer = _run(config, files, RunPaths(request['root'], config.name))
    Path(sys.argv[1]).write_text(json.dumps(answer), 'utf-8')
    return status


def _stop_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _run(config: Config, files: DataFiles, paths: RunPaths) -> tuple[int, dict[str, Any]]:
    try:
        return 0, dataclasses.asdict(run_job(config, files, paths, None))
    except UserError as error:
        return error.exit_status, {'error': str(error), 'exit_status': error.exit_status}
    except Exception as error:
        traceback.print_exc()
        return 1, {'error': f'unexpected {type(error).__name__}: {error}', 'exit_status': 1}


if __name__ == '__main__':
    exit_status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # After a TensorFlow Transform analysis, the interpreter crashes at shutdown.
    os._exit(exit_status)
