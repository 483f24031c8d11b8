// Package bench measures how fast accounts are copied between real Dovecots,
// over delay lines, by several contenders: the postferry binary, mbsync, dsync,
// and the ceiling (a bare FETCH stream poured into MULTIAPPEND, with no
// bookkeeping at all). Runs alternate, so that what disturbs the machine disturbs
// all of them; medians of three and their ratios are reported, because absolute
// numbers don't travel. Every run is checked for having copied all of it.
//
// What is left out of all rows that don't say otherwise: TLS, a disk (the mail is where
// TMPDIR is, which make speed puts into memory), and waiting for one (mail_fsync = never). An
// account has three connections to each server with Postferry and with the bare loop, and
// one with mbsync and dsync, which can't use more. One row has all of these, as people have
// them: its servers and the database are in the folder that SPEED_DISK names (/var/tmp).
//
//	go test -run '^$' -bench Speed -benchtime 1x -timeout 60m ./internal/lab/bench
//
// runs everything and ends with a table; -bench Speed/copy/near runs a part. SPEED_BEFORE=FILE lets
// another postferry, an earlier one, run in every race, and tells how many times as fast this one is.
//
// It holds benchmarks only. A new contender is a function like copyMbsync in
// mbsync_test.go, a new row one like benchRepeat in rows_test.go.
package bench
