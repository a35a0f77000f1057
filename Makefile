# `make help` lists what there is. A bare Debian or Ubuntu with cargo is enough: install-tools brings
# the rest, without starting a service. CARGO_TARGET_DIR and the other variables of cargo hold.

SHELL := /bin/bash
CARGO ?= $(shell command -v cargo || echo "$$HOME/.cargo/bin/cargo")
BUILD_TOOLS := cc c++ make
TEST_TOOLS := nginx openssl curl awk promtool alertmanager valgrind strace sqlite3
TORTURE := $(CARGO) test --profile torture --locked
FUZZ_SECONDS ?= 3600
DETECTION_SEEDS ?= 5
SCRIPTS := .ci/run $(wildcard scripts/*.sh tests/lab/*.sh)

export CARGO
export CARGO_TERM_PROGRESS_WHEN ?= never
# A recipe's steps are in order also under make -j.
.NOTPARALLEL:
.PHONY: all build release check test demo bench torture detection fuzz fuzz-long fmt clippy doc install-tools clean help \
	fmt-check parsers-pure scripts-check build-tools unit-test cargo-test

all: build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: build-tools ## the agent, for development
	$(CARGO) build --workspace --locked

release: build-tools ## the agent, as it is shipped: target/release/gatelog
	$(CARGO) build --release --locked

check: build-tools fmt-check clippy unit-test ## format, lints and unit tests: quick

test: install-tools fmt-check clippy doc cargo-test parsers-pure scripts-check ## everything there is to check, with a real nginx
	@scripts/fuzz.sh

demo: ## nginx, good and bad clients, and gatelog beside them
	@scripts/demo.sh

bench: build-tools ## how fast it is, next to other programs: prints the tables of README.md
	@scripts/bench.sh

torture: install-tools ## what the tests do a few times, as often as it takes to trust it: half an hour
	GATELOG_KILLS=1000 GATELOG_LINES_PER_SECOND=20000 $(TORTURE) --test torture -- --nocapture
	GATELOG_ROTATIONS=200 $(TORTURE) --test agent torture -- --nocapture --test-threads=1
	GATELOG_MODEL_CASES=10000 $(TORTURE) --test rotation_model
	GATELOG_CARDINALITY=10000000 $(TORTURE) --test cardinality -- --nocapture

detection: build-tools ## which labelled incidents the built-in rules find, and how soon: prints the table of docs/detection.md
	GATELOG_DETECTION_SEEDS=$(DETECTION_SEEDS) $(TORTURE) --test detection -- --nocapture every_incident

fuzz: build-tools ## the fuzz targets, for a minute each
	@scripts/fuzz.sh 60s

fuzz-long: build-tools ## the fuzz targets for FUZZ_SECONDS, an hour, in all: adds to parsers/fuzz/runs.tsv
	@scripts/fuzz.sh long $(FUZZ_SECONDS)

fmt: ## formats the code
	$(CARGO) fmt --all

fmt-check:
	$(CARGO) fmt --all --check

clippy: build-tools ## lints, a warning is an error
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

doc: build-tools ## the documentation of the code, a warning is an error
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

unit-test: build-tools
	$(CARGO) test --workspace --lib --bins --locked

cargo-test: build-tools
	$(CARGO) test --workspace --locked

# The parsers stay free of I/O and of an async runtime.
parsers-pure:
	@found=$$($(CARGO) tree -p gatelog-parsers -e normal --depth 1 --prefix none --locked --format '{lib}' | sort | xargs); \
	if [ "$$found" != 'gatelog_parsers memchr nom wide' ]; then \
		echo "parsers/ may depend on memchr, nom and wide only; it has: $$found" >&2; exit 1; fi

scripts-check:
	@for script in $(SCRIPTS); do bash -n "$$script" || exit 1; done
	@if command -v shellcheck >/dev/null; then shellcheck -S warning $(SCRIPTS); fi
	@scripts/check-unit.sh

install-tools: build-tools ## what the tests need beside cargo
	@scripts/install-tools.sh $(TEST_TOOLS)

build-tools:
	@scripts/install-tools.sh $(BUILD_TOOLS)

clean: ## removes what cargo built
	$(CARGO) clean
