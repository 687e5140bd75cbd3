# Each target first makes the environment, which takes a fraction of a second when nothing has changed.
PYTHON3 ?= python3
VAIVEN := .venv/bin/vaiven
RUN ?=

# Bare `make` shows this, and does nothing.
.DEFAULT_GOAL := help
.PHONY: help run test env lint lock clean

help:
	@echo 'make run    train a model on film reviews, check it, push it, serve it and show its answers'
	@echo '            options of `vaiven run` go into RUN, as in make run RUN="--preset novel"'
	@echo 'make test   check the code and run all tests'
	@echo 'make lint   check the code alone'
	@echo 'make env    make the environment in .venv alone; the command is then .venv/bin/vaiven'
	@echo 'make lock   resolve the libraries in requirements/lock.txt again'
	@echo 'make clean  remove .venv and what builds left'

run: env
	@$(VAIVEN) run $(RUN)

test: env lint
	@GRPC_ENABLE_FORK_SUPPORT=false .venv/bin/python -m pytest

lint: env
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy -p vaiven.pipeline -p vaiven.components -p vaiven.models -p vaiven.serving

env:
	@command -v $(PYTHON3) >/dev/null || { echo 'env: no python3: install the package python3' >&2; exit 1; }
	@$(PYTHON3) -B bootstrap/env.py

# Resolves the libraries again; no address of an index is written down.
lock: env
	@.venv/bin/python -B bootstrap/lock.py

clean:
	rm -rf .venv build dist *.egg-info
