"""`vaiven-model-server`, or `python -m vaiven.serving.server`: ends without the interpreter's own clean-up.

TensorFlow's libraries may crash when they are taken down, after all work is done.
"""

import os
import sys


def run() -> None:
    """Serves, and ends the process."""
    os.environ.setdefault('GRPC_VERBOSITY', 'NONE')  # read when grpc is imported
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
