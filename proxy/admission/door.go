package admission

import (
	"container/list"
	"net"
	"net/netip"
	"sync"

	"postferry/internal/throttle"
)

// Door counts who is connected. Connections before login have only a part of the room,
// and one client's addresses only a part of that. Whoever comes when it is taken
// gets in, and the one goes that has been there longest without a login: silent
// connections, however many, keep nobody out.
type Door struct {
	Most    int // connections
	before  int // of them before login
	clients int // of those from the addresses of one client, beside as many as are logged in from there

	mu      sync.Mutex
	open    int        // connections
	arrived uint64     // connections so far
	waiting *list.List // of *Guest, those before login that may be sent away, oldest first
	from    map[netip.Prefix]*visitors
}

// visitors are the connections from the addresses of one client.
type visitors struct{ waiting, in int }

// Guest is a connection.
type Guest struct {
	Conn   net.Conn
	client netip.Prefix
	number uint64
	place  *list.Element // in waiting; nil while it is not there
	gone   bool          // it was sent away, or has left
	in     bool          // it has logged in
}

// NewDoor makes a door for most connections.
func NewDoor(most int) *Door {
	most = max(most, 1)
	before := min(max(most/4, 8), most)
	return &Door{
		Most: most, before: before, clients: min(max(before/4, 4), before),
		waiting: list.New(), from: map[netip.Prefix]*visitors{},
	}
}

// Enter lets a connection in. gone is the one that had to go for it, nil if none had
// to. There is no guest if all are logged in.
func (d *Door) Enter(conn net.Conn) (g, gone *Guest) {
	g = &Guest{Conn: conn, client: clientOf(conn)}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= d.Most && d.waiting.Len() == 0 {
		return nil, nil
	}
	d.arrived++
	g.number = d.arrived
	d.open++
	gone = d.wait(g)
	if gone == nil && d.open > d.Most {
		gone = d.sendAway(d.waiting.Front())
	}
	return g, gone
}

// wait makes a guest one of those that may be sent away, and sends one away if there are
// too many.
func (d *Door) wait(g *Guest) (gone *Guest) {
	v := d.visitors(g.client)
	v.waiting++
	before := d.waiting.Back()
	for before != nil && before.Value.(*Guest).number > g.number {
		before = before.Prev()
	}
	if before == nil {
		g.place = d.waiting.PushFront(g)
	} else {
		g.place = d.waiting.InsertAfter(g, before)
	}
	switch {
	case v.waiting > d.clients+v.in:
		return d.sendAway(d.oldestOf(g.client))
	case d.waiting.Len() > d.before:
		return d.sendAway(d.waiting.Front())
	}
	return nil
}

// visitors are the connections of a client.
func (d *Door) visitors(client netip.Prefix) *visitors {
	v := d.from[client]
	if v == nil {
		v = &visitors{}
		d.from[client] = v
	}
	return v
}

// oldestOf finds the guest of a client that has waited longest.
func (d *Door) oldestOf(client netip.Prefix) *list.Element {
	e := d.waiting.Front()
	for e != nil && e.Value.(*Guest).client != client {
		e = e.Next()
	}
	return e
}

// sendAway takes a guest off the waiting ones and gives its room to others.
func (d *Door) sendAway(e *list.Element) *Guest {
	g := e.Value.(*Guest)
	d.unwait(g)
	g.gone = true
	d.open--
	d.forget(g.client)
	return g
}

// unwait takes a guest off the waiting ones, if it is one.
func (d *Door) unwait(g *Guest) {
	if g.place != nil {
		d.waiting.Remove(g.place)
		g.place = nil
		d.from[g.client].waiting--
	}
}

// forget drops what is known of a client that has no connections.
func (d *Door) forget(client netip.Prefix) {
	if v := d.from[client]; v != nil && v.waiting+v.in == 0 {
		delete(d.from, client)
	}
}

// Trying keeps a guest from being sent away while its login is tried. It returns false if
// it has been already.
func (d *Door) Trying(g *Guest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unwait(g)
	return !g.gone
}

// Failed takes back Trying. gone is the one that had to go for it, which may be the guest itself.
func (d *Door) Failed(g *Guest) (gone *Guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wait(g)
}

// Admitted notes that a guest has logged in.
func (d *Door) Admitted(g *Guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.visitors(g.client).in++
	g.in = true
}

// Leave gives a guest's room to others.
func (d *Door) Leave(g *Guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g.gone {
		return
	}
	g.gone = true
	d.unwait(g)
	if g.in {
		d.from[g.client].in--
	}
	d.open--
	d.forget(g.client)
}

// Counts are how many are connected, and how many have come so far.
func (d *Door) Counts() (open int, arrived uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open, d.arrived
}

// clientOf is what counts as one client: an IPv4 address, or the network that a
// client with IPv6 has for itself.
func clientOf(conn net.Conn) netip.Prefix {
	if addr, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return throttle.Client(addr.AddrPort().Addr())
	}
	return netip.Prefix{}
}
