"""Reads a pre-trained encoder from a folder as Hugging Face's libraries save it. They are not needed."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from vaiven.models.teacher.encoder import Encoder, EncoderConfig, TransformerLayer
from vaiven.models.teacher.errors import CheckpointFolderError
from vaiven.models.teacher.vocabulary import TOKENIZER_FILE, VOCABULARY_FILE, has_vocabulary, read_json

CONFIG_FILE, WEIGHTS_FILE = 'config.json', 'model.safetensors'


def read_encoder(folder: Path) -> Encoder:
    """Reads an encoder with its weights.

    Args:
        folder: with `config.json` and `model.safetensors`.

    Raises:
        CheckpointFolderError: a file is missing or damaged, or the encoder is not of the family of BERT.
    """
    require_checkpoint(folder)
    encoder = Encoder(read_config(folder))
    encoder.build((None, None))
    try:
        import safetensors.numpy
    except ImportError:
        raise CheckpointFolderError(
            f"{folder}: {WEIGHTS_FILE} needs safetensors: run make env, or pip install 'vaiven[teacher]'"
        ) from None
    try:
        tensors = safetensors.numpy.load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointFolderError(
            f'{folder / WEIGHTS_FILE}: cannot be read ({error}); download the checkpoint again'
        ) from None
    try:
        _assign(encoder, _finder(tensors))
    except KeyError as error:
        raise CheckpointFolderError(
            f'{folder / WEIGHTS_FILE}: has no weights named {error.args[0]}; give the checkpoint of a BERT encoder'
        ) from None
    except ValueError as error:
        raise CheckpointFolderError(
            f'{folder}: {CONFIG_FILE} and {WEIGHTS_FILE} do not fit each other ({error}); download the checkpoint again'
        ) from None
    return encoder


def require_checkpoint(folder: Path) -> None:
    """Checks that a folder has the files of a checkpoint. Raises CheckpointFolderError."""
    missing = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).is_file()]
    missing += [] if has_vocabulary(folder) else [VOCABULARY_FILE]
    if missing:
        raise CheckpointFolderError(
            f'{folder}: a checkpoint must have {CONFIG_FILE}, {WEIGHTS_FILE}, and {VOCABULARY_FILE} or '
            f'{TOKENIZER_FILE}. Received: no {missing[0]}; '
            'save the model with save_pretrained of Hugging Face transformers'
        )


def read_config(folder: Path) -> EncoderConfig:
    """Reads the sizes of the encoder from `config.json`.

    Args:
        folder: of the checkpoint.

    Raises:
        CheckpointFolderError: it is not the file of an encoder of the family of BERT.
    """
    path = folder / CONFIG_FILE
    values = read_json(path)
    kind = values.get('model_type')
    if kind != 'bert' or values.get('position_embedding_type', 'absolute') != 'absolute':
        raise CheckpointFolderError(
            f'{path}: model_type must be bert. Received: {kind}; give another checkpoint'
        )
    activation = values.get('hidden_act', 'gelu')
    if activation not in ('gelu', 'gelu_new', 'gelu_pytorch_tanh'):
        raise CheckpointFolderError(
            f'{path}: hidden_act must be gelu. Received: {activation}; give another checkpoint'
        )
    try:
        return EncoderConfig(
            vocabulary_size=int(values['vocab_size']),
            layers=int(values['num_hidden_layers']),
            units=int(values['hidden_size']),
            heads=int(values['num_attention_heads']),
            feed_forward_units=int(values['intermediate_size']),
            positions=int(values['max_position_embeddings']),
            epsilon=float(values.get('layer_norm_eps', 1e-12)),
            exact_gelu=activation == 'gelu',
            dropout=float(values.get('hidden_dropout_prob', 0.1)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointFolderError(
            f'{path}: is not the configuration of an encoder ({error}); download the checkpoint again'
        ) from None


def _finder(tensors: Mapping[str, np.ndarray]) -> Callable[[str], np.ndarray]:
    """Finds tensors by name, with or without `bert.` before it; `gamma` and `beta` are names of older files."""
    older = {'LayerNorm.weight': 'LayerNorm.gamma', 'LayerNorm.bias': 'LayerNorm.beta'}

    def find(name: str) -> np.ndarray:
        names = [name, *(name.replace(new, old) for new, old in older.items() if new in name)]
        for candidate in names:
            for prefix in ('', 'bert.'):
                if prefix + candidate in tensors:
                    return tensors[prefix + candidate].astype(np.float32)
        raise KeyError(name)

    return find


def _assign(encoder: Encoder, find: Callable[[str], np.ndarray]) -> None:
    encoder.token_embedding.set_weights([find('embeddings.word_embeddings.weight')])
    encoder.position_embedding.set_weights([find('embeddings.position_embeddings.weight')])
    encoder.segment.assign(find('embeddings.token_type_embeddings.weight')[0])
    encoder.norm.set_weights(_norm(find, 'embeddings.LayerNorm'))
    for number, layer in enumerate(encoder.layers):
        _assign_layer(layer, f'encoder.layer.{number}.', find)


def _assign_layer(layer: TransformerLayer, prefix: str, find: Callable[[str], np.ndarray]) -> None:
    inputs = [_dense(find, f'{prefix}attention.self.{name}') for name in ('query', 'key', 'value')]
    layer.attention_input.set_weights(
        [np.concatenate(arrays, axis=-1) for arrays in zip(*inputs, strict=True)]
    )
    layer.attention_output.set_weights(_dense(find, f'{prefix}attention.output.dense'))
    layer.attention_norm.set_weights(_norm(find, f'{prefix}attention.output.LayerNorm'))
    layer.hidden.set_weights(_dense(find, f'{prefix}intermediate.dense'))
    layer.output_dense.set_weights(_dense(find, f'{prefix}output.dense'))
    layer.output_norm.set_weights(_norm(find, f'{prefix}output.LayerNorm'))


def _dense(find: Callable[[str], np.ndarray], name: str) -> list[np.ndarray]:
    # PyTorch keeps kernels transposed.
    return [find(f'{name}.weight').T, find(f'{name}.bias')]


def _norm(find: Callable[[str], np.ndarray], name: str) -> list[np.ndarray]:
    return [find(f'{name}.weight'), find(f'{name}.bias')]
