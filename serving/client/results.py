"""The results of client methods: small frozen dataclasses."""

from dataclasses import dataclass

AVAILABLE = 'AVAILABLE'


@dataclass(frozen=True)
class Target:
    """The signature and version of a model that a request is for; without version and label, the newest version."""

    model: str
    signature: str = ''
    version: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class VersionStatus:
    """The state of one version of a model on the server."""

    version: int
    state: str  # START, LOADING, AVAILABLE, UNLOADING or END
    error: str = ''  # why it could not be loaded

    @property
    def available(self) -> bool:
        """Whether the version takes requests."""
        return self.state == AVAILABLE


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature."""

    dtype: str  # as DT_FLOAT
    shape: tuple[int, ...] | None  # -1: any size; None: any number of dimensions


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of one signature, by name, and its method name in TensorFlow Serving."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    method: str


@dataclass(frozen=True)
class Metadata:
    """The version that a target resolves to now, and its signatures by name."""

    version: int
    signatures: dict[str, Signature]


@dataclass(frozen=True)
class Sentiment:
    """The predicted sentiment of one text."""

    text: str
    label: str  # negative or positive
    probability: float  # of positive, 0 to 1

    @property
    def score(self) -> float:
        """The probability of `label`, 0 to 1."""
        return self.probability if self.label == 'positive' else 1.0 - self.probability


@dataclass(frozen=True)
class TokenSentiment:
    """The sentiment of one text up to each of its tokens."""

    text: str
    tokens: tuple[str, ...]
    probabilities: tuple[float, ...]  # of positive, 0 to 1, of the text up to each token


@dataclass(frozen=True)
class NextWord:
    """One possible next word."""

    token: str
    log_probability: float  # natural logarithm


@dataclass(frozen=True)
class Continuation:
    """A text and its generated continuation."""

    text: str
    generated: str  # appended to the text unchanged


@dataclass(frozen=True)
class Score:
    """The log-probability of one text under the language model."""

    text: str
    log_probability: float  # natural logarithm, of the whole text
    tokens: int
    bits_per_character: float
    token_log_probabilities: tuple[float, ...]


# Former names, still accepted.
Course, Written = TokenSentiment, Continuation
