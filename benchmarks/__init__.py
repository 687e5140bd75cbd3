"""How well and how fast vaiven learns, against baselines measured in the same run.

    python -m benchmarks.sentiment | training_speed | language | serving   [--quick]

The last line that each prints is one JSON object with every figure, its spread and its baseline.
"""
