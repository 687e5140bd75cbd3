# Each target first makes the environment, which takes a fraction of a second when nothing has changed.
PYTHON3 ?= python3
VAIVEN := .venv/bin/vaiven
RUN ?=
# Processes of `make test` and `make quick`; each takes up to 4 GB.
WORKERS ?= 2
TESTS := GRPC_ENABLE_FORK_SUPPORT=false .venv/bin/python -m pytest \
    --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# Bare `make` shows the targets, and does nothing else.
.DEFAULT_GOAL := help
.PHONY: help run test quick env lint lock clean

# Lists every target with the text after its `##`.
help:  ## Show this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1 @\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS=@ read -r command text; do printf '%-11s %s\n' "$$command" "$$text"; done

run: env  ## Train on film reviews, validate, push, serve and query the model; RUN="--preset novel" adds options
	@$(VAIVEN) run $(RUN)

test: env lint  ## Check the code and run all tests
	@$(TESTS)

quick: env  ## Run the tests that need neither a TensorFlow server nor training
	@$(TESTS) -m 'not slow'

lint: env  ## Check style, formatting and types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy -p vaiven.pipeline -p vaiven.components -p vaiven.models -p vaiven.serving

env:  ## Create the environment in .venv, with the command .venv/bin/vaiven
	@command -v $(PYTHON3) >/dev/null || { echo 'env: no python3: install the package python3' >&2; exit 1; }
	@$(PYTHON3) -B bootstrap/env.py

# No address of a package index is written to the file.
lock: env  ## Resolve the versions in requirements/lock.txt again
	@.venv/bin/python -B bootstrap/lock.py

clean:  ## Remove .venv and build artifacts
	rm -rf .venv build dist *.egg-info
