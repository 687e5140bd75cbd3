"""Whether the libraries that a server needs are installed; found without importing them."""

import importlib.util

from vaiven.serving.common.errors import ServerStartError

LIBRARIES = ('tensorflow', 'tensorflow_text', 'aiohttp')


def missing() -> list[str]:
    """The libraries of a server that are not installed."""
    return [name for name in LIBRARIES if importlib.util.find_spec(name) is None]


def require() -> None:
    """Raises ServerStartError where a server cannot run for want of a library."""
    if names := missing():
        raise ServerStartError(
            f"a server needs {', '.join(names)}, not installed here: pip install 'vaiven[server]', or make env"
        )
