"""The signatures of the language model: next words, scores, continuations, and the vectors of texts."""

import tensorflow as tf

from vaiven.models.export.generation import MAX_LENGTH, SamplingOptions, generate
from vaiven.models.export.text_model import TextModel, padded
from vaiven.models.text import tokenization as text_lib
from vaiven.models.text.config import MAX_TOKENS
from vaiven.models.text.prompts import continuation_text, prompt_ids, prompt_tokens


class LanguageModel:
    """Predicts text with the forward direction of the network.

    Args:
        model: network and tokeniser.
    """

    def __init__(self, model: TextModel) -> None:
        self.model = model

    def next_word(self, text: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predicts the k most probable next tokens of each text.

        Special tokens such as `[UNK]` and `[EOS]` are not predicted, but they have their share of the full softmax.

        Args:
            text: string (n); the last `text.max_tokens` tokens of each are read.
            k: int32 (), number of tokens.

        Returns:
            `tokens`, string (n, k), and `log_probabilities`, float (n, k), in nats, the most probable first.
        """
        max_k = self.model.network.vocabulary_size - len(text_lib.SPECIAL_TOKENS)
        rule = f'k must lie between 1 and {max_k}, the number of tokens in the vocabulary'
        with tf.control_dependencies([_check((k >= 1) & (k <= max_k), rule, k)]):
            ids = prompt_ids(self._prompt_tokens(text), self.model.table)
        outputs, lengths = self.model.network.read('forward', ids)
        last = tf.gather(outputs, lengths - 1, batch_dims=1)  # (n, units)
        logits = self.model.network.token_logits(
            self.model.network.project('forward', last)
        )  # (n, vocabulary)
        log_probabilities = tf.nn.log_softmax(logits)[:, len(text_lib.SPECIAL_TOKENS) :]
        highest, positions = tf.math.top_k(log_probabilities, k)
        return {
            'tokens': tf.gather(self.model.tokens, positions + len(text_lib.SPECIAL_TOKENS)),
            'log_probabilities': highest,
        }

    def score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the log-probability of each whole text under the forward language model, `[EOS]` included.

        Args:
            text: string (n), each of at most `MAX_TOKENS` tokens; a longer text is an error.

        Returns:
            `log_probability`, float (n), in nats; `tokens`, int (n), number of predicted tokens;
            `bits_per_character`, float (n), over the normalised text and its end; and per token `token_values`, float
            (sum of `token_row_lengths`), in nats, with `token_row_lengths`, int (n).
        """
        tokens = self.model.tokenize(text)
        longest = tokens.bounding_shape(axis=1)
        rule = f'a text to score must have at most {MAX_TOKENS} tokens; split it'
        with tf.control_dependencies([_check(longest <= MAX_TOKENS, rule, longest)]):
            ids = padded(text_lib.tokens_to_ids(tokens, self.model.table))
        outputs, lengths = self.model.network.read('forward', ids)
        inputs, targets = outputs[:, :-1], self.model.network.as_targets(ids[:, 1:])
        token_values = tf.transpose(
            tf.map_fn(  # step by step: the softmax of whole texts would take texts × time × vocabulary of memory
                lambda step: self._log_probability(*step),
                (tf.transpose(inputs, [1, 0, 2]), tf.transpose(targets)),
                fn_output_signature=tf.float32,
            )
        )  # (n, time - 1)
        counts = lengths - 1
        ragged = tf.RaggedTensor.from_tensor(token_values, lengths=counts)
        total = tf.reduce_sum(ragged, axis=1)  # (n)
        characters = tf.strings.length(self.model.normalized(text), unit='UTF8_CHAR') + 1
        return {
            'log_probability': total,
            'tokens': counts,
            'bits_per_character': -total / tf.cast(characters, tf.float32) / tf.math.log(2.0),
            'token_values': ragged.values,
            'token_row_lengths': counts,
        }

    def generate(
        self,
        text: tf.Tensor,
        length: tf.Tensor,
        temperature: tf.Tensor,
        top_p: tf.Tensor,
        top_k: tf.Tensor,
        no_repeat: tf.Tensor,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Generates a continuation of each prompt with the forward language model.

        An empty prompt starts a new text. A model of characters refuses prompts with characters that it has never seen.

        Args:
            text: string (n), the prompts.
            length: int32 (), number of tokens to generate.
            temperature: float (), divides the logits; 0 always takes the most probable token.
            top_p: float (), probability of the nucleus; 1 for all tokens.
            top_k: int32 (), number of most probable tokens; 0 for all tokens.
            no_repeat: int32 (), length of n-grams that are not repeated; 0 for no limit.
            seed: int32 (), the same seed produces the same text.

        Returns:
            `generated`, string (n), to be appended to the prompt as it is.
        """
        rules = [
            (
                length,
                (length >= 1) & (length <= MAX_LENGTH),
                f'length must lie between 1 and {MAX_LENGTH} tokens',
            ),
            (
                temperature,
                (temperature >= 0) & (temperature <= 100),
                'temperature must lie between 0 and 100',
            ),
            (top_p, (top_p > 0) & (top_p <= 1), 'top_p must be above 0 and at most 1'),
            (top_k, top_k >= 0, 'top_k must be at least 1, or 0 for all tokens'),
            (no_repeat, no_repeat >= 0, 'no_repeat must be at least 1, or 0 for no limit'),
        ]
        tokens = self._prompt_tokens(text)
        checks = [_check(condition, rule, received) for received, condition, rule in rules]
        if self.model.config.unit == 'character':
            checks.append(self._check_characters(tokens.flat_values))
        with tf.control_dependencies(checks):
            prompts, length = prompt_ids(tokens, self.model.table), tf.identity(length)
        options = SamplingOptions(temperature, top_p, top_k, no_repeat, seed)
        ids = generate(self.model.network, prompts, length, options)  # (n, length)
        return {
            'generated': continuation_text(text, tokens, tf.gather(self.model.tokens, ids), self.model.config)
        }

    def _prompt_tokens(self, text: tf.Tensor) -> tf.RaggedTensor:
        return prompt_tokens(text, self.model.tokenize(text), self.model.config)

    def _check_characters(self, tokens: tf.Tensor) -> tf.Operation:
        unknown = tf.unique(tf.boolean_mask(tokens, self.model.table[tokens] == text_lib.UNK_ID)).y
        rule = 'a prompt must have only characters that the model has seen; remove the others'
        return _check(tf.size(unknown) == 0, rule, tf.strings.reduce_join(unknown))

    def embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the vector of each text, string (n).

        Returns:
            `embedding`, float (n, directions · 3 · units): last, maximum and mean of each direction.
        """
        return {'embedding': self.model.vectors(self.model.ids(text))}

    def _log_probability(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        logits = self.model.network.token_logits(self.model.network.project('forward', outputs))
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)


def _check(condition: tf.Tensor, rule: str, received: tf.Tensor) -> tf.Operation:
    return tf.debugging.Assert(condition, [f'{rule}. Received:', received])
