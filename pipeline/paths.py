"""The layout of a folder of runs."""

import dataclasses
import os
import time

from vaiven.errors import UserError
from vaiven.pipeline.local_addresses import require_local_path

DEFAULT_ROOT = 'vaiven-runs'
METADATA, ARTIFACTS, COMPLETED = 'metadata.sqlite', 'artifacts', 'done.json'


class FolderError(UserError):
    """The folder of the runs cannot be written. It is not a usage error."""

    exit_status = 1

    def __init__(self, root: str, reason: str) -> None:
        super().__init__(f'cannot write below {root}: {reason}; choose another --root')


@dataclasses.dataclass(frozen=True)
class RunPaths:
    """The folders and files of the runs of one pipeline.

    Attributes:
        root: absolute path of the folder; empty if all paths are relative to it.
        name: name of the served model.
    """

    root: str
    name: str

    @classmethod
    def at(cls, root: str | None, name: str) -> 'RunPaths':
        """The paths below a folder.

        Args:
            root: value of `--root`; None for the default folder.
            name: name of the served model.

        Raises:
            UserError: `root` is not a path on this machine.
            FolderError: a file is in the way of the folder.
        """
        folder = os.path.join(DEFAULT_ROOT, name) if root is None else require_local_path(root, '--root')
        path = os.path.abspath(folder)
        parent = path
        while not os.path.lexists(parent):
            parent = os.path.dirname(parent)
        if not os.path.isdir(parent):
            raise FolderError(path, f'{parent} is not a folder')
        return cls(path, name)

    def relative(self) -> 'RunPaths':
        """The same paths relative to `root`, for a process whose working directory it is."""
        return RunPaths('', self.name)

    @property
    def metadata(self) -> str:
        """The SQLite file of the metadata store."""
        return os.path.join(self.root, METADATA)

    @property
    def artifacts(self) -> str:
        """Folder of the artifacts, with subfolders `<component>/<output>/<execution id>`."""
        return os.path.join(self.root, ARTIFACTS)

    @property
    def inputs(self) -> str:
        """Folder of the links to the files of `--data` and `--unlabelled`, during a run."""
        return os.path.join(self.root, 'inputs')

    @property
    def serving(self) -> str:
        """Base path of the served model, with a subfolder for each version."""
        return os.path.join(self.root, 'serving', self.name)

    @property
    def unfinished(self) -> str:
        """Folder of the state from which a killed training or tuning resumes."""
        return os.path.join(self.root, 'unfinished')

    @property
    def logs(self) -> str:
        """Folder of the log files."""
        return os.path.join(self.root, 'logs')

    def new_log(self) -> str:
        """Path of a new log file, named after the time and this process."""
        return os.path.join(self.logs, time.strftime('%Y%m%d-%H%M%S') + f'-{os.getpid()}.log')
