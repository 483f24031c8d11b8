package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"postferry/config"
	"postferry/internal/secret"
	"postferry/stage"
)

const hookSecret = "hush-0123456789-0123456789"

// receiver takes what is posted, and answers with the next of its statuses. It stands outside of bubbles, as a postOffice does.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answers []int
	bodies  []string
	headers []http.Header
}

func newReceiver(t *testing.T, answers ...int) *receiver {
	t.Helper()
	r := &receiver{answers: answers}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.headers = append(r.bodies, string(body)), append(r.headers, q.Header)
		status := http.StatusNoContent
		if len(r.answers) > 0 {
			status, r.answers = r.answers[0], r.answers[1:]
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) url() secret.Text { return secret.Text(r.URL + "/hook?key=hush") }

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

// TestWebhookIsSigned: what is posted can be verified, by the standard's own library and by hand.
func TestWebhookIsSigned(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]struct {
		secret string
		key    []byte
	}{
		"as it is": {hookSecret, []byte(hookSecret)},
		"whsec_":   {"whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789")), []byte("0123456789abcdef0123456789")},
	} {
		r := newReceiver(t)
		w := newWorld(t, config.Notify{Digest: config.NoDigest, Recipients: []config.Recipient{{Language: "en", Webhook: r.url(), WebhookSecret: secret.Text(s.secret)}}})
		w.is(stage.Copied, stage.Met)
		w.look()
		if r.count() != 1 {
			t.Fatalf("%s: %d posts; %s", name, r.count(), w.log.String())
		}
		body, header := r.bodies[0], r.headers[0]
		verifier, err := webhooks.NewWebhookRaw(s.key)
		if err == nil {
			err = verifier.Verify([]byte(body), header)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		sum := hmac.New(sha256.New, s.key)
		io.WriteString(sum, header.Get("webhook-id")+"."+header.Get("webhook-timestamp")+"."+body)
		if want := "v1," + base64.StdEncoding.EncodeToString(sum.Sum(nil)); header.Get("webhook-signature") != want {
			t.Errorf("%s: signature %s, want %s", name, header.Get("webhook-signature"), want)
		}
		var got posted
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.Type != Copied || got.Data.Domain != domain || got.Data.Move.Stage != stage.Copied ||
			!strings.Contains(got.Data.Text, "12 messages are there") {
			t.Errorf("%s: %v, %s", name, err, body)
		}
	}
}

// TestWebhookIsTriedAgain: errors and redirections are tried again with the same ID, "gone" is not.
func TestWebhookIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers []int
		posts   int
	}{
		"at once": {nil, 1}, "an error": {[]int{500, 404}, 3}, "a redirection": {[]int{307, 302}, 3}, "gone": {[]int{410}, 1},
	} {
		r := newReceiver(t, tt.answers...)
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, config.Notify{Digest: config.NoDigest, Recipients: []config.Recipient{{Language: "en", Webhook: r.url(), WebhookSecret: hookSecret}}})
			w.is(stage.Copied, stage.Met)
			for range 5 {
				w.look()
				w.open()
				time.Sleep(time.Hour)
			}
			if r.count() != tt.posts || len(w.letters()) > 0 {
				t.Errorf("%s: %d posts, want %d; left %v", name, r.count(), tt.posts, w.letters())
			}
			for _, h := range r.headers {
				if h.Get("webhook-id") != r.headers[0].Get("webhook-id") {
					t.Errorf("%s: another ID", name)
				}
			}
			if hasSecret(w.log.String()) {
				t.Errorf("%s: log %s", name, w.log.String())
			}
		})
	}
}

// TestWebhooksOfDomainsStayOutside: a recipient of some domains can't have this machine posted to.
func TestWebhooksOfDomainsStayOutside(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	w := newWorld(t, config.Notify{Digest: config.NoDigest, Recipients: []config.Recipient{
		{Domains: []string{domain}, Language: "en", Webhook: r.url(), WebhookSecret: hookSecret}}})
	tried, err := w.Try(t.Context(), domain)
	if err != nil || len(tried) != 1 || !errors.Is(tried[0].Err, errInside) || r.count() > 0 {
		t.Errorf("%v, %v; %d posts", tried, err, r.count())
	}
	if _, err := w.Try(t.Context(), "example.net"); !errors.Is(err, ErrNobody) {
		t.Errorf("another domain: %v", err)
	}
}

