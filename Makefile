# `make help` lists the targets. Everything runs from .venv, which holds exactly the locked versions.
.DEFAULT_GOAL := help
.PHONY: help repro tensorboard report explore compare seeds sweep check-lock gate verify retrain propose drift-issue promote \
	audit test test-fast test-faults mutants test-images test-explore test-remotes test-workflows test-slurm check format reference lock bench bench-peers bench-gpu bench-photos bench-mirrored bench-stages bench-labels bench-explore golden carried \
	preset environment test-environment remotes

# A shell that does nothing would open every gate.
override SHELL := /bin/sh
override .SHELLFLAGS := -c

# What a user may set reaches the shell as environment variables, as it stands: `value` keeps make
# from expanding it, and no recipe has it in its text, where the shell would run it.
SETTINGS := PRESET JOBS MODEL N ALL BASELINE PART OPTIONS REMOTE TAG BRANCH BASE RUN UPDATE
$(foreach name,$(SETTINGS),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))
# Found before .venv goes on the PATH: the environment is never made from itself.
override PYTHON := $(or $(value PYTHON),$(shell which python3))
export PYTHON
override export PATH := $(CURDIR)/.venv/bin:$(value PATH)

override PIP := pip --quiet --disable-pip-version-check
override LOCKED := $(PIP) install --require-hashes --requirement
override PYTEST := OMP_NUM_THREADS=1 pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

help: ## list the targets
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-16s%s\n", $$1, $$2 }' Makefile

##@ Run
repro: preset ## make .venv and run the pipeline; PRESET=name writes a preset to params.yaml first, JOBS=3 trains side by side
	@case "$${JOBS:-1}" in 1) ;; *[!0-9]* | 0* | ???*) echo "error: JOBS: expected a number from 1 to 99, got '$$JOBS'" >&2; exit 1 ;; \
	*) dvc repro check_shapes withdraw && dvc stage list --name-only | grep -E '^(train|finetune)_' | \
		xargs --max-args 1 --max-procs "$$JOBS" dvc --wait-for-lock repro --single-item ;; esac
	@dvc repro

##@ Look
tensorboard: environment ## show the training runs in a browser
	@tensorboard --logdir runs

report: environment ## write report.html and report.md; BASELINE=revision to compare with (default HEAD)
	@python -m fashion_cnn report --baseline="$${BASELINE:-HEAD}"

explore: environment ## make data/explore/explore.html current and open it: the networks, to touch in a browser
	@dvc repro explore
	@python -m webbrowser "file://$(CURDIR)/data/explore/explore.html" > /dev/null || echo 'open data/explore/explore.html in a browser'

##@ Compare
compare: environment ## list the experiments, best first; MODEL=name for one network, ALL=1 for all branches
	@python -m fashion_cnn compare $${ALL:+--all} $${MODEL:+-- "$$MODEL"}

seeds: environment ## train one network with several seeds: mean, deviation, interval; MODEL=lenet N=5
	@python -m fashion_cnn seeds -- "$${MODEL:-lenet}" "$${N:-5}"

sweep: environment ## search the ranges of config/sweep.yaml for a better recipe; MODEL=lenet
	@python -m fashion_cnn sweep -- "$${MODEL:-lenet}"

##@ Trust
check-lock: environment ## check without the data that dvc.lock belongs to code, parameters and metrics
	@python -m fashion_cnn check-lock

gate: environment ## check the run against config/gate.yaml and BASELINE=revision (default HEAD); MODEL=name, ALL=1
	@.ci/gate

verify: environment ## make the committed run again from nothing and compare; MODEL=name for one
	@python -m fashion_cnn verify $${MODEL:+"--model=$$MODEL"}

retrain: environment remotes ## pull, reproduce, report, gate, push, as CI does; BASELINE=revision, REMOTE=1, UPDATE=1
	@.ci/retrain

propose: ## in CI: open a pull request with the run; BRANCH=new branch, BASE=target branch
	@.ci/propose

drift-issue: ## in CI: open an issue if new images have drifted and config/gate.yaml asks for it
	@.ci/drift-issue

