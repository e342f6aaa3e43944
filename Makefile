# make help lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Everything that is made once is below this folder: control plane, Airflow, tools.
export AIRFLOW_OAM_CACHE ?= $(CURDIR)/.cache
# Folder of the server of airflow-start and airflow-stop.
AIRFLOW_DIR ?= $(AIRFLOW_OAM_CACHE)/server
# Version that build and docker-build put into the program.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IMAGE ?= airflow-oam:$(VERSION)
LDFLAGS := -s -w -X main.release=$(VERSION)
# How many seeds each fault is tried with by make faults.
SEEDS ?= 20
# How many worlds each property is checked in by make properties.
CHECKS ?= 20000
# More arguments for go test, such as TEST="-run TestName -v".
TEST ?=
# The folder of the control plane; compiles it where it is missing.
WITH_CONTROL_PLANE = assets="$$(hack/controlplane/build.sh)"; export KUBEBUILDER_ASSETS="$$assets";

##@ See it
.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "; print "Usage: make <target>"} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## show the operator with a real Airflow; KEEP=1 leaves it running
	@$(WITH_CONTROL_PLANE) echo "compile the demo (a minute the first time)"; go run ./hack/demo

.PHONY: bench
bench: ## measure against the simulator and print the tables
	@$(WITH_CONTROL_PLANE) go run ./hack/bench $(BENCH)

.PHONY: figures
figures: ## measure on real Airflows how long people wait and what passes cost (20 minutes)
	@$(WITH_CONTROL_PLANE) go run ./hack/figures

.PHONY: shape
shape: ## measure the Go code by package: conditions, comments, functions, objects, files
	@go run ./hack/shape

##@ Prove it
.PHONY: test
test: controlplane airflow-install ## run all tests (units, a real API server, a real Airflow) and name the slowest
	@$(WITH_CONTROL_PLANE) hack/test.sh unit,kube,real $(TEST)

.PHONY: test-unit
test-unit: ## run the tests that need Go alone
	@hack/test.sh unit $(TEST)

.PHONY: test-kube
test-kube: controlplane ## run the tests that need a real API server
	@$(WITH_CONTROL_PLANE) hack/test.sh kube $(TEST)

.PHONY: test-real
test-real: controlplane airflow-install ## run the tests that start a real Airflow
	@$(WITH_CONTROL_PLANE) hack/test.sh real -v $(TEST)

.PHONY: test-signon
test-signon: controlplane ## run the tests of single sign-on: a real OpenID provider, API server and Airflow
	@$(WITH_CONTROL_PLANE) go -C test/signon test -count=1 -timeout 15m $(TEST) ./...

.PHONY: test-race
test-race: controlplane ## run all but the real Airflow with the race detector (needs a C compiler)
	@$(WITH_CONTROL_PLANE) CGO_ENABLED=1 hack/test.sh unit,kube -race $(TEST)

.PHONY: properties
properties: ## check each property of the planner in CHECKS worlds that no run has drawn before
	@go test -timeout 40m $(TEST) -count=1 ./internal/access -rapid.seed=0 -rapid.checks=$(CHECKS)

.PHONY: faults
faults: controlplane ## try each fault with SEEDS seeds and write the table of docs/reliability.md
	@$(WITH_CONTROL_PLANE) FAULTS_SEEDS=$(SEEDS) FAULTS_REPORT="$(CURDIR)/docs/reliability.md" go -C test/faults test -count=1 -timeout 6h $(TEST)

.PHONY: lint
lint: ## run golangci-lint
	@lint="$$(hack/tools/build.sh golangci-lint)"; for module in $$(hack/modules.sh code); do \
	  echo "golangci-lint run in $$module"; (cd "$$module" && "$$lint" run --timeout 20m ./...); done

.PHONY: verify
verify: ## fail if something generated, formatted or required is not as committed
	@hack/verify.sh

##@ Change it
.PHONY: generate
generate: ## make deepcopy, CRDs, RBAC, the chart's copies and the API reference
	@hack/generate.sh

.PHONY: format
format: ## format the Go code
	@gofmt -w $$(git ls-files -co --exclude-standard -- '*.go' | while read -r f; do [[ ! -f $$f ]] || echo "$$f"; done)

.PHONY: tidy
tidy: ## tidy all modules
	@for module in $$(hack/modules.sh all); do (cd "$$module" && go mod tidy); done

##@ Build it
.PHONY: build
build: ## compile the operator into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/airflow-oam .

.PHONY: plugin
plugin: ## compile kubectl-airflow_access, the plugin for kubectl, into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/kubectl-airflow_access ./cmd/kubectl-airflow_access

.PHONY: run
run: ## run the operator against the cluster of your kubeconfig; ARGS="--help"
	go run -ldflags "$(LDFLAGS)" . $(ARGS)

.PHONY: docker-build
docker-build: ## build the container image IMAGE
	docker build --build-arg VERSION=$(VERSION) --tag $(IMAGE) .

##@ What it stands on
.PHONY: controlplane
controlplane: ## compile kube-apiserver, etcd and kubectl, once (5 to 10 minutes)
	@hack/controlplane/build.sh >/dev/null

.PHONY: tools
tools: ## compile all pinned tools, once
	@hack/tools/build.sh controller-gen crd-ref-docs golangci-lint

.PHONY: airflow-install
airflow-install: ## install the real Airflows into the cache, once
	@go run ./hack/airflow install --all >/dev/null

.PHONY: airflow-start
airflow-start: ## start a real Airflow in AIRFLOW_DIR
	@go run ./hack/airflow start --home "$(AIRFLOW_DIR)"

.PHONY: airflow-stop
airflow-stop: ## stop the Airflow of AIRFLOW_DIR
	@go run ./hack/airflow stop --home "$(AIRFLOW_DIR)"

##@ Remove it
.PHONY: clean
clean: ## remove what build made
	rm -rf bin dist

.PHONY: clean-cache
clean-cache: ## remove the control plane, the Airflow and the tools as well
	rm -rf "$(AIRFLOW_OAM_CACHE)/controlplane" "$(AIRFLOW_OAM_CACHE)/airflow" "$(AIRFLOW_OAM_CACHE)/uv" "$(AIRFLOW_OAM_CACHE)/bin"
