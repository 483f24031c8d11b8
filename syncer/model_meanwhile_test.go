package syncer

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/syncer/folders"
	"postferry/syncer/message"
)

// meanwhile is what people do while a pass is under way: drawn before, done at a step of
// the pass, by a goroutine of its own as the servers are busy with the step.
type meanwhile struct {
	signal chan struct{}
	wg     sync.WaitGroup
}

// drawMeanwhile draws some actions and lets the trouble signal when each is due. What
// the engine may confuse is drawn only where nothing else goes wrong: see unjudged.
func (m *model) drawMeanwhile(t *rapid.T, f *trouble) *meanwhile {
	w := &meanwhile{signal: make(chan struct{}, 10)}
	calm := len(f.faults) == 0 && !m.unjudged()
	var actions []func()
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "actions meanwhile") {
		actions = append(actions, m.drawAction(t, calm))
		f.faults = append(f.faults, fault{kind: kindMeanwhile, after: rapid.IntRange(1, 60).Draw(t, "steps until then")})
	}
	f.signal = w.signal
	w.wg.Go(func() {
		for range w.signal {
			if len(actions) > 0 {
				actions[0]()
				actions = actions[1:]
			}
		}
	})
	return w
}

// end waits until all that was due has been done.
func (w *meanwhile) end() {
	close(w.signal)
	w.wg.Wait()
}

// drawAction draws something to do.
func (m *model) drawAction(t *rapid.T, calm bool) func() {
	kinds := []string{"deliver", "flag old", "flag new", "renumber old", "renumber new", "rename"}
	if calm {
		kinds = append(kinds, "remove", "move", "delete folder")
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "action"); kind {
	case "deliver":
		name, body := m.folderOf(t, m.pair.old), m.body()
		return func() {
			m.note("meanwhile: old %s: message %.40q", name, body)
			m.refilled(name)
			m.limit[body]++
			m.arrive(name, body)
		}
	case "flag old":
		name, body := m.pick(t, m.pair.old)
		flags := subset(t, theirs)
		return func() {
			m.note("meanwhile: old %s: flags %v of %.40q", name, flags, body)
			m.unclear[body] = m.unclear[body] || m.amnesia
			if name != "" {
				m.pair.old.setFlags(name, body, flags...)
			}
		}
	case "renumber old", "renumber new":
		s := map[string]*fakeServer{"renumber old": m.pair.old, "renumber new": m.pair.new}[kind]
		name := m.folderOf(t, s)
		return func() { m.renumberMeanwhile(s, name) }
	case "rename", "delete folder":
		return m.drawFolderAction(t, kind)
	default:
		return m.drawMailAction(t, kind)
	}
}

func (m *model) renumberMeanwhile(s *fakeServer, name string) {
	s.mu.Lock()
	there := s.folders[name] != nil
	s.mu.Unlock()
	if !there || m.unseen[name] {
		return
	}
	m.note("meanwhile: %s: UIDVALIDITY changed (old server: %t)", name, s == m.pair.old)
	if s == m.pair.new {
		m.blurAll()
		m.renumberAstray(name)
	}
	s.renumber(name)
}

// drawMailAction draws something to do with a message on the new server.
func (m *model) drawMailAction(t *rapid.T, kind string) func() {
	name, body := m.pick(t, m.pair.new)
	to := m.folderOf(t, m.pair.new)
	mine := subset(t, users)
	was := m.original(body)
	return func() {
		if m.count(m.pair.new)[name][was] == 0 || m.unseen[name] && kind != "flag new" {
			return
		}
		m.note("meanwhile: new %s: %s (to %s, %v): %.40q", name, kind, to, mine, body)
		switch kind {
		case "remove":
			m.take(name, body)
		case "flag new":
			m.mine[was] = mine
			m.pair.new.changeFlags(name, body, users, mine)
		case "move":
			m.move(name, to, body)
		}
	}
}

