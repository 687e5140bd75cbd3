"""The metrics of the server: the stock server's under its names, and further ones.

The stock metrics have upstream's labels, bucket limits and format: no `# HELP`, colons in names, no suffix `_total`,
and buckets that exclude their own limit. The client library of Prometheus would change all of these, so it is not used.
"""

from vaiven.serving.common.prometheus_text import Family, HistogramFamily, exponential

# The buckets of upstream (servables/tensorflow/util.cc, batching/batching_session.cc).
LATENCIES = exponential(10, 1.8, 33)  # microseconds, to 25 minutes
WAITS = exponential(100, 1.2, 52)  # microseconds, to a second
SIZES = exponential(1, 2, 14)
EXAMPLES = exponential(1, 2, 15)
_STOCK = ':tensorflow:serving:'
_REQUEST = ('model_name', 'version', 'signature', 'api', 'entrypoint', 'status')


class MetricRegistry:
    """One metric family per attribute, in the order of the page."""

    def __init__(self) -> None:
        self.stock_count = Family(_STOCK + 'request_count', ('model_name', 'status'))
        self.stock_latency = _sampler('request_latency', ('model_name', 'API', 'entrypoint'), LATENCIES)
        self.runtime = _sampler('runtime_latency', ('model_name', 'API', 'runtime'), LATENCIES)
        self.examples = _sampler('request_example_counts', ('model',), EXAMPLES)
        self.example_total = Family(_STOCK + 'request_example_count_total', ('model',))
        self.warmup = _sampler('model_warmup_latency', ('model_path', 'status'), LATENCIES)
        self.logged = Family(_STOCK + 'request_log_count', ('model_name', 'status_code'))
        self.queuing = _sampler('batching_session:queuing_latency', ('thread_pool_name',), WAITS)
        self.padding = _sampler('batching_session:padding_size', ('execution_batch_size',), SIZES)
        self.input_size = _sampler('batching_session:input_batch_size', (), SIZES)
        self.processed_size = _sampler('batching_session:processed_batch_size', (), SIZES)
        self.runs = Family(_STOCK + 'batching_session:wrapped_run_count')
        self.count = Family('vaiven_request_count', _REQUEST, 'Requests answered, with or without success.')
        self.latency = HistogramFamily(
            'vaiven_request_latency_microseconds', _REQUEST, LATENCIES, 'Time to answer a request.'
        )
        self.in_flight = Family(
            'vaiven_requests_in_flight', ('entrypoint',), 'Requests being answered now.', 'gauge'
        )
        self.dropped = Family(
            'vaiven_request_log_dropped_count', ('model_name',), 'Sampled requests that could not be logged.'
        )
        self.build = Family(
            'vaiven_build_info', ('version', 'tensorflow'), 'Versions of the server, always 1.', 'gauge'
        )

    def all(self) -> tuple[Family, ...]:
        """All families, in the order of the page."""
        return tuple(vars(self).values())

    @staticmethod
    def states() -> Family:
        """A new family for the states of the versions: it is filled for each page, so that ended versions disappear."""
        return Family(
            'vaiven_model_version_state',
            ('model_name', 'version', 'state'),
            'The state that a version is in, always 1.',
            'gauge',
        )


def _sampler(name: str, labels: tuple[str, ...], limits: tuple[float, ...]) -> HistogramFamily:
    return HistogramFamily(_STOCK + name, labels, limits, inclusive=False)
