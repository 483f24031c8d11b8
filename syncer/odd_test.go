package syncer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/store"
)

// without takes words out of a list of capabilities.
func capsWithout(names ...string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(lab.OddCaps), func(c string) bool { return slices.Contains(names, c) }), " ")
}

var (
	uidItem  = regexp.MustCompile(`UID [0-9]+ ?`)
	dateItem = regexp.MustCompile(`INTERNALDATE "[^"]*"`)
)

// TestHarmlessOddities: what a tolerant reader and a careful writer needn't
// even notice. Everything arrives once, and a second pass finds nothing to do.
func TestHarmlessOddities(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new lab.OddOptions
	}{
		{name: "none"},
		{name: "unknown responses", old: lab.OddOptions{Noise: "* XYZZY (a {3}\r\nabc b) 5\r\n* 7 FROBNICATE\r\n\r\n* OK [X-ODD (] \x01\r\n* 99 EXPUNGE\r\n"},
			new: lab.OddOptions{Noise: "* 3 RECENT\r\n* OK still here\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* VANISHED (EARLIER) 41,43:116\r\n"}},
		{name: "unknown items", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
			return strings.Replace(response, "(UID", `(X-GM-LABELS (\Inbox "a b" {2}`+"\r\n"+`xy) SAVEDATE NIL EMAILID (M1) UID`, 1)
		}}},
		{name: "split FETCH", old: lab.OddOptions{Fetch: splitFetch}, new: lab.OddOptions{Fetch: splitFetch}},
		{name: "UID at the end", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
			head, items, _ := strings.Cut(uidItem.ReplaceAllString(response, ""), "FETCH (")
			return head + "FETCH (" + strings.TrimSuffix(items, ")\r\n") + fmt.Sprintf(" UID %d)\r\n", m.UID)
		}}},
		{name: "lower case", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
			return strings.NewReplacer("FETCH", "Fetch", "UID", "uid", "FLAGS", "Flags", "INTERNALDATE", "InternalDate", "RFC822.SIZE", "rfc822.size").Replace(response)
		}}},
		{name: "flags of other messages in between", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
			return "* 1 FETCH (FLAGS (\\Recent))\r\n" + response
		}}},
		{name: "wrong sizes", old: lab.OddOptions{Fetch: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
			return regexp.MustCompile(`RFC822.SIZE [0-9]+`).ReplaceAllString(response, "RFC822.SIZE 17")
		}}},
		{name: "old without extensions", old: lab.OddOptions{Caps: "IMAP4rev1"}},
		{name: "new without extensions", new: lab.OddOptions{Caps: "IMAP4rev1"}},
		{name: "MULTIAPPEND is a lie", new: lab.OddOptions{Caps: capsWithout("MULTIAPPEND"), Lies: "MULTIAPPEND"}},
		{name: "LITERAL+ is a lie", new: lab.OddOptions{Caps: capsWithout("LITERAL+"), Lies: "LITERAL+"}},
		{name: "LITERAL+ and MULTIAPPEND are lies", new: lab.OddOptions{Caps: capsWithout("LITERAL+", "MULTIAPPEND"), Lies: "LITERAL+ MULTIAPPEND"}},
		{name: "UIDPLUS is a lie", new: lab.OddOptions{Caps: capsWithout("UIDPLUS"), Lies: "UIDPLUS"}},
		{name: "CONDSTORE is a lie", old: lab.OddOptions{Caps: capsWithout("CONDSTORE"), Lies: "CONDSTORE QRESYNC"}, new: lab.OddOptions{Caps: capsWithout("CONDSTORE"), Lies: "CONDSTORE"}},
		{name: "LIST-STATUS is a lie", old: lab.OddOptions{Caps: capsWithout("LIST-STATUS"), Lies: "LIST-STATUS"}, new: lab.OddOptions{Caps: capsWithout("LIST-EXTENDED"), Lies: "LIST-EXTENDED"}},
		{name: "STATUS=SIZE is a lie", old: lab.OddOptions{Caps: capsWithout("LIST-STATUS"), Lies: "STATUS=SIZE"}, new: lab.OddOptions{Lies: "STATUS=SIZE"}},
		{name: "ID before a folder is opened", old: lab.OddOptions{Answer: wantsID}, new: lab.OddOptions{Answer: wantsID}},
		{name: "ID before a folder is opened, but not announced", old: lab.OddOptions{Caps: capsWithout("ID"), Answer: wantsID}},
		{name: "the new server hangs up after 25 commands", new: lab.OddOptions{Answer: hangUpAfter(25)}},
		{name: "the old server hangs up after ten commands", old: lab.OddOptions{Answer: hangUpAfter(10)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newOddRigInMemory(t, tt.old, tt.new)
				r.start(false)
				r.complete(oddTotal())
				r.complete(0)
				r.arrived(nil)
			})
		})
	}
}

