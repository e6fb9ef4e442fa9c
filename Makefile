# Two commands do everything: `make demo` and `make test`. Both set up .venv first, with exactly the pinned versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export RAY_USAGE_STATS_ENABLED := 0
export NO_ALBUMENTATIONS_UPDATE := 1
# OpenBLAS picks a slow kernel for processors it does not know; Haswell's runs on every x86-64 with AVX2.
export OPENBLAS_CORETYPE ?= Haswell
# FAISS's threads else spin between searches, which costs ten times their work where cores are shared.
export OMP_WAIT_POLICY ?= passive

.PHONY: help
help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 13); sys.exit(not ok and "curate needs Python 3.11 or 3.12; say make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev]'
	touch $@

.PHONY: setup
setup: $(VENV)/ready ## set up .venv with the pinned versions

.PHONY: demo
demo: setup ## a small web with planted copies and faults, through the whole pipeline: runs/demo
	$(BIN)/curate demo --out runs/demo

.PHONY: lint
lint: setup ## ruff, mypy --strict, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: test
test: lint ## everything that CI runs
	$(BIN)/pytest -n 2 --no-loadscope-reorder

.PHONY: browser
browser: setup ## get a Chromium for the tests that need one, where the machine has none
	$(BIN)/playwright install --with-deps chromium

.PHONY: bench
bench: setup ## speeds as ratios against named baselines, measured in one run; with PICTURES=DIR duplicates beside the peers
	$(BIN)/python -m tests.bench
	$(if $(PICTURES),$(BIN)/python -m tests.bench.dedup_peers $(PICTURES))

.PHONY: bench-detection
bench-detection: setup ## what is found of every edit, beside the peers: PICTURES=DIR of the tars named in tests/bench/detection
	$(BIN)/python -m tests.bench.detection --pictures $(PICTURES) --out runs/bench-detection

.PHONY: docs
docs: setup ## write schemas/README.md again from the contracts
	$(BIN)/python -m curate.contracts > schemas/README.md

.PHONY: clean
clean: ## delete the runs and the caches, not .venv
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
