# One command per thing a newcomer wants; `make help` lists them.
#
#   PYTHON=python3.12   the interpreter that .venv is made with (3.11, 3.12 or 3.13; only when .venv does not exist yet)
#   ARGS="--seed 1"     passed on to kvzero (train, bench), pytest (test) or results/gpu/prove.py (gpu)

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
INPUTS := pyproject.toml constraints.txt

# The same pins hold for what is installed and for the isolated environment that builds kvzero itself.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt

# mkdocs-material announces its successor at every build; the versions here are pinned.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup train test kernels check gates docs bench gpu gpu-wheels clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F '|' '{ printf "%-18s%s\n", $$1, $$2 }'

setup: .venv/dev.stamp ## make .venv with kvzero, its extras and the developers' tools

train: .venv/run.stamp ## train an agent on CartPole (ARGS="--seed 1")
	$(BIN)/kvzero train cartpole $(ARGS)

bench: .venv/run.stamp ## measure the speed of the search (ARGS="--num-envs 4")
	$(BIN)/kvzero bench search $(ARGS)

# torch.compile fails under the hook that checks shapes: tests marked `compile` have a session of their own, first.
# The others are shared by one process per core, each of which computes with one thread.
test: .venv/dev.stamp ## run the tests (ARGS="-k search")
	@if grep -rqs --include='test_*.py' 'pytest[.]mark[.]compile' tests; then \
		$(BIN)/python -m pytest -o addopts="--strict-markers --import-mode=importlib" -m compile; \
	fi
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not compile" $(ARGS)

# A machine with a GPU is taken as it is: its Python has PyTorch with CUDA, and .wheels what it lacks. Where this clone has
# a .venv, that is taken.
gpu: ## prove and measure all that only a GPU can show, part by part; call it again to go on (ARGS="--seconds 540")
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) results/gpu/prove.py $(ARGS)

gpu-wheels: .venv/dev.stamp ## collect in .wheels what a machine with a GPU and no network lacks (ARGS="--python 3.12")
	$(BIN)/python results/gpu/wheels.py $(ARGS)

# Triton lies apart: beside PyTorch's CPU build it has no use but this, and takes a gigabyte.
kernels: .triton/stamp ## test the kernels for GPUs, interpreted and compiled; installs Triton for it
	PYTHONPATH=.triton TRITON_INTERPRET=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal \
		tests/search/test_triton_operations.py tests/engines/device

gates: .venv/dev.stamp ## every gate but the tests: format, lint, types, architecture, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet

check: gates test ## every gate: what must pass before a commit

docs: .venv/dev.stamp ## build the documentation into site/
	$(BIN)/mkdocs build --strict

clean: ## remove what the gates and builds leave behind; runs/ and .venv stay
	rm -rf site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove .venv as well
	rm -rf .venv .triton .wheels .gpu

# A stamp is as old as the last whole install; it is made again when what to install changes.
.venv/run.stamp: $(INPUTS) | .venv/bin/pip
	@echo "Installing kvzero into .venv; this takes a few minutes the first time."
	$(PIP) -e ".[box2d,video]"
	@touch $@

.triton/stamp: | .venv/dev.stamp
	$(PIP) --upgrade --target .triton "triton>=3.4,<3.10"
	@touch $@

.venv/dev.stamp: $(INPUTS) | .venv/bin/pip
	@echo "Installing kvzero and its developers' tools into .venv; this takes a few minutes the first time."
	$(PIP) -e ".[dev]"
	@touch $@ .venv/run.stamp

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "kvzero runs on Python 3.11, 3.12 and 3.13, and '$(PYTHON)' is not one of them:"; \
		echo "  $$($(PYTHON) --version 2>&1)"; \
		echo "Name another interpreter: make $(MAKECMDGOALS) PYTHON=python3.12"; \
		exit 1; \
	} >&2
	$(PYTHON) -m venv .venv
