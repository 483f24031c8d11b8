// Package bench measures how fast accounts are copied between real Dovecots,
// over delay lines, by several contenders: the postferry binary, mbsync, dsync,
// and the ceiling (a bare FETCH stream poured into MULTIAPPEND, with no
// bookkeeping at all). Runs alternate, so that what disturbs the machine disturbs
// all of them; medians and their ratios are reported, because absolute numbers
// don't travel.
//
//	go test -run '^$' -bench Speed -benchtime 1x -timeout 60m ./internal/lab/bench
//
// runs everything and ends with a table; -bench Speed/copy/near runs a part.
//
// It holds benchmarks only. A new contender is a function like those in
// contenders_test.go.
package bench
