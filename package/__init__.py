"""vaiven trains, evaluates, serves and rolls out small text models.

The subpackages are `vaiven.pipeline`, `vaiven.components`, `vaiven.models` and `vaiven.serving`. They are not imported
here.
"""


def __getattr__(name: str) -> str:
    """Looks up `__version__` when it is used, so that the client starts faster."""
    if name == '__version__':
        from importlib.metadata import version

        return version('vaiven')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
