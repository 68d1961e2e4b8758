# demur: `make run` measures a live model, `make test` runs the tests. Each does its own set-up.
#
#   make run      measure the small planted model that ships with the package
#   make test     tests, offline, on the CPU        (PYTHON=python3.12 without torch: the torch-free part)
#   make check    format, lint, types, spelling, secrets
#   make slow     what takes minutes: the organism trained anew, runs over several seeds
#   make evidence SEEDS='11 12 13' ONLY=organism OUT=DIR   rows for docs/evidence.md
#   make loop     measure, predict, search, check, change, dial, measure: commands only (LOOP=DIR)
#   make perf     figures of speed and weight
#   make judge-card DATA=../shared/data   the trained judge's figures, into docs/judge-card.{json,md,html}

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV    ?= .venv$(if $(filter $(VERSION),3.11),,-$(VERSION))
BIN     := $(VENV)/bin
SEEDS   ?= 11
ONLY    ?=
OUT     ?= evidence-rows
LOOP    ?= runs/loop
DATA    ?= ../shared/data
# Tests run in so many processes, each on one thread, a file in one of them.
JOBS    ?= $(shell $(PYTHON) -c 'import os; print(max(1, min(4, (os.cpu_count() or 2) - 1)))')

# A torch of the system is reused; otherwise the pinned CPU build is installed. That of an activated virtual
# environment does not count: ours would not see it.
HAS_TORCH   := $(shell $(PYTHON) -c 'import importlib.util as u, sys; print(sys.prefix == sys.base_prefix and bool(u.find_spec("torch")))' 2>/dev/null)
CONSTRAINTS := $(if $(filter True,$(HAS_TORCH)),constraints.txt,constraints-cpu.txt)
SITE        := $(if $(filter True,$(HAS_TORCH)),--system-site-packages,)
comma := ,
# Tests run with torch where it is importable or where the pinned build is known to be a CPU build.
TEST_EXTRAS := dev,evidence$(if $(or $(filter True,$(HAS_TORCH)),$(filter 3.11,$(VERSION)),$(TORCH)),$(comma)image$(comma)train)

export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: run test check slow evidence loop perf judge-card clean
.DELETE_ON_ERROR:

$(BIN)/python:
	$(PYTHON) -m venv $(SITE) $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt constraints-cpu.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[local]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt constraints-cpu.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[$(TEST_EXTRAS)]'
	@touch $@

run: $(VENV)/.run
	$(BIN)/demur measure --limit 600 --overwrite --out runs/first

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/.dev
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pre-commit run --all-files --show-diff-on-failure

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow --durations=0 $(ARGS)

evidence: $(VENV)/.dev
	$(BIN)/python evidence/run.py --seeds $(SEEDS) --only $(ONLY) --out $(OUT)

loop: $(VENV)/.dev
	PATH="$(abspath $(BIN)):$$PATH" sh examples/loop.sh $(LOOP)

perf: $(VENV)/.dev
	$(BIN)/python perf/all.py

judge-card: $(VENV)/.dev
	$(BIN)/python -m judge_card.errors --data-dir $(DATA)
	$(BIN)/python -m judge_card --data-dir $(DATA)

clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