// splitFetch tells of a message in two responses, as iCloud and Exchange do.
func splitFetch(_ *lab.OddConn, m *lab.OddMessage, response string) string {
	if !strings.Contains(response, "INTERNALDATE") {
		return response
	}
	date := dateItem.FindString(response)
	number, _, _ := strings.Cut(response[2:], " ")
	return strings.Replace(response, date+" ", "", 1) + fmt.Sprintf("* %s FETCH (UID %d %s)\r\n", number, m.UID, date)
}

// wantsID is 163.com.
func wantsID(c *lab.OddConn) string {
	if (c.Verb == "EXAMINE" || c.Verb == "SELECT") && !c.Identified {
		return "NO " + c.Verb + " Unsafe Login. Please contact kefu@188.com for help"
	}
	return ""
}

// hangUpAfter lets a connection run so many commands.
func hangUpAfter(n int) func(c *lab.OddConn) string {
	return func(c *lab.OddConn) string {
		if c.Commands > n {
			return "* BYE this session has had its time"
		}
		return ""
	}
}

// oddlyAnswered makes the bodies' FETCH responses of INBOX's odd message odd.
func oddlyAnswered(fn func(c *lab.OddConn, response string) string) lab.OddOptions {
	return lab.OddOptions{Fetch: func(c *lab.OddConn, m *lab.OddMessage, response string) string {
		if c.Folder() != "INBOX" || !isOdd(m.Body) || !c.AsksFor(m.UID) {
			return response
		}
		return fn(c, response)
	}}
}

// announce changes the size that a body is announced with.
func announce(by int) func(*lab.OddConn, string) string {
	return func(_ *lab.OddConn, response string) string {
		at := strings.Index(response, "BODY[] {")
		var size int
		fmt.Sscanf(response[at:], "BODY[] {%d}", &size)
		return strings.Replace(response, fmt.Sprintf("{%d}", size), fmt.Sprintf("{%d}", size+by), 1)
	}
}

// standIn delivers what Exchange does in place of a message that it can't convert.
func standIn(_ *lab.OddConn, response string) string {
	notice := fmt.Sprintf("MIME-Version: 1.0\r\nFrom: Microsoft Exchange Server\r\nTo: Anna <anna@example.com>\r\nSubject: Retrieval using the IMAP4 protocol failed for the following\r\n"+
		" message: %d\r\n\r\nThe server couldn't retrieve the following message:\r\n\r\nSubject: \"Canceled: Lunch\"\r\n", oddOne)
	before, _, _ := strings.Cut(response, "BODY[] {")
	return fmt.Sprintf("%sBODY[] {%d}\r\n%s)\r\n", before, len(notice), notice)
}

// oddlyAsked answers for the odd message when it is asked for.
func oddlyAsked(text string) lab.OddOptions {
	return lab.OddOptions{Answer: func(c *lab.OddConn) string {
		if c.Folder() == "INBOX" && c.AsksFor(oddOne) {
			return text
		}
		return ""
	}}
}

