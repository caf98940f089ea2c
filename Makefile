# `make demo` plays the story, `make test` proves it; both set up what they need in .venv.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# uv reads none of pip's configuration: it is told here to trust the system's certificates and to bring no Python along.
export UV_SYSTEM_CERTS := 1
export UV_PYTHON_DOWNLOADS := never
export PYTHONPATH := $(CURDIR)/operator:$(CURDIR)/trainer:$(CURDIR)/kubectl

.PHONY: help demo test test-deep test-keras check e2e e2e-load crds images image-keras bench-serve bench-drift bench-train bench-operator soak lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/ready ## Play the story on real data: trained, drifted, retrained, validated, rolled out
	@$(BIN)/python -m tests.demo

test: .venv/ready check ## Everything that can fail: linters, types, layers, tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

test-deep: .venv/ready ## The promises under 10,000 schedules and every sort of fault; about an hour
	@DEEP=1 $(BIN)/python -m pytest -n 2 --dist load --timeout 3600 tests/faults tests/fuzz

test-keras: .venv-keras/ready ## The tests of Keras, in an environment of their own (2 GB)
	@.venv-keras/bin/python -m pytest tests/trainer/test_networks.py

check: .venv/ready ## Linters, types, layers and words only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.house.word_list

e2e: .venv/ready ## The end-to-end tests only; CLUSTER=local, real or current
	@CLUSTER=$(CLUSTER) $(BIN)/python -m pytest tests/e2e

e2e-load: .venv/ready ## A load of requests through five roll-outs, a roll-back and a kill of the operator; minutes
	@CLUSTER=$(CLUSTER) $(BIN)/python -m pytest -s tests/e2e/load.py

crds: .venv/ready ## Write the CRDs, their copies and the API reference anew from the core's values
	@$(BIN)/python -m perennial_operator.crds manifests/crds
	@cp manifests/crds/*.yaml charts/perennial/files/crds/
	@$(BIN)/python docs/reference.py
	@$(BIN)/python docs/phases.py
	@$(BIN)/python -m tests.charts.readme
	@$(BIN)/python -m tests.gitops.argocd

images: .venv/ready ## Build both images and try them: TOOL=docker or buildah, BASE=another base image, REGISTRY=where they are to be pushed
	@for part in operator trainer; do \
	  $(or $(TOOL),docker) build $(if $(BASE),--build-arg BASE=$(BASE)) -f $$part/Dockerfile \
	    -t $(if $(REGISTRY),$(REGISTRY)/)perennial-$$part:0.1.0 . || exit 1; done
	@TOOL=$(or $(TOOL),docker) REGISTRY=$(REGISTRY) $(BIN)/python -m pytest tests/images

image-keras: ## Build the trainer's image with Keras on TensorFlow; TOOL, BASE and REGISTRY as for images
	@$(or $(TOOL),docker) build $(if $(BASE),--build-arg BASE=$(BASE)) --build-arg REQUIREMENTS=trainer-keras \
	  -f trainer/Dockerfile -t $(if $(REGISTRY),$(REGISTRY)/)perennial-trainer-keras:0.1.0 .

bench-serve: .venv/ready ## Requests per second and CPU of the model server
	@$(BIN)/python -m tests.serve.bench_serve

bench-drift: .venv/ready ## The drift check beside decoding, scipy and Evidently, up to 10 million rows
	@$(BIN)/python -m tests.bench.bench_drift

bench-train: .venv/ready ## A whole training beside the bare scikit-learn script of the same steps, on a million rows
	@$(BIN)/python -m tests.bench.bench_train

bench-operator: .venv/ready ## One operator with 1,000 models and 10,000 reports, beside a bare script; a real API server from $$KUBEBUILDER_ASSETS
	@PYTHONPATH=$(PYTHONPATH):$(CURDIR) $(BIN)/python -m tests.bench.bench_operator

soak: .venv/ready ## An hour of random life in ten minutes: memory, tasks, files and calls stay flat; build/soak.svg
	@PYTHONPATH=$(PYTHONPATH):$(CURDIR) $(BIN)/python -m tests.bench.soak

lock: .venv/ready ## Pin every dependency anew, with hashes
	@$(BIN)/uv pip compile -q --universal --generate-hashes --upgrade --no-annotate --no-header \
	  --extra operator --extra trainer --extra kubectl --extra dev pyproject.toml -o requirements/dev.txt
	@for extra in operator trainer; do \
	  $(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header \
	    --extra $$extra pyproject.toml -c requirements/dev.txt -o requirements/$$extra.txt; done
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header \
	  --extra trainer --extra keras pyproject.toml -c requirements/dev.txt -o requirements/trainer-keras.txt

clean: ## Forget the environment
	rm -rf .venv .venv-keras

# Only a finished set-up leaves the mark, so that one cut short is begun again.
.venv/ready: requirements/dev.txt
	@echo "Setting up .venv (once; about a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Perennial needs Python 3.11 or newer; run make with PYTHON=python3.11")'
	@$(PYTHON) -m venv .venv
	@export PIP_DISABLE_PIP_VERSION_CHECK=1; \
	  { $(BIN)/pip install -q uv && $(BIN)/uv pip install -q --require-hashes --python $(BIN)/python -r requirements/dev.txt; } \
	  || $(BIN)/pip install -q --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

.venv-keras/ready: .venv/ready requirements/trainer-keras.txt
	@echo "Setting up .venv-keras (once; some minutes) ..."
	@$(PYTHON) -m venv .venv-keras
	@$(BIN)/uv pip install -q --require-hashes --python .venv-keras/bin/python \
	  -r requirements/dev.txt -r requirements/trainer-keras.txt
	@touch $@
