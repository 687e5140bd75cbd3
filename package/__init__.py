"""vaiven: a small, fast, private text model, and the pipeline that makes it.

The parts are `vaiven.pipeline`, `vaiven.components`, `vaiven.models` and `vaiven.serving`; none is imported here.
"""


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: the client starts without that."""
    if name == '__version__':
        from importlib.metadata import version

        return version('vaiven')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
