"""The gates of a plan as analyses of Argo Rollouts, and how long a step must last for them to measure.

Two analyses look at the same metrics. One runs in the background through all steps, as an alarm: it aborts a canary
that is worse in the middle of a long pause. Argo Rollouts ends it as successful with the last step, whatever it has
measured. So each step closes with an analysis of its own that takes a fixed number of measurements, and the rollout
does not go on before these are taken. Without data a measurement is neither good nor bad: the rollout is paused then.
"""

import math
from collections.abc import Sequence
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout.plan import Plan, Step

# A rate needs a few samples, and Prometheus takes one a minute by default.
WINDOW_SECONDS, INTERVAL_SECONDS = 300, 60
WINDOW = f'{WINDOW_SECONDS // 60}m'
MEASUREMENTS = 5
# In the background: fewer than a step has measurements, so that the first step shows both.
MAX_FAILURES, MAX_WITHOUT_DATA = 2, MEASUREMENTS - 1
# At the end of a step: three of the five are good.
MAX_STEP_FAILURES = MAX_STEP_WITHOUT_DATA = 1
MIN_PAUSE_SECONDS = WINDOW_SECONDS + MEASUREMENTS * INTERVAL_SECONDS


def pause_seconds(step: Step) -> int:
    """How long a step pauses: as the plan says, and long enough for the background analysis to measure."""
    return max(math.ceil(step.minimum_seconds), MIN_PAUSE_SECONDS)


def lengthened(plan: Plan) -> list[int]:
    """The numbers, from 1, of the steps that last longer on a cluster than the plan says."""
    return [number for number, step in enumerate(plan.steps, 1) if pause_seconds(step) > step.minimum_seconds]


def templates(plan: Plan, name: str, prometheus: str, arguments: Sequence[str]) -> list[dict[str, Any]]:
    """The AnalysisTemplates `name`, for the background, and `name`-step, for the end of each step.

    Args:
        plan: its gates, and the length of its last step.
        name: of the Rollout.
        prometheus: address of the Prometheus that reads the servers' metrics.
        arguments: names of the arguments: the hash of the new pods, and that of the stable ones.

    Raises:
        ServingError: the plan leaves out both gates that a cluster has.
    """
    queries = _queries(plan, name, *arguments)
    if not queries:
        raise ServingError('a cluster judges by error_rate and p99_ratio alone: the plan leaves out both')
    background = {
        'initialDelay': WINDOW,
        'failureLimit': MAX_FAILURES,
        'inconclusiveLimit': MAX_WITHOUT_DATA,
    }
    closing = {
        'count': MEASUREMENTS,
        'failureLimit': MAX_STEP_FAILURES,
        'inconclusiveLimit': MAX_STEP_WITHOUT_DATA,
    }
    return [
        {
            'apiVersion': 'argoproj.io/v1alpha1',
            'kind': 'AnalysisTemplate',
            'metadata': {'name': called},
            'spec': {
                'args': [{'name': argument} for argument in arguments],
                'metrics': [
                    {
                        'name': gate,
                        'interval': f'{INTERVAL_SECONDS // 60}m',
                        **when,
                        # No number satisfies neither: the measurement is inconclusive.
                        'successCondition': f'len(result) > 0 && result[0] <= {limit:g}',
                        'failureCondition': f'len(result) > 0 && result[0] > {limit:g}',
                        'provider': {'prometheus': {'address': prometheus, 'query': query}},
                    }
                    for gate, (limit, query) in queries.items()
                ],
            },
        }
        for called, when in ((name, background), (f'{name}-step', closing))
    ]


def _queries(plan: Plan, name: str, new: str, stable: str) -> dict[str, tuple[float, str]]:
    """Limit and query of each gate, on the stock server's own metrics, canary against stable.

    In the last step nobody asks the stable pods any more. So they are looked at over as long as that step lasts, and
    longer: what they answered before it is in there.
    """
    last = pause_seconds(plan.steps[-1]) + MEASUREMENTS * INTERVAL_SECONDS
    stable_minutes = math.ceil((last + 2 * WINDOW_SECONDS) / 60)
    sides = ((new, WINDOW), (stable, f'{stable_minutes}m'))

    def of(argument: str, more: str = '') -> str:
        return f'model_name="{plan.model}",pod=~"{name}-{{{{args.{argument}}}}}-.*"{more}'

    def errors(argument: str, window: str) -> str:
        count = ':tensorflow:serving:request_count'
        failed, every = of(argument, ',status!="OK"'), of(argument)
        return f'(sum(rate({count}{{{failed}}}[{window}])) or vector(0)) / sum(rate({count}{{{every}}}[{window}]))'

    def p99(argument: str, window: str) -> str:
        buckets = f':tensorflow:serving:request_latency_bucket{{{of(argument)}}}'
        return f'histogram_quantile(0.99, sum by (le) (rate({buckets}[{window}])))'

    gates = {
        'error-rate': (plan.gates.error_rate, ' - '.join(f'({errors(*side)})' for side in sides)),
        'p99-ratio': (plan.gates.p99_ratio, ' / '.join(p99(*side) for side in sides)),
    }
    return {gate: (limit, query) for gate, (limit, query) in gates.items() if limit is not None}
