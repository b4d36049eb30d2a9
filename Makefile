# `make help` lists the targets. Everything runs from .venv, which holds exactly the locked versions.
# Found before .venv goes on the PATH: the environment is never made from itself.
PYTHON := $(or $(PYTHON),$(shell which python3))
VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help repro compare seeds sweep test test-remotes check check-lock gate verify retrain propose promote format report tensorboard bench bench-gpu lock schema preset environment test-environment

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

repro: preset environment ## make .venv and reproduce the pipeline; PRESET=name puts presets/name.yaml in place first
	@dvc repro

test: test-environment ## run every test, a process a core
	@OMP_NUM_THREADS=1 pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-remotes: test-environment ## test DVC's remotes too: a folder, sshd, an S3-compatible server
	@pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-remotes.txt
	@pytest -m 'remote or not remote' tests/test_remotes.py

check: test-environment ## lint, check types and CI's workflows
	@ruff check .
	@ruff format --check .
	@mypy
	@zizmor --quiet --offline --persona=auditor .github/workflows
	@check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --quiet --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci .gitlab-ci.yml

check-lock: environment ## say, without the data, whether dvc.lock belongs to code, params and metrics
	@python -m fashion_cnn check-lock

gate: environment ## hold the run against gate.yaml and a baseline; BASELINE=revision, by default HEAD
	@python -m fashion_cnn gate --baseline $(or $(BASELINE),HEAD)

verify: environment ## make the committed run again from nothing and compare; MODEL=lenet limits it
	@python -m fashion_cnn verify $(addprefix --model=,$(MODEL))

retrain: environment ## what CI does: pull, reproduce, gate, report; BASELINE=revision, REMOTE=1 for SSH or S3
ifneq ($(REMOTE),)
	@pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-remotes.txt
endif
	@.ci/retrain

propose: ## in CI, open a pull request with the run; BRANCH and BASE name the branches
	@.ci/propose

promote: environment ## in CI, check the run of a model's git tag and fetch its weights; TAG=lenet@v1.0.0
ifneq ($(REMOTE),)
	@pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-remotes.txt
endif
	@.ci/promote

format: test-environment ## format the code
	@ruff check --fix .
	@ruff format .

report: environment ## write report.html and report.md of the workspace; BASELINE=revision names another than HEAD
	@python -m fashion_cnn report --baseline $(or $(BASELINE),HEAD)

compare: environment ## the experiments, best first: what differs and what came of it; MODEL=name for one network
	@python -m fashion_cnn compare $(MODEL)

seeds: environment ## train one network at N seeds, as MODEL=lenet N=5: mean, standard deviation and interval
	@python -m fashion_cnn seeds $(or $(MODEL),lenet) $(or $(N),5)

sweep: environment ## search the ranges of sweep.yaml for a better recipe of one network, as MODEL=lenet
	@python -m fashion_cnn sweep $(or $(MODEL),lenet)

tensorboard: environment ## show the training runs in a browser
	@tensorboard --logdir runs

bench: environment ## measure training on the CPU beside the tutorial's own way; 6 minutes of an idle machine
	@dvc repro --quiet download
	@python -m benchmarks.cpu

bench-gpu: environment ## measure training on a CUDA GPU; OPTIONS="--help" lists the options
	@dvc repro --quiet download
	@python -m benchmarks.gpu $(OPTIONS)

schema: environment ## write params.schema.json anew from the types
	@python -c "from fashion_cnn import params; print(params.schema(), end='')" > params.schema.json

lock: test-environment ## resolve the dependencies anew and write the locks
	@uv pip compile pyproject.toml --group build $(RESOLVE) --output-file requirements.txt
	@uv pip compile pyproject.toml --group build --group test --constraint requirements.txt $(RESOLVE) --output-file requirements-test.txt
	@uv pip compile --group remotes --constraint requirements-test.txt $(RESOLVE) --output-file requirements-remotes.txt

RESOLVE := --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

preset:
ifneq ($(PRESET),)
	@test -f presets/$(PRESET).yaml || { \
		echo "error: there is no preset '$(PRESET)'; choose one of:" $(sort $(basename $(notdir $(wildcard presets/*.yaml)))) >&2; exit 1; }
	@test ! -e params.yaml || cmp -s presets/$(PRESET).yaml params.yaml || \
		git ls-tree -r HEAD | grep -q "$$(git hash-object params.yaml)" || { \
		echo "error: params.yaml has edits that git does not hold: commit them, or drop them with 'git checkout HEAD params.yaml'" >&2; exit 1; }
	@cp presets/$(PRESET).yaml params.yaml
endif

# The lock that an environment was made from is kept in it: equal locks, nothing to do.
environment:
	@cmp -s requirements.txt $(VENV)/requirements.txt || { \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, not " + sys.version.split()[0] + ": name one, as in make repro PYTHON=python3.12")' && \
		$(PYTHON) -m venv --clear $(VENV) && \
		pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt && \
		pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . && \
		cp requirements.txt $(VENV)/requirements.txt; }

test-environment: environment
	@cmp -s requirements-test.txt $(VENV)/requirements-test.txt || { \
		pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-test.txt && \
		cp requirements-test.txt $(VENV)/requirements-test.txt; }
