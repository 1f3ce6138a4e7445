# The everyday commands. Each sets up what it needs, and is quick when there is nothing to do.
PYTHON ?= python3
# The folder of the virtual environment; the container has it outside of the project.
VENV := $(or $(ROADSHIFT_VENV),.venv)
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
export TF_CPP_MIN_LOG_LEVEL ?= 2
export DVC_NO_ANALYTICS ?= 1
QUICK := not workflow and not browser and not real_data and not slow

.DEFAULT_GOAL := help
.PHONY: help setup repro streets ablation quick check test lock docs

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

define OPEN
@echo
@echo 'Open in a browser:'
@echo '  report/index.html    the nine cells, and images to look at'
@echo '  report/report.html   the whole report, with its conclusions'
endef

repro: setup  ## run the workflow with params.yaml
	dvc repro
	$(OPEN)

streets: setup  ## run it on CamVid, KITTI and the ika set, as an experiment
	dvc exp run $$(grep -v '^#' experiments/streets.txt)
	$(OPEN)

FILE ?= experiments/ablation.yaml
ablation: setup  ## run the variants of FILE (experiments/ablation.yaml), or those of ONLY, and compare
	$(BIN)/python -m ablation $(FILE) $(if $(ONLY),--only $(ONLY))

quick: setup  ## lint, types and unit tests, in two minutes
	ruff check .
	ruff format --check .
	mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile -m '$(QUICK)'

check: setup  ## lint, format, types, parameters
	ruff check .
	ruff format --check .
	mypy
	$(BIN)/python -m stages.validate_params

test: setup  ## run all tests, a file a process, up to four at a time
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lock:  ## pin the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
	  --custom-compile-command 'make lock' --group dev --quiet pyproject.toml -o requirements.lock

docs: setup  ## write the pages that are made from the code
	$(BIN)/python -m tests.bad_input.table
	$(BIN)/python -m tests.parameters_page
