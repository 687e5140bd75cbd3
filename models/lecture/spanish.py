"""The texts of the lecture page in Spanish, by the English text in the code."""

SPANISH = {
    # gradients
    'norm of ∂h(T) / ∂h(t)': 'norma de ∂h(T) / ∂h(t)',
    'norm of ∂h(T) / ∂c(t)': 'norma de ∂h(T) / ∂c(t)',
    'Gradient norms after initialisation': 'Normas del gradiente tras la inicialización',
    'After initialisation': 'Tras la inicialización',
    'Gradient norms after {steps} steps': 'Normas del gradiente tras {steps} pasos',
    'After {steps} steps of training': 'Tras {steps} pasos de entrenamiento',
    'cell': 'celda',
    'initial, {distance}': 'inicial, {distance}',
    'trained, {distance}': 'entrenada, {distance}',
    'Gradient norms with respect to the cell state': 'Normas del gradiente respecto al estado de la celda',
    'Gradients of the cell state, after training': 'Gradientes del estado de la celda, tras el entrenamiento',
    'An LSTM has two states. This plot shows the derivative with respect to c(t). The path '
    'c(t+1) = f ∘ c(t) + … contains neither a matrix nor a tanh: it is the “constant error carousel” of '
    'Hochreiter &amp; Schmidhuber (1997), attenuated by the forget gate f.': (
        'Una LSTM tiene dos estados. Este gráfico muestra la derivada respecto a c(t). El camino '
        'c(t+1) = f ∘ c(t) + … no contiene ni una matriz ni una tanh: es el «carrusel de error constante» de '
        'Hochreiter y Schmidhuber (1997), atenuado por la puerta de olvido f.'
    ),
    '{count} seeds': '{count} semillas',
    '{count} seed': '{count} semilla',
    'Backpropagation through time multiplies one Jacobian per step. The plots show the norm of the product, '
    '∂h<sub>T</sub>/∂h<sub>t</sub>, over the distance T − t, on {excerpts} excerpts of held-out text and '
    '{seeds}. The line is the geometric mean; the band contains the middle 80 % of excerpts and seeds. A norm '
    'of 1 means that a change of the state at t has the same effect at T as a change at T itself.': (
        'La retropropagación a través del tiempo multiplica un jacobiano por paso. Los gráficos muestran la norma del '
        'producto, ∂h<sub>T</sub>/∂h<sub>t</sub>, según la distancia T − t, en {excerpts} fragmentos de texto '
        'reservado y {seeds}. La línea es la media geométrica; la banda contiene el 80 % central de los fragmentos y '
        'las semillas. Una norma de 1 significa que un cambio del estado en t tiene en T el mismo efecto que un cambio '
        'en T.'
    ),
    'The norm is the Frobenius norm divided by √units, the root mean square of the singular values, computed '
    'by automatic differentiation. If a cell has a cell state c<sub>t</sub>, it is kept constant. All '
    'recurrent matrices are initialised orthogonally (Saxe et al. 2014), and the biases of the forget gates '
    'with 1 (Jozefowicz et al. 2015), except those of the minLSTM. The left plot depends on this '
    'initialisation as much as on the equations. Gates that start half open halve the gradient at each step; '
    'training changes this only as far as it helps to predict the next character. Peephole weights start at '
    'zero, so before training a cell with peepholes equals the cell without.': (
        'La norma es la de Frobenius dividida por √unidades, es decir, la media cuadrática de los valores singulares, '
        'calculada por diferenciación automática. Si una celda tiene un estado c<sub>t</sub>, se mantiene constante. '
        'Todas las matrices recurrentes se inicializan ortogonales (Saxe et al. 2014), y los sesgos de las puertas de '
        'olvido con 1 (Jozefowicz et al. 2015), salvo los de la minLSTM. El gráfico izquierdo depende de esta '
        'inicialización tanto como de las ecuaciones. Las puertas que empiezan medio abiertas reducen el gradiente a '
        'la mitad en cada paso; el entrenamiento solo lo cambia en la medida en que ayuda a predecir el carácter '
        'siguiente. Los pesos de las mirillas empiezan en cero, de modo que antes del entrenamiento una celda con '
        'mirillas es igual que la celda sin ellas.'
    ),
    'Values as a table': 'Los valores en una tabla',
    'Gradient norms by cell and distance': 'Normas del gradiente por celda y distancia',
    'distance T − t, in characters': 'distancia T − t, en caracteres',
    'factor {factor}': 'factor {factor}',
    'Gradient norms of a simple RNN with its recurrent matrix scaled': (
        'Normas del gradiente de una RNN simple con la matriz recurrente escalada'
    ),
    'distance T − t, in steps': 'distancia T − t, en pasos',
    'Vanishing and exploding gradients: a simple RNN with a scaled matrix': (
        'Gradientes que se desvanecen y que explotan: una RNN simple con la matriz escalada'
    ),
    'W is an orthogonal matrix times a factor; the inputs are noise with standard deviation 0.1. With a factor '
    'below 1 the gradient must vanish. Above 1 it can explode (Bengio et al. 1994; Pascanu et al. 2013), and '
    'does so until the units saturate: tanh′ then cancels the factor of W. Clipping limits exploding '
    'gradients; gated cells reduce vanishing gradients.': (
        'W es una matriz ortogonal por un factor; las entradas son ruido con desviación típica 0.1. Con un factor '
        'menor que 1 el gradiente se desvanece. Con uno mayor que 1 puede explotar (Bengio et al. 1994; Pascanu et al. '
        '2013), y lo hace hasta que las unidades se saturan: entonces tanh′ compensa el factor de W. El recorte limita '
        'los gradientes que explotan; las celdas con puertas reducen el desvanecimiento.'
    ),
    # gates
    'forget gate': 'puerta de olvido',
    'input gate': 'puerta de entrada',
    'output gate': 'puerta de salida',
    'mean {mean} over these units': 'media {mean} en estas unidades',
    '{gate} of the {cell}': '{gate} de {cell}',
    'Gates of the {cell}': 'Puertas de {cell}',
    'This page contains neither an LSTM nor a peephole LSTM.': (
        'Esta página no contiene ni una LSTM ni una LSTM con mirillas.'
    ),
    'The cells read a sentence of the held-out text character by character: “{sentence}” Each row is one of '
    'the {units} units whose forget gates vary most. A row shows the same unit in all three maps of a cell; '
    'units with the highest forget gates are at the top. Look at the columns at spaces and at the ends of '
    'words.': (
        'Las celdas leen una oración del texto reservado carácter a carácter: «{sentence}». Cada fila es una de las '
        '{units} unidades cuya puerta de olvido más varía. Una fila muestra la misma unidad en los tres mapas de una '
        'celda; arriba están las unidades con las puertas de olvido más abiertas. Fíjese en las columnas de los '
        'espacios y de los finales de palabra.'
    ),
    'closed, 0 <span class="key"></span> 1, open. The cells were trained separately, so equal rows of two '
    'cells are unrelated.': (
        'cerrada, 0 <span class="key"></span> 1, abierta. Las celdas se entrenaron por separado, así que las mismas '
        'filas de dos celdas no guardan relación.'
    ),
    # learning curves
    '{bits} bits per character': '{bits} bits por carácter',
    'frequencies': 'frecuencias',
    'Learning curves of all cells': 'Curvas de aprendizaje de todas las celdas',
    'training steps of {characters} characters': 'pasos de entrenamiento de {characters} caracteres',
    'bits per character, held out': 'bits por carácter, texto reservado',
    'The lowest final value is that of the {best} cell, {best_bits} bits; the highest is that of the {worst} '
    'cell, {worst_bits} bits. ': (
        'El valor final más bajo es el de la celda {best}, {best_bits} bits; el más alto, el de la celda {worst}, '
        '{worst_bits} bits. '
    ),
    'bits': 'bits',
    'weights': 'pesos',
    'time': 'tiempo',
    'All cells are trained on the same text ({text}, {alphabet} distinct characters), with {units} units, the '
    'same windows in the same order, and the same number of steps. {verdict}A short training on short windows '
    'shows how fast a cell learns, not which cell is best in the end. Differences smaller than the spread of '
    'the seeds are not significant. Cells with more gates have more weights.': (
        'Todas las celdas se entrenan con el mismo texto ({text}, {alphabet} caracteres distintos), con {units} '
        'unidades, las mismas ventanas en el mismo orden y el mismo número de pasos. {verdict}Un entrenamiento corto '
        'con ventanas cortas muestra con qué rapidez aprende una celda, no cuál es la mejor al final. Las diferencias '
        'menores que la dispersión de las semillas no son significativas. Las celdas con más puertas tienen más pesos.'
    ),
    'Bits per character of the held-out text': 'Bits por carácter del texto reservado',
    'Results by cell': 'Resultados por celda',
    'Bits per character at the end, ± half the range over the seeds. “Frequencies” is a model that only knows '
    'the frequency of each character. The first point, before training, is not shown.': (
        'Bits por carácter al final, ± la mitad del rango entre semillas. «Frecuencias» es un modelo que solo conoce '
        'la frecuencia de cada carácter. El primer punto, antes del entrenamiento, no se muestra.'
    ),
    'Equations': 'Ecuaciones',
    'x is the input, h the hidden state, c the cell state, σ the logistic function, ∘ the elementwise product.': (
        'x es la entrada, h el estado oculto, c el estado de la celda, σ la función logística y ∘ el producto elemento '
        'a elemento.'
    ),
    # memory
    'chance': 'azar',
    'Symbols named after a delay': 'Símbolos recordados tras un retardo',
    'delay, in steps': 'retardo, en pasos',
    'symbols named, in %': 'símbolos recordados, en %',
    'A text is often predicted well without much memory. This task is not: among noise of {noise} kinds stands '
    'one of {symbols} symbols, and the network must name it when it reads a question mark, some steps later '
    '(after Hochreiter &amp; Schmidhuber 1997). Nothing but the state carries the symbol over the noise.': (
        'Un texto suele predecirse bien sin mucha memoria. Esta tarea no: entre ruido de {noise} clases hay uno de '
        '{symbols} símbolos, y la red debe nombrarlo cuando lee un signo de interrogación, unos pasos después (según '
        'Hochreiter y Schmidhuber 1997). Solo el estado lleva el símbolo a través del ruido.'
    ),
    'Every cell is trained for {steps} steps of {rows} rows, with {units} units and delays of 1 to '
    '{max_delay} steps. Longer delays are measured, but were never trained. Without gates the noise overwrites '
    'the symbol; a gate can learn to close on noise.': (
        'Cada celda se entrena durante {steps} pasos de {rows} filas, con {units} unidades y retardos de 1 a '
        '{max_delay} pasos. Los retardos mayores se miden, pero nunca se entrenaron. Sin puertas, el ruido sobrescribe '
        'el símbolo; una puerta puede aprender a cerrarse ante el ruido.'
    ),
    'Symbols named, by delay': 'Símbolos recordados, por retardo',
    'Symbols named, by cell and delay': 'Símbolos recordados, por celda y retardo',
    'One training per cell, {rows} rows per delay: differences of a few points are not significant.': (
        'Un entrenamiento por celda y {rows} filas por retardo: las diferencias de pocos puntos no son significativas.'
    ),
    # gaps
    'A forward model reads the words before the gap; a backward model reads the words after it, from the end '
    '(Schuster &amp; Paliwal 1997). “Both” multiplies the two probabilities and divides by the frequency of '
    'the word, which assumes that the two contexts are independent given the word. <span class="sentence">'
    '<span class="unknown">Underlined</span></span> words are not in the vocabulary of the model.': (
        'Un modelo hacia delante lee las palabras anteriores al hueco; un modelo hacia atrás lee las posteriores, '
        'desde el final (Schuster y Paliwal 1997). «Ambos» multiplica las dos probabilidades y divide por la '
        'frecuencia de la palabra, lo que supone que los dos contextos son independientes dada la palabra. Las '
        'palabras <span class="sentence"><span class="unknown">subrayadas</span></span> no están en el vocabulario '
        'del modelo.'
    ),
    'Skipped, because this text contains too few of their words: {sentences}. Add a text in their language '
    'with --data to fill them.': (
        'Omitidas, porque este texto contiene muy pocas de sus palabras: {sentences}. Para completarlas, añada con '
        '--data un texto en su idioma.'
    ),
    '<b>Limits:</b> the models were trained on {words} words, {passes} epochs. This is about as much as '
    '{novels}, and very little: large language models are trained on millions of times as much. The vocabulary '
    'has {vocabulary} words; {unknown} of the held-out words are not in it. Held-out perplexity: {forward} '
    'forward, {backward} backward, {frequency} for a model of word frequencies alone. Expect the right kind of '
    'word (a noun after an article), rarely the right word.': (
        '<b>Límites:</b> los modelos se entrenaron con {words} palabras, {passes} épocas. Es más o menos el texto de '
        '{novels}, y muy poco: los grandes modelos de lenguaje se entrenan con millones de veces más. El vocabulario '
        'tiene {vocabulary} palabras; el {unknown} de las palabras reservadas no está en él. Perplejidad en el texto '
        'reservado: {forward} hacia delante, {backward} hacia atrás, {frequency} con las frecuencias de las palabras '
        'solas. Cabe esperar la clase de palabra correcta (un sustantivo tras un artículo), rara vez la palabra exacta.'
    ),
    '{count} novels': '{count} novelas',
    'one novel': 'una novela',
    'forward': 'hacia delante',
    'backward': 'hacia atrás',
    'both': 'ambos',
    # page
    'How far gradients reach': 'Hasta dónde llegan los gradientes',
    'What the gates do': 'Qué hacen las puertas',
    'How fast each cell learns': 'Con qué rapidez aprende cada celda',
    'What each cell remembers': 'Qué recuerda cada celda',
    'Which word fills the gap': 'Qué palabra llena el hueco',
    'How this page was computed': 'Cómo se calculó esta página',
    'References': 'Referencias',
    'Recurrent networks, cell by cell': 'Redes recurrentes, celda a celda',
    '{cells}, trained on the same text. How far do gradients reach, what do the gates do, how fast does each cell '
    'learn, what does it remember, and which words does it predict? All values were computed when this page was '
    'created, in {seconds} seconds.': (
        '{cells}, con el mismo texto de entrenamiento. ¿Hasta dónde llegan los gradientes, qué hacen las puertas, con '
        'qué rapidez aprende cada celda, qué recuerda y qué palabras predice? Todos los valores se calcularon al crear '
        'esta página, en {seconds} segundos.'
    ),
    '{count} recurrent cells': '{count} celdas recurrentes',
    'One recurrent cell': 'Una celda recurrente',
    'text': 'texto',
    'characters': 'caracteres',
    'training passages': 'pasajes de entrenamiento',
    'held-out passages': 'pasajes reservados',
    'truncated': 'truncado',
    'complete': 'completo',
    'Texts': 'Textos',
    'Seeds: {seeds} for the cells, {seed} for everything else.': (
        'Semillas: {seeds} para las celdas, {seed} para todo lo demás.'
    ),
    'Character models: one layer of {units} units, embeddings of size {embedding_size}, {steps} steps of '
    '{batch_size} windows of {window} characters, Adam with a learning rate from {learning_rate} along a '
    'cosine, gradients clipped at norm 1 (Pascanu et al. 2013). No dropout. The state is zero at the start of '
    'each window, in training and in evaluation.': (
        'Modelos de caracteres: una capa de {units} unidades, vectores de {embedding_size} componentes, {steps} pasos '
        'de {batch_size} ventanas de {window} caracteres, Adam con una tasa de aprendizaje que baja desde '
        '{learning_rate} siguiendo un coseno, gradientes recortados a norma 1 (Pascanu et al. 2013). Sin dropout. El '
        'estado es cero al principio de cada ventana, en el entrenamiento y en la evaluación.'
    ),
    'Word models: an LSTM of {word_units} units, at most {word_steps} steps of {batch_size} windows of '
    '{word_window} words. Training stops when the perplexity of the last tenth of the training part has not '
    'improved for {word_patience} of {word_measurements} measurements, and the best weights are kept.': (
        'Modelos de palabras: una LSTM de {word_units} unidades, como máximo {word_steps} pasos de {batch_size} '
        'ventanas de {word_window} palabras. El entrenamiento se detiene cuando la perplejidad de la última décima '
        'parte del texto de entrenamiento no mejora en {word_patience} de {word_measurements} mediciones, y se '
        'conservan los mejores pesos.'
    ),
    'Every tenth passage (line, sentence or paragraph) of a text is held out. It comes from the same documents '
    'as the rest, so it is easier to predict than a text by another author.': (
        'Uno de cada diez pasajes (línea, oración o párrafo) de un texto se reserva. Procede de los mismos documentos '
        'que el resto, así que es más fácil de predecir que un texto de otro autor.'
    ),
    'Time: {seconds}, on {cores} processor cores.': 'Tiempo: {seconds}, en {cores} núcleos.',
    'cells': 'celdas',
    'gates': 'puertas',
    'memory': 'memoria',
    'words': 'palabras',
    'Versions: {versions}.': 'Versiones: {versions}.',
    # cells
    'simple RNN': 'RNN simple',
    'GRU, reset first': 'GRU, reinicio antes',
    'peephole': 'con mirillas',
    'coupled': 'acoplada',
    'peephole, coupled': 'mirillas, acoplada',
    'full peephole': 'mirillas llenas',
    'Cho et al. 2014; reset after the product': 'Cho et al. 2014; reinicio después del producto',
    'Cho et al. 2014, as published': 'Cho et al. 2014, como se publicó',
    'Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000': (
        'Hochreiter y Schmidhuber 1997; puerta de olvido: Gers et al. 2000'
    ),
    'Gers & Schmidhuber 2000': 'Gers y Schmidhuber 2000',
    'Gers & Schmidhuber 2000, with matrices instead of one weight per unit': (
        'Gers y Schmidhuber 2000, con matrices en vez de un peso por unidad'
    ),
    'Melis et al. 2020; five rounds before the step: Q_1, R_1, Q_2, R_2, Q_3': (
        'Melis et al. 2020; cinco rondas antes del paso: Q_1, R_1, Q_2, R_2, Q_3'
    ),
    'Beck et al. 2024; computed with a stabiliser m_t': 'Beck et al. 2024; calculada con un estabilizador m_t',
    # names of the texts
    'Spanish sayings': 'Refranes y citas en español',
    'English film reviews': 'Reseñas de películas en inglés',
    # notes in the references
    'The film reviews.': 'Las reseñas de películas.',
    'A forget gate that starts open.': 'Una puerta de olvido que empieza abierta.',
    'Orthogonal initial weights.': 'Pesos iniciales ortogonales.',
}  # fmt: skip
