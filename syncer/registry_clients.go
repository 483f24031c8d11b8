package syncer

import (
	"postferry/store"
	"postferry/syncer/schedule"
)

// ledClients are the clients of an alias, which count as those of the account that it leads to.
type ledClients struct {
	of      store.AccountID
	clients int
}

// ledTo is where the loop believes an account to lead.
func (g *registry) ledTo(id store.AccountID) store.AccountID {
	if l := g.led[id]; l != nil {
		return l.of
	}
	return id
}

// leads notes on the loop where an account leads. Its clients go with it.
func (g *registry) leads(id, of store.AccountID) {
	was := g.ledTo(id)
	if was == of {
		return
	}
	n := 0
	if l := g.led[id]; l != nil {
		n = l.clients
	} else if p := g.accounts[id]; p != nil {
		n = p.clients
	}
	if delete(g.led, id); of != id {
		g.led[id] = &ledClients{of: of, clients: n}
	}
	for range n {
		g.addClient(of)
		g.removeClient(was)
	}
}

// addClient counts a client of an account, which is a user of it.
func (g *registry) addClient(id store.AccountID) {
	p := g.accounts[id]
	if p == nil || p.going {
		p = g.startAccount(id, p)
	}
	p.users++
	p.clients++
	p.visited = true
}

// removeClient is the end of addClient.
func (g *registry) removeClient(id store.AccountID) {
	if p := g.accounts[id]; p != nil && p.clients > 0 {
		p.clients--
		g.left(id)
	}
}

// clientCame counts a client that has logged in.
func (g *registry) clientCame(id store.AccountID) {
	of := g.ledTo(id)
	if l := g.led[id]; l != nil {
		l.clients++
	}
	g.addClient(of)
	g.schedule.Hasten(of, schedule.Connected)
}

// clientWent is the end of clientCame.
func (g *registry) clientWent(id store.AccountID) {
	if l := g.led[id]; l != nil {
		l.clients--
	}
	g.removeClient(g.ledTo(id))
}
