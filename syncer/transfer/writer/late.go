package writer

import (
	"time"

	"postferry/store"
	"postferry/syncer/message"
)

// noteLate counts a message that reached the old server after the MX had moved. It must still
// have its body.
func (l *Ledger) noteLate(m *sending) {
	if l.job.MovedMX.IsZero() || !m.Msg.Date.After(l.job.MovedMX) {
		return
	}
	arrived := m.Msg.Date
	if now := time.Now(); arrived.After(now) {
		arrived = now // by that server's clock
	}
	late := store.LateMail{Messages: 1, Last: arrived.UTC()}
	if from := message.ReceivedFrom(message.Header(m.Body)); from != "" {
		late.From[0] = store.LateServer{Name: from, Messages: 1}
	}
	l.Pending.Late.Add(late)
}
