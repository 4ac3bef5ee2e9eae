# SPDX-License-Identifier: Apache-2.0
# Part of Martlet, an event broker in Swift.
#
# One verb per target; `make help` lists them. ARGS is handed on to what a target runs, for example
#   make run ARGS="--config server.properties"
#   make test ARGS="--filter CommitLogTests"

ARGS ?=
SECONDS ?= 60
CYCLES ?= 200
SEEDS ?= 10000
SEED ?=
ROUNDS ?= 3
MINUTES ?= 30
KIND ?=
ENGINE ?= podman
SWIFT ?= swift
# The Swift libraries go into the binary: it starts in half the time and needs nothing but Debian's libraries.
# Its names are for nobody who loads it: without them it is 7 MB smaller.
# SwiftPM before 6.4 hands the names of the enabled traits to the compiler in the order of a set: without this each build
# would be a new one of everything (swiftlang/swift-package-manager#10525). For builds alone: a broker whose hashes can be
# foretold could be flooded.
BUILD := SWIFT_DETERMINISTIC_HASHING=1 $(SWIFT) build
RELEASE := --configuration release --static-swift-stdlib -Xlinker --no-export-dynamic
PYTHON_ENVIRONMENT := $(CURDIR)/.venv
# For what is checked of config/, which needs other packages.
CONFIG_ENVIRONMENT := $(CURDIR)/.build/config-environment

# The interop tests start the broker that was built beside them, unless MARTLET names another one, and run the Python
# clients of the virtual environment.
export MARTLET_PYTHON := $(PYTHON_ENVIRONMENT)/bin/python
export SWIFT

# Everything that people write. Generated Swift is as wiregen writes it, and `make check-generated` looks after it.
SWIFT_FILES = find Package.swift Sources Tests benchmarks/client-bench clients -name '*.swift' \
	-not -path 'Sources/KafkaMessages/*' -not -path '*/Generated/*' -not -path '*/.build/*' -print0

.DEFAULT_GOAL := help
.PHONY: help run build install test interop soak soak-small rolling sim stranger docs lint format generate check-generated fuzz bench \
	bench-durability bench-groups bench-clients bench-connections demo test-services image check-image check-manifests clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build for release and serve on 127.0.0.1:9092 with the embedded defaults.
	@exec "$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" serve --listen 127.0.0.1:9092 $(ARGS)

build: ## Install missing system libraries and build `martlet` for release.
	@scripts/install-libraries build
	$(BUILD) $(RELEASE) --product martlet

install: ## Install what `make build` has made below PREFIX (/usr/local), with documentation and a systemd unit.
	@scripts/install .build/release/martlet

# One debug build serves the unit tests and the broker that the interop tests start: a second, optimised build would
# double the time, and a debug broker checks more. `make interop` tests the optimised one.
test: ## Run all tests, interop with other clients among them.
	@scripts/install-libraries test
	@scripts/make-python-environment Tests/InteropTests/requirements.txt "$(PYTHON_ENVIRONMENT)"
	scripts/run-tests $(ARGS)

interop: build ## Run the interop tests against the release build of the broker.
	@scripts/install-libraries test
	@scripts/make-python-environment Tests/InteropTests/requirements.txt "$(PYTHON_ENVIRONMENT)"
	MARTLET="$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" \
		scripts/run-tests --filter InteropTests $(ARGS)

soak: build ## Kill the release build CYCLES (200) times under load and account for every record; then soak-small.
	@scripts/install-libraries test
	@scripts/make-python-environment Tests/InteropTests/requirements.txt "$(PYTHON_ENVIRONMENT)"
	SOAK_CYCLES=$(CYCLES) SOAK_SEED=$(SEED) MARTLET="$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" \
		scripts/run-tests --filter KillTests $(ARGS)
	@$(MAKE) --no-print-directory soak-small

soak-small: build ## MINUTES (30) of load on a broker with 64 MiB, 0.25 processors and 256 files; SEED repeats one. As root.
	@scripts/install-libraries test
	@scripts/make-python-environment Tests/InteropTests/requirements.txt "$(PYTHON_ENVIRONMENT)"
	$(MARTLET_PYTHON) scripts/soak-small --martlet "$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" \
		--seconds $$(($(MINUTES) * 60)) $(if $(SEED),--seed $(SEED)) $(SOAK_ARGS)

rolling: build ## Kill, freeze, add and replace members of consumer groups, ROUNDS (3) times for each KIND of client.
	@scripts/install-libraries test
	@scripts/make-python-environment Tests/InteropTests/requirements.txt "$(PYTHON_ENVIRONMENT)"
	ROLLING_ROUNDS=$(ROUNDS) ROLLING_KIND="$(KIND)" \
		MARTLET="$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" scripts/run-tests --filter Interop/GroupTests $(ARGS)

