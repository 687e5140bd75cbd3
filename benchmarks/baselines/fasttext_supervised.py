"""fastText's supervised classifier (Joulin et al. 2017), where the package is installed."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Fixed beforehand, those of fastText's own tutorial on supervised classification.
EPOCHS, RATE, WORD_NGRAMS = 25, 1.0, 2


def is_installed() -> bool:
    """Whether the package `fasttext` (such as `fasttext-numpy2`) can be imported."""
    try:
        import fasttext  # noqa: F401
    except ImportError:
        return False
    return True


def fasttext_probabilities(
    texts: Sequence[str], labels: Sequence[int], test_texts: Sequence[str], classes: int
) -> np.ndarray:
    """Probabilities (n, classes) of the test texts.

    Args:
        texts: training texts; lower-cased, with punctuation marks as words, as in the tutorial.
        labels: index of the class of each.
        test_texts: texts (n).
        classes: number of classes.
    """
    import fasttext

    with tempfile.TemporaryDirectory(prefix='vaiven-benchmark-') as folder:
        path = Path(folder, 'train.txt')
        rows = (f'__label__{label} {_words(text)}\n' for text, label in zip(texts, labels, strict=True))
        path.write_text(''.join(rows), encoding='utf-8')
        # One thread: with more, the result differs from run to run.
        model = fasttext.train_supervised(
            str(path), epoch=EPOCHS, lr=RATE, wordNgrams=WORD_NGRAMS, thread=1, seed=0, verbose=0
        )
    probabilities = np.zeros((len(test_texts), classes))
    for row, text in enumerate(test_texts):
        # With a line break, as the model was trained. The Python method `predict` does not work with NumPy 2 in all
        # versions of the package.
        for probability, label in model.f.predict(_words(text) + '\n', classes, 0.0, 'strict'):
            probabilities[row, int(label.removeprefix('__label__'))] = probability
    return probabilities


def _words(text: str) -> str:
    from sklearn.feature_extraction.text import TfidfVectorizer

    tokens = TfidfVectorizer(token_pattern=r"\w+(?:['’]\w+)*|[^\w\s]").build_tokenizer()
    return ' '.join(tokens(text.lower()))
