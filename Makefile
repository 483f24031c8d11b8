# make test      all a change must pass; installs what it needs on a Debian
# make lint      formatting, vet, staticcheck, direction of imports
# make build     bin/postferry
# make bench     benchmarks
# make fuzz      every fuzz test for FUZZTIME

FUZZTIME ?= 20s
BENCH ?= .

.PHONY: test deps lint build bench fuzz

# The race detector needs cgo.
test: export CGO_ENABLED = 1
test: deps lint
	go test -race -shuffle=on -timeout 9m ./...

deps:
	scripts/test-deps.sh

lint:
	scripts/lint.sh

build:
	CGO_ENABLED=0 go build -trimpath -o bin/postferry ./cmd/postferry

bench: deps
	go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./...

fuzz:
	scripts/fuzz.sh $(FUZZTIME)
