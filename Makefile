# Two commands matter: `make demo` and `make test`. The rest serves them.

SHELL := /bin/bash
CARGO ?= cargo
NPM ?= npm
PYTHON ?= python3
# What the browser and oracle tests need beside Rust; installed by `make test` only.
TEST_PIP := astropy==8.0.2 numpy pyarrow fitsio 'moto[server]==5.2.1' duckdb==2.0.0 lsdb==0.11.1 lsst-felis==30.2026.4300 lsst-sdm-schemas==30.2026.4300
BENCH_PIP := sep==1.4.1 hats-import==0.11.1 scipy 'psycopg[binary]==3.3.9'
VENV := .venv
# The real data pack, where there is one.
ELQUI_REALDATA ?= $(shell d="$$(cd .. && pwd)/shared/realdata"; [ -d "$$d" ] && echo "$$d")
export ELQUI_REALDATA
export ELQUI_PYTHON := $(CURDIR)/$(VENV)/bin/python
DEMO_FLAGS ?=

.PHONY: help demo build portal test test-fast test-deps bench realdata tidy fmt soak clean check-tools

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

check-tools:
	@scripts/check-tools git cc cargo node npm

demo: build ## simulate a survey, process it, and open the page
	@target/release/elqui demo $(DEMO_FLAGS)

build: check-tools portal ## the release binary
	$(CARGO) build --release -p elqui --locked

portal: portal/dist/index.html ## the page, to be embedded in the binary

portal/dist/index.html: portal/package-lock.json portal/index.html $(shell find portal/src portal/public -type f 2>/dev/null)
	@scripts/check-tools node npm
	cd portal && $(NPM) ci --no-audit --no-fund && $(NPM) run build

test-deps: check-tools portal
	@scripts/install-test-deps "$(VENV)" "$(PYTHON)" $(TEST_PIP)

test: test-deps ## everything, ending with the runner's summary
	@[ -n "$$ELQUI_REALDATA" ] || echo "note: no real data pack beside the checkout; its tests say that they are skipped"
	$(CARGO) run -q -p xtask --locked -- tidy
	@scripts/run-tests all

test-fast: check-tools portal ## without the browser, the demo and the real frames
	$(CARGO) run -q -p xtask --locked -- tidy
	@scripts/run-tests fast

tidy: ## the checks of the house itself
	$(CARGO) run -q -p xtask -- tidy

bench: build ## peers side by side, printed as ratios, written to docs/bench.md
	@bench/run "$(VENV)" "$(PYTHON)" $(BENCH_PIP) $(TEST_PIP)

realdata: build ## the table of the real data, written to docs/realdata.md
	@scripts/install-test-deps "$(VENV)" "$(PYTHON)" $(TEST_PIP)
	$(CARGO) build --release --locked -p elqui-fits --example forced_psfex
	@$(ELQUI_PYTHON) bench/realdata.py --elqui target/release/elqui --out docs/realdata.md

soak: build ## the hours-long kinds: fuzzing and kills
	ELQUI_FUZZ_ROUNDS=2000000 $(CARGO) test --release -p elqui-fits --locked --test bad_files -- mutations
	ELQUI_KILLS=300 $(CARGO) test --release -p elqui --locked --test process -- killed
	ELQUI_KILLS=500 $(CARGO) test --release -p elqui-pipeline --locked --test crash
	ELQUI_SOAK_KILLS=500 $(CARGO) test --release -p elqui-pipeline --locked --test repository_crash
	ELQUI_SOAK_KILLS=500 $(CARGO) test --release -p elqui-catalog --locked --test killed
	ADQL_FUZZ_SECONDS=600 $(CARGO) test --release -p elqui-adql --locked --test hostile

fmt:
	$(CARGO) fmt --all

clean:
	$(CARGO) clean
	rm -rf portal/dist portal/node_modules tests/browser/node_modules $(VENV)
