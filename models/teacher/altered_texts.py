"""Texts that a teacher scores beside those without labels: altered copies of the training texts (Tang et al. 2019).

A small network learns little from the training rows alone, because they already have labels. What it lacks is the
opinion of the teacher on other sentences of the same kind. Even a sentence without sense is useful: the teacher scores
it as well.
"""

import random
from collections.abc import Iterable, Iterator, Sequence

# Maximum number of copies: large data sets need them less, and scoring them would take hours.
MAX_TEXTS = 50_000
# Longer texts are cut, so that the time for the scoring does not depend on them.
MAX_WORDS = 60
# Part of a text that is kept: a random run of words between the two.
KEPT_SHARE = (0.3, 0.8)
# Part of the words that others replace.
REPLACED_SHARE = 0.2


def altered_texts(texts: Sequence[str], copies: int, seed: int, limit: int = MAX_TEXTS) -> Iterator[str]:
    """Yields `copies` altered copies of each text.

    Three alterations take turns: the start of a text followed by the end of another one; a run of its words; and the
    text with a fifth of its words replaced by others, each as often as it occurs.

    Args:
        texts: with words between white space; others are left out.
        copies: for each text.
        seed: the same seed yields the same texts.
        limit: maximum number of copies; of more, a random part is made.
    """
    draw = random.Random(seed)
    rows = [words for text in texts if (words := text.split())]
    all_words = [word for words in rows for word in words]
    numbers: Iterable[int] = range(copies * len(rows))
    if copies * len(rows) > limit:
        numbers = sorted(draw.sample(range(copies * len(rows)), limit))
    for number in numbers:
        copy, row = divmod(number, len(rows))
        words, alteration = rows[row], (copy + row) % 3
        if alteration == 0:
            altered = _joined(words, draw.choice(rows), draw)
        elif alteration == 1:
            altered = _run(words, round(len(words) * draw.uniform(*KEPT_SHARE)), draw)
        else:
            part = _run(words, MAX_WORDS, draw)
            altered = [draw.choice(all_words) if draw.random() < REPLACED_SHARE else word for word in part]
        yield ' '.join(altered[:MAX_WORDS])


def _joined(first: Sequence[str], second: Sequence[str], draw: random.Random) -> list[str]:
    """The first words of one text and the last words of another."""
    start = first[: draw.randint(1, len(first))][: MAX_WORDS // 2]
    return [*start, *second[draw.randrange(len(second)) :][-MAX_WORDS // 2 :]]


def _run(words: Sequence[str], length: int, draw: random.Random) -> list[str]:
    """Some of the words, in a row."""
    length = min(max(1, length), len(words))
    start = draw.randint(0, len(words) - length)
    return list(words[start : start + length])
