// Package bench measures how fast an account is copied from one real Dovecot
// to another, over delay lines, by several contenders: the ceiling (a bare
// FETCH stream poured into MULTIAPPEND, with no bookkeeping at all) and mbsync.
// Runs alternate, so that what disturbs the machine disturbs all of them;
// medians and their ratios are reported, because absolute numbers don't travel.
//
//	go test -run '^$' -bench Copy ./internal/lab/bench -args -messages 10000 -rounds 5
//
// It holds benchmarks only. A new contender is one line in contenders.
package bench
