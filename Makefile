# Every target works on a fresh machine with Go and make; nothing else is needed.
SHELL   := bash
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null)
PKG     := github.com/cinder-go/cinder-go
LDFLAGS := -s -w -X $(PKG)/commands.version=$(VERSION) -X $(PKG)/commands.commit=$(COMMIT)
FUZZTIME ?= 20s
# An hour and not Go's ten minutes: a busy machine is five times slower.
GOTEST := $(GO) test -timeout 60m
# A kill leaves what the kernel has, on a disk or in memory, and memory is faster.
CRASH_DIR ?= $(shell test -w /dev/shm && echo /dev/shm || echo /tmp)
# What make test-drivers is about: the rest of driverstate/drivers needs no server.
SERVER_PACKAGES := $(addprefix ./driverstate/drivers/,swift s3 gcs ceph remotefs nfs glusterfs) ./driverstate/ship
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build test race lint fmt tidy-check check cover bench bench-quick bench-cloud fuzz crash crash-cluster drill docs snapshot clean \
	cloud-up test-cloud test-conformance cloud-down cloud-status postgres-up test-postgres postgres-down test-notify test-drivers test-nbd

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the static binary, in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/cinder-go ./cmd/cinder-go

test: ## all tests that need no server
	CGO_ENABLED=0 $(GOTEST) ./... ./testdata/bench/...

race: ## the tests under the race detector, the largest cut short (needs a C compiler); inflate starts no goroutine
	CGO_ENABLED=1 $(GOTEST) -race -short $$($(GO) list ./... | grep -v /driverstate/inflate$$)

lint: ## gofmt, go vet and staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt these:"; echo "$$out"; exit 1; }
	$(GO) vet ./... ./testdata/bench/...
	$(GO) run $(STATICCHECK) ./... ./testdata/bench/...

tidy-check: ## go.mod and go.sum say what the code needs
	$(GO) mod tidy -diff

check: lint tidy-check test race ## all gates

cover: ## test coverage, in coverage.out
	$(GO) test -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -1

bench: build ## every job against its goal, Cinder's own driver and the limit of the machine, and serve against the cloud if one is up; BENCH='-run zlib -n 5 -o FILE' (see docs/performance.md)
	$(GO) run ./testdata/bench/goals $(BENCH) bin/cinder-go
	$(if $(filter -run -run=% --run --run=%,$(BENCH)),,$(GO) run ./testdata/bench/serve bin/cinder-go)

bench-quick: build ## the same with small images and no long preparation, in 3 minutes
	$(GO) run ./testdata/bench/goals -quick $(BENCH) bin/cinder-go

bench-cloud: build ## clients and serve against the cloud of make cloud-up
	$(GO) run ./testdata/bench/clients bin/cinder-go
	$(GO) run ./testdata/bench/serve bin/cinder-go

fuzz: ## every fuzz target, FUZZTIME each (default 20s)
	@set -e; for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' client commands driverstate | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$pkg/*_test.go | cut -c6-); do \
	    echo "== $$pkg $$target"; $(GO) test ./$$pkg -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x; done; done

crash: ## kill the engine at every step of every operation, and at random (takes minutes)
	dir=$$(mktemp -d $(CRASH_DIR)/crash-XXXXXX) && trap 'rm -rf "$$dir"' EXIT && \
	  TMPDIR=$$dir CRASH_FULL=1 CGO_ENABLED=0 $(GOTEST) -count=1 -v -skip Cluster ./driverstate/engine/crash | grep -v '^ *--- PASS\|^=== '; \
	  exit $${PIPESTATUS[0]}

crash-cluster: ## three engines on PostgreSQL, killed in turn under load for CRASH_CLUSTER_SECONDS (default 180; make postgres-up first)
	dir=$$(mktemp -d $(CRASH_DIR)/crash-XXXXXX) && trap 'rm -rf "$$dir"' EXIT && eval "$$(testdata/postgres/env)" && \
	  TMPDIR=$$dir CRASH_CLUSTER_SECONDS=$${CRASH_CLUSTER_SECONDS:-180} CINDER_GO_REQUIRE_POSTGRES=1 CGO_ENABLED=0 \
	  $(GOTEST) -count=1 -v -run Cluster ./driverstate/engine/crash

