package syncer

import (
	"context"
	"slices"

	"postferry/store"
	"postferry/syncer/schedule"
)

// leaders knows which accounts do the work of aliases.
type leaders struct{ store engineStore }

// leading is the account that does the work of one: itself, or the one whose mailbox it leads to.
func (l *leaders) leading(ctx context.Context, id store.AccountID) store.AccountID {
	row, err := l.store.AccountByID(ctx, id)
	if err != nil || row.Alias == 0 {
		return id
	}
	if _, err := l.store.AccountByID(ctx, row.Alias); err != nil {
		return id // it has been removed
	}
	return row.Alias
}

// withLeading are accounts and those that do the work of the aliases among them.
func (l *leaders) withLeading(ctx context.Context, ids []store.AccountID) []store.AccountID {
	all, there := slices.Clone(ids), make(map[store.AccountID]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	for _, id := range ids {
		if of := l.leading(ctx, id); !there[of] {
			there[of] = true
			all = append(all, of)
		}
	}
	return all
}

// moved are accounts whose state has changed, and those of them that somebody asked for.
type moved struct{ all, asked []store.AccountID }

// moveStates is the store's, also for the accounts that aliases lead to. An alias counts as
// changed if either has.
func (l *leaders) moveStates(ctx context.Context, ids []store.AccountID, from []store.State, to store.State) (m moved, err error) {
	if m.all, err = l.store.MoveStates(ctx, l.withLeading(ctx, ids), from, to); err != nil {
		return moved{}, err
	}
	changed := make(map[store.AccountID]bool, len(m.all))
	for _, id := range m.all {
		changed[id] = true
	}
	for _, id := range ids {
		if changed[id] || changed[l.leading(ctx, id)] {
			m.asked = append(m.asked, id)
		}
	}
	return m, nil
}

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
