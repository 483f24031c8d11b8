package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"postferry/admin/web"
	"postferry/config"
	"postferry/discover"
	"postferry/internal/backend"
	"postferry/internal/control"
	"postferry/store/bolt"
	"postferry/store/bolt/statedir"
	"postferry/syncer"
)

// daemonPatience bounds how long a command waits for another one that has the
// state: a daemon that is starting or draining right now, a status that is
// being read.
const daemonPatience = 5 * time.Second

// loadConfig reads the configuration of a command.
func loadConfig(path string, checks ...func(*config.Config) []config.Finding) (*config.Config, []config.Finding, error) {
	if path == "" {
		return nil, nil, control.UsageError(errors.New(`no configuration given; expected e.g. "-c /etc/postferry/config.toml"`))
	}
	cfg, warnings, err := config.Load(path, append(checks, config.CheckLanguages(web.Languages))...)
	if err != nil {
		return nil, warnings, control.UsageError(err)
	}
	cfg.Directory = config.NewDirectory(cfg.Domains)
	cfg.Directory.Complete(discover.Complete)
	return cfg, warnings, nil
}

// openBackend reaches the daemon if one runs, and opens the state itself if
// not. With a logger, what it opens can copy.
func openBackend(ctx context.Context, cfg *config.Config, command string, log *zerolog.Logger) (b control.Backend, err error) {
	if err := statedir.CheckPrivate(cfg.State); err != nil {
		return nil, err // before anything is said to whoever listens on a socket there
	}
	err = patiently(ctx, func() error {
		if r, err := control.Connect(ctx, cfg.State); err == nil {
			b = r
			return nil
		}
		if !beginsState(command) && statedir.Empty(cfg.State) {
			return noState(cfg.State)
		}
		b, err = openLocal(ctx, cfg, command, log)
		return err
	}, takesLong)
	return b, err
}

// beginsState tells whether a command may be the first thing that is done with a configuration. All the others look at
// what is there: an empty state would tell them that there is nothing, and a backup of it would take the place of a good one.
func beginsState(command string) bool {
	return slices.Contains([]string{importCommand, adminCommand, adviseCommand, authCommand, tenantCommand}, command)
}

// noState says that there is nothing to look at.
func noState(dir string) error {
	return fmt.Errorf("there is no state in %s yet: import accounts or start the daemon first; "+
		"or, if that was done, find out whether the disk with the state is there, and whether \"state\" names the right directory", dir)
}

// takesLong tells whether a command may have the state for much longer than others wait. All the rest are
// waited for, as is the daemon, which may be about to answer.
func takesLong(command string) bool {
	return command == syncCommand || command == verifyCommand || command == finishCommand
}

// takesLongOrServes is the same for who needs the state without a daemon.
func takesLongOrServes(command string) bool { return command == serveCommand || takesLong(command) }

// patiently tries to get at the state until it works, or fails for another
// reason than that somebody has it, or keeps says that the holder won't let go of it soon, or patience ends.
func patiently(ctx context.Context, try func() error, keeps func(holder string) bool) error {
	bound, cancel := context.WithTimeout(ctx, daemonPatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		var inUse *statedir.InUseError
		if !errors.As(err, &inUse) {
			return err
		}
		if keeps(inUse.Command) {
			return &control.ExitError{Code: exitInUse, Err: err}
		}
		select {
		case <-tick.C:
		case <-bound.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if inUse.Command == serveCommand {
				err = fmt.Errorf("%w, which does not answer on its control socket", err)
			}
			return &control.ExitError{Code: exitInUse, Err: err}
		}
	}
}

// openLocal opens the state in this process. With a logger it starts an engine
// that makes passes only when it is asked to.
func openLocal(ctx context.Context, cfg *config.Config, command string, log *zerolog.Logger) (control.Backend, error) {
	st, err := bolt.Open(cfg.State, bolt.Options{Command: command})
	if err != nil {
		return nil, err
	}
	if err := learnDomains(ctx, cfg.Directory, st); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	if log == nil {
		return &backend.Local{Store: st, Config: cfg, Log: zerolog.Nop(), Guide: backend.NewGuide(cfg, st, zerolog.Nop(), nil), Closing: st.Close, Keeper: newKeeper(st, zerolog.Nop())}, nil
	}
	engine, err := syncer.New(cfg, st, *log)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	keeper := newKeeper(st, *log)
	engine.SignInWith(keeper)
	// A signal ends the pass; the engine itself ends after it, in Close.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(running, false) }()
	return &backend.Local{Store: st, Engine: engine, Config: cfg, Log: *log, Keeper: keeper, Guide: backend.NewGuide(cfg, st, *log, nil), Closing: func() error {
		stop()
		err := waitUnlessLost(st, func() error { return <-ended })
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return errors.Join(err, st.Close())
	}}, nil
}
