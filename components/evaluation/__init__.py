"""The PairedEvaluator component: metrics on held-out examples, and the thresholds that bless a classifier."""
