"""The server as a program: the flags, output and exit status of the stock server."""

import asyncio
import importlib.metadata
import resource
import sys

from vaiven.serving.common import log, textproto
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server import flags, runtime
from vaiven.serving.server.server import Server

# The stock server returns −1.
FAILED = 255
# Each connection takes one.
FILE_DESCRIPTORS = 1 << 16


def main(arguments: list[str]) -> int:
    """Runs a server with the stock server's flags. Returns its exit status: 0, or 255 for an error at start."""
    log.start(sys.stderr)
    try:
        if {'--help', '-h', '-help'} & set(arguments):
            raise ServingError('')
        options, unknown = flags.parse(arguments)
    except ServingError as error:
        sys.stdout.write(f'{error}\n{flags.usage()}\n'.lstrip('\n'))
        return FAILED
    if options.version:
        sys.stdout.write(f'TensorFlow ModelServer: vaiven {importlib.metadata.version("vaiven")}\n')
        sys.stdout.write(f'TensorFlow Library: {runtime.tensorflow().__version__}\n')
        return 0
    # Like the stock server, it reports unknown arguments and starts nevertheless.
    for argument in unknown:
        sys.stdout.write(f'unknown argument: {argument}\n')
    if unknown:
        sys.stdout.write(flags.usage() + '\n')
    sys.stdout.flush()
    _allow_connections()
    try:
        asyncio.run(_serve(options))
    except ServingError as error:
        sys.stdout.write(f'Failed to start server. Error: {error}\n')
        if textproto.PARSE_ERROR in str(error):
            # In the stock server, protobuf writes these to standard error, and scripts look for them there.
            sys.stderr.write(f'{error}\n')
        return FAILED
    except KeyboardInterrupt:
        pass  # before the event loop handled the signal
    return 0


def _allow_connections() -> None:
    """Raises the soft limit of file descriptors, which is 1024 on many systems."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = FILE_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(FILE_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


async def _serve(options: flags.Options) -> None:
    await Server(options).run()
