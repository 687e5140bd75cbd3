"""Benchmarks of quality and speed. Each measures its baselines in the same run.

    python -m benchmarks.NAME [--quick]

| name | measures | duration |
|---|---|---|
| `sentiment` | accuracy and calibration of the classifier and of linear baselines, over fixed folds | not recorded |
| `sentiment_ablation` | effect of each technique on the classifier | not recorded |
| `language` | bits per character on held-out novels: this project's model, Kneser-Ney and PPM | not recorded |
| `language_ablation` | effect of each technique on the character language model | not recorded |
| `agreement` | Spanish agreement in number and gender: language model and 5-gram | 36 minutes on one core |
| `novel` | text generation: the paper's recipe and the preset `novel` | not recorded; two trainings |
| `training_speed` | tokens per second against plain `fit` | not recorded |
| `serving` | latency, throughput, memory and start of the model server, against peers | `--quick`: minutes |
| `client` | overhead, start and throughput of the client, against a bare stub | `--quick`: minutes |
| `gateway` | cost of the gateway, shares of the traffic, failures during changes | not recorded |
| `rollout` | rollouts under load, with faulty versions, and with killed commands | `--quick`: under 5 minutes |

All have one report format: progress lines, then one line with a JSON object. It contains every figure with its spread
and its baseline, the settings, the machine and the `seconds` of the run.
"""
