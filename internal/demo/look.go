package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"postferry/internal/control"
	"postferry/internal/demo/servers"
	"postferry/report"
)

// total is how many messages the old server has.
func (t *tour) total() int {
	n := 0
	for _, contents := range t.before {
		n += len(contents)
	}
	return n
}

// compare wants every folder of the old server on the new one.
func (t *tour) compare() error {
	now, err := t.new.Contents()
	if err != nil {
		return err
	}
	for _, f := range servers.Folders() {
		if err := t.before[f.Name].Same(now[f.NewName]); err != nil {
			return fmt.Errorf("%s on the new server: %w", f.NewName, err)
		}
	}
	return nil
}

// pass makes a pass the way "postferry sync" does, through the control socket.
func (t *tour) pass(ctx context.Context) (control.SyncResult, error) {
	r, err := control.Connect(ctx, t.stage.state())
	if err != nil {
		return control.SyncResult{}, err
	}
	defer r.Close()
	results, err := r.Sync(ctx, []string{servers.Login}, func([]report.Live, int) {})
	if err != nil {
		return control.SyncResult{}, err
	}
	if len(results) != 1 || !results[0].Complete() {
		return control.SyncResult{}, fmt.Errorf("the pass is not complete: %+v", results)
	}
	return results[0], nil
}

// accountStatus asks the way "postferry status" does.
func (t *tour) accountStatus(ctx context.Context) (*control.AccountStatus, error) {
	r, err := control.Connect(ctx, t.stage.state())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var found *control.AccountStatus
	err = r.Status(ctx, control.StatusQuery{Logins: []string{servers.Login}}, func(rec control.StatusRecord) error {
		if rec.Account != nil {
			found = rec.Account
		}
		return nil
	})
	if err == nil && found == nil {
		err = errors.New("nothing is known of her")
	}
	return found, err
}

// passEnded waits until the background pass that brought everything has ended.
func (t *tour) passEnded(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := t.accountStatus(ctx)
		if err != nil {
			return err
		}
		if status.Complete && !status.Running {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the pass over her account does not end: %+v", status)
		case <-tick.C:
		}
	}
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// port is the port of an address that is being listened on.
func port(addr net.Addr) string {
	_, p, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return p
}
