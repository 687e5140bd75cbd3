"""What is asked of a model where nothing else is said."""

# Bold enough for new sentences, and careful enough for few new words.
TEMPERATURE, TOP_P = 0.8, 0.95
