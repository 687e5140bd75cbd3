"""Where the parts of an exported model are in the folder of its SavedModel."""

from pathlib import Path

# The settings of the run. TensorFlow Serving reads `assets.extra` and leaves unknown files in it alone.
CONFIG_PATH = Path('assets.extra', 'vaiven.json')
# Prefix of the checkpoint with the variables.
VARIABLES_PATH = Path('variables', 'variables')


def variable_key(name: str) -> str:
    """The key of a variable in the checkpoint, from the name that `vaiven.models.export.saved_model` tracks it by."""
    return f'{name}/.ATTRIBUTES/VARIABLE_VALUE'
