"""The folders in which request logs may be written. The operator decides, and not a caller of ModelService."""

import os
from collections.abc import Iterable

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.model_config import ModelConfig

FLAG = '--request_log_root'


class LogFolders:
    """The rule for the `filename_prefix` of a `logging_config`.

    With roots, every prefix must be below one of them after links are resolved. Without roots, the configuration file
    of the server may name any folder, and a reload may name only the prefixes of that file. Otherwise a caller of
    ModelService could make the server write to any folder.
    """

    def __init__(self, roots: str = '') -> None:
        """
        Args:
            roots: absolute paths of folders, comma-separated; '' for none.

        Raises:
            ServingError: one of them is not an absolute path of a folder.
        """
        self._roots = [os.path.realpath(_checked(root)) for root in roots.split(',') if root]
        self._file_prefixes: frozenset[str] = frozenset()

    def check(self, models: Iterable[ModelConfig], *, from_file: bool) -> None:
        """Checks the prefixes of `models`, and remembers those of the configuration file.

        Args:
            models: the configured models.
            from_file: whether the configuration file of the server names them, and not a reload.

        Raises:
            StatusError: PERMISSION_DENIED for a prefix that is not allowed.
        """
        prefixes = {
            model.name: str(model.logging.log_collector_config.filename_prefix)
            for model in models
            if model.logging is not None
        }
        for name, prefix in prefixes.items():
            rule = self._violated_rule(prefix, from_file)
            if rule:
                text = f'logging_config of model {name}: {rule}. Received: {prefix!r}'
                raise StatusError(Code.PERMISSION_DENIED, text)
        if from_file:
            self._file_prefixes = frozenset(prefixes.values())

    def _violated_rule(self, prefix: str, from_file: bool) -> str:
        """The rule that a prefix violates; '' for none."""
        if self._roots:
            # A link below a root must not lead outside of it.
            folder = os.path.realpath(os.path.dirname(prefix))
            if any(os.path.commonpath([root, folder]) == root for root in self._roots):
                return ''
            # Also for the file: a flag of the operator that had exceptions would protect nothing.
            return f'filename_prefix must be below a folder of {FLAG}, {", ".join(self._roots)}'
        if from_file or prefix in self._file_prefixes:
            return ''
        return (
            "a reload may name only a filename_prefix of the server's --model_config_file: start the server with "
            f'{FLAG}=FOLDER to allow others below FOLDER'
        )


def _checked(root: str) -> str:
    if '\0' in root or not os.path.isabs(root) or not os.path.isdir(root):
        raise ServingError(f'{FLAG} takes absolute paths of folders, comma-separated. Received: {root!r}')
    return root
