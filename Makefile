# make train   builds the environment and trains CONFIG into WORKDIR
# make test    builds the environment and runs the quick tests
# make test-all  runs every test, the slow ones too, on programs that XLA
#              optimises as it does for users: hours, for a night
# make env     builds the environment alone, in .venv
# make lint    checks format, style and types
#
# With uv where it is installed, else with venv and pip from the first
# Python >= 3.12 found. PYTHON=/path/to/python chooses another.

CONFIG ?= configs/char_lm.py
WORKDIR ?= runs/$(subst :,_,$(subst .py,,$(notdir $(CONFIG))))
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.installed

.PHONY: train test test-all env lint
.DELETE_ON_ERROR:

train: $(DONE)
	$(BIN)/python -m experiments.train --config=$(CONFIG) --workdir=$(WORKDIR) $(ARGS)

test: $(DONE)
	$(BIN)/python -m pytest $(ARGS)

test-all: $(DONE)
	LSTM_JAX_TEST_XLA=default $(BIN)/python -m pytest -m "" --timeout 3600 $(ARGS)

env: $(DONE)

lint: $(DONE)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

$(DONE): requirements.txt
	@rm -rf $(VENV)
	@if command -v uv >/dev/null 2>&1; then \
	  echo "building $(VENV) with uv"; \
	  uv venv --quiet --python "$(or $(PYTHON),>=3.12)" $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python -r requirements.txt; \
	else \
	  for python in $(or $(PYTHON),python3.12 python3.13 python3.14 python3); do \
	    if $$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then \
	      found=$$python; break; \
	    fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "error: no Python >= 3.12 with venv found; install one, or uv, or give PYTHON=/path/to/python" >&2; \
	    exit 2; \
	  fi; \
	  echo "building $(VENV) with $$found, venv and pip"; \
	  $$found -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt; \
	fi
	@touch $@
