"""The language models of the agreement benchmark: this project's, on words or wordpieces, and a word 5-gram."""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from benchmarks.agreement_pairs import Pair
from benchmarks.baselines.kneser_ney import TokenKneserNey
from benchmarks.language import HELD_OUT, VALIDATION
from benchmarks.prepared import to_ids, tokens_of
from vaiven.components.vocabulary.token_selection import select_tokens
from vaiven.configuration import to_json
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import BOS_ID, CONTINUATION_PREFIX, PAD_ID, UNK_ID
from vaiven.models.training.checkpoints import Checkpoint, fingerprint
from vaiven.models.training.language import train_language
from vaiven.pipeline.config import Config

ORDER = 5
_PAIRS_AT_ONCE = 128
_STREAMS, _WINDOW = 16, 64


class Corpus(NamedTuple):
    """Novels as ids: all paragraphs concatenated, each between `[BOS]` and `[EOS]`; int (tokens)."""

    vocabulary: list[str]
    train: np.ndarray
    validation: np.ndarray
    held_out: np.ndarray

    @property
    def unknown(self) -> float:
        """Share of the training words that are not in the vocabulary."""
        return float((self.train == UNK_ID).mean())


class WordModel(Protocol):
    """The interface of both models."""

    def log_probabilities(self, continuations: Sequence[tuple[str, str]]) -> np.ndarray:
        """Log-probabilities of words after a prefix, in nats; prefix and words are tokens joined by spaces."""

    def perplexity(self, ids: np.ndarray) -> float:
        """Perplexity per token of running text, by the full softmax."""


