"""What the client answers with: small, frozen, typed."""

from dataclasses import dataclass

AVAILABLE = 'AVAILABLE'


@dataclass(frozen=True)
class Target:
    """Which signature of which version of a model a request is for; neither version nor label: the newest."""

    model: str
    signature: str = ''
    version: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class VersionStatus:
    """One version of a model, as the server sees it."""

    version: int
    state: str  # START, LOADING, AVAILABLE, UNLOADING or END
    error: str = ''  # why it could not be loaded

    @property
    def available(self) -> bool:
        return self.state == AVAILABLE


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature."""

    dtype: str  # as DT_FLOAT
    shape: tuple[int, ...] | None  # -1: any size; None: any number of dimensions


@dataclass(frozen=True)
class Signature:
    """What can be asked, and what comes back."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    method: str


@dataclass(frozen=True)
class Metadata:
    """The version that a target means just now, and its signatures by name."""

    version: int
    signatures: dict[str, Signature]


@dataclass(frozen=True)
class Sentiment:
    """What one text says."""

    text: str
    label: str  # negative or positive
    probability: float  # of positive, 0 to 1

    @property
    def score(self) -> float:
        """The probability of `label`, 0 to 1."""
        return self.probability if self.label == 'positive' else 1.0 - self.probability


@dataclass(frozen=True)
class Course:
    """What is thought of one text after each of its tokens."""

    text: str
    tokens: tuple[str, ...]
    probabilities: tuple[float, ...]  # of positive, 0 to 1, of the text up to each token


@dataclass(frozen=True)
class NextWord:
    """One way for a text to go on."""

    token: str
    log_probability: float  # natural logarithm


@dataclass(frozen=True)
class Written:
    """A text, and how it was written on."""

    text: str
    generated: str  # to be put after the text as it is


@dataclass(frozen=True)
class Score:
    """How likely the language model finds one text."""

    text: str
    log_probability: float  # natural logarithm, of the whole text
    tokens: int
    bits_per_character: float
    token_log_probabilities: tuple[float, ...]
