package tenant

import (
	"testing"

	"github.com/rs/zerolog"

	"postferry/credential"
	"postferry/store"
)

// moments are those of a state in which agreements end.
type moments struct {
	credential.Consents
	now store.ConsentMark
}

func (m *moments) ConsentMark() store.ConsentMark { return m.now }

// TestAskedBeforeItEnded: an agreement bears the moment before its owner was asked, however long they took.
func TestAskedBeforeItEnded(t *testing.T) {
	t.Parallel()
	provider, server := people(t, false)
	m := &moments{now: 7}
	got, err := (&Connector{Consents: m, Log: zerolog.Nop()}).Consent(t.Context(), server, "anna@contoso.example", func(p Prompt) error {
		m.now++
		provider.Accept(p.Code, "anna@contoso.example")
		return nil
	})
	if err != nil || got.Asked != 7 {
		t.Errorf("asked at %d, %v", got.Asked, err)
	}
}