promote: environment remotes ## in CI: check the run of a git tag and fetch its weights; TAG=lenet@v1.0.0
	@.ci/promote

##@ Work on it
test: test-environment ## run every test, one process per core
	@$(PYTEST)

test-fast: test-environment ## run the tests without the pipeline; PART=training for tests/training alone
	@$(PYTEST) -m 'not long and not remote and not faults and not images and not workflows and not explore and not slurm' "tests/$$PART"

test-remotes: test-environment ## run the tests of DVC's remotes too: a folder, sshd, an S3-compatible server
	@$(LOCKED) requirements/remotes.txt
	@pytest -m 'remote or not remote' tests/test_remotes.py

test-slurm: test-environment ## run the test of Slurm on two nodes of this machine; needs slurmctld, slurmd and munge
	@pytest -m slurm tests/test_slurm.py

test-images: test-environment ## run the pipeline on other images, with a network of one's own, and without dvc; minutes
	@pytest -m images tests/test_own_images.py tests/test_own_network.py tests/test_benchmarks.py

test-explore: test-environment ## test the explore page with all of the reduced VGG's answers too; minutes
	@pytest -m 'explore or not explore' tests/explore

test-faults: test-environment ## run the longer tests of bad input and of the machine's faults too; an hour or more, hours on a busy machine
	@pytest -m 'faults or not faults' tests/faults

mutants: test-environment ## change the code in 300 places, one by one: do the tests notice? Goes on where it was stopped; an hour
	@$(LOCKED) requirements/mutants.txt
	@OMP_NUM_THREADS=1 python tests/mutants.py

test-workflows: test-environment ## run CI's workflows for real, by act, without network or Docker; needs gh; minutes
	@pytest -m workflows tests/test_workflows.py

