# make test      all a change must pass; installs what it needs on a Debian
# make lint      formatting, vet, staticcheck, direction of imports
# make build     bin/postferry
# make round     moves two people between two Dovecots by bin/postferry
# make bench     benchmarks, those of make speed among them
# make speed     how fast accounts are copied, against mbsync and dsync, as a table (20 minutes)
# make scale     a daemon moves SCALE_ACCOUNTS small accounts between servers in memory: how fast,
#                and how large it grows
# make thousand  moves 1,000 accounts through the import page's API and tells
#                how fast, how responsive and how large the daemon was
# make figures   1,000 small accounts and one of 500,000 messages between servers in memory: share, speed and
#                remaining time as they are shown, against what happened
# make arc       a move of ARC_ACCOUNTS accounts from an empty page to its end in a browser, with a
#                picture of each state in light and dark, on a desk and on a phone
# make pictures  the other tests in a browser, with pictures of all pages in .cache/screenshots
# make select    how long the owner of a large folder waits for its first SELECT, as a table
# make tokens    5,000 messages copied, and an inbox visited, by tokens that last for 20 s, while all are revoked at
#                times, the provider is away for a minute and its clock is 10 minutes behind (6 minutes)
# make relay     the relay beside nginx, HAProxy, Dovecot and a bare one: memory of idle clients, logins, mail
#                that passes, round trips; and a daemon stopped under many clients
# make secrets   runs the tests of all packages and looks for every secret that they use in all that comes of it:
#                what they print, logs, traces, and each file that they write (10 minutes)
# make fuzz      every fuzz test for FUZZTIME; make test does those of what a hostile
#                server's answers may cost for a minute
# make corpus    fuzz, and keep some of what was found: look at it before you commit it
# make model     random histories of two servers, a client, failures and other people's accidents,
#                for MODEL_TIME; make test draws one accident in each history, and no answers that lack something,
#                second logins, or what is done at the old server
# make torture   a daemon between real servers, killed TORTURE_KILLS times and its
#                connections cut TORTURE_CUTS times at least, while mail arrives, flags
#                change and people delete and move; TORTURE_SEED draws the same again

FUZZTIME ?= 20s
MODEL_TIME ?= 1h
TORTURE_KILLS ?= 300
TORTURE_CUTS ?= 300
ARC_ACCOUNTS ?= 20
# What has to do with signing in, and is done in seconds: make test looks for its secrets in all that comes of it.
SIGNING := ./credential ./tenant ./directory ./internal/demo/clouds ./upstream/link ./syncer/session ./notify ./lifecycle ./admin ./admin/access \
	./internal/backend ./internal/console ./internal/demo/servers ./store/seal ./store/bolt/rows
BENCH ?= .
SCALE_ACCOUNTS ?= 10000

.PHONY: test deps lint build round bench speed scale thousand figures arc pictures select tokens relay secrets fuzz corpus model torture

# The race detector needs cgo. The packages that take longest begin: none of them is left
# running alone at the end. Their tests wait for servers, timers and delay lines as much as they
# work, so half as many packages more are tested at once than there are processors. lint has
# vetted all of it. What floods and hostile answers cost is measured without the race detector.
test: export CGO_ENABLED = 1
test: export MODEL_TIME = 20s
test: deps lint
	scripts/secrets.sh -race -vet=off -shuffle=on -p=$$((($$(nproc) * 3 + 1) / 2)) -timeout=20m $(SIGNING)
	go test -race -vet=off -shuffle=on -p $$((($$(nproc) * 3 + 1) / 2)) -timeout 20m ./syncer ./cmd/postferry ./admin/server $$(go list ./... | grep -vxF "$$(go list $(SIGNING))")
	go test -vet=off -run 'Floods$$' ./upstream
	scripts/fuzz.sh 15s Cost ./upstream

deps:
	scripts/test-deps.sh

lint:
	scripts/lint.sh