def read_corpus(texts: Mapping[str, str], config: Config, words: int, measured_words: int) -> Corpus:
    """Takes the same number of words from the start of each training, validation and held-out novel.

    Args:
        texts: name to text, one paragraph a line.
        config: the vocabulary is built from the training text.
        words: approximate number of training words.
        measured_words: maximum number of words in the validation part, and in the held-out part.
    """
    learnt = [name for name in texts if name not in (*HELD_OUT, *VALIDATION)]
    parts = {'train': (learnt, words), 'validation': (VALIDATION, measured_words)}
    parts['held_out'] = (HELD_OUT, measured_words)
    paragraphs = {
        part: [row for name in names for row in _paragraphs(texts[name], config, most // len(names))]
        for part, (names, most) in parts.items()
    }
    counts = Counter(word for _, words in paragraphs['train'] for word in words)
    vocabulary = select_tokens(counts.items(), config.vocabulary, config.text.unit).tokens

    def ids(part: str) -> np.ndarray:
        rows = tokens_of([text for text, _ in paragraphs[part]], config, vocabulary)
        return np.concatenate(to_ids(rows, vocabulary))

    return Corpus(vocabulary, *(ids(part) for part in parts))


def _paragraphs(text: str, config: Config, most: int) -> list[tuple[str, list[bytes]]]:
    """Yields paragraphs as words, from the start, until the number of words is reached."""
    lines, found, total = text.split('\n'), [], 0
    for line, words in zip(lines, tokens_of(lines, config), strict=True):
        if words and total < most:
            found.append((line, words))
            total += len(words)
    return found


def margins(model: WordModel, pairs: Sequence[Pair], *, sentence: bool) -> np.ndarray:
    """Log-probability of the right minus the wrong word, in nats, float (pairs): alone, or in the sentence."""
    right, wrong = (
        model.log_probabilities([(p.prefix, f'{word(p)} {p.suffix}' if sentence else word(p)) for p in pairs])
        for word in (lambda p: p.right, lambda p: p.wrong)
    )
    return right - wrong


class FiveGram:
    """Interpolated modified Kneser-Ney over words."""

    def __init__(self, corpus: Corpus) -> None:
        self._ids = {token: index for index, token in enumerate(corpus.vocabulary)}
        self._model = TokenKneserNey(ORDER).fit(corpus.train)

    def log_probabilities(self, continuations: Sequence[tuple[str, str]]) -> np.ndarray:
        found = []
        for prefix, words in continuations:
            prefix_ids, word_ids = ([self._ids[token] for token in part.split()] for part in (prefix, words))
            each = self._model.probabilities(np.array([BOS_ID, *prefix_ids, *word_ids]))
            found.append(np.log(each[-len(word_ids) :]).sum())
        return np.array(found)

    def perplexity(self, ids: np.ndarray) -> float:
        return float(np.exp(-np.log(self._model.probabilities(ids)).mean()))


class OurModel:
    """The network of `training.task=language`, trained as the pipeline trains it."""

    def __init__(self, network: Network, vocabulary: Sequence[str], config: Config) -> None:
        self._vocabulary, self._config = vocabulary, config
        begins_word = tf.constant(
            [
                not token.startswith(CONTINUATION_PREFIX) or token == CONTINUATION_PREFIX
                for token in vocabulary
            ]
        )

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
        def ask(ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            states, _ = network.read('forward', ids)
            answers = tf.nn.log_softmax(network.token_logits(network.project('forward', states)))
            ended = tf.reduce_logsumexp(tf.where(begins_word, answers, -1e9), axis=-1)
            return tf.gather(answers[:, :-1], ids[:, 1:], batch_dims=2), ended

        @tf.function(reduce_retracing=True)
        def read_on(ids: tf.Tensor, before: list[list[tf.Tensor]]) -> tuple[tf.Tensor, list[list[tf.Tensor]]]:
            states, memory = network.read_window('forward', ids[:, :-1], before)
            logits = network.token_logits(network.project('forward', states))
            return tf.nn.sparse_softmax_cross_entropy_with_logits(ids[:, 1:], logits), memory

        self._network, self._ask, self._read_on = network, ask, read_on

    @classmethod
    def fit(cls, config: Config, corpus: Corpus, folder: Path | None = None) -> 'OurModel':
        """Trains the network. With a folder, resumes after a kill, and loads the weights of an earlier training with
        the same settings, texts and code."""
        kept, weights = {}, None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            texts = [zlib.crc32(part.tobytes()) for part in (corpus.train, corpus.validation)]
            subject = fingerprint(to_json(config), corpus.vocabulary, texts)
            weights = folder / 'weights.npz'
            kept['checkpoint'] = Checkpoint(str(folder / 'checkpoint.zip'), subject, {})
            (folder / 'vocab.txt').write_text(''.join(f'{t}\n' for t in corpus.vocabulary), encoding='utf-8')
        if weights is not None and weights.exists():
            with np.load(weights) as arrays:
                trained = dict(arrays)
            if str(trained.pop('subject', '')) == subject:
                network = Network(config.network, len(corpus.vocabulary))
                network(np.full((1, 2), BOS_ID, 'int32'))
                network.set_weights(list(trained.values()))
                return cls(network, corpus.vocabulary, config)
        network = train_language(
            config.network,
            config.training,
            corpus.vocabulary,
            corpus.train,
            corpus.validation,
            **kept,
        )
        if weights is not None:
            np.savez(weights, *network.get_weights(), subject=np.array(subject))
        return cls(network, corpus.vocabulary, config)

    def log_probabilities(self, continuations: Sequence[tuple[str, str]]) -> np.ndarray:
        """Sums over all wordpieces of the words, including that the last word ends there."""
        prefixes, sentences = (
            [row[:-1] for row in to_ids(tokens_of(texts, self._config, self._vocabulary), self._vocabulary)]
            for texts in ([prefix for prefix, _ in continuations], [' '.join(both) for both in continuations])
        )
        found = []
        for start in range(0, len(continuations), _PAIRS_AT_ONCE):
            batch = slice(start, start + _PAIRS_AT_ONCE)
            ids = tf.ragged.constant(sentences[batch], tf.int32).to_tensor(PAD_ID)
            each, ended = (answer.numpy() for answer in self._ask(ids))
            found += [
                each[row, len(prefix_ids) - 1 : len(sentence_ids) - 1].sum()
                + ended[row, len(sentence_ids) - 1]
                for row, (prefix_ids, sentence_ids) in enumerate(
                    zip(prefixes[batch], sentences[batch], strict=True)
                )
            ]
        return np.array(found)

    def perplexity(self, ids: np.ndarray) -> float:
        streams = ids[: len(ids) // _STREAMS * _STREAMS].reshape(_STREAMS, -1)
        memory = self._network.initial_state(_STREAMS)
        losses = []
        for start in range(0, streams.shape[1] - 1, _WINDOW):
            window = tf.constant(streams[:, start : start + _WINDOW + 1], tf.int32)
            each, memory = self._read_on(window, memory)
            losses.append(each.numpy())
        return float(np.exp(np.concatenate(losses, axis=1).mean()))
