"""Installs a newer glibc for one interpreter, without changes to the system.

The wheels of TensorFlow Data Validation need GLIBC_2.38 and GLIBCXX_3.4.32, but Debian 12 has 2.36. So the libraries
of the next Debian release are unpacked into a private folder, and the interpreter of the environment is patched to use
them. Programs that the interpreter starts (git, java, …) use the libraries of the system.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess

from missing import MissingRequirement

MIN_GLIBC = (2, 38)
SUITE = 'trixie'
PACKAGES = ('libc6', 'libstdc++6', 'libgcc-s1')


def glibc_version(interpreter: pathlib.Path) -> tuple[int, ...]:
    """The glibc version of an interpreter, as `(2, 36)`; `(0,)` if it uses another C library."""
    code = 'import os; print(os.confstr("CS_GNU_LIBC_VERSION") or "glibc 0")'
    output = subprocess.run([str(interpreter), '-c', code], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in output.split()[-1].split('.'))


def install_private_glibc(venv: pathlib.Path, interpreter: pathlib.Path, patchelf: pathlib.Path) -> None:
    """Unpacks a newer glibc and patches the interpreter to use it.

    Args:
        venv: folder of the environment.
        interpreter: the interpreter in it.
        patchelf: path of the tool.

    Raises:
        MissingRequirement: apt has no Debian mirror.
        subprocess.CalledProcessError: a command failed.
    """
    unpacked = venv / 'glibc'
    if not unpacked.exists():
        download_and_unpack(SUITE, PACKAGES, unpacked)
    libraries = next(unpacked.glob('usr/lib/*/libc.so.6')).parent
    loader = next(path for path in libraries.glob('ld-linux-*.so.*'))
    rpath = [str(libraries)]
    code = (
        'import sysconfig; v = sysconfig.get_config_var; print(v("LIBDIR") if v("Py_ENABLE_SHARED") else "")'
    )
    shared = subprocess.run(
        [str(interpreter), '-c', code], check=True, capture_output=True, text=True
    ).stdout.strip()
    if shared:
        rpath.append(shared)
    for name in ('python', 'python3', 'python3.11'):  # `venv --copies` creates a separate file for each
        binary = interpreter.with_name(name)
        if binary.is_symlink() or not binary.exists():
            continue
        subprocess.run(
            [
                str(patchelf),
                '--set-interpreter',
                str(loader),
                '--force-rpath',
                '--set-rpath',
                ':'.join(rpath),
                '--add-needed',
                'libstdc++.so.6',
                '--add-needed',
                'libgcc_s.so.1',
                str(binary),
            ],
            check=True,
        )


def debian_mirror() -> tuple[str, str]:
    """The Debian mirror of the system's apt, from its source lists, and the keyring.

    Raises:
        MissingRequirement: there is no apt, or it has no Debian mirror.
    """
    keyrings = [f'/usr/share/keyrings/debian-archive-keyring.{kind}' for kind in ('gpg', 'pgp')]
    keyring = next(filter(os.path.exists, keyrings), keyrings[0])
    apt = pathlib.Path('/etc/apt')
    if not shutil.which('apt-get'):
        apt = pathlib.Path(os.devnull)
    for path in (
        *sorted(apt.glob('sources.list.d/*.sources')),
        apt / 'sources.list',
        *sorted(apt.glob('sources.list.d/*.list')),
    ):
        if not path.exists():
            continue
        for line in path.read_text().splitlines():
            match = re.match(r'(?:URIs:|deb\s+(?:\[[^\]]*\]\s+)?)\s*(\S+/debian/?)(?:\s|$)', line)
            if match:
                return match.group(1).rstrip('/'), keyring
    raise MissingRequirement(
        'this system is too old for the libraries, and its apt has no Debian mirror with newer ones: '
        'use Debian 12, Ubuntu 24.04, Fedora 40 or later'
    )


def download_and_unpack(suite: str, packages: tuple[str, ...], target: pathlib.Path) -> None:
    """Downloads Debian packages and unpacks them into a folder, without root privileges.

    It runs `apt-get download` with a separate source list and state, and then `dpkg -x`. The folder only
    appears when it is complete.

    Args:
        suite: name of the Debian release.
        packages: names of the packages.
        target: the folder.

    Raises:
        MissingRequirement: apt has no Debian mirror.
        subprocess.CalledProcessError: the mirror is unreachable, or has no such package.
    """
    mirror, keyring = debian_mirror()
    state = target.with_name(target.name + '.apt')
    for folder in ('lists/partial', 'cache/archives/partial', 'debs'):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / 'sources.list').write_text(f'deb [signed-by={keyring}] {mirror} {suite} main\n')
    options = []
    for key, value in {
        'Dir::Etc::sourcelist': state / 'sources.list',
        'Dir::Etc::sourceparts': '/dev/null',
        'Dir::State::Lists': state / 'lists',
        'Dir::Cache': state / 'cache',
        'Dir::State::status': '/dev/null',
        'APT::Sandbox::User': 'root' if os.geteuid() == 0 else '',
        'APT::Get::List-Cleanup': '0',
    }.items():
        options += ['-o', f'{key}={value}']
    subprocess.run(['apt-get', *options, '-qq', 'update'], check=True)
    subprocess.run(['apt-get', *options, '-qq', 'download', *packages], check=True, cwd=state / 'debs')
    unpacked = state / 'unpacked'
    shutil.rmtree(unpacked, ignore_errors=True)
    for deb in sorted((state / 'debs').glob('*.deb')):
        subprocess.run(['dpkg', '-x', str(deb), str(unpacked)], check=True)
    shutil.rmtree(target, ignore_errors=True)
    unpacked.rename(target)
    shutil.rmtree(state, ignore_errors=True)
