"""The texts that `vaiven lecture` is given."""

from vaiven.models.lecture.config import LectureConfig
from vaiven.pipeline.commands.lecture import corpora

LINE = 'the cloud in the sky .'


def test_files_with_the_same_name_are_separate_texts(tmp_path):
    paths = [tmp_path / 'a' / 'x.txt', tmp_path / 'b' / 'x.txt', tmp_path / 'b' / 'y.txt']
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'{LINE} {number}\n' * 1000)
    one, other, third = map(str, paths)
    found = corpora((one, other, third, other), [], False, LectureConfig(max_characters=10**6))
    assert [text.name for text in found] == [one, other, 'y.txt']
    assert [text.training[0][-1] for text in found] == ['0', '1', '2']
