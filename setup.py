"""One distribution, one import package: the folders of this repository as `vaiven.<folder>`.

`models` and `serving` are names that half of all applications use for themselves, so the folders are
mapped into the namespace package `vaiven`. Beam workers get this file as `--setup_file`.
"""

from setuptools import find_packages, setup

FOLDERS = ('pipeline', 'components', 'models', 'serving')

CLIENT = ['click>=8.1', 'grpcio>=1.80', 'numpy>=2.0', 'protobuf>=6.31,<7', 'pyyaml>=6']

OTEL = ['opentelemetry-api>=1.30']

PIPELINE = [
    *CLIENT,
    'aiohttp>=3.11',
    'apache-beam==2.77.0',
    'keras==3.15.*',
    'kfp==2.16.1',
    'ml-metadata==1.21.0',
    'numpy==2.4.*',
    'pip',
    'pyarrow==18.1.0',
    'rich>=13',
    'scikit-learn==1.5.2',
    'tensorflow-data-validation==1.21.0',
    'tensorflow-model-analysis==0.52.0',
    'tensorflow-text==2.21.1',
    'tensorflow-transform==1.21.0',
    'tensorflow==2.21.*',
    'tfx[kfp]==1.21.0',
]

DEV = [
    'hypothesis',
    'mypy',
    'opentelemetry-sdk>=1.30',
    'pytest',
    'pytest-timeout',
    'ruff',
    'types-protobuf',
    'types-pyyaml',
    'wheel',
]


def vaiven_packages() -> list[str]:
    packages = []
    for folder in FOLDERS:
        packages.append(f'vaiven.{folder}')
        packages += [f'vaiven.{folder}.{name}' for name in find_packages(folder)]
    return packages


setup(
    name='vaiven',
    version='0.1.0',
    description='A small, fast, private text model for TensorFlow Serving, and the TFX pipeline that makes it',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=vaiven_packages(),
    package_dir={f'vaiven.{folder}': folder for folder in FOLDERS},
    package_data={f'vaiven.{folder}': ['py.typed', '**/*.binpb', '**/*.proto'] for folder in FOLDERS},
    install_requires=CLIENT,
    extras_require={
        'client': CLIENT,
        'otel': [*CLIENT, *OTEL],
        'gateway': [*CLIENT, 'aiohttp>=3.11'],
        'pipeline': PIPELINE,
        'gpu': [*PIPELINE, 'tensorflow[and-cuda]==2.21.*'],
        'dev': DEV,
    },
    entry_points={
        'console_scripts': [
            'vaiven=vaiven.pipeline.cli:main',
            # As `tensorflow_model_server`, flag for flag.
            'vaiven-model-server=vaiven.serving.server.__main__:run',
        ]
    },
)
