"""One distribution, one import package: the folders of this repository as `vaiven.<folder>`.

`models` and `serving` are names that half of all applications use for themselves, so the folders are
mapped into the package `vaiven`, whose own two modules are in `package/`. Beam workers get this file as `--setup_file`.
"""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = ('pipeline', 'components', 'models', 'serving')
README = Path(__file__).with_name('README.md')

CLIENT = ['click>=8.1', 'grpcio>=1.80', 'numpy>=2.0', 'protobuf>=6.31', 'pyyaml>=6']

EVALUATION = [*CLIENT, 'scipy>=1.13']

OTEL = ['opentelemetry-api>=1.30']

SERVER = [*CLIENT, 'aiohttp>=3.11', 'tensorflow-text==2.21.1', 'tensorflow==2.21.*']

LECTURE = [
    *CLIENT,
    'keras==3.15.*',
    'pip',  # fetches the film reviews
    'rich>=13',
    'tensorflow-text==2.21.1',
    'tensorflow==2.21.*',
]

PIPELINE = [
    *CLIENT,
    'aiohttp>=3.11',
    'apache-beam==2.77.0',
    'keras==3.15.*',
    'kfp==2.16.1',
    'ml-metadata==1.21.0',
    'numpy==2.4.*',
    'pip',
    'protobuf>=6.31,<7',  # TFX and Beam were not made for 7
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

# For `vaiven teach`: safetensors reads checkpoints, onnxruntime runs exported encoders.
TEACHER = [*PIPELINE, 'onnxruntime>=1.20', 'safetensors>=0.5']

DEV = [
    'hypothesis',
    'mypy',
    'onnx',  # writes the encoders of tests
    'opentelemetry-sdk>=1.30',
    'pytest',
    'pytest-timeout',
    'pytest-xdist',
    'ruff',
    'types-protobuf',
    'types-pyyaml',
    'wheel',
]


def vaiven_packages() -> list[str]:
    packages = ['vaiven']
    for folder in FOLDERS:
        packages.append(f'vaiven.{folder}')
        packages += [f'vaiven.{folder}.{name}' for name in find_packages(folder)]
    return packages


setup(
    name='vaiven',
    version='0.1.0',
    description='A small, fast, private text model for TensorFlow Serving, and the TFX pipeline that makes it',
    long_description=README.read_text(encoding='utf-8') if README.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Console',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Text Processing :: Linguistic',
        'Typing :: Typed',
    ],
    python_requires='>=3.11',
    packages=vaiven_packages(),
    package_dir={'vaiven': 'package', **{f'vaiven.{folder}': folder for folder in FOLDERS}},
    package_data={
        'vaiven': ['py.typed'],
        **{
            f'vaiven.{folder}': ['py.typed', '**/*.binpb', '**/*.proto', '**/*.csv', '**/*.yaml']
            for folder in FOLDERS
        },
    },
    install_requires=CLIENT,
    extras_require={
        'client': CLIENT,
        'otel': [*CLIENT, *OTEL],
        'evaluation': EVALUATION,
        'gateway': [*CLIENT, 'aiohttp>=3.11'],
        'server': SERVER,
        'lecture': LECTURE,
        'pipeline': PIPELINE,
        'teacher': TEACHER,
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
