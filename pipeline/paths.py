"""What lies where in the folder of a run."""

import dataclasses
import os
import time

DEFAULT_ROOT = 'vaiven-runs'


@dataclasses.dataclass(frozen=True)
class RunPaths:
    """Folders and files of the runs of one pipeline.

    Attributes:
        root: absolute path; artifacts are found again by their absolute paths.
        name: name of the served model.
    """

    root: str
    name: str

    @classmethod
    def at(cls, root: str | None, name: str) -> 'RunPaths':
        return cls(os.path.abspath(root if root is not None else os.path.join(DEFAULT_ROOT, name)), name)

    @property
    def metadata(self) -> str:
        return os.path.join(self.root, 'metadata.sqlite')

    @property
    def artifacts(self) -> str:
        return os.path.join(self.root, 'artifacts')

    @property
    def serving(self) -> str:
        """Base path of the served model; versions are its subfolders."""
        return os.path.join(self.root, 'serving', self.name)

    @property
    def unfinished(self) -> str:
        """What a training or a search that was killed goes on from."""
        return os.path.join(self.root, 'unfinished')

    @property
    def logs(self) -> str:
        return os.path.join(self.root, 'logs')

    def new_log(self) -> str:
        return os.path.join(self.logs, time.strftime('%Y%m%d-%H%M%S') + f'-{os.getpid()}.log')
