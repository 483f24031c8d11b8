package syncer

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"postferry/internal/lab"
)

var (
	sizeItem  = regexp.MustCompile(`RFC822\.SIZE [0-9]+ ?`)
	flagsItem = regexp.MustCompile(`FLAGS \([^)]*\) ?`)
)

// bodyItem is the body in a FETCH response; "" if there is none.
func bodyItem(response string) string {
	at := strings.Index(response, "BODY[] {")
	if at < 0 {
		return ""
	}
	return strings.TrimSuffix(response[at:], ")\r\n")
}

// cutItem takes an item out of a FETCH response, and gives it alone.
func cutItem(response string, item *regexp.Regexp) (rest, alone string) {
	found := item.FindString(response)
	if item == nil || found == "" {
		return response, ""
	}
	rest = strings.Replace(strings.Replace(response, found, "", 1), " )", ")", 1)
	return rest, fmt.Sprintf("* %s FETCH (%s)\r\n", numberOf(response), strings.TrimSpace(found))
}

func numberOf(response string) string {
	number, _, _ := strings.Cut(response[2:], " ")
	return number
}

// other is the UID of another message of INBOX.
func other(m *lab.OddMessage) uint32 { return m.UID%30 + 1 }

// mixups are ways in which servers tell things of messages so that they may be taken for
// another message's.
var mixups = map[string]func(c *lab.OddConn, m *lab.OddMessage, response string) string{
	"no size": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		rest, _ := cutItem(response, sizeItem)
		return rest
	},
	"no date": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		rest, _ := cutItem(response, dateItem)
		return rest
	},
	"no flags": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		rest, _ := cutItem(response, flagsItem)
		return rest
	},
	"no UID": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		rest, _ := cutItem(response, uidItem)
		return rest
	},
	"no body": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		if body := bodyItem(response); body != "" {
			return strings.Replace(response, " "+body, "", 1)
		}
		return response
	},
	"UID behind": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		rest, alone := cutItem(response, uidItem)
		return rest + alone
	},
	"UID behind an EXPUNGE": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		rest, alone := cutItem(response, uidItem)
		return rest + "* 1 EXPUNGE\r\n" + alone
	},
	"size behind": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		rest, alone := cutItem(response, sizeItem)
		return rest + alone
	},
	"size and body change places": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		body := bodyItem(response)
		if body == "" {
			return response
		}
		rest, _ := cutItem(response, sizeItem)
		return strings.Replace(rest, "(", "("+body+" ", 1)
	},
	"another message's number": func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return strings.Replace(response, "* "+numberOf(response), fmt.Sprintf("* %d", other(m)), 1)
	},
	"another message's UID as well": func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return strings.TrimSuffix(response, ")\r\n") + fmt.Sprintf(" UID %d)\r\n", other(m))
	},
	"two bodies": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		if bodyItem(response) == "" {
			return response
		}
		return strings.Replace(response, "BODY[]", "BODY[] {5}\r\nother BODY[]", 1)
	},
	"twice": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string { return response + response },
	"a body that wasn't asked for": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		return "* 99 FETCH (UID 4711 FLAGS () INTERNALDATE \"01-Jan-2001 00:00:00 +0000\" RFC822.SIZE 5 BODY[] {5}\r\nother)\r\n" + response
	},
	"a body of nobody": func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return fmt.Sprintf("* %d FETCH (BODY[] {5}\r\nother)\r\n", other(m)) + response
	},
	"the end cut off": func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		body := bodyItem(response)
		if body == "" {
			return response
		}
		_, text, _ := strings.Cut(body, "\r\n")
		text = text[:len(text)-30]
		return strings.Replace(response, body, fmt.Sprintf("BODY[] {%d}\r\n%s", len(text), text), 1)
	},
	"the next message's body": func(c *lab.OddConn, m *lab.OddMessage, response string) string {
		if body := bodyItem(response); body != "" {
			text := oddMail("INBOX", int(other(m)))
			return strings.Replace(response, body, fmt.Sprintf("BODY[] {%d}\r\n%s", len(text), text), 1)
		}
		return response
	},
}

// TestMixedUpOldServer: an old server that once leaves something out of what it tells of a
// message, tells it elsewhere, or of another message: all comes over as it is, each once.
func TestMixedUpOldServer(t *testing.T) {
	for name, mixup := range mixups {
		for _, whom := range []string{"one", "all"} {
			t.Run(name+"/"+whom, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					var mu sync.Mutex
					struck := map[uint32]bool{}
					r := newOddRigInMemory(t, lab.OddOptions{Fetch: func(c *lab.OddConn, m *lab.OddMessage, response string) string {
						mu.Lock()
						defer mu.Unlock()
						if c.Folder() != "INBOX" || struck[m.UID] || whom == "one" && m.UID != oddOne || bodyItem(response) == "" {
							return response
						}
						struck[m.UID] = true
						return mixup(c, m, response)
					}}, lab.OddOptions{})
					r.start(false)
					r.complete(oddTotal())
					r.arrived(nil)
					r.complete(0)
					r.arrived(nil)
					if len(struck) == 0 {
						t.Error("the server never was odd")
					}
				})
			})
		}
	}
}

// TestAlwaysMixedUpOldServer: one that always does so. What it never tells can't be had, but
// nothing is copied that isn't so, and what does not come is told.
func TestAlwaysMixedUpOldServer(t *testing.T) {
	// What these servers say can't be told from a message that really is so.
	lies := map[string]bool{"the end cut off": true, "the next message's body": true, "no flags": true, "no date": true}
	for name, mixup := range mixups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newOddRigInMemory(t, lab.OddOptions{Fetch: func(c *lab.OddConn, m *lab.OddMessage, response string) string {
					if c.Folder() != "INBOX" || m.UID != oddOne {
						return response
					}
					return mixup(c, m, response)
				}}, lab.OddOptions{})
				r.start(false)
				res := r.sync()
				told := res.Problem != nil || len(r.quarantined()) > 0
				if told == res.Pass.Complete && res.Problem != nil {
					t.Errorf("complete: %v, problem %+v", res.Pass.Complete, res.Problem)
				}
				if !lies[name] {
					r.arrived(func(folder, body string) bool { return told && folder == "INBOX" && isOdd(body) })
				}
			})
		})
	}
}

// TestSizesThatLie: where an old server lists other sizes than its messages have, they are
// copied as they are, and few are asked for twice before that is known.
func TestSizesThatLie(t *testing.T) {
	r := newOddRigWith(t, lab.OddOptions{Fetch: func(c *lab.OddConn, m *lab.OddMessage, response string) string {
		return sizeItem.ReplaceAllString(response, fmt.Sprintf("RFC822.SIZE %d ", len(m.Body)+17))
	}}, lab.OddOptions{}, map[string]int{"INBOX": 300, "Archive": 200, "Work": 200})
	r.start(false)
	r.complete(700)
	r.arrived(nil)
	bodies := 0
	for _, h := range r.old.Heard() {
		if h == "UID FETCH" || h == "FETCH" {
			bodies++
		}
	}
	if bodies > 30 {
		t.Errorf("%d FETCH commands", bodies)
	}
}
