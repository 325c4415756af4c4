# `make demo` and `make test` set up everything that they need in .venv.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# What is installed as hintlite.models, hintlite.pipeline, ... (package_dir in setup.cfg).
FOLDERS := models pipeline deploy benchmarks
# Two at a time on two cores, four at most: each loads TensorFlow; a file's tests stay together.
AT_ONCE := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
SYSTEM := (browser or ssh or packaging or processes or whole)
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: demo test test-system test-ci test-slow emulated lint format figures results clean help links docs

help:  ## the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): setup.cfg pyproject.toml
	@set -e; for python in $(PYTHON) python3 python3.13 python3.12 python3.11 none; do \
	  if [ $$python = none ]; then \
	    echo "hintlite needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=/path/to/python"; exit 1; fi; \
	  if $$python -c '$(SUITABLE)' 2>/dev/null; then break; fi; \
	done; \
	echo "setting up $(VENV) with $$($$python --version); this takes a minute or two"; \
	$$python -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(READY)

demo: $(READY)  ## all stages on the embedded digits, about two minutes
	$(BIN)/hintlite run runs/demo --config configs/demo.yaml

test: $(READY)  ## the default tests
	$(BIN)/python -m pytest $(AT_ONCE)

test-system: $(READY)  ## the tests that need Chromium or OpenSSH, of the wheel, of kills, of whole runs
	$(BIN)/python -m pytest $(AT_ONCE) -m "$(SYSTEM) and not slow"

test-ci: $(READY)  ## all but the slow ones
	$(BIN)/python -m pytest $(AT_ONCE) -m "not slow and not hardware"

test-slow: $(READY)  ## the tests that compute for minutes
	$(BIN)/python -m pytest $(AT_ONCE) -m slow

emulated: $(READY)  ## the tests that need QEMU or a cross compiler
	$(BIN)/python -m pytest $(AT_ONCE) -m "emulated and not slow"

lint: $(READY) links  ## style, types, import rules; the slow tests that are older than their modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd .types && ../$(BIN)/lint-imports ../setup.cfg
	$(BIN)/python -m pytest --stale list -m "slow or emulated" $$(grep -lE 'mark\.(slow|emulated)' tests/test_*.py)

links:
	mkdir -p .types/hintlite
	ln -sfn $(addprefix ../../,$(wildcard hintlite/*.py) hintlite/py.typed $(FOLDERS)) .types/hintlite/

docs: $(READY) links  ## the documentation site, into build/site
	$(BIN)/mkdocs build --strict

format: $(READY)  ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

figures: $(READY)  ## the README's figures, into docs/results
	$(BIN)/python -m hintlite.benchmarks.dev.digits_accuracy --out docs/results/digits.json
	$(BIN)/python -m hintlite.benchmarks.dev.distill_throughput --out docs/results/throughput.json
	$(BIN)/python -m hintlite.benchmarks.dev.cortex_m_reference --out docs/results/cortex_m.json
	$(BIN)/python -m hintlite.benchmarks.dev.flatbuffer_fuzz --out docs/results/flatbuffer_fuzz.json
	$(BIN)/python -m hintlite.benchmarks.dev.convert_networks --out docs/results/convert.json
	$(BIN)/python -m hintlite.benchmarks.dev.larger_than_memory --out docs/results/larger_than_memory.json
	$(BIN)/python -m hintlite.benchmarks.dev.growth_picture docs/results/larger_than_memory.json \
	  --out docs/pictures/larger_than_memory.svg

results: $(READY)  ## the studies of docs/results.md, hours to days: goes on from the runs that are there
	@set -e; for study in headline fitnet1 ways shifts depth depth_rate; do \
	  $(BIN)/hintlite study configs/results/$$study.yaml --jobs 2 \
	    --folder runs/results --results docs/results/runs; \
	  $(BIN)/hintlite study configs/results/$$study.yaml --report \
	    --folder docs/results/$$study --results docs/results/runs; done
	$(BIN)/python -m hintlite.benchmarks.dev.depth_picture configs/results/depth.yaml \
	  docs/results/depth/report.json --out docs/pictures/depth.svg
	$(BIN)/python -m hintlite.benchmarks.dev.results_tables README.md docs/results.md

clean:  ## what `make` has set up
	rm -rf $(VENV) build *.egg-info
