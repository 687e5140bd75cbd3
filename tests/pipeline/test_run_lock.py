import subprocess
import sys

import pytest

from vaiven.pipeline.run_lock import RootBusyError, run_lock


def test_a_second_run_in_the_same_folder_is_refused_and_names_the_first(tmp_path):
    program = (
        'import sys\nfrom vaiven.pipeline.run_lock import run_lock\nwith run_lock(sys.argv[1]):\n'
        '    print("locked", flush=True)\n    sys.stdin.read()'
    )
    with subprocess.Popen(
        [sys.executable, '-c', program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        with pytest.raises(RootBusyError, match=f'process {process.pid}') as raised, run_lock(str(tmp_path)):
            pass
        assert raised.value.exit_status == 1
        process.kill()
    with run_lock(str(tmp_path)):
        pass
