"""The texts of the lecture page in another language. The code contains them in English."""

from collections.abc import Callable
from typing import Literal

from vaiven.models.lecture.spanish import SPANISH

Language = Literal['en', 'es']
Translate = Callable[..., str]


def translator(language: Language) -> Translate:
    """Returns a function that translates a text of the page and fills in its values.

    Its arguments are the English text, with a name in braces for each value, and the values by name.

    Args:
        language: language of the page.
    """

    def translate(text: str, /, **values: object) -> str:
        return (SPANISH.get(text, text) if language == 'es' else text).format(**values)

    return translate


def thousands(number: int, language: Language) -> str:
    """Formats an integer in groups of three digits: 1,234 in English, with a thin space in Spanish."""
    return f'{number:,}'.replace(',', ',' if language == 'en' else '\u202f')
