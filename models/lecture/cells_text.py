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
_MIN_H = 'h̃ = g(U_h x_t + b_h); g(v) = v + 0.5 (v ≥ 0), σ(v) (v < 0)'

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
    'full_peephole_lstm': CellText(
        'full peephole',
        (
            'f = σ(W_f [c_{t−1}, h_{t−1}, x_t] + b_f)',
            'i = σ(W_i [c_{t−1}, h_{t−1}, x_t] + b_i)',
            'c̃ = tanh(W_c [h_{t−1}, x_t] + b_c)',
            _CELL_STATE,
            'o = σ(W_o [c_t, h_{t−1}, x_t] + b_o)',
            _H,
        ),
        'Gers & Schmidhuber 2000, with matrices instead of one weight per unit',
    ),
    'mogrifier_lstm': CellText(
        'Mogrifier',
        (
            'x_t ← 2σ(Q_k h_{t−1}) ∘ x_t; h_{t−1} ← 2σ(R_k x_t) ∘ h_{t−1}',
            _F,
            _I,
            _O,
            _C,
            _CELL_STATE,
            _H,
        ),
        'Melis et al. 2020; five rounds before the step: Q_1, R_1, Q_2, R_2, Q_3',
    ),
    'slstm': CellText(
        'sLSTM',
        (
            _F,
            'i = exp(U_i x_t + W_i h_{t−1} + b_i)',
            _O,
            _C,
            _CELL_STATE,
            'n_t = f ∘ n_{t−1} + i',
            'h_t = o ∘ c_t / n_t',
        ),
        'Beck et al. 2024; computed with a stabiliser m_t',
    ),
    'min_gru': CellText(
        'minGRU', ('z = σ(U_z x_t + b_z)', _MIN_H, 'h_t = (1 − z) ∘ h_{t−1} + z ∘ h̃'), 'Feng et al. 2024'
    ),
    'min_lstm': CellText(
        'minLSTM',
        ('f = σ(U_f x_t + b_f)', 'i = σ(U_i x_t + b_i)', _MIN_H, 'h_t = (f ∘ h_{t−1} + i ∘ h̃) / (f + i)'),
        'Feng et al. 2024',
    ),
}

# What a publication is cited for, where its title does not say so.
REFERENCE_NOTES = {
    'Hutto': 'The film reviews.',
    'Jozefowicz': 'A forget gate that starts open.',
    'Saxe': 'Orthogonal initial weights.',
}
REFERENCES = (
    'Beck, M., Pöppel, K., Spanring, M. et al. (2024). xLSTM: extended long short-term memory. NeurIPS.',
    'Bengio, Y., Simard, P. & Frasconi, P. (1994). Learning long-term dependencies with gradient descent is '
    'difficult. IEEE Transactions on Neural Networks 5(2).',
    'Cho, K., van Merriënboer, B., Gulcehre, C. et al. (2014). Learning phrase representations using RNN '
    'encoder–decoder for statistical machine translation. EMNLP.',
    'Elman, J. L. (1990). Finding structure in time. Cognitive Science 14(2).',
    'Feng, L., Tung, F., Ahmed, M. O., Bengio, Y. & Hajimirsadeghi, H. (2024). Were RNNs all we needed? '
    'arXiv:2410.01201.',
    'Gers, F. A. & Schmidhuber, J. (2000). Recurrent nets that time and count. IJCNN.',
    'Gers, F. A., Schmidhuber, J. & Cummins, F. (2000). Learning to forget: continual prediction with LSTM. '
    'Neural Computation 12(10).',
    'Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. & Schmidhuber, J. (2017). LSTM: a search space '
    'odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).',
    'Hochreiter, S. & Schmidhuber, J. (1997). Long short-term memory. Neural Computation 9(8).',
    'Hutto, C. J. & Gilbert, E. (2014). VADER: a parsimonious rule-based model for sentiment analysis of social '
    'media text. ICWSM.',
    'Jozefowicz, R., Zaremba, W. & Sutskever, I. (2015). An empirical exploration of recurrent network '
    'architectures. ICML.',
    'Melis, G., Kočiský, T. & Blunsom, P. (2020). Mogrifier LSTM. ICLR.',
    'Pascanu, R., Mikolov, T. & Bengio, Y. (2013). On the difficulty of training recurrent neural networks. ICML.',
    'Saxe, A. M., McClelland, J. L. & Ganguli, S. (2014). Exact solutions to the nonlinear dynamics of learning in '
    'deep linear neural networks. ICLR.',
    'Schuster, M. & Paliwal, K. K. (1997). Bidirectional recurrent neural networks. IEEE Transactions on Signal '
    'Processing 45(11).',
)


def equation(text: str) -> str:
    """Formats an equation such as `U_f x_{t−1}` as HTML: italic letters, subscripts, upright functions."""
    html = re.sub(r'_(?:\{([^}]+)\}|(\w))', lambda match: f'<sub>{match[1] or match[2]}</sub>', escape(text))
    html = re.sub(r'(tanh|exp|σ)', r'<span class="fn">\1</span>', html)
    return f'<div class="eq">{html}</div>'