// TestOddMessages: a message that can't be had or given keeps none of the
// others, and is copied as soon as it can be.
func TestOddMessages(t *testing.T) {
	for _, tt := range []struct {
		name          string
		old, new      lab.OddOptions
		reason, cause string
		again         bool // tried again by itself
		stall         time.Duration
	}{
		{name: "OK and no body", old: oddlyAnswered(func(*lab.OddConn, string) string { return "" }),
			reason: "lists this message but does not deliver it", cause: "no body came"},
		{name: "NIL for a body", old: oddlyAnswered(func(*lab.OddConn, string) string { return "* 10 FETCH (UID 10 BODY[] NIL)\r\n" }),
			reason: "lists this message but does not deliver it", cause: "no body came"},
		{name: "a notice in its place", old: oddlyAnswered(standIn), reason: "delivers a notice in its place", cause: "Retrieval using the IMAP4 protocol failed for the following message: 10"},
		{name: "NO", old: oddlyAsked("NO it is damaged"), reason: "does not deliver it", cause: "it is damaged"},
		{name: "NO [UNAVAILABLE]", old: oddlyAsked("NO [UNAVAILABLE] FETCH Server error - Please try again later"),
			reason: "can't deliver this message at the moment", cause: "try again later", again: true},
		{name: "NO [SERVERBUG]", old: oddlyAsked("NO [SERVERBUG] oops"), reason: "at the moment", cause: "oops", again: true},
		{name: "BYE", old: oddlyAsked("* BYE internal error"), reason: "connection with the old server breaks each time", cause: "broke", again: true},
		// What is missing is waited for again and again.
		{name: "a short literal", old: oddlyAnswered(announce(50)), reason: "breaks each time", cause: "broke", again: true, stall: time.Second},
		{name: "a literal beyond all numbers", old: oddlyAnswered(func(_ *lab.OddConn, response string) string {
			return strings.Replace(response, "BODY[] {", "BODY[] {99999999999999999999", 1)
		}), reason: "breaks each time", cause: "broke", again: true},
		{name: "a long literal", old: oddlyAnswered(announce(-50)), reason: "breaks each time", cause: "broke", again: true},
		{name: "cut within", old: oddlyAnswered(func(c *lab.OddConn, response string) string { c.HangUp(); return response[:len(response)-40] }),
			reason: "breaks each time", cause: "broke", again: true},
		{name: "refused", new: lab.OddOptions{Append: oddlyGiven("NO I don't like it")}, reason: "new server refuses this message", cause: "don't like it"},
		{name: "BAD", new: lab.OddOptions{Append: oddlyGiven("BAD I don't like it")}, reason: "new server refuses this message", cause: "don't like it"},
		{name: "not now", new: lab.OddOptions{Append: oddlyGiven("NO [UNAVAILABLE] not now")}, reason: "new server can't take this message at the moment", cause: "not now", again: true},
		{name: "BYE on APPEND", new: lab.OddOptions{Append: oddlyGiven("* BYE panic")}, reason: "connection with the new server breaks each time", cause: "broke", again: true},
		{name: "BYE on single APPEND", new: lab.OddOptions{Caps: "IMAP4rev1 UIDPLUS", Append: oddlyGiven("* BYE panic")}, reason: "connection with the new server breaks each time", cause: "broke", again: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newOddRigInMemory(t, tt.old, tt.new)
				if tt.stall > 0 {
					r.cfg.Sync.Stall = tt.stall
				}
				r.start(false)
				lost := func(folder, body string) bool { return folder == "INBOX" && isOdd(body) }
				r.complete(oddTotal() - 1)
				r.arrived(lost)
				q := r.quarantined()
				if len(q) != 1 || !strings.Contains(q[0].Reason.String(), tt.reason) || !strings.Contains(q[0].Cause, tt.cause) || q[0].Again != tt.again {
					t.Fatalf("quarantine: %+v", q)
				}
				r.complete(0)
				r.arrived(lost)
				if again := r.quarantined(); len(again) != 1 || again[0].Attempts > q[0].Attempts != tt.again || !again[0].Since.Equal(q[0].Since) {
					t.Errorf("quarantine after a second pass: %+v, before %+v", again, q)
				}
				for _, s := range []*lab.Odd{r.old, r.new} {
					s.Change(func(opt *lab.OddOptions) { opt.Answer, opt.Fetch, opt.Append = nil, nil, nil })
				}
				if !tt.again {
					return
				}
				r.complete(1)
				r.arrived(nil)
				if q := r.quarantined(); len(q) > 0 {
					t.Errorf("quarantine at the end: %+v", q)
				}
				r.complete(0)
			})
		})
	}
}

// oddlyGiven answers an APPEND of the odd message.
func oddlyGiven(text string) func(c *lab.OddConn, m *lab.OddMessage) string {
	return func(_ *lab.OddConn, m *lab.OddMessage) string {
		if isOdd(m.Body) {
			return text
		}
		return ""
	}
}

// capped lets an account have only so many connections.
func capped(most int, text string) func(c *lab.OddConn) string {
	return func(c *lab.OddConn) string {
		if c.Verb == "LOGIN" && c.Open >= most {
			return text
		}
		return ""
	}
}

