# Two commands do everything: `make demo` and `make test`. Each sets up what it needs; a second run is quick.
SHELL := /bin/bash
BIN := .venv/bin
STAMP := .venv/.ready
EVENTS ?=

.PHONY: setup demo test lint bench soak lock clean

setup: $(STAMP)

$(STAMP): pyproject.toml requirements.lock deploy/setup.sh
	@deploy/setup.sh
	@touch $@

# EVENTS=path (or several, or a pattern) demonstrates your own events instead of generated ones.
demo: $(STAMP)
	@$(BIN)/rmm-scrub demo $(foreach file,$(or $(wildcard $(EVENTS)),$(EVENTS)),--events $(file))

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/rmm-scrub rules test

test: lint
	@deploy/setup.sh browser
	@$(BIN)/python -m pytest -q -m "not soak" -n 3 --dist loadfile

bench: $(STAMP)
	@deploy/setup.sh browser
	@$(BIN)/python -m benchmarks

soak: $(STAMP)
	@$(BIN)/python -m pytest -q -m soak --timeout 3600

lock: $(STAMP)
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --no-header --generate-hashes --group dev pyproject.toml -o requirements.lock

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