build:
	CGO_ENABLED=0 go build -trimpath -o bin/postferry ./cmd/postferry

# As make test does it, so that nothing is compiled once more for it.
round: export CGO_ENABLED = 1
round: export POSTFERRY_BINARY = $(CURDIR)/bin/postferry
round: deps build
	go test -race -count 1 -run '^TestRound$$' ./cmd/postferry

bench: deps
	go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 90m ./...

# In memory, so that it is not the disk that is measured, except for what is measured
# on one: in SPEED_DISK (/var/tmp).
speed: export TMPDIR = /dev/shm
speed: deps
	go test -run '^$$' -bench '^BenchmarkSpeed$$' -benchtime 1x -timeout 60m ./internal/lab/bench

scale: export SCALE_ACCOUNTS := $(SCALE_ACCOUNTS)
scale:
	go test -run '^$$' -bench '^BenchmarkScale$$' -benchtime 1x -timeout 120m ./internal/lab/bench

thousand: export POSTFERRY_TEST_PICTURES = 1
thousand: deps
	POSTFERRY_TEST_ACCOUNTS=1000 go test ./cmd/postferry -run '^TestManyAccounts$$' -v -count 1 -timeout 60m
	POSTFERRY_TEST_MAILBOXES=2000 go test ./admin/server -run '^TestTenantInABrowser$$' -v -count 1 -timeout 60m

pictures: export POSTFERRY_TEST_PICTURES = 1
pictures: deps
	go test ./admin/server ./cmd/postferry -run 'Browser$$' -count 1 -timeout 20m

figures:
	go test -run '^$$' -bench '^BenchmarkFigures$$' -benchtime 1x -timeout 60m ./internal/lab/bench

arc: export POSTFERRY_TEST_PICTURES = 1
arc: deps
	POSTFERRY_TEST_ARC=$(ARC_ACCOUNTS) go test ./cmd/postferry -run '^TestArcInTheBrowser$$' -v -count 1 -timeout 20m

select: export POSTFERRY_TEST_SELECT ?= 1000,20000,100000,100000:mdbox,500000:mdbox
# In memory, like make speed.
select: export TMPDIR = /dev/shm
select: deps
	go test ./cmd/postferry -run '^TestFirstSelect$$' -v -count 1 -timeout 60m

tokens: export POSTFERRY_TEST_TOKENS ?= 5000
tokens: deps
	go test ./cmd/postferry -run '^TestTokens$$' -v -count 1 -timeout 60m

relay: export POSTFERRY_TEST_IDLE ?= 4000
relay: export POSTFERRY_TEST_TERM ?= 1000
relay: export RELAY_CLIENTS ?= 1000
relay: deps
	scripts/lab-servers.sh relays || echo "nginx and HAProxy are left out"
	go test ./cmd/postferry -run '^(TestIdleClients|TestTermUnderClients)$$' -v -count=1
	go test -run '^$$' -bench '^BenchmarkRelays$$' -benchtime 1x -timeout 60m ./internal/lab/bench
	go test ./proxy -run '^$$' -bench 'Relay|IdleConnection|Upload'

secrets: export USED = 1
secrets: deps
	scripts/secrets.sh -vet=off -timeout=30m ./...

fuzz:
	scripts/fuzz.sh $(FUZZTIME)

corpus: export FUZZ_KEEP = 8
corpus: fuzz

model: export MODEL_TIME := $(MODEL_TIME)
model: export MODEL_ACCIDENTS = 1
model:
	go test -run '^TestModel$$' -v -timeout 0 -rapid.checks=1000 ./syncer

torture: export CGO_ENABLED = 1
torture: export TORTURE_KILLS := $(TORTURE_KILLS)
torture: export TORTURE_CUTS := $(TORTURE_CUTS)
torture: deps
	go test -race -run '^TestTorture$$' -v -timeout 0 ./cmd/postferry
