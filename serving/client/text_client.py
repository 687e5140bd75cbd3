"""The client of models made by vaiven: texts in, small typed results out."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from numpy.typing import NDArray

from vaiven.serving.client import classification, explanation, text_methods
from vaiven.serving.client.client import Client
from vaiven.serving.client.errors import RequestError
from vaiven.serving.client.explanation import Explanation
from vaiven.serving.client.results import (
    Classification,
    Continuation,
    NextWord,
    Score,
    Sentiment,
    TokenSentiment,
)
from vaiven.serving.client.text_methods import TextRequest
from vaiven.serving.client.version_selector import VersionSelector
from vaiven.serving.common.defaults import TEMPERATURE, TOP_P
from vaiven.serving.common.split import SplitFile

BATCH_ROWS = 128
PARALLEL = 4

T = TypeVar('T')
Texts = str | Iterable[str]


class Vaiven:
    """A model made by vaiven, on a server.

    Long lists are sent in batches, several at a time; results keep the order of the texts. An iterator is read only
    as far as requests are in flight.

    Example:
        >>> vaiven = Vaiven(client, 'reviews')
        >>> [result] = vaiven.sentiment('a wonderful film')
        >>> result.text
        'a wonderful film'
    """

    def __init__(
        self,
        client: Client,
        model: str = 'reviews',
        *,
        version: int | None = None,
        label: str | None = None,
        split: SplitFile | None = None,
        batch_rows: int = BATCH_ROWS,
        parallel: int = PARALLEL,
    ) -> None:
        """Creates a client of one model. Closing `client` remains the caller's task.

        Args:
            client: sends the requests.
            model: name of the model.
            version: version of the model; None for the one that `label` names, or for the newest.
            label: version label, such as 'stable'; not together with `version`.
            split: traffic split of a rollout: it gives each `key` a label, and a random one to a call without a key.
            batch_rows: number of texts in one request.
            parallel: number of requests in flight.

        Raises:
            ServingError: `batch_rows` or `parallel` is below 1, or a split is combined with a version or a label.
        """
        self.client = client
        self._selector = VersionSelector(model, version, label, split, batch_rows, parallel)

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._selector.model

    def classify(
        self,
        texts: Texts,
        *,
        outputs: Sequence[str] | None = None,
        min_score: float = 0.0,
        key: str | None = None,
    ) -> list[Classification]:
        """Predicts the class of each text, of a model with any number of classes.

        Args:
            texts: one text, or an iterable of texts.
            outputs: names of the outputs to request, such as ('label', 'score'); None for all. With hundreds of
                classes, a request without `probabilities` and `classes` is faster.
            min_score: a text with a lower score gets the label 'undecided'. 0 gives every text the label of a class.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Classification` for each text, in the same order. What was not requested is empty or None in it.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, `min_score` is not between 0 and 1 or the model has a class
                'undecided' or several labels a text, or a key is given without a split.

        Example:
            >>> [result] = vaiven.classify('a wonderful film')
            >>> result.label in result.classes
            True
            >>> result.score == max(result.probabilities)
            True
        """
        return self._all(classification.classify(self.model, outputs, min_score), texts, key)

    def sentiment(self, texts: Texts, *, key: str | None = None) -> list[Sentiment]:
        """Predicts whether each text is positive or negative, or of which other two classes the model has.

        Args:
            texts: one text, or an iterable of texts.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Sentiment` for each text, in the same order.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: the model has more than two classes, a text is not a valid string, or a key is given
                without a split.

        Example:
            >>> [result] = vaiven.sentiment('a wonderful film')
            >>> result.label in ('negative', 'positive')
            True
            >>> 0.5 <= result.score <= 1
            True
        """
        return self._all(classification.sentiment(self.model), texts, key)

    def explain(self, texts: Texts, *, key: str | None = None) -> list[Explanation]:
        """Explains the label of each text: which words and n-grams speak for it, and which against it.

        The model reads a text once for each of its words, so this takes many times as long as `classify`.

        Args:
            texts: one text, or an iterable of texts, each of at most 1,024 words.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Explanation` for each text, in the same order.

        Raises:
            RequestError: a request failed; its subclass and `code` say why. A model of an earlier version has no
                signature `explain`.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            >>> [result] = vaiven.explain('a wonderful film')
            >>> [word.text for word in result.words]
            ['a', 'wonderful', 'film']
        """
        return self._all(explanation.explain(), texts, key)

    def token_sentiment(self, texts: Texts, *, key: str | None = None) -> list[TokenSentiment]:
        """Predicts the sentiment of each text up to each of its tokens: the signature `sentiment_course`.

        Args:
            texts: one text, or an iterable of texts.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `TokenSentiment` for each text: its tokens, and after each the probability of positive.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            >>> [result] = vaiven.token_sentiment('a wonderful film')
            >>> len(result.tokens) == len(result.probabilities)
            True
        """
        return self._all(text_methods.token_sentiment(), texts, key)

    def course(self, texts: Texts, *, key: str | None = None) -> list[TokenSentiment]:
        """The former name of `token_sentiment`."""
        return self.token_sentiment(texts, key=key)

    def next_words(self, prefixes: Texts, k: int = 5, *, key: str | None = None) -> list[list[NextWord]]:
        """Predicts the most probable next words after each prefix.

        Args:
            prefixes: one text, or an iterable of texts.
            k: number of words for each prefix.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            For each prefix up to `k` words, the most probable first, with the natural logarithms of their
            probabilities.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            >>> [words] = vaiven.next_words('this film is', k=3)
            >>> len(words)
            3
        """
        return self._all(text_methods.next_words(k), prefixes, key)

    def generate(
        self,
        texts: Texts = '',
        *,
        length: int = 200,
        temperature: float = TEMPERATURE,
        top_p: float = TOP_P,
        top_k: int = 0,
        no_repeat: int = 0,
        seed: int | None = None,
        key: str | None = None,
    ) -> list[Continuation]:
        """Generates a continuation of each text; an empty text starts from nothing.

        Args:
            texts: one text, or an iterable of texts. Equal texts get different continuations.
            length: number of tokens to generate: characters, or words and punctuation marks.
            temperature: divides the logits: below 1 safer, above 1 more varied. 0 always takes the most probable
                token (greedy decoding), which soon repeats itself.
            top_p: samples from the smallest set of tokens with this share of the probability (nucleus sampling,
                Holtzman et al. 2020).
            top_k: samples from the `top_k` most probable tokens at most (Fan et al. 2018); 0 for all.
            no_repeat: never repeats an n-gram of this many tokens; 0 allows repetitions.
            seed: makes the result reproducible; None for a different one each time.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Continuation` for each text.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            >>> [result] = vaiven.generate('this film', length=5, seed=1)
            >>> result.text
            'this film'
        """
        request = text_methods.generate(length, temperature, top_p, top_k, no_repeat, seed)
        return self._all(request, texts, key)

    def score(self, texts: Texts, *, key: str | None = None) -> list[Score]:
        """Computes the log-probability of each text under the language model.

        Args:
            texts: one text, or an iterable of texts.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Score` for each text: its log-probability, its bits per character, and a value for each token.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            >>> [result] = vaiven.score('a wonderful film')
            >>> result.log_probability < 0
            True
        """
        return self._all(text_methods.score(), texts, key)

    def embed(self, texts: Texts, *, key: str | None = None) -> NDArray[Any]:
        """Computes an embedding of each text.

        Args:
            texts: one text, or an iterable of texts.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            float32 array (texts, dimensions); (0, 0) if there are no texts.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            >>> len(vaiven.embed(['a wonderful film', 'a dull film']))
            2
        """
        return text_methods.rows(self._all(text_methods.embed(), texts, key))

    def _all(self, request: TextRequest[T], texts: Texts, key: str | None) -> list[T]:
        return [result for results in self._results(request, texts, key) for result in results]

    def _results(self, request: TextRequest[T], texts: Texts, key: str | None) -> Iterator[list[T]]:
        """The results of each batch, in order."""
        selected = self._selector.select(key)
        batches = enumerate(text_methods.batches(texts, self._selector.batch_rows))
        first = list(itertools.islice(batches, 2))
        if len(first) < 2 or self._selector.parallel == 1:  # no threads for one request at a time
            for number, batch in itertools.chain(first, batches):
                yield self._send(request, batch, number, selected, key)
            return
        in_flight: deque[Future[list[T]]] = deque()
        with ThreadPoolExecutor(self._selector.parallel, 'request') as threads:
            try:
                for number, batch in itertools.chain(first, batches):
                    in_flight.append(threads.submit(self._send, request, batch, number, selected, key))
                    if len(in_flight) == self._selector.parallel:
                        yield in_flight.popleft().result()
                while in_flight:
                    yield in_flight.popleft().result()
            finally:
                for future in in_flight:
                    future.cancel()

    def _send(
        self,
        request: TextRequest[T],
        batch: list[str],
        number: int,
        selected: dict[str, Any],
        key: str | None,
    ) -> list[T]:
        predict = partial(
            self.client.predict, self.model, request.inputs_of(batch, number), **request.options()
        )
        try:
            answer = predict(**selected)
        except RequestError as error:
            answer = predict(**self._selector.reselect(error, selected, key))
        return request.read(batch, answer)
