package admission

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	remote net.Addr
}

func (c fakeConn) RemoteAddr() net.Addr { return c.remote }

func connFrom(addr string) net.Conn {
	return fakeConn{remote: &net.TCPAddr{IP: net.ParseIP(addr), Port: 1}}
}

func TestDoor(t *testing.T) {
	// 64 connections, 16 of them before login, 4 of those from one client.
	tests := []struct {
		name  string
		steps string // "1.2.3.4" comes; "try=0", "fail=0", "in=0", "leave=0": what becomes of the first that came
		gone  string // the numbers of those that were sent away, in order
		open  int
	}{
		{"few", "1.1.1.1 1.1.1.1 1.1.1.2", "", 3},
		{"too many of one address: its oldest goes", "2.2.2.2 " + strings.Repeat("1.1.1.1 ", 6), "1 2", 5},
		{"an address mapped into IPv6 is the same", "1.1.1.1 1.1.1.1 ::ffff:1.1.1.1 ::ffff:1.1.1.1 1.1.1.1", "0", 4},
		{"a network of IPv6 is one client", "2001:db8::1 2001:db8::2 2001:db8::3:0:0:4 2001:db8::5 2001:db8::6", "0", 4},
		{"two networks are two", "2001:db8::1 2001:db8::2 2001:db8:0:1::3 2001:db8:0:1::4 2001:db8::5", "", 5},
		{"too many in all: the oldest goes", addresses(18), "0 1", 16},
		{"one that tries to log in stays", "1.1.1.1 try=0 " + strings.Repeat("1.1.1.1 ", 5), "1", 5},
		{"one that failed is as old as it was", strings.Repeat("1.1.1.1 ", 4) + "try=1 1.1.1.1 fail=1 1.1.1.1", "0 1", 4},
		{"it may have to go at once", "1.1.1.1 try=0 " + strings.Repeat("1.1.1.1 ", 4) + "fail=0", "0", 4},
		{"an address from which people are logged in has more", "1.1.1.1 try=0 in=0 1.1.1.1 try=1 in=1 " + strings.Repeat("1.1.1.1 ", 7), "2", 8},
		{"until they leave", "1.1.1.1 try=0 in=0 leave=0 " + strings.Repeat("1.1.1.1 ", 5), "1", 4},
		{"who was sent away and leaves gives no room twice", strings.Repeat("1.1.1.1 ", 5) + "leave=0 leave=4", "0", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDoor(64)
			var guests []*Guest
			var gone []string
			sent := func(g *Guest) {
				for i := range guests {
					if guests[i] == g {
						gone = append(gone, fmt.Sprint(i))
					}
				}
			}
			for _, word := range strings.Fields(tt.steps) {
				verb, number, isStep := strings.Cut(word, "=")
				if !isStep {
					g, out := d.Enter(connFrom(word))
					guests = append(guests, g)
					sent(out)
					continue
				}
				n, err := strconv.Atoi(number)
				if err != nil {
					t.Fatal(err)
				}
				switch verb {
				case "try":
					d.Trying(guests[n])
				case "fail":
					sent(d.Failed(guests[n]))
				case "in":
					d.Admitted(guests[n])
				case "leave":
					d.Leave(guests[n])
				}
			}
			if got := strings.Join(gone, " "); got != tt.gone || open(d) != tt.open {
				t.Errorf("sent away %q, want %q; %d are open, want %d", got, tt.gone, open(d), tt.open)
			}
			for _, g := range guests {
				d.Leave(g)
			}
			if open(d) != 0 || d.waiting.Len() != 0 || len(d.from) != 0 {
				t.Errorf("in the end %d are open, %d wait, %d clients are known", open(d), d.waiting.Len(), len(d.from))
			}
		})
	}
}

// addresses are n different ones.
func addresses(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "1.1.1.%d ", i)
	}
	return b.String()
}

// All that are logged in keep their places; then nobody else gets in, and before that whoever has
// not logged in goes first.
func TestDoorThatIsFull(t *testing.T) {
	d := NewDoor(10)
	var in []*Guest
	for range 9 {
		g, _ := d.Enter(connFrom("1.1.1.1"))
		d.Trying(g)
		d.Admitted(g)
		in = append(in, g)
	}
	last, _ := d.Enter(connFrom("2.2.2.2"))
	if g, gone := d.Enter(connFrom("3.3.3.3")); g == nil || gone != last || open(d) != 10 {
		t.Errorf("%v, %v, %d", g, gone, open(d))
	} else {
		d.Trying(g)
		d.Admitted(g)
	}
	if g, gone := d.Enter(connFrom("3.3.3.3")); g != nil || gone != nil {
		t.Errorf("%v, %v", g, gone)
	}
	d.Leave(in[0])
	if g, gone := d.Enter(connFrom("3.3.3.3")); g == nil || gone != nil {
		t.Errorf("%v, %v", g, gone)
	}
}

func open(d *Door) int {
	n, _ := d.Counts()
	return n
}
