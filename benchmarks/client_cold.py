"""Time of `vaiven predict` from the shell to its output, and of importing the client."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import report, serving_figures
from benchmarks.client_plan import Plan
from benchmarks.serving_setup import Subject
from vaiven.serving.server.server_process import ServerProcess

# Prints seconds of CPU time and the peak memory in MB; unlike wait4, it does not count the parent's memory.
IMPORT = """
import resource, sys
{}
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))
print(used.ru_utime + used.ru_stime, int(peak.split()[1]) / 1024)
"""
CLIENT = "from vaiven.serving.client import Client; Client('127.0.0.1:1')"


def cold(plan: Plan, trivial: Subject, sentiment: Subject | None, root: Path) -> dict[str, Any]:
    """Compares the command with an empty Python process; each start is a new process, in turns."""
    assert sentiment is not None
    with ServerProcess(sentiment.name, sentiment.folder, timeout=300) as server:
        asked = ['predict', '--server', server.grpc_address, '--model', sentiment.name, 'a moving story']
        commands = {
            'vaiven predict': [sys.executable, '-m', 'vaiven.pipeline.cli', *asked],
            'importing the client': [sys.executable, '-c', IMPORT.format(CLIENT)],
            'an empty Python': [sys.executable, '-c', IMPORT.format('')],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        printed: dict[str, list[str]] = {name: [] for name in commands}
        for turn in range(plan.starts + 1):
            for name, command in commands.items():
                began = time.perf_counter()
                answer = subprocess.run(command, capture_output=True, text=True, check=True)
                if turn:
                    seconds[name].append(time.perf_counter() - began)
                    printed[name].append(answer.stdout)
    imported = [list(map(float, line.split())) for line in printed['importing the client']]
    figures = {name: report.spread(values) for name, values in seconds.items()}
    return {
        'seconds': figures,
        'cpu_seconds_importing': report.spread([cpu for cpu, _ in imported]),
        'ratios': {
            'vaiven predict, seconds': serving_figures.judged(figures['vaiven predict'], 'at most', 0.6),
            'importing the client, seconds': serving_figures.judged(
                figures['importing the client'], 'at most', 0.5
            ),
            'importing the client, MB': serving_figures.judged(
                report.spread([peak for _, peak in imported]), 'at most', 60
            ),
            'vaiven predict / an empty Python': serving_figures.ratio(
                seconds['vaiven predict'], seconds['an empty Python']
            ),
        },
    }
