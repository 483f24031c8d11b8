package proxy

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestClientThatAsksWhatFoldersHave: the engine hears of it before the new server does,
// however the question is put, and of nothing else.
func TestClientThatAsksWhatFoldersHave(t *testing.T) {
	tests := map[string]string{
		"a STATUS Sent (MESSAGES UNSEEN)":                                            `asked 7 ["Sent"]`,
		"a status \"Sent \\\"x\\\"\" (MESSAGES)":                                     `asked 7 ["Sent \"x\""]`,
		"a STATUS inbox (MESSAGES)":                                                  `asked 7 ["INBOX"]`,
		"a STATUS {4+}\nSent (MESSAGES)":                                             `asked 7 ["Sent"]`,
		"a LIST \"\" \"*\" RETURN (STATUS (MESSAGES UNSEEN))":                        `asked 7 []`,
		"a list \"\" \"*\" return (subscribed status (MESSAGES UNSEEN))":             `asked 7 []`,
		"a LIST (SUBSCRIBED) \"\" (\"%\" \"x\") RETURN (CHILDREN STATUS (MESSAGES))": `asked 7 []`,
		"a NOTIFY SET STATUS (personal (MessageNew))":                                `asked 7 []`,
		"a LIST \"\" \"*\"":                                                          "",
		"a LIST \"\" STATUS":                                                         "",
		"a LIST \"\" \"*\" RETURN (SPECIAL-USE)":                                     "",
		"a LSUB \"\" \"*\"":                                                          "",
		"a NOTIFY NONE":                                                              "",
	}
	for command, want := range tests {
		t.Run(command, func(t *testing.T) {
			g := newRig(t, nil)
			g.srv.cfg.Proxy.StatusWait = patience
			told := make(chan struct{})
			g.ferry.asked = func(context.Context) {
				g.server.hears("b NOOP\n") // what came before is not held up
				g.server.hearsNothing()
				close(told)
			}
			if want == "" {
				close(told)
			}
			for _, piece := range []string{"b NOOP\n" + command[:len(command)/2], command[len(command)/2:] + "\n"} {
				g.client.says(piece)
			}
			<-told
			g.server.hears(map[bool]string{true: "b NOOP\n"}[want == ""] + command + "\n")
			if got := strings.Join(g.ferry.noted(), " "); got != want {
				t.Errorf("calls: %q", got)
			}
		})
	}
}

// TestAskingIsBounded: one by one or all at once, a client waits no longer than the bound,
// and not at all if its account is only relayed.
func TestAskingIsBounded(t *testing.T) {
	g := newRig(t, func(g *rig, _ *entry) {
		g.srv.cfg.Proxy.StatusWait = 200 * time.Millisecond
		g.ferry.asked = func(ctx context.Context) { <-ctx.Done() }
	})
	begun := time.Now()
	for range 100 {
		g.client.says("a STATUS x (MESSAGES)\n")
	}
	for range 100 {
		g.server.hears("a STATUS x (MESSAGES)\n")
	}
	if took := time.Since(begun); took < 200*time.Millisecond || took > 10*time.Second { // one after the other they would take twenty
		t.Errorf("held up for %v", took)
	}
	g = newRig(t, func(_ *rig, in *entry) { in.account.State = "finished" })
	g.client.says("a STATUS x (MESSAGES)\n")
	g.server.hears("a STATUS x (MESSAGES)\n")
	if calls := g.ferry.noted(); slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "asked") }) {
		t.Errorf("calls: %q", calls)
	}
}