// TestConnectionCaps: an account makes do with the connections that a server
// allows, and remembers how many that are.
func TestConnectionCaps(t *testing.T) {
	for most := 1; most <= 3; most++ {
		for name, text := range map[string]string{"NO": "NO [ALERT] Too many simultaneous connections. (Failure)", "BYE": "* BYE Too many connections from your IP"} {
			for _, side := range []string{"old", "new"} {
				t.Run(fmt.Sprint(side, " ", name, " ", most), func(t *testing.T) {
					t.Parallel()
					var refused atomic.Int64
					answerTo := capped(most, text)
					odd := lab.OddOptions{Answer: func(c *lab.OddConn) string {
						answer := answerTo(c)
						if answer != "" {
							refused.Add(1)
						}
						return answer
					}}
					r := newOddRig(t, odd, lab.OddOptions{})
					if side == "new" {
						r = newOddRig(t, lab.OddOptions{}, odd)
					}
					r.start(false)
					r.engine.Connected(t.Context(), r.account.ID)
					defer r.engine.Disconnected(r.account.ID)
					r.engine.Visit(t.Context(), r.account.ID, "Work", nil)
					r.filled("Work")
					done := make(chan Result)
					go func() { done <- r.sync() }()
					r.engine.Visit(t.Context(), r.account.ID, "Archive", nil)
					r.untilAllowed(<-done)
					r.untilAllowed(r.sync())
					r.arrived(nil)
					if n := refused.Load(); n > 6 { // two visits and two passes, by up to four connections
						t.Errorf("%d logins were refused", n)
					}
				})
			}
		}
	}
}

// untilAllowed makes passes until one is complete, where the server may count a session for a moment that
// has ended already.
func (r *oddRig) untilAllowed(res Result) {
	r.t.Helper()
	for end := time.Now().Add(r.limit); res.Problem != nil && time.Now().Before(end); res = r.sync() {
		if res.Problem.Kind != store.TooManyConnections {
			break
		}
		<-time.After(time.Until(res.Problem.Retry))
	}
	if res.Problem != nil || !res.Pass.Complete {
		r.t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
}

// filled waits until a folder has all of its messages: a visit that sees no life of a busy machine
// for a while returns before.
func (r *oddRig) filled(folder string) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(r.limit); len(r.new.Messages(folder)) < oddFolders[folder]; <-tick.C {
		if time.Now().After(end) {
			r.t.Fatalf("%s has %d messages, want %d", folder, len(r.new.Messages(folder)), oddFolders[folder])
		}
	}
}

// firstRest is how long a server rests at least that fails for the first time.
const firstRest = 2 * time.Second

// TestServersThatRefuse: what is wrong is told in plain words, tried again only if
// that helps, and nothing else happens.
func TestServersThatRefuse(t *testing.T) {
	for _, tt := range []struct {
		name    string
		old     lab.OddOptions
		summary string
		advice  store.Advice
		after   time.Duration // at least until it is tried again
	}{
		{"PREAUTH", lab.OddOptions{Greeting: "* PREAUTH welcome, whoever you are"}, "lets everybody in without a password", store.NeedsFix, 0},
		{"BYE", lab.OddOptions{Greeting: "* BYE [UNAVAILABLE] not today"}, "not available at the moment", store.RetryLater, firstRest},
		{"referral", lab.OddOptions{Answer: answerTo("LOGIN", "NO [REFERRAL imap://ann;AUTH=*@imap2.example/] try imap2.example")},
			"is kept on another server, imap2.example", store.NeedsFix, 0},
		{"Exchange is throttling", lab.OddOptions{Answer: answerTo("FETCH", "NO [UNAVAILABLE] Request is throttled. Suggested Backoff Time: 40000 milliseconds")},
			"asks for a pause of 40s", store.RetryLater, 40 * time.Second},
		{"Gmail is throttling", lab.OddOptions{Answer: answerTo("FETCH", "NO [THROTTLED] Lockdown in sector 4")}, "not available at the moment", store.RetryLater, firstRest},
		{"limit", lab.OddOptions{Answer: answerTo("EXAMINE", "NO [LIMIT] FETCH Rate limit hit")}, "not available at the moment", store.RetryLater, firstRest},
		{"throttled while reading", lab.OddOptions{Answer: answerTo("FETCH", "* BYE Request is throttled. Suggested Backoff Time: 5 seconds")}, "asks for a pause of 5s", store.RetryLater, 5 * time.Second},
		{"unsafe", lab.OddOptions{Answer: answerTo("EXAMINE", "NO EXAMINE Unsafe Login. Please contact kefu@188.com for help")}, "Allow IMAP for others in the account's settings", store.NeedsFix, 0},
		{"alone too many", lab.OddOptions{Answer: capped(0, "NO [LIMIT] Maximum number of connections from user+IP exceeded")}, "allows no more connections at the moment", store.RetryLater, firstRest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, tt.old, lab.OddOptions{})
			r.start(false)
			p := r.sync().Problem
			if p == nil || !strings.Contains(p.Summary.String(), tt.summary) || p.Advice != tt.advice {
				t.Fatalf("problem %+v", p)
			}
			if wait := time.Until(p.Retry); p.Advice == store.RetryLater && (wait < tt.after-time.Second || wait > 2*tt.after+time.Second) {
				t.Errorf("tried again after %v, want %v at least", wait, tt.after)
			}
			r.untouched()
			if len(r.new.Messages("INBOX")) > 0 {
				t.Error("something was copied")
			}
			r.old.Change(func(opt *lab.OddOptions) { opt.Answer, opt.Greeting = nil, "" })
			r.engine.pools.endpoint(r.cfg.Domains[0].Old, true).Pool.Note(nil) // it has rested
			r.complete(oddTotal())
			r.arrived(nil)
		})
	}
}

