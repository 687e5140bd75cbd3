"""Coverage-guided fuzzing of everything that reads what a client or a configuration sends.

    python tests/fuzz/fuzz_decoders.py [DECODER …] [--seconds 60] [--corpus FOLDER]

Needs the package `atheris`, which is no dependency of the project:

    pip install --target FOLDER atheris
    PYTHONPATH=FOLDER python tests/fuzz/fuzz_decoders.py

Each decoder runs for its seconds in a process of its own. The exit status is 1 if one of them broke; the input that
broke it is left in the corpus folder, beside those that reached something new.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    raise SystemExit(
        'fuzz: needs atheris: pip install --target FOLDER atheris, and FOLDER in PYTHONPATH'
    ) from None

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'serving'))
with atheris.instrument_imports(
    include=['vaiven.serving', 'decoding', 'json', 'google.protobuf.text_format']
):
    import decoding

SEEDS = {
    'tensor': [
        bytes.fromhex(text)
        for text in (
            '08011208120208021202080222080000803f00000040',  # float (2, 2), too little content
            '0801120412020802220800 00803f00000040'.replace(' ', ''),
            '080712041202080242016142 0162'.replace(' ', ''),
            '080712041202080222040101 6162'.replace(' ', ''),
            '08031204120208043a0107',
        )
    ],
    'strings': [bytes([2, 1, 2]) + b'abc', bytes([1, 0])],
    'predict': [
        bytes([pick]) + body
        for pick in (0, 2, 6, 9, 40)
        for body in (
            b'{"instances": [[1, 2.5e3], [NaN, -Infinity]]}',
            b'{"signature_name": "s", "inputs": {"x": [true, "a\\u00e9", {"b64": "YQ=="}]}}',
            b'{"instances": [{"x": 1.0, "text": "a"}, {"x": Inf, "text": {"b64": "YQ"}}]}',
        )
    ],
    'examples': [b'{"context": {"c": "d"}, "examples": [{"x": [1.5, 2.0], "n": 3, "s": {"b64": "YQ=="}}]}'],
    'model_config': [
        b'model_config_list { config { name: "a" base_path: "/b" model_platform: "tensorflow" '
        b'model_version_policy { specific { versions: [1, 2] } } version_labels { key: "s" value: 1 } '
        b'logging_config { sampling_config { sampling_rate: 0.5 } } } }',
        b'custom_model_config { [type.googleapis.com/tensorflow.serving.ModelServerConfig] { } }',
    ],
    'batching': [b'max_batch_size { value: 4 } allowed_batch_sizes: [2, 4] pad_variable_length_inputs: true'],
}


def fuzz_one(name: str, corpus: Path, seconds: int) -> None:
    """Never returns: libFuzzer ends the process."""
    check = decoding.CHECKS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f'seed-{number}').write_bytes(seed)
    limits = ['-max_len=4096', '-timeout=10', '-rss_limit_mb=2048', f'-artifact_prefix={corpus}/broke-']
    atheris.Setup(
        [sys.argv[0], str(corpus), f'-max_total_time={seconds}', '-print_final_stats=1', *limits], check
    )
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description='Fuzzes the decoders of the server.')
    parser.add_argument('decoders', nargs='*', metavar='DECODER', help=', '.join(decoding.CHECKS))
    parser.add_argument('--seconds', type=int, default=60, help='for each decoder (60)')
    parser.add_argument(
        '--corpus', type=Path, help='what is kept from run to run (a folder that is thrown away)'
    )
    parser.add_argument('--here', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.decoders or list(decoding.CHECKS)
    if unknown := sorted(set(names) - decoding.CHECKS.keys()):
        parser.error(f'no decoder is called {unknown[0]}; known: {", ".join(decoding.CHECKS)}')
    corpus = arguments.corpus or Path(tempfile.mkdtemp(prefix='fuzz-'))
    if arguments.here:
        fuzz_one(names[0], corpus, arguments.seconds)
    broken = []
    for name in names:
        print(f'-- {name}', flush=True)
        options = ['--here', f'--seconds={arguments.seconds}', f'--corpus={corpus / name}']
        if subprocess.run([sys.executable, __file__, name, *options], check=False).returncode:
            broken.append(name)
    print(f'corpus: {corpus}; broken: {", ".join(broken) or "none"}')
    return 1 if broken else 0


if __name__ == '__main__':
    sys.exit(main())