check: test-environment ## lint, check types, CI's workflows and the container
	@ruff check .
	@ruff format --check .
	@mypy
	@zizmor --quiet --offline --persona=auditor .github/workflows
	@hadolint .devcontainer/Dockerfile
	@actionlint .github/workflows/*.yml
	@check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --quiet --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci .gitlab-ci.yml

audit: test-environment ## look up the locked packages' known vulnerabilities, where PyPI can be reached
	@for lock in run test remotes; do \
		pip-audit --strict --progress-spinner=off --disable-pip --require-hashes --requirement "requirements/$$lock.txt" 2>.venv/audit.txt || { \
			if grep -q 'Max retries\|could not be audited' .venv/audit.txt; then \
				echo "error: not audited: PyPI's data on vulnerabilities cannot be had from here" >&2; \
			else cat .venv/audit.txt >&2; fi; exit 1; }; done

format: test-environment ## format the code
	@ruff check --fix .
	@ruff format .

reference: environment ## write config/params.schema.json and docs/parameters-reference.md from the types
	@python -m fashion_cnn reference

lock: test-environment ## resolve the dependencies again and write requirements/
	@uv pip compile pyproject.toml --group build $(RESOLVE) --output-file requirements/run.txt
	@uv pip compile pyproject.toml --group build --group test --constraint requirements/run.txt $(RESOLVE) --output-file requirements/test.txt
	@uv pip compile --group remotes --constraint requirements/test.txt $(RESOLVE) --output-file requirements/remotes.txt
	@uv pip compile --group peers --constraint requirements/test.txt $(RESOLVE) --output-file requirements/peers.txt
	@uv pip compile --group labels --constraint requirements/test.txt $(RESOLVE) --output-file requirements/labels.txt
	@uv pip compile --group mutants --constraint requirements/test.txt $(RESOLVE) --output-file requirements/mutants.txt

bench: environment ## time training on the CPU beside the tutorial's own way; 6 minutes on an idle machine
	@dvc repro --quiet download
	@python -m benchmarks.cpu

bench-peers: environment ## time the same training by Lightning, Keras, fastai and this project; takes an hour
	@$(LOCKED) requirements/peers.txt
	@dvc repro --quiet download
	@python -m benchmarks.peers

bench-gpu: environment ## time training on a CUDA GPU; OPTIONS="--help" lists the options
	@dvc repro --quiet download
	@set -f; python -m benchmarks.gpu $$OPTIONS

bench-photos: environment ## LeNet's accuracy on photographs made from test images
	@dvc repro --quiet train_lenet
	@python -m benchmarks.photographs

bench-mirrored: environment ## test accuracy by the mean over each image and its mirror image; a minute
	@dvc repro --quiet evaluate
	@python -m benchmarks.mirrored

bench-stages: environment ## seconds of a whole run by stage and part, and of DVC itself; OPTIONS="--help" lists the options
	@set -f; python -m benchmarks.stages $$OPTIONS

bench-labels: environment ## find suspect labels and almost equal images; writes docs/labels_*.png; 10 minutes
	@$(LOCKED) requirements/labels.txt
	@dvc repro --quiet evaluate
	@OMP_NUM_THREADS=1 python -m benchmarks.labels

bench-explore: test-environment ## make the explore page's pictures in docs/ anew, and measure its frame time
	@dvc repro --quiet explore
	@python -m benchmarks.explore

golden: environment ## write the losses of each network's first 50 steps to tests/golden, which tests compare
	@dvc repro --quiet download
	@python -m benchmarks.golden $$OPTIONS

# Besides torch, torchvision, TensorBoard, matplotlib, pandas, SciPy and what these bring along.
override CARRIED := annotated-types|captum|lightning-utilities|packaging|psutil|pydantic|pydantic-core|ruamel-yaml|safetensors|tabulate|torchmetrics|tqdm|typing-extensions|typing-inspection

carried: environment ## fill runs/carried with what benchmarks/on_gpu.sh needs on a bare machine with a GPU
	@dvc repro --quiet download
	@rm -rf runs/carried && mkdir -p runs/carried
	@awk '/^[a-z]/ { kept = $$1 ~ /^($(CARRIED))==/ } kept' requirements/run.txt > runs/carried/requirements.txt
	@$(PIP) download --no-deps --require-hashes --only-binary :all: --python-version 3.12 --dest runs/carried \
		--platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --platform any --requirement runs/carried/requirements.txt
	@for file in data/fashion_mnist/*-ubyte; do gzip --no-name --stdout "$$file" > "runs/carried/$${file##*/}.gz"; done
	@du -sh runs/carried

override RESOLVE := --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

# Edits that no commit holds are not overwritten. What the last preset wrote is kept among git's own
# files, so that the next preset may take its place.
preset: environment
	@.ci/history
	@test -z "$$PRESET" || { \
		written=$$(git rev-parse --git-path params-of-preset) && \
		{ test ! -e params.yaml || cmp -s params.yaml "$$written" || \
			test "$$(git hash-object params.yaml)" = "$$(git rev-parse --quiet --verify HEAD:params.yaml)" || { \
			echo "error: params.yaml has edits that are not committed: commit them, or drop them with 'git checkout HEAD params.yaml'" >&2; exit 1; }; } && \
		python -m fashion_cnn preset -- "$$PRESET" && cp params.yaml "$$written"; }

# The lock that an environment was made from is kept in it: equal locks, nothing to do.
environment:
	@cmp -s requirements/run.txt .venv/run.txt || { \
		"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, not " + sys.version.split()[0] + ": name one, as in make repro PYTHON=python3.12")' && \
		"$$PYTHON" -m venv --clear .venv && \
		$(LOCKED) requirements/run.txt && \
		$(PIP) install --no-deps --no-build-isolation --editable . && \
		python -m fashion_cnn.tools.plots_page .venv/plots.html && \
		dvc config --local plots.html_template ../.venv/plots.html && \
		cp requirements/run.txt .venv/run.txt; }

test-environment: environment
	@cmp -s requirements/test.txt .venv/test.txt || { \
		$(LOCKED) requirements/test.txt && \
		cp requirements/test.txt .venv/test.txt; }

# What DVC needs for a remote by SSH or S3.
remotes: environment
	@test -z "$$REMOTE" || $(LOCKED) requirements/remotes.txt
