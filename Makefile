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
.PHONY: help setup repro streets push pull experiment holdout table ablation search quick check test beam
.PHONY: lock docs git

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# A downloaded ZIP is no repository, and DVC runs in none. That is said before a set-up of gigabytes;
# the set-up alone goes on, since an image of a container may well be made without a repository.
define NO_GIT
if ! git rev-parse --quiet --verify HEAD >/dev/null; then \
  echo 'This folder is in no git repository with a commit, which DVC needs. Clone the project with' >&2; \
  echo '`git clone`, or make a repository of this folder:' >&2; \
  echo '  git init && git add --all && git commit --message roadshift' >&2; \
  $(1); fi
endef

git:
	@$(call NO_GIT,exit 1)

setup: $(VENV)/installed $(if $(GPU),$(VENV)/installed-gpu)  ## create .venv from requirements.lock; with GPU=1 NVIDIA's libraries, too

$(VENV)/installed: requirements.lock pyproject.toml
	@$(call NO_GIT,true)
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; ok = (3, 10) <= v <= (3, 13); \
	  sys.exit(None if ok else "roadshift needs Python 3.10 to 3.13, this is %d.%d: make PYTHON=python3.11 ..." % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/installed-gpu: requirements-gpu.lock $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-gpu.lock
	touch $@

define OPEN
@echo
@echo 'Open in a browser:'
@echo '  report/index.html    the nine cells, and images to look at'
@echo '  report/report.html   the whole report, with its conclusions'
endef

repro: git setup  ## run the workflow with params.yaml
	dvc repro
	$(OPEN)

streets: git setup  ## run it on CamVid, KITTI and the ika set, as an experiment; or once for each of SEEDS="0 1 2"
ifdef SEEDS
	$(BIN)/python -m ablation.seeds experiments/streets.txt --seeds $(SEEDS)
else
	pull=$$($(BIN)/python -m ablation.remote options) && \
	  dvc exp run $$pull $$(grep -v '^#' experiments/streets.txt)
	$(OPEN)
endif

push: git setup  ## give data, networks and the run cache to the DVC remote
	@$(BIN)/python -m ablation.remote push

pull: git setup  ## take from the DVC remote what the last commit has made
	@$(BIN)/python -m ablation.remote pull

experiment: git setup  ## run an experiment with the parameters S="key=value ...", with MIX of that mix alone
	$(BIN)/python -m ablation.experiment $(foreach override,$(S),-S '$(override)') $(if $(MIX),--mix $(MIX))

holdout: git setup  ## hold each source, or each of OF="a b ...", out in turn; with the parameters S="key=value ..."
	$(BIN)/python -m ablation.experiment $(foreach override,$(S),-S '$(override)') --leave-one-out $(OF)

table: git setup  ## show the experiments: the cells of each, and the parameters that it changed
	@$(BIN)/python -m ablation.table

FILE ?= experiments/ablation.yaml
ablation: git setup  ## compare the variants of FILE, or those of ONLY; with FINAL=1 on test images
	$(BIN)/python -m ablation $(FILE) $(if $(ONLY),--only $(ONLY)) $(if $(FINAL),--final)

search: FILE = experiments/search_synthetic.yaml
search: git setup  ## choose a recipe on held-out sources, by the space in FILE
	$(BIN)/python -m search $(FILE)

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

BEAM := $(or $(ROADSHIFT_BEAM_VENV),.venv-beam)
beam: $(BEAM)/installed  ## write the same shards in every way, by Apache Beam too, in .venv-beam
	$(BEAM)/bin/python -m benchmarks.shard_ways --beam

# Apache Beam wants other versions of protobuf, pyarrow and Pillow than requirements.lock has.
$(BEAM)/installed: requirements-beam.lock
	test -x $(BEAM)/bin/python || $(PYTHON) -m venv $(BEAM)
	$(BEAM)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-beam.lock
	touch $@

lock:  ## pin the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
	  --custom-compile-command 'make lock' --group dev --quiet pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
	  --custom-compile-command 'make lock' --extra beam --quiet pyproject.toml -o requirements-beam.lock
	uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
	  --custom-compile-command 'make lock' --group gpu --constraints requirements.lock --quiet -o requirements-gpu.lock

docs: setup  ## write the pages that are made from the code
	$(BIN)/python -m tests.bad_input.table
	$(BIN)/python -m tests.parameters_page
