"""What lies where in the folder of a run."""

import dataclasses
import os
import time

from vaiven.errors import UserError
from vaiven.pipeline.local_addresses import require_local

DEFAULT_ROOT = 'vaiven-runs'
METADATA, ARTIFACTS, DONE = 'metadata.sqlite', 'artifacts', 'done.json'


class FolderError(UserError):
    """The folder of the runs cannot be written: not a usage error."""

    exit_status = 1

    def __init__(self, root: str, reason: str) -> None:
        super().__init__(f'cannot write below {root}: {reason}; give another --root')


@dataclasses.dataclass(frozen=True)
class RunPaths:
    """Folders and files of the runs of one pipeline.

    Attributes:
        root: absolute path; or empty, and all paths are relative to it.
        name: name of the served model.
    """

    root: str
    name: str

    @classmethod
    def at(cls, root: str | None, name: str) -> 'RunPaths':
        """Paths below a folder given with `--root`, or below the default folder.

        Raises:
            UserError: `root` is not a path on this machine.
            FolderError: a file is in its way.
        """
        folder = os.path.join(DEFAULT_ROOT, name) if root is None else require_local(root, '--root')
        path = os.path.abspath(folder)
        above = path
        while not os.path.lexists(above):
            above = os.path.dirname(above)
        if not os.path.isdir(above):
            raise FolderError(path, f'{above} is not a folder')
        return cls(path, name)

    def relative(self) -> 'RunPaths':
        """The same for a process that works in `root`: a folder that is moved keeps these paths."""
        return RunPaths('', self.name)

    @property
    def metadata(self) -> str:
        return os.path.join(self.root, METADATA)

    @property
    def artifacts(self) -> str:
        return os.path.join(self.root, ARTIFACTS)

    @property
    def inputs(self) -> str:
        """Links to the files of `--data` and `--unlabelled`, while a run goes on."""
        return os.path.join(self.root, 'inputs')

    @property
    def serving(self) -> str:
        """Base path of the served model; versions are its subfolders."""
        return os.path.join(self.root, 'serving', self.name)

    @property
    def unfinished(self) -> str:
        """What a training or a search that was killed resumes from."""
        return os.path.join(self.root, 'unfinished')

    @property
    def logs(self) -> str:
        return os.path.join(self.root, 'logs')

    def new_log(self) -> str:
        return os.path.join(self.logs, time.strftime('%Y%m%d-%H%M%S') + f'-{os.getpid()}.log')
