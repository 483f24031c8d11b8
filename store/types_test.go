package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestSecretIsMasked prints secrets, alone and inside of what holds them, in
// every way a program might by accident.
func TestSecretIsMasked(t *testing.T) {
	const text = "hunter2"
	secret := Secret(text)
	credentials := Credentials{Login: "jane", Password: secret}
	account := Account{Login: "jane", Old: credentials, New: credentials}
	values := map[string]any{
		"secret": secret, "pointer": &secret, "slice": []Secret{secret}, "map": map[string]Secret{"k": secret},
		"credentials": credentials, "pointer to credentials": &credentials,
		"account": account, "accounts": []Account{account}, "error": fmt.Errorf("login with %v", credentials),
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%e", "% x", "%10.3s", "%U"} {
			wantMasked(t, name+" as "+verb, fmt.Sprintf(verb, v))
		}
		wantMasked(t, name+" printed", fmt.Sprint(v)+fmt.Sprintln(v))
		wantMasked(t, name+" in zerolog", zerologText(v))
		if js, err := json.Marshal(v); err != nil {
			t.Errorf("%s in JSON: %v", name, err)
		} else {
			wantMasked(t, name+" in JSON", string(js))
		}
	}
	if got := fmt.Sprintf("%s", secret); got != "[secret]" {
		t.Errorf("the mask is %q", got)
	}
	if secret.Reveal() != text {
		t.Errorf("Reveal gives %q", secret.Reveal())
	}
}

func zerologText(v any) string {
	var out bytes.Buffer
	log := zerolog.New(&out)
	log.Info().Any("v", v).Interface("i", v).Fields(map[string]any{"f": v}).Str("s", fmt.Sprint(v)).Send()
	console := zerolog.New(zerolog.ConsoleWriter{Out: &out, NoColor: true})
	console.Info().Any("v", v).Send()
	if s, ok := v.(fmt.Stringer); ok {
		log.Info().Stringer("v", s).Send()
	}
	return out.String()
}

func wantMasked(t *testing.T, what, text string) {
	t.Helper()
	lower := strings.ToLower(text)
	for _, leak := range []string{"hunter2", "68756e74657232", "68 75 6e"} {
		if strings.Contains(lower, leak) {
			t.Errorf("%s shows the secret: %s", what, text)
		}
	}
}

func TestScheduleTimes(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hours := func(n float64) time.Time { return from.Add(time.Duration(n * float64(time.Hour))) }
	s := Schedule{Every: 6 * time.Hour, From: from, Until: hours(13)}
	for _, test := range []struct {
		at, next   float64
		goesOn     bool
		newest     float64
		hasStarted bool
	}{
		{-3, 0, true, 0, false},
		{0, 6, true, 0, true},
		{5.9, 6, true, 0, true},
		{6, 12, true, 6, true},
		{12.5, 18, false, 12, true},
		{100, 102, false, 12, true},
	} {
		next, ok := s.Next(hours(test.at))
		if !next.Equal(hours(test.next)) || ok != test.goesOn {
			t.Errorf("after %v hours: next %v, %v", test.at, next, ok)
		}
		newest, ok := s.Newest(hours(test.at))
		if ok != test.hasStarted || ok && !newest.Equal(hours(test.newest)) {
			t.Errorf("by %v hours: newest %v, %v", test.at, newest, ok)
		}
	}
	s.Until = time.Time{}
	if _, ok := s.Next(hours(1000)); !ok {
		t.Error("it ended without an end")
	}
}
