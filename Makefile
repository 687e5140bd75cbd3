# Two commands: `make run` trains, validates, pushes and serves; `make test` checks everything.
# Each first makes the environment, which takes a fraction of a second when nothing has changed.
PYTHON3 ?= python3
VAIVEN := .venv/bin/vaiven
RUN ?=

.PHONY: run test env lint lock clean

run: env
	@$(VAIVEN) run $(RUN)

test: env lint
	@GRPC_ENABLE_FORK_SUPPORT=false .venv/bin/python -m pytest

lint: env
	@.venv/bin/ruff check .
	@.venv/bin/mypy -p vaiven.pipeline -p vaiven.components -p vaiven.models -p vaiven.serving

env:
	@command -v $(PYTHON3) >/dev/null || { echo 'env: no python3: install the package python3' >&2; exit 1; }
	@$(PYTHON3) -B bootstrap/env.py

# Resolves the libraries anew; no address of an index is written down.
lock: env
	@.venv/bin/python -B bootstrap/lock.py

clean:
	rm -rf .venv build dist *.egg-info