// drawFolderAction draws something to do with a folder of the new server.
func (m *model) drawFolderAction(t *rapid.T, kind string) func() {
	name := m.folderOf(t, m.pair.new)
	m.n++
	to := fmt.Sprintf("Renamed%d", m.n)
	answered := rapid.Bool().Draw(t, "answered")
	return func() {
		m.pair.new.mu.Lock()
		there := m.pair.new.folders[name] != nil
		m.pair.new.mu.Unlock()
		if !there || name == "INBOX" || m.amnesia {
			return
		}
		m.note("meanwhile: new %s: %s (to %s)", name, kind, to)
		if kind == "rename" {
			m.renameFolder(name, to, answered)
			return
		}
		m.deleteFolder(name)
	}
}

// renameFolder renames a folder as a client of the relay does. If answered is false
// the connection ends before the relay has seen what became of it.
func (m *model) renameFolder(from, to string, answered bool) {
	if m.engine.Renaming(context.Background(), m.id, from, to) != nil {
		return // a crash: the new server has not heard of it either
	}
	m.pair.new.rename(from, to)
	m.renamed(from, to)
	if answered {
		_ = m.engine.Changed(context.Background(), m.id, folders.VerbRename, from, to)
	}
}

// renamed notes that a folder of the new server has another name.
func (m *model) renamed(from, to string) {
	m.dropBackup()
	m.left[to], m.leftAt[to], m.unseen[to], m.numbered[to], m.astray[to] = m.left[from], m.leftAt[from], m.unseen[from], m.numbered[from], m.astray[from]
	delete(m.left, from)
	if m.lostDirs[from] {
		m.mayMiss(to)
	}
}

// rename renames a folder, not those below it.
func (f *fakeServer) rename(from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.folders[to] = f.folders[from]
	delete(f.folders, from)
}

// deleteFolder deletes one as a client of the relay does.
func (m *model) deleteFolder(name string) {
	m.takeFolder(name)
	m.mayMiss(name)
	_ = m.engine.Changed(context.Background(), m.id, "DELETE", name, "")
}

// takeFolder removes a folder from the new server.
func (m *model) takeFolder(name string) {
	m.dropBackup()
	m.store.unproved.while(func() map[string]int {
		m.pair.new.mu.Lock()
		defer m.pair.new.mu.Unlock()
		removed := map[string]int{}
		for _, msg := range m.pair.new.folders[name].messages {
			removed[string(msg.body)]++
			m.removed[m.original(string(msg.body))]++
		}
		delete(m.pair.new.folders, name)
		return removed
	})
}

// move moves a message from one folder to another, if both are there.
func (m *model) move(from, to, body string) {
	was := m.original(body)
	m.store.unproved.while(func() map[string]int {
		m.pair.new.mu.Lock()
		defer m.pair.new.mu.Unlock()
		source, target := m.pair.new.folders[from], m.pair.new.folders[to]
		if source == nil || target == nil || from == to {
			return nil
		}
		m.stray[was], m.unclear[was] = true, true
		moved, last := 0, imap.UID(0)
		source.messages = slices.DeleteFunc(source.messages, func(msg *fakeMessage) bool {
			if string(msg.body) != body {
				return false
			}
			target.append(msg.body, msg.flags, msg.date)
			moved, last = moved+1, msg.uid
			return true
		})
		source.modseq++
		m.moved[was] += moved
		m.leave(from, was, moved, last)
		return map[string]int{body: moved}
	})
	m.blur(was)
}

// changeFlags takes flags off the messages with a body and gives them others.
func (f *fakeServer) changeFlags(name, body string, remove, add []imap.Flag) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.folders[name]
	for _, m := range b.messages {
		if string(m.body) == body {
			b.modseq++
			m.flags, m.modseq = message.NormaliseFlags(append(message.WithoutFlags(m.flags, remove), add...)), b.modseq
		}
	}
}
