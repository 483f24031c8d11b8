package proxy

import (
	"container/list"
	"net"
	"net/netip"
	"sync"

	"postferry/internal/throttle"
)

// door counts who is connected. Connections before login have only a part of the room,
// and one client's addresses only a part of that. Whoever comes when it is taken
// gets in, and the one goes that has been there longest without a login: silent
// connections, however many, keep nobody out.
type door struct {
	most    int // connections
	before  int // of them before login
	clients int // of those from the addresses of one client, beside as many as are logged in from there

	mu      sync.Mutex
	open    int        // connections
	arrived uint64     // connections so far
	waiting *list.List // of *guest, those before login that may be sent away, oldest first
	from    map[netip.Prefix]*visitors
}

// visitors are the connections from the addresses of one client.
type visitors struct{ waiting, in int }

// guest is a connection.
type guest struct {
	conn   net.Conn
	client netip.Prefix
	number uint64
	place  *list.Element // in waiting; nil while it is not there
	gone   bool          // it was sent away, or has left
	in     bool          // it has logged in
}

// newDoor makes a door for most connections.
func newDoor(most int) *door {
	most = max(most, 1)
	before := min(max(most/4, 8), most)
	return &door{
		most: most, before: before, clients: min(max(before/4, 4), before),
		waiting: list.New(), from: map[netip.Prefix]*visitors{},
	}
}

// enter lets a connection in. gone is the one that had to go for it, nil if none had
// to. There is no guest if all are logged in.
func (d *door) enter(conn net.Conn) (g, gone *guest) {
	g = &guest{conn: conn, client: clientOf(conn)}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= d.most && d.waiting.Len() == 0 {
		return nil, nil
	}
	d.arrived++
	g.number = d.arrived
	d.open++
	gone = d.wait(g)
	if gone == nil && d.open > d.most {
		gone = d.sendAway(d.waiting.Front())
	}
	return g, gone
}

// wait makes a guest one of those that may be sent away, and sends one away if there are
// too many.
func (d *door) wait(g *guest) (gone *guest) {
	v := d.visitors(g.client)
	v.waiting++
	before := d.waiting.Back()
	for before != nil && before.Value.(*guest).number > g.number {
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
func (d *door) visitors(client netip.Prefix) *visitors {
	v := d.from[client]
	if v == nil {
		v = &visitors{}
		d.from[client] = v
	}
	return v
}

// oldestOf finds the guest of a client that has waited longest.
func (d *door) oldestOf(client netip.Prefix) *list.Element {
	e := d.waiting.Front()
	for e != nil && e.Value.(*guest).client != client {
		e = e.Next()
	}
	return e
}

// sendAway takes a guest off the waiting ones and gives its room to others.
func (d *door) sendAway(e *list.Element) *guest {
	g := e.Value.(*guest)
	d.unwait(g)
	g.gone = true
	d.open--
	d.forget(g.client)
	return g
}

// unwait takes a guest off the waiting ones, if it is one.
func (d *door) unwait(g *guest) {
	if g.place != nil {
		d.waiting.Remove(g.place)
		g.place = nil
		d.from[g.client].waiting--
	}
}

// forget drops what is known of a client that has no connections.
func (d *door) forget(client netip.Prefix) {
	if v := d.from[client]; v != nil && v.waiting+v.in == 0 {
		delete(d.from, client)
	}
}

// trying keeps a guest from being sent away while its login is tried. It returns false if
// it has been already.
func (d *door) trying(g *guest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unwait(g)
	return !g.gone
}

// failed takes back trying. gone is the one that had to go for it, which may be the guest itself.
func (d *door) failed(g *guest) (gone *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wait(g)
}

// admitted notes that a guest has logged in.
func (d *door) admitted(g *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.visitors(g.client).in++
	g.in = true
}

// leave gives a guest's room to others.
func (d *door) leave(g *guest) {
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

// count is how many are connected.
func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

// clientOf is what counts as one client: an IPv4 address, or the network that a
// client with IPv6 has for itself.
func clientOf(conn net.Conn) netip.Prefix {
	if addr, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return throttle.Client(addr.AddrPort().Addr())
	}
	return netip.Prefix{}
}
