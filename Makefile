# Everything is made inside .venv; `make clean-all` takes it away again.
PYTHON ?= python3
PYTEST_FLAGS ?= -n auto --maxprocesses 4

VENV := .venv
BIN := $(VENV)/bin
NNI := .venv-nni
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := nas search_spaces rewards latency open_registry user_folders examples scripts tests benchmarks
# What computes, and takes minutes at most.
NUMERICAL_TESTS := tests/rewards tests/search_spaces tests/nas/distillation tests/nas/models \
	tests/nas/training tests/nas/kinds tests/nas/experiments
MADE_FROM := setup.cfg pyproject.toml constraints.txt
TESTED := .[test,postgresql,ray]

.DEFAULT_GOAL := help
.PHONY: help install test test-portable test-nni demo lint docs wheel format hooks clean clean-all

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make .venv with the nas command in it

test: $(VENV)/.installed-test ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_FLAGS)

test-portable: $(VENV)/.installed-test ## Run the numerical tests with other instructions
	OMP_NUM_THREADS=1 ATEN_CPU_CAPABILITY=default NAS_NATIVE=0 \
		$(BIN)/python -m pytest $(PYTEST_FLAGS) $(NUMERICAL_TESTS)

test-nni: $(NNI)/.installed ## Run the tests that need NNI, in an environment of their own
	OMP_NUM_THREADS=1 $(NNI)/bin/python -m pytest tests/nas/searching/test_nni_experiment.py

demo: ## Install, search on drawn faces, plot the front, retrain the best
	@MAKE="$(MAKE)" PYTHON="$(PYTHON)" NAS="$(BIN)/nas" bash scripts/demo.sh

lint: $(VENV)/.installed-dev ## Check style, formatting, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs ## Build the documentation into build/site
	$(BIN)/python scripts/docs_pages.py
	$(BIN)/zensical build --clean --strict

wheel: ## Build the wheel and use it from an empty folder, in an environment of its own
	@PYTHON="$(PYTHON)" bash scripts/check_wheel.sh

format: $(VENV)/.installed-dev ## Format the code and fix lint errors
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

hooks: $(VENV)/.installed-dev ## Check every commit before it is made
	$(BIN)/pre-commit install

clean: ## Remove caches and build outputs; runs stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find $(wildcard $(SOURCES)) -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean ## Remove .venv as well
	rm -rf $(VENV) $(NNI)

# $(1): what to install, $(2): more options. The metadata that an editable install leaves beside the
# sources is of no use once it is done.
define pip_install
	@echo "Installing $(1) into $(VENV)"
	@$(PIP) install --quiet --constraint constraints.txt $(2) --editable "$(1)"
	@rm -rf *.egg-info
endef

# Bytecode is compiled apart from pip, which would do it on one core and double the time. A few files in
# other people's packages do not compile; nothing imports those.
$(VENV)/.installed: $(MADE_FROM)
	@$(PYTHON) scripts/check_python.py
	@$(PYTHON) -m venv $(VENV)
	$(call pip_install,.,--no-compile)
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@$(BIN)/python scripts/complete_torchvision.py
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(call pip_install,$(TESTED))
	@touch $@

# NNI wants older packages than the rest: they lie before those of .venv, which serve otherwise.
$(NNI)/.installed: $(VENV)/.installed-test requirements-nni.txt
	@$(BIN)/python -m venv $(NNI)
	@echo "Installing NNI into $(NNI)"
	@$(BIN)/python -c 'import site; print(f"import site; site.addsitedir({site.getsitepackages()[0]!r})")' \
		> $$($(NNI)/bin/python -c 'import site; print(site.getsitepackages()[0])')/nas.pth
	@$(NNI)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps \
		--requirement requirements-nni.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(call pip_install,.[dev])
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(call pip_install,.[docs])
	@touch $@