# The debug build of `make test`, which runs the first 200 seeds: it checks more, and building an optimised one takes as
# long as ten thousand seeds.
sim: ## Simulate consumer groups under churn with SEEDS (10000) seeds; SEED repeats one.
	@scripts/install-libraries test
	SIM_SEEDS=$(SEEDS) SIM_SEED=$(SEED) scripts/run-tests --filter GroupSimulationTests $(ARGS)

stranger: build ## Make a new package with the README's lines, see what it fetches, build it, run it against the broker.
	@scripts/try-as-stranger "$$($(BUILD) $(RELEASE) --show-bin-path)/martlet"

docs: ## Build the documentation of KafkaClient and MartletTestKit into .build/docs; a dead link is an error.
	@scripts/install-libraries build
	@scripts/build-docs .build/docs

lint: ## Check the format of everything that is written by hand.
	@$(SWIFT_FILES) | xargs -0 $(SWIFT) format lint --strict --parallel

format: ## Rewrite it in that format.
	@$(SWIFT_FILES) | xargs -0 $(SWIFT) format --in-place --parallel

generate: ## Compile the schemas of all messages to Swift, and write docs/CONFIGURATION.md.
	SWIFT_DETERMINISTIC_HASHING=1 $(SWIFT) run wiregen
	$(BUILD) --product martlet
	.build/debug/martlet config reference >docs/CONFIGURATION.md

# docs/CONFIGURATION.md is compared by KafkaConfigTests.
check-generated: ## Fail if the generated Swift is not what the schemas say.
	SWIFT_DETERMINISTIC_HASHING=1 $(SWIFT) run wiregen --check

fuzz: ## Throw bytes at every decoder for SECONDS (60); FUZZ_SEED repeats a run.
	@scripts/install-libraries test
	FUZZ_SECONDS=$(SECONDS) scripts/run-tests --filter FuzzTests $(ARGS)

bench: build ## Measure the release build beside the limits of this machine; see benchmarks/README.md.
	@scripts/install-libraries bench
	@benchmarks/run --martlet "$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" $(ARGS)

bench-durability: build ## Measure what acks=all costs beside what the disk needs for it; see benchmarks/README.md.
	@scripts/install-libraries bench
	@benchmarks/durability --martlet "$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" $(ARGS)

bench-groups: build ## Measure what consumer groups cost; see benchmarks/README.md.
	@scripts/install-libraries bench
	@benchmarks/groups --martlet "$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" $(ARGS)

bench-clients: build ## Measure KafkaClient beside librdkafka; see benchmarks/README.md.
	@scripts/install-libraries bench
	@scripts/make-python-environment Tests/InteropTests/requirements.txt "$(PYTHON_ENVIRONMENT)"
	$(BUILD) $(RELEASE) --product client-bench
	@folder="$$($(BUILD) $(RELEASE) --show-bin-path)"; \
		benchmarks/clients --martlet "$$folder/martlet" --client-bench "$$folder/client-bench" $(ARGS)

bench-connections: build ## Measure what idle connections and slow readers cost; see benchmarks/README.md.
	@scripts/install-libraries bench
	@benchmarks/connections --martlet "$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" $(ARGS)

# The services stay debug builds: they wait for disk and network, and an optimised build takes several minutes.
demo: build ## Run a broker and three replicas of each service of clients/, with people who order; see clients/demo.
	$(BUILD) --package-path clients/demo
	@exec "$$($(BUILD) --package-path clients/demo --show-bin-path)/demo" \
		--martlet "$$($(BUILD) $(RELEASE) --show-bin-path)/martlet" $(ARGS)

# One package runs the tests of all of them, so that hummingbird is built once.
test-services: ## Run the tests of the services in clients/.
	@scripts/install-libraries test
	scripts/run-tests --package-path clients/demo $(ARGS)

image: ## Build the broker's image with podman or docker (ENGINE); it compiles inside, for minutes.
	$(ENGINE) build $(if $(findstring podman,$(ENGINE)),--format docker) -t martlet -f config/container/Containerfile .

check-image: build ## Put the release build into an image, run it as people do, by Testcontainers, too. As root, with podman.
	@scripts/install-libraries image
	@scripts/make-python-environment config/requirements.txt "$(CONFIG_ENVIRONMENT)"
	$(CONFIG_ENVIRONMENT)/bin/python -W ignore scripts/check-image --build --local-compiler \
		--prebuilt "$$($(BUILD) $(RELEASE) --show-bin-path)" $(ARGS)

check-manifests: ## Check compose.yaml and config/kubernetes, by their schemas and by what no schema knows.
	@scripts/make-python-environment config/requirements.txt "$(CONFIG_ENVIRONMENT)"
	$(CONFIG_ENVIRONMENT)/bin/python scripts/check-manifests $(ARGS)

clean: ## Remove everything that was built or installed in this folder.
	rm -rf .build clients/*/.build "$(PYTHON_ENVIRONMENT)"
	$(MAKE) --no-print-directory --directory benchmarks/limits clean
	$(MAKE) --no-print-directory --directory benchmarks/peers clean
