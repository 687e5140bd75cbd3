"""A small labelled corpus in English and Spanish, made of templates."""

import csv
import itertools
import pathlib

_ENGLISH = {
    'positive': ('wonderful', 'brilliant', 'moving', 'superb', 'delightful', 'charming'),
    'negative': ('dreadful', 'tedious', 'dull', 'clumsy', 'awful', 'boring'),
}
_SPANISH = {
    'positive': ('maravillosa', 'brillante', 'conmovedora', 'estupenda', 'preciosa', 'encantadora'),
    'negative': ('horrible', 'tediosa', 'aburrida', 'torpe', 'pésima', 'pesada'),
}
_TEMPLATES = (
    ('the {} is {}', ('film', 'story', 'music', 'cast', 'ending', 'camera', 'script'), _ENGLISH),
    ('what a {} {} it is', ('film', 'story', 'comedy', 'drama', 'picture'), _ENGLISH),
    ('la {} es {}', ('película', 'historia', 'música', 'canción', 'comedia', 'escena'), _SPANISH),
    ('¡qué {} tan {}!', ('película', 'historia', 'música', 'novela'), _SPANISH),
)


def rows() -> list[tuple[str, str]]:
    """Text and label; a few texts have none, and a few have one that says nothing."""
    found = []
    for template, subjects, words in _TEMPLATES:
        for label, adjectives in words.items():
            for subject, adjective in itertools.product(subjects, adjectives):
                filled = (adjective, subject) if template.startswith('what') else (subject, adjective)
                found.append((template.format(*filled), label))
    # Nobody can learn these, so no model is right on all held-out rows.
    found += [
        (f'it lasts {number} minutes', 'positive' if number % 2 else 'negative') for number in range(60)
    ]
    return found + [(f'the film was shown in hall {number}', '') for number in range(10)]


def write_csv(path: pathlib.Path) -> pathlib.Path:
    with path.open('w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['text', 'label'])
        writer.writerows(rows())
    return path
