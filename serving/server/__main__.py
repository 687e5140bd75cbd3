"""`vaiven-model-server`, or `python -m vaiven.serving.server`.

The process ends without the clean-up of the interpreter: TensorFlow's libraries may crash in it, when all work is done.
"""

import os
import sys


def run() -> None:
    """Runs the server and ends the process."""
    os.environ.setdefault('GRPC_VERBOSITY', 'NONE')  # gRPC reads it at import
    from vaiven.serving.common import installed
    from vaiven.serving.common.errors import ServingError

    try:
        installed.require()
    except ServingError as error:
        sys.exit(f'vaiven-model-server: {error}')
    from vaiven.serving.server.main import main

    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == '__main__':
    run()