// TestPostingEndsWithItsContext: a receiver that never answers is not waited for any longer.
func TestPostingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	r := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	t.Cleanup(func() { close(block); r.Close() })
	w := newWorld(t, config.Notify{Digest: config.NoDigest, Recipients: []config.Recipient{{Language: "en", Webhook: secret.Text(r.URL), WebhookSecret: hookSecret}}})
	ctx, cancel := contextFor(t)
	defer cancel()
	if _, err := w.Try(ctx, ""); err == nil {
		t.Error("it went well")
	}
}

// TestAddedWebhooks: webhooks that were added to domains are posted to, each with its own key though two have one URL, also after
// a restart; who is removed meanwhile gets nothing more.
func TestAddedWebhooks(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 500, 500)
	w := newWorld(t, config.Notify{Digest: config.NoDigest})
	keys := map[string]string{"one": "hush-one-0123456789", "two": "hush-two-0123456789"}
	hooks := func(ids ...string) {
		d := config.Domain{Name: domain}
		for _, id := range ids {
			hook := config.AddedWebhook(domain, id, r.url(), secret.Text(keys[id]), "de")
			hook.Domains = nil // so that it may be at this machine, as the receiver is
			d.Recipients = append(d.Recipients, hook)
		}
		w.Config.Directory = config.NewDirectory([]config.Domain{d})
	}
	hooks("one", "two")
	w.is(stage.Copied, stage.Met)
	w.look()
	if r.count() != 2 || len(w.letters()) != 2 {
		t.Fatalf("%d posts; waiting %v; %s", r.count(), w.letters(), w.log.String())
	}
	w.open()
	hooks("two")
	told, err := w.records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for k, record := range told {
		for i := range record.Letters {
			record.Letters[i].Next = time.Time{}
		}
		if err := w.keep(t.Context(), k, record); err != nil {
			t.Fatal(err)
		}
	}
	w.Deliver(t.Context())
	if r.count() != 3 || len(w.letters()) != 0 || !strings.Contains(w.log.String(), "not there any more") || hasSecret(w.log.String()) {
		t.Errorf("%d posts; waiting %v; %s", r.count(), w.letters(), w.log.String())
	}
	signedBy := map[string]int{}
	for i, body := range r.bodies {
		for id, key := range keys {
			if verifier, err := webhooks.NewWebhookRaw([]byte(key)); err == nil && verifier.Verify([]byte(body), r.headers[i]) == nil {
				signedBy[id]++
			}
		}
		if !strings.Contains(body, "de notify.subject_copied") {
			t.Errorf("another language: %s", body)
		}
	}
	if signedBy["one"] != 1 || signedBy["two"] != 2 {
		t.Errorf("signed by %v", signedBy)
	}
}

// TestTryWebhook: a test says what became of it, and goes to the webhook alone.
func TestTryWebhook(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 204, 403)
	w := newWorld(t, config.Notify{Digest: config.NoDigest})
	hook := config.Recipient{To: []string{"a@x.example"}, Webhook: r.url(), WebhookSecret: hookSecret, Language: "en", ID: "one"}
	if got := w.TryWebhook(t.Context(), &hook); got.Err != nil || r.count() != 1 || !strings.Contains(r.bodies[0], `"type":"test"`) {
		t.Errorf("%+v, %v", got, r.bodies)
	}
	if got := w.TryWebhook(t.Context(), &hook); got.Err == nil || got.Status != 403 || got.Inside || hasSecret(got.Err.Error()) {
		t.Errorf("%+v", got)
	}
	hook.Domains = []string{domain}
	if got := w.TryWebhook(t.Context(), &hook); got.Err == nil || !got.Inside || got.Status != 0 || r.count() != 2 || hasSecret(got.Err.Error()) {
		t.Errorf("%+v, %d posts", got, r.count())
	}
	hook.Domains, hook.Webhook = nil, "http://127.0.0.1:1/?key=hush"
	if got := w.TryWebhook(t.Context(), &hook); got.Err == nil || got.Inside || got.Status != 0 || hasSecret(got.Err.Error()) {
		t.Errorf("%+v", got)
	}
}