// answerTo answers commands with a verb, with UID in front of it or not.
func answerTo(verb, text string) func(c *lab.OddConn) string {
	return func(c *lab.OddConn) string {
		if strings.HasSuffix(c.Verb, verb) {
			return text
		}
		return ""
	}
}

// TestOddFolders: a folder that can't be read or written keeps none of the
// others, and is told of.
func TestOddFolders(t *testing.T) {
	inFolder := func(verb, folder, text string) lab.OddOptions {
		return lab.OddOptions{Answer: func(c *lab.OddConn) string {
			if strings.HasSuffix(c.Verb, verb) && c.Folder() == folder {
				return text
			}
			return ""
		}}
	}
	for _, tt := range []struct {
		name     string
		old, new lab.OddOptions
		summary  string
		some     bool // of the folder's messages arrive
	}{
		{name: "EXAMINE NO", old: inFolder("EXAMINE", "INBOX", "NO [NOPERM] not for you"), summary: "refused EXAMINE"},
		{name: "EXAMINE unavailable", old: inFolder("EXAMINE", "INBOX", "NO [UNAVAILABLE] being repaired"), summary: "being repaired"},
		{name: "EXAMINE BYE", old: inFolder("EXAMINE", "INBOX", "* BYE segmentation fault"), summary: "was lost"},
		{name: "EXAMINE referral", old: inFolder("EXAMINE", "INBOX", "NO [REFERRAL IMAP://ann@server2/INBOX] Remote mailbox"), summary: "kept on another server, server2"},
		{name: "STATUS and EXAMINE NO", old: lab.OddOptions{Caps: capsWithout("LIST-STATUS"), Answer: func(c *lab.OddConn) string {
			if (c.Verb == "STATUS" || c.Verb == "EXAMINE") && c.Folder() == "INBOX" {
				return "NO it is damaged"
			}
			return ""
		}}, summary: "it is damaged"},
		{name: "FETCH NO", old: inFolder("FETCH", "INBOX", "NO [SERVERBUG] broken index"), summary: "broken index"},
		{name: "FETCH BYE", old: inFolder("FETCH", "INBOX", "* BYE segmentation fault"), summary: "was lost"},
		{name: "APPEND BYE", new: inFolder("APPEND", "INBOX", "* BYE segmentation fault"), summary: "was lost"},
		{name: "fewer listed than counted", old: lab.OddOptions{Hidden: func(folder string, m *lab.OddMessage) bool { return folder == "INBOX" && m.UID <= 20 }},
			summary: "says that the folder has 30 messages, but lists only 10", some: true},
		{name: "a message without UID", old: lab.OddOptions{Fetch: func(c *lab.OddConn, m *lab.OddMessage, response string) string {
			if c.Folder() == "INBOX" && m.UID <= 20 {
				return uidItem.ReplaceAllString(response, "")
			}
			return response
		}}, summary: "says that the folder has 30 messages, but lists only 10", some: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newOddRigInMemory(t, tt.old, tt.new)
				r.start(false)
				res := r.sync()
				if p := res.Problem; res.Pass.Complete || p == nil || !strings.Contains(p.Summary.String(), tt.summary) || p.Folder != "INBOX" || p.Advice != store.RetryLater {
					t.Errorf("%+v, problem %+v", res.Pass, p)
				}
				r.arrived(func(folder, body string) bool {
					if folder != "INBOX" || !tt.some {
						return folder == "INBOX"
					}
					var n int
					_, subject, _ := strings.Cut(body, "Subject: ")
					fmt.Sscanf(subject, "number %d of", &n)
					return n <= 20
				})
				for _, s := range []*lab.Odd{r.old, r.new} {
					s.Change(func(opt *lab.OddOptions) { opt.Answer, opt.Fetch, opt.Append, opt.Hidden = nil, nil, nil, nil })
				}
				if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				if q := r.quarantined(); len(q) > 0 {
					res := r.sync()
					t.Logf("%d messages had to be tried again: %+v", len(q), res.Pass)
				}
				r.arrived(nil)
				r.complete(0)
			})
		})
	}
}
