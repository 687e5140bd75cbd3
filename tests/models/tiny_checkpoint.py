"""A folder with a tiny encoder of random weights, as Hugging Face's libraries save it."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WORDS = [
    'good',
    'bad',
    'fine',
    'awful',
    'film',
    'plot',
    'a',
    'the',
    'was',
    'is',
    'not',
    'very',
    'it',
    'dull',
    'great',
]
VOCABULARY = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', *WORDS, '##s', '##ly', '!', '.']
UNITS, HEADS, HIDDEN = 16, 2, 32


def write_checkpoint(folder: Path, layers: int = 2, prefix: str = '', older_names: bool = False) -> Path:
    """Writes the checkpoint. `prefix` and `older_names` as in files of other versions of the libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.2, shape).astype(np.float32)

    tensors = {
        'embeddings.word_embeddings.weight': draw(len(VOCABULARY), UNITS),
        'embeddings.position_embeddings.weight': draw(32, UNITS),
        'embeddings.token_type_embeddings.weight': draw(2, UNITS),
    }
    dense = {'attention.self.query': (UNITS, UNITS), 'attention.self.key': (UNITS, UNITS)}
    dense |= {'attention.self.value': (UNITS, UNITS), 'attention.output.dense': (UNITS, UNITS)}
    dense |= {'intermediate.dense': (HIDDEN, UNITS), 'output.dense': (UNITS, HIDDEN)}
    norms = ['embeddings.LayerNorm']
    for number in range(layers):
        for name, shape in dense.items():
            tensors[f'encoder.layer.{number}.{name}.weight'] = draw(*shape)
            tensors[f'encoder.layer.{number}.{name}.bias'] = draw(shape[0])
        norms += [f'encoder.layer.{number}.{part}.LayerNorm' for part in ('attention.output', 'output')]
    for name in norms:
        gain, shift = ('gamma', 'beta') if older_names else ('weight', 'bias')
        tensors[f'{name}.{gain}'], tensors[f'{name}.{shift}'] = 1 + draw(UNITS), draw(UNITS)
    save_file({prefix + name: array for name, array in tensors.items()}, folder / 'model.safetensors')
    config = {
        'model_type': 'bert', 'vocab_size': len(VOCABULARY), 'num_hidden_layers': layers, 'hidden_size': UNITS,
        'num_attention_heads': HEADS, 'intermediate_size': HIDDEN, 'max_position_embeddings': 32,
        'hidden_act': 'gelu', 'layer_norm_eps': 1e-12, 'hidden_dropout_prob': 0.1,
    }  # fmt: skip
    (folder / 'config.json').write_text(json.dumps(config))
    (folder / 'vocab.txt').write_text('\n'.join(VOCABULARY) + '\n')
    return folder
