"""One reader for tables: what the pipeline learns from, what is asked at the command line, what a rollout compares."""