drill: build ## rehearse the recovery of a lost database
	bin/cinder-go drill

cloud-up: ## a real Cinder cloud on this machine (Debian 12, root; see testdata/cloud)
	testdata/cloud/up

test-cloud: ## the scripts of testdata/cloud against it, and the swift driver; CLOUD_SKIP=REGEXP leaves tests out
	CINDER_GO_REQUIRE_CLOUD=1 CGO_ENABLED=0 $(GOTEST) -count=1 -run Cloud -skip '$(or $(CLOUD_SKIP),^$$)' ./commands ./driverstate/drivers/swift

test-notify: ## notifications to a real RabbitMQ and oslo.messaging, which it starts (Debian 12, root)
	address=$$(testdata/rabbit/up) && trap 'testdata/rabbit/down --wipe' EXIT && CINDER_GO_AMQP=$$address CINDER_GO_REQUIRE_AMQP=1 \
	  CGO_ENABLED=0 $(GOTEST) -count=1 -run 'AMQP|Oslo|Notify' ./driverstate/notify ./commands

test-nbd: ## backup-nbd with real clients of NBD (Debian packages qemu-utils, libnbd-bin and e2fsprogs, which it installs as root)
	for p in qemu-img nbdcopy mkfs.ext4; do command -v $$p >/dev/null || { testdata/install qemu-utils libnbd-bin e2fsprogs; break; }; done
	CINDER_GO_REQUIRE_NBD=1 CGO_ENABLED=0 $(GOTEST) -count=1 ./driverstate/nbd
	CGO_ENABLED=0 $(GOTEST) -count=1 -run 'TestScripts/nbd' ./commands

test-conformance: build ## Tempest's and gophercloud's own tests against engines behind the cloud's Keystone
	testdata/conformance/up
	testdata/conformance/tempest engine
	testdata/conformance/gophercloud engine
	testdata/conformance/down

test-drivers: ## every backup driver on its real server, which it starts and stops (Debian 12, root; see testdata/servers); DRIVERS_SKIP=REGEXP leaves tests out
	trap 'testdata/servers/down --purge' EXIT && env=$$(testdata/servers/up) && eval "$$env" && CINDER_GO_REQUIRE_SERVERS=1 CGO_ENABLED=0 \
	  sh -c '$(GOTEST) -count=1 $(if $(DRIVERS_SKIP),-skip "$(DRIVERS_SKIP)") $(SERVER_PACKAGES) && $(GOTEST) -count=1 -run Examin ./driverstate/drivers/posix && $(GOTEST) -count=1 -run TestServers ./commands'

cloud-status: ## what of it runs
	testdata/cloud/status

cloud-down: ## stop it and delete its state
	testdata/cloud/down --wipe

postgres-up: ## a PostgreSQL for the tests of several machines (Debian 12, root; see testdata/postgres)
	testdata/postgres/up

test-postgres: ## the tests that need it
	eval "$$(testdata/postgres/env)" && CINDER_GO_REQUIRE_POSTGRES=1 CGO_ENABLED=0 \
	  $(GOTEST) -count=1 ./driverstate/db/postgres ./driverstate/engine
	eval "$$(testdata/postgres/env)" && CINDER_GO_REQUIRE_POSTGRES=1 CGO_ENABLED=0 $(GOTEST) -count=1 -run Postgre ./commands
	eval "$$(testdata/postgres/env)" && CINDER_GO_REQUIRE_POSTGRES=1 CGO_ENABLED=0 $(GOTEST) -count=1 -run '/postgres$$' ./driverstate/manager

postgres-down: ## stop it and delete its state
	testdata/postgres/down --wipe

docs: ## man pages, completions and the exit-code page, in dist-docs
	$(GO) run ./cmd/gen-docs dist-docs

snapshot: ## release archives and packages without publishing (needs goreleaser)
	@command -v goreleaser >/dev/null || { echo "goreleaser is not installed: see https://goreleaser.com/install"; exit 1; }
	goreleaser release --snapshot --clean

clean: ## remove what the targets made
	rm -rf bin dist dist-docs coverage.out
