"""Compiles `proto/*.proto` to `messages.binpb`, the descriptor set that `messages` loads.

    python -m vaiven.serving.wire.compile

It is needed only after a change of a `.proto` file. It uses the protoc of `grpcio-tools`, which nothing else in the
project needs: install that in another environment, and run this file there as a script.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DESCRIPTORS = FOLDER / 'messages.binpb'


def compile_protos() -> None:
    """Writes `messages.binpb` beside this file. Raises `SystemExit` if protoc is missing or reports an error."""
    try:
        import grpc_tools
        from grpc_tools import protoc
    except ImportError:
        raise SystemExit('compile: needs protoc: pip install grpcio-tools') from None
    protos = FOLDER / 'proto'
    status = protoc.main(
        [
            'protoc',
            f'--proto_path={protos}',
            f'--proto_path={Path(grpc_tools.__file__).parent / "_proto"}',
            '--include_imports',
            f'--descriptor_set_out={DESCRIPTORS}',
            *sorted(path.name for path in protos.glob('*.proto')),
        ]
    )
    if status:
        raise SystemExit(status)


if __name__ == '__main__':
    compile_protos()
    sys.stdout.write(f'{DESCRIPTORS.name}: {DESCRIPTORS.stat().st_size} bytes\n')
