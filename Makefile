# The everyday commands. `make repro` and `make test` set up what they need and are quick when
# there is nothing to do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export TF_CPP_MIN_LOG_LEVEL ?= 2
export DVC_NO_ANALYTICS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup repro streets ablation test check lock

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/installed  ## create .venv from requirements.lock

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; ok = (3, 10) <= v <= (3, 13); \
	  sys.exit(None if ok else "roadshift needs Python 3.10 to 3.13, this is %d.%d: make PYTHON=python3.11 ..." % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

repro: setup  ## run the workflow with params.yaml
	dvc repro

streets: setup  ## run it on CamVid, KITTI and the ika set, as an experiment
	dvc exp run $$(grep -v '^#' experiments/streets.txt)

FILE ?= experiments/ablation.yaml
ablation: setup  ## run the variants of FILE (experiments/ablation.yaml), or those of ONLY, and compare
	$(BIN)/python -m stages.ablation $(FILE) $(if $(ONLY),--only $(ONLY))

test: setup  ## run the tests, a file a process, up to four at a time
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

check: setup  ## lint, format, types, parameters
	ruff check .
	ruff format --check .
	mypy
	$(BIN)/python -m stages.check

lock:  ## pin the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
	  --custom-compile-command 'make lock' --group dev --quiet pyproject.toml -o requirements.lock
