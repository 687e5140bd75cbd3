"""The results of client methods: small frozen dataclasses."""

from dataclasses import dataclass

AVAILABLE = 'AVAILABLE'
# The label of a text whose most probable class has a probability below `min_score`.
UNDECIDED = 'undecided'


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
class Classification:
    """The predicted class of one text, or its classes if the model gives several labels a text.

    Attributes:
        text: the text.
        label: the most probable class; `UNDECIDED` if its probability is below `min_score`.
        score: the probability of the most probable class, 0 to 1.
        probabilities: of the classes, in the order of `classes`, each 0 to 1.
        classes: names of the model's classes.
        expected_value: of classes that have an order, the sum of their numbers times their probabilities; else None.
        labels: of a model with several labels a text, the classes with a probability of at least 0.5; else None.
        joined_labels: `labels` as one text, joined by the model with the separator of its data; else None.
    """

    text: str
    label: str
    score: float
    probabilities: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    expected_value: float | None = None
    labels: tuple[str, ...] | None = None
    joined_labels: str | None = None


@dataclass(frozen=True)
class Sentiment:
    """The predicted class of one text, of a model with two classes such as negative and positive."""

    text: str
    label: str
    probability: float  # of the second class, such as positive, 0 to 1
    score: float = -1.0  # the probability of `label`, 0 to 1; by default the larger of both probabilities

    def __post_init__(self) -> None:
        if self.score < 0:
            object.__setattr__(self, 'score', max(self.probability, 1.0 - self.probability))


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
