"""Which components have to run again."""

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.vocabulary.vectors.source import VectorsSource
from vaiven.pipeline.config import configure
from vaiven.pipeline.stages import fingerprints


def test_fingerprints_depend_on_every_file_and_its_role(tmp_path):
    paths = [str(tmp_path / name) for name in ('a.csv', 'b.csv', 'c.csv')]
    for path in paths:
        (tmp_path / path).write_text('text,label\n')
    a, b, c = paths
    variants = [
        DataFiles((a,)),
        DataFiles((a, b)),
        DataFiles((b, a)),
        DataFiles((a,), (b,)),
        DataFiles((a,), (b, c)),
        DataFiles((a,), teacher=(b,)),
        DataFiles((a,), (b,), (c,)),
    ]
    found = [fingerprints(configure(), files) for files in variants]
    for name in ('TextExampleGen', 'Trainer', 'AtomicPusher'):
        assert len({fingerprint[name] for fingerprint in found}) == len(variants)
    (tmp_path / 'c.csv').write_text('text,label\nmore,1\n')
    assert fingerprints(configure(), variants[0]) == found[0]
    assert fingerprints(configure(), variants[4])['Trainer'] != found[4]['Trainer']


def test_the_evaluator_runs_again_when_the_behavioural_tests_of_the_user_change(tmp_path):
    data, own = tmp_path / 'a.csv', tmp_path / 'own.csv'
    data.write_text('text,label\n')
    files = DataFiles((str(data),))

    def found(text):
        own.write_text(text)
        return fingerprints(configure(settings=[f'evaluation.behaviour_file={own}']), files)

    before, after = found('test,text,label\na,good,1\n'), found('test,text,label\na,bad,0\n')
    changed = {name for name, value in before.items() if after[name] != value}
    assert changed == {'Evaluator', 'AtomicPusher'}


def test_the_content_and_the_name_of_vectors_matter_to_the_vocabulary_and_what_follows(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('text,label\n')
    sources = [
        None,
        *(VectorsSource(*source) for source in (('/a/v.txt', '1'), ('/b/v.txt', '1'), ('/a/v.txt', '2'))),
    ]
    none, one, moved, other = (
        fingerprints(configure(), DataFiles((str(path),), vectors=source)) for source in sources
    )
    assert one == moved
    for name in ('TextExampleGen', 'LinearBaseline', 'ExampleValidator'):
        assert none[name] == one[name] == other[name]
    for name in ('Vocabulary', 'TextTransform', 'Trainer', 'Evaluator', 'AtomicPusher'):
        assert len({none[name], one[name], other[name]}) == 3
