package main

import (
	"fmt"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"postferry/config"
)

// File descriptors that are needed beside connections.
const (
	eachClient    = 2   // a client's connection, and its own with the new server
	forPage       = 256 // of the import page
	forEverything = 64  // state, logs, sockets, lookups of names
)

// descriptors are what a configuration may need at most.
type descriptors struct{ clients, copying, page int }

// descriptorsOf counts them: each server has a pool of its own for copying.
func descriptorsOf(cfg *config.Config, domains []config.Domain) descriptors {
	need := descriptors{clients: eachClient * cfg.Proxy.MaxConnections}
	olds, news := map[string]bool{}, map[string]bool{}
	for _, d := range domains {
		olds[d.Old.Address()], news[d.New.Address()] = true, true
	}
	need.copying = max(len(olds), 1)*cfg.Sync.OldConnections + max(len(news), 1)*cfg.Sync.NewConnections
	if cfg.Admin.Listen != "" {
		need.page = forPage
	}
	return need
}

func (d descriptors) all() int { return d.clients + d.copying + d.page + forEverything }

// raiseDescriptors raises the limit of file descriptors as far as it may be, and warns if that is
// too little for what is configured.
func raiseDescriptors(cfg *config.Config, domains []config.Domain, log zerolog.Logger) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		log.Warn().Err(err).Msg("how many file descriptors there may be can't be found out")
		return
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			log.Warn().Err(err).Msg("the limit of file descriptors can't be raised")
			_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) // worked just before
		}
	}
	need := descriptorsOf(cfg, domains)
	if text := need.tooMany(uint64(limit.Cur)); text != "" {
		log.Warn().Uint64("limit", uint64(limit.Cur)).Int("clients", need.clients).Int("copying", need.copying).Int("page", need.page).Int("all", need.all()).Msg(text)
	}
}

// tooMany says what to do about a limit that is too low; "" if it isn't.
func (d descriptors) tooMany(limit uint64) string {
	if uint64(d.all()) <= limit {
		return ""
	}
	room := max(int(limit)-d.copying-d.page-forEverything, 0) / eachClient
	return fmt.Sprintf("at most %d file descriptors are allowed, %d may be needed: raise the limit (LimitNOFILE of systemd, ulimit -Hn), or lower proxy.max_connections to %d", limit, d.all(), room)
}
