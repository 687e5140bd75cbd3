"""Names, equations and sources of the cells, as the page shows them."""

import dataclasses
import re
from html import escape


@dataclasses.dataclass(frozen=True)
class CellText:
    """The text of the page about a cell.

    Attributes:
        name: name of the cell.
        equations: the equations that `vaiven.models.network.cells` computes.
        source: the publication.
    """

    name: str
    equations: tuple[str, ...]
    source: str


_F = 'f = σ(U_f x_t + W_f h_{t−1} + b_f)'
_I = 'i = σ(U_i x_t + W_i h_{t−1} + b_i)'
_O = 'o = σ(U_o x_t + W_o h_{t−1} + b_o)'
_C = 'c̃ = tanh(U_c x_t + W_c h_{t−1} + b_c)'
_CELL_STATE, _COUPLED = 'c_t = f ∘ c_{t−1} + i ∘ c̃', 'c_t = f ∘ c_{t−1} + (1 − f) ∘ c̃'
_H = 'h_t = o ∘ tanh(c_t)'
_PF = 'f = σ(U_f x_t + W_f h_{t−1} + p_f ∘ c_{t−1} + b_f)'
_PI = 'i = σ(U_i x_t + W_i h_{t−1} + p_i ∘ c_{t−1} + b_i)'
_PO = 'o = σ(U_o x_t + W_o h_{t−1} + p_o ∘ c_t + b_o)'
_Z = 'z = σ(U_z x_t + W_z h_{t−1} + b_z)'
_R = 'r = σ(U_r x_t + W_r h_{t−1} + b_r)'
_G = 'h_t = z ∘ h_{t−1} + (1 − z) ∘ h̃'

CELL_TEXTS = {
    'simple_rnn': CellText('simple RNN', ('h_t = tanh(U x_t + W h_{t−1} + b)',), 'Elman 1990'),
    'gru': CellText(
        'GRU',
        (_Z, _R, 'h̃ = tanh(U x_t + b + r ∘ (W h_{t−1} + b_W))', _G),
        'Cho et al. 2014; reset after the product',
    ),
    'gru_reset_before': CellText(
        'GRU, reset first',
        (_Z, _R, 'h̃ = tanh(U x_t + W (r ∘ h_{t−1}) + b)', _G),
        'Cho et al. 2014, as published',
    ),
    'lstm': CellText(
        'LSTM',
        (_F, _I, _O, _C, _CELL_STATE, _H),
        'Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000',
    ),
    'peephole_lstm': CellText('peephole', (_PF, _PI, _C, _CELL_STATE, _PO, _H), 'Gers & Schmidhuber 2000'),
    'coupled_lstm': CellText('coupled', (_F, _O, _C, _COUPLED, _H), 'Greff et al. 2017'),
    'peephole_coupled_lstm': CellText('peephole, coupled', (_PF, _C, _COUPLED, _PO, _H), 'Greff et al. 2017'),
}

REFERENCES = (
    'Bengio, Y., Simard, P. & Frasconi, P. (1994). Learning long-term dependencies with gradient descent is '
    'difficult. IEEE Transactions on Neural Networks 5(2).',
    'Cho, K., van Merriënboer, B., Gulcehre, C. et al. (2014). Learning phrase representations using RNN '
    'encoder–decoder for statistical machine translation. EMNLP.',
    'Elman, J. L. (1990). Finding structure in time. Cognitive Science 14(2).',
    'Gers, F. A. & Schmidhuber, J. (2000). Recurrent nets that time and count. IJCNN.',
    'Gers, F. A., Schmidhuber, J. & Cummins, F. (2000). Learning to forget: continual prediction with LSTM. '
    'Neural Computation 12(10).',
    'Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. & Schmidhuber, J. (2017). LSTM: a search space '
    'odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).',
    'Hochreiter, S. & Schmidhuber, J. (1997). Long short-term memory. Neural Computation 9(8).',
    'Hutto, C. J. & Gilbert, E. (2014). VADER: a parsimonious rule-based model for sentiment analysis of social '
    'media text. ICWSM. (The film reviews.)',
    'Jozefowicz, R., Zaremba, W. & Sutskever, I. (2015). An empirical exploration of recurrent network '
    'architectures. ICML. (A forget gate that begins open.)',
    'Pascanu, R., Mikolov, T. & Bengio, Y. (2013). On the difficulty of training recurrent neural networks. ICML.',
    'Saxe, A. M., McClelland, J. L. & Ganguli, S. (2014). Exact solutions to the nonlinear dynamics of learning in '
    'deep linear neural networks. ICLR. (Orthogonal initial weights.)',
    'Schuster, M. & Paliwal, K. K. (1997). Bidirectional recurrent neural networks. IEEE Transactions on Signal '
    'Processing 45(11).',
)


def equation(text: str) -> str:
    """Formats an equation such as `U_f x_{t−1}` as HTML: italic letters, subscripts, upright functions."""
    html = re.sub(r'_(?:\{([^}]+)\}|(\w))', lambda match: f'<sub>{match[1] or match[2]}</sub>', escape(text))
    html = re.sub(r'(tanh|σ)', r'<span class="fn">\1</span>', html)
    return f'<div class="eq">{html}</div>'
