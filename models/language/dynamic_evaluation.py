"""Dynamic evaluation (Krause et al. 2018): a language model that keeps learning from the text that it is scored on.

After each window of tokens, the weights take a gradient step on the window that was just read, before the next one is
predicted. No token is predicted by weights that have seen it, so the probabilities are those of an honest prediction.

The step of a weight θ with gradient g is that of the paper's «RMS with dynamic evaluation»:

    θ ← θ − η · g / (r + ε · mean(r)) + min(λ · r / mean(r), 1) · (θ₀ − θ)

r is the root mean square of the weight's gradient, θ₀ its original value; the quotient of g is limited. The paper takes
r from the training text, which an exported model no longer has. Here it comes from text that the model generates, which
has the distribution that the model has learned: r² is proportional to the diagonal of the Fisher information.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from vaiven.models.export.generation import SamplingOptions, generate
from vaiven.models.language.config import AdaptationConfig
from vaiven.models.network.encoder import State
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import BOS_ID
from vaiven.models.training.hardware import inference_network

# The generated text: rows of tokens, and the seed.
_SAMPLES, _SAMPLE_TOKENS, _SEED = 10, 1000, 1
_DAMPING = 0.1  # ε, of weights with hardly any gradient
# A model that is certain of all that it generates has hardly any gradients, and steps divided by them would diverge.
_MAX_STEP = 100.0
_MIN_SCALE = 1e-12  # a network without any gradient does not change
_STATIC_WINDOW = 512

Ids = Sequence[int] | np.ndarray


def static_log_probabilities(network: Network, texts: Iterable[Ids]) -> Iterator[np.ndarray]:
    """Scores texts as the signature `score` does, without a limit to their length.

    Args:
        network: its forward direction is the language model.
        texts: ids of each text, usually from `[BOS]` to `[EOS]`; at least two.

    Yields:
        For each text the log-probability of each token but the first, in nats, float32 (tokens - 1).
    """
    return _read(_Reader(network), texts, _STATIC_WINDOW)


def dynamic_log_probabilities(
    network: Network, texts: Iterable[Ids], config: AdaptationConfig
) -> Iterator[np.ndarray]:
    """Scores texts in their order with weights that adapt to what was read, and stay adapted from text to text.

    The state is carried from window to window, but gradients stop at the border of a window (truncated BPTT, Williams &
    Peng 1990). Each text starts from the initial state. The last window of a text may be shorter; its step is
    proportionally smaller.

    Args:
        network: its forward direction is the language model. It is copied, and stays as it is.
        texts: ids of each text, usually from `[BOS]` to `[EOS]`; at least two.
        config: how the weights adapt.

    Yields:
        For each text the log-probability of each token but the first, in nats, float32 (tokens - 1).
    """
    return _read(_AdaptingReader(inference_network(network), config), texts, config.window)


def _read(reader: '_Reader', texts: Iterable[Ids], window: int) -> Iterator[np.ndarray]:
    for text in texts:
        ids = np.asarray(text, np.int32)[None]  # (1, tokens)
        state = reader.network.initial_state(1)
        values = []
        for start in range(0, ids.shape[1] - 1, window):
            # The last token of a window is the first of the next one.
            nats, state = reader.read_window(tf.constant(ids[:, start : start + window + 1]), state)
            values.append(-nats.numpy())
        yield np.concatenate(values)


class _Reader:
    """Scores windows.

    Args:
        network: its forward direction is the language model.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.read_window = tf.function(self._read_window, reduce_retracing=True)

    def _read_window(self, ids: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """What `read_window` does: the arguments and values of `_score_window`."""
        return self._score_window(ids, state)

    def _score_window(self, ids: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Scores the tokens of a window but the first.

        Args:
            ids: int32 (1, time + 1).
            state: before the first token.

        Returns:
            The negative log-probabilities, (time), and the state before the last token.
        """
        outputs, state = self.network.read_window('forward', ids[:, :-1], state)
        logits = self.network.token_logits(self.network.project('forward', outputs))  # (1, time, vocabulary)
        targets = self.network.as_targets(ids[:, 1:])
        return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)[0], state


class _AdaptingReader(_Reader):
    """Scores windows, and takes a step after each.

    Args:
        network: its weights change.
        config: how they change.
    """

    def __init__(self, network: Network, config: AdaptationConfig) -> None:
        super().__init__(network)
        self._config = config
        self._weights = self._language_weights()
        self._originals = [tf.identity(weight) for weight in self._weights]
        self._scales = self._gradient_sizes()
        every_scale = tf.concat([tf.reshape(scale, [-1]) for scale in self._scales], axis=0)
        self._mean_scale = tf.maximum(tf.reduce_mean(every_scale), _MIN_SCALE)

    def _read_window(self, ids: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        nats, state, gradients = self._differentiate(ids, state)
        share = tf.cast(tf.size(nats), tf.float32) / self._config.window
        for weight, gradient, original, scale in zip(
            self._weights, gradients, self._originals, self._scales, strict=True
        ):
            step = gradient / (scale + _DAMPING * self._mean_scale)
            step = tf.clip_by_value(step, -_MAX_STEP, _MAX_STEP)
            decay = tf.minimum(share * self._config.decay * scale / self._mean_scale, 1.0)
            weight.assign_add(decay * (original - weight) - self._config.learning_rate * step)
        return nats, state

    def _differentiate(self, ids: tf.Tensor, state: State) -> tuple[tf.Tensor, State, list[tf.Tensor]]:
        """Scores a window and computes the gradients of the language weights.

        Args:
            ids, state: as for `_score_window`.

        Returns:
            The two values of `_score_window`, and for each weight the gradient of the sum of the negative
            log-probabilities, divided by the size of a whole window.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._weights)
            nats, state = self._score_window(ids, state)
            loss = tf.reduce_sum(nats) / self._config.window
        gradients = tape.gradient(loss, self._weights)
        return nats, state, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def _language_weights(self) -> list[tf.Variable]:
        """The weights that the language model of the forward direction consists of."""
        network = self.network
        layers = [
            network.embedding,
            *network.stacks['forward'],
            network.language_projection['forward'],
        ]
        weights = [weight for layer in layers for weight in layer.trainable_weights]
        return [weight.value for weight in (*weights, network.softmax_bias)]

    def _gradient_sizes(self) -> list[tf.Tensor]:
        """The root mean square of each weight's gradient over windows of text that the network generates."""
        prompts = tf.fill([_SAMPLES, 1], BOS_ID)
        whole_distribution = SamplingOptions(
            temperature=tf.constant(1.0),
            top_p=tf.constant(1.0),
            top_k=tf.constant(0),
            no_repeat=tf.constant(0),
            seed=tf.constant(_SEED),
        )
        generated = tf.function(generate)(
            self.network, prompts, tf.constant(_SAMPLE_TOKENS), whole_distribution
        )
        texts = tf.concat([prompts, generated], axis=1)  # (samples, tokens + 1)
        squares = [tf.zeros_like(weight) for weight in self._weights]
        differentiate = tf.function(self._differentiate, reduce_retracing=True)
        window, windows = self._config.window, 0
        for text in tf.split(texts, _SAMPLES):
            state = self.network.initial_state(1)
            for start in range(0, _SAMPLE_TOKENS - window + 1, window):
                _, state, gradients = differentiate(text[:, start : start + window + 1], state)
                squares = [square + gradient**2 for square, gradient in zip(squares, gradients, strict=True)]
                windows += 1
        return [tf.sqrt(square / windows) for square in squares]
