package syncer

import (
	"bytes"
	"slices"
	"time"

	"pgregory.net/rapid"

	"postferry/syncer/message"
)

// replaceOld puts another folder of the same name and UIDVALIDITY in the place of one of the old server: from another person's backup, or
// made anew within the same second. All of its messages are to come, whatever UIDs they have.
func (m *model) replaceOld(t *rapid.T) {
	name := m.folderOf(t, m.pair.old)
	if name == "INBOX" || m.shifted || m.allMail() {
		return // as the mailbox it would be another person's; and what takes UIDs that are known may pass for archived
	}
	was := m.pair.old.folder(name)
	count := rapid.IntRange(0, 12).Draw(t, "count")
	modSeq := rapid.SampledFrom([]uint64{1, was.modseq, was.modseq + 1}).Draw(t, "modseq")
	m.note("old %s: another folder of the same name and UIDVALIDITY, with %d messages from %d on, HIGHESTMODSEQ %d", name, count, m.n+1, modSeq)
	now := &fakeFolder{validity: was.validity, next: 1, sub: was.sub, attrs: was.attrs}
	for range count {
		body := m.body()
		now.append([]byte(body), subset(t, theirs), time.Unix(1700000000+int64(len(body)), 0))
		m.limit[body]++
		if was.hasHeader(message.Header([]byte(body))) {
			m.excuseUpTo(unnoticed, body, 1) // servers change the sizes that they tell: it may pass for that one
		}
	}
	m.counted[name] = max(m.counted[name], was.modseq)
	now.modseq = modSeq
	for _, msg := range now.messages {
		msg.modseq = min(msg.modseq, modSeq)
	}
	m.pair.old.mu.Lock()
	was.void = true
	m.pair.old.folders[name] = now
	m.pair.old.mu.Unlock()
	m.usedAgain[name] = true
	m.backups = slices.DeleteFunc(m.backups, func(k kept) bool { return k.server == m.pair.old && k.name == name })
}

// hasHeader tells whether a folder has a message without a Message-ID that has the same header.
func (b *fakeFolder) hasHeader(header []byte) bool {
	return !bytes.Contains(header, []byte("Message-ID")) && slices.ContainsFunc(b.messages, func(m *fakeMessage) bool {
		return bytes.Equal(message.Header(m.body), header)
	})
}
