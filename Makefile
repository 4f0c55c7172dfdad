# make test does everything that must pass. It needs Go alone; the end-to-end
# part also needs Dovecot, Postfix and NeoMutt, and root for Postfix. Without
# them it says so and goes on, or fails if CI or BUZON_REQUIRE_SERVERS is set.

GO       ?= go
FUZZTIME ?= 20s
MSGS     ?= 1000
RATE     ?= 10
BACKLOG  ?= 10000
BESIDE   ?= 5000
SIZES    ?= 0,1000,10000,100000,1000000
GROWTH   ?= 10000
BENCH    ?= .
COUNT    ?= 1
# The race detector needs a C compiler.
RACE     ?= $(if $(shell command -v gcc),-race)
UNIT      = $(shell $(GO) list ./... | grep -v -e /e2e -e /torture)

.PHONY: run check test unit e2e fuzz bench load backlog beside growth torture torture-long

# A desk on this machine, with nothing to set up.
run:
	$(GO) run ./cmd/buzon demo

check:
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "not formatted (gofmt -w):" $$bad; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

test: check unit e2e

unit:
	$(GO) test -timeout 20m $(RACE) $(UNIT)

# Verbose, so that tests which did not run are seen.
e2e:
	$(GO) test -count=1 -v ./e2e/

# Every fuzz target in turn, FUZZTIME each. When the time is up in the midst of
# an input, go test says "context deadline exceeded" and fails although nothing
# was found; a finding always comes with a failing input.
fuzz:
	@log=$$(mktemp); trap 'rm -f $$log' EXIT; \
	grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -d' ' -f2); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$dir >$$log 2>&1 || \
			{ grep -q 'context deadline exceeded' $$log && ! grep -q 'Failing input\|panic:' $$log; } || \
			{ cat $$log; exit 1; }; \
			echo "$$dir $$target: $$(grep -o 'execs: [0-9]*' $$log | tail -n 1)"; \
		done; \
	done

# Benchmarks of every stage and of the whole pipe, as benchstat reads them, e.g.
# make bench BENCH='Pipe|Stage|Index|Drain' COUNT=6. Everything that is said to be
# synced is, in TMPDIR: let that be a disk. Profiles are by go test's own flags, for
# one package: go test -run '^$$' -bench Pipe/whole -cpuprofile cpu.prof ./cmd/buzon
bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(UNIT)

# MSGS messages by SMTP at RATE a second and as many by IMAP, with the real
# servers; prints what became of them, how long it took, and the memory.
load:
	MSGS=$(MSGS) RATE=$(RATE) $(GO) test -count=1 -run '^$$' -bench Load -benchtime 1x -timeout 60m -v ./e2e/load

# BACKLOG messages in a mailbox of a real Dovecot: how fast they are loaded and
# nothing else, and how fast the desk takes them.
backlog:
	MSGS=$(BACKLOG) $(GO) test -count=1 -run '^$$' -bench Backlog -benchtime 1x -timeout 60m -v ./e2e/load

# The same streams of BESIDE messages into a real Postfix and into the desk.
beside:
	MSGS=$(BESIDE) $(GO) test -count=1 -run '^$$' -bench Postfix -benchtime 1x -timeout 60m -v ./e2e/load

# How the desk does with SIZES tickets, a row of a table each, fed GROWTH messages.
# The filled folders stay in GROWN, and are used again; the empty one is new each time.
growth:
	@test -n "$(GROWN)" || { echo "where to? make growth GROWN=DIR, a folder for the filled desks (25 GB for a million tickets)"; exit 2; }
	mkdir -p $(GROWN)
	$(GO) build -o $(GROWN)/ ./cmd/buzon ./cmd/buzonload
	$(GROWN)/buzonload --buzon $(GROWN)/buzon --growth $(SIZES) --data $(GROWN) --count $(GROWTH) --connections 16 --requesters 2000

# The desk killed at every crash point and KILLS times at random (SEED chooses
# when), with full, slow, read-only and failing disks, damaged files, slow clients,
# a clock that jumps, and what broke other desks; and MUTANTS desks with an
# ordering undone, in which that must show (0: all of them). Verbose, because it
# prints its evidence: crash points with their hits, mutants, and the ledger.
torture:
	KILLS=$(or $(KILLS),60) $(GO) test -count=1 -parallel 8 -timeout 15m -v ./torture/
	$(GO) test -count=1 -timeout 15m -v ./torture/powercut

torture-long:
	KILLS=$(or $(KILLS),500) ROUNDS=$(or $(ROUNDS),10) MUTANTS=$(or $(MUTANTS),0) $(GO) test -count=1 -parallel 8 -timeout 3h -v ./torture/
	IMAGES=$(or $(IMAGES),50000) $(GO) test -count=1 -timeout 3h -v ./torture/powercut
