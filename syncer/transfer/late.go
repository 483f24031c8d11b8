package transfer

import (
	"time"

	"postferry/store"
	"postferry/syncer/message"
)

// noteLate counts a message that reached the old server after the MX had moved. It must still
// have its body.
func (l *ledgerWriter) noteLate(m *outgoing) {
	if l.job.MovedMX.IsZero() || !m.msg.Date.After(l.job.MovedMX) {
		return
	}
	arrived := m.msg.Date
	if now := time.Now(); arrived.After(now) {
		arrived = now // by that server's clock
	}
	late := store.LateMail{Messages: 1, Last: arrived.UTC()}
	if from := message.ReceivedFrom(message.Header(m.body)); from != "" {
		late.From[0] = store.LateServer{Name: from, Messages: 1}
	}
	l.pending.Late.Add(late)
}
