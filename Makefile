# Every command of the project. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo kafka-demo test test-faults test-statistics simulate lint kafka bench bench-growth bench-budget bench-guard bench-replay bench-latency \
  bench-route bench-recovery bench-emit bench-drift bench-alerts lock clean

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## install everything into .venv from the lock file

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "streams needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing from requirements.lock into $(VENV) (once, about a minute) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## judge two models on 336,776 real flights and show the result (KEEP=0.05: of a twentieth of them)
	@$(BIN)/streams demo $(if $(KEEP),--keep $(KEEP))

kafka-demo: setup ## the same through Kafka, with two workers (needs a JDK of 17 or newer and Maven, or BROKERS=host:port)
	@$(BIN)/python -m deploy.kafka_demo $(if $(BROKERS),--brokers $(BROKERS))

test: setup ## run every test
	@$(BIN)/pytest -n auto --dist worksteal

test-faults: setup ## real workers on real Kafka, 300,000 events, 30 faults; ends with the tables of a replay
	@$(BIN)/python -m tests.faults.drill $(if $(SEED),--seed $(SEED))

test-statistics: setup ## every statistical promise, simulated at length; then the tables of docs/statistics.md (some minutes)
	@$(BIN)/python -m tests.statistical.table --long --document

simulate: setup ## 100,000 simulated worlds of workers and accidents (an hour or more)
	@$(BIN)/python -m tests.simulation.many $(if $(SEEDS),--seeds $(SEEDS))

lint: setup ## the checks that CI runs beside the tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

kafka: setup ## a real Kafka on loopback, from its Maven artifacts (needs a JDK of 17 or newer, and Maven)
	@$(BIN)/python deploy/kafka/kafka.py run

bench: setup ## this pipeline and what could be used instead, on a real Kafka, three rounds (an hour; ONLY="streams quix")
	@$(BIN)/python -m benchmarks.peers.run $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS))
	@$(BIN)/python -m benchmarks.experiments
	@$(BIN)/python -m benchmarks.watching
	@$(BIN)/python -m benchmarks.weights
	@$(BIN)/python -m benchmarks.emit --alone

bench-growth: setup ## how cost grows: waiting predictions, groups, workers, checkpoints, replay; then the plots
	@$(BIN)/python -m benchmarks.growth.run
	@$(BIN)/python -m benchmarks.growth.plot

bench-budget: setup ## nanoseconds of one event, stage by stage
	@$(BIN)/python -m benchmarks.budget

bench-guard: setup ## fails when the pipeline has become slower, against a loop in plain Python
	@$(BIN)/python -m benchmarks.guard

bench-replay: setup ## events per second of `streams replay` on one core
	@$(BIN)/python benchmarks/replay.py

bench-latency: setup ## seconds from produce to visible in the store at 20,000 events/s, and memory over ten minutes
	@$(BIN)/python -m benchmarks.latency $(if $(SECONDS),--seconds $(SECONDS))

bench-route: setup ## seconds from the proof of an alert to its route at 20,000 events/s (two minutes; then the tables)
	@$(BIN)/python -m benchmarks.route --write $(if $(SECONDS),--seconds $(SECONDS))
	@$(BIN)/python -m benchmarks.document

bench-recovery: setup ## seconds to take over a partition, by how many predictions wait
	@$(BIN)/python -m benchmarks.recovery

bench-emit: setup ## microseconds that a call of the emitter takes
	@$(BIN)/python -m benchmarks.emit

bench-drift: setup ## delay, misses and false alarms of river's detectors and of ours, on annotated and synthetic drift
	@$(BIN)/python -m benchmarks.drift

bench-alerts: setup ## 40 injected incidents of 8 kinds: which are found, how soon, and how many pages are false
	@$(BIN)/python -m benchmarks.alerts

lock: ## write requirements.lock again from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --extra demo --extra dev --extra openfeature --generate-hashes \
	  --no-emit-index-url --no-header --upgrade --output-file requirements.lock

clean: ## remove what was built, the environment and the demo's store
	rm -rf $(VENV) .streams build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
