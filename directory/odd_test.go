package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
)

// scripted answers questions in order, whatever they are; the last answer for good.
type scripted struct {
	answers []string
	asked   int
}

// RoundTrip implements http.RoundTripper.
func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, _ := strings.Cut(s.answers[min(s.asked, len(s.answers)-1)], " ")
	s.asked++
	header := http.Header{}
	if status == "429" {
		header.Set("Retry-After", "3")
	}
	code, err := strconv.Atoi(status)
	body = strings.NewReplacer("HERE", "https://"+r.Host, "SENT", r.Header.Get("Authorization")).Replace(body)
	return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, err
}

// TestThrottledForLong: what mailboxes are for is asked of a directory that throttles only as long as there is patience or time for one
// of them. The list is good without: what they are stays a guess.
func TestThrottledForLong(t *testing.T) {
	t.Parallel()
	var boxes, later []string
	for i := range 3 * graphBatch {
		boxes = append(boxes, graphBox(fmt.Sprintf("r%02d", i), false))
		if i != 1 {
			later = append(later, fmt.Sprintf(`{"id":"r%02d","status":429,"headers":{"Retry-After":"AFTER"}}`, i))
		}
	}
	list := fmt.Sprintf(`200 {"value":[%s]}`, strings.Join(boxes, ","))
	throttled := fmt.Sprintf(`200 {"responses":[{"id":"r01","status":200,"body":{"value":"room"}},%s]}`, strings.Join(later, ","))
	for after, asked := range map[string]int{"3": maxTries, "100": 1, "3600": 1} {
		t.Run(after, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				s := &scripted{answers: []string{list, strings.ReplaceAll(throttled, "AFTER", after)}}
				all, err := Microsoft{Client: &http.Client{Transport: s}, URL: "https://graph.example"}.List(ctx)
				if err != nil || len(all) != len(boxes) || !all[0].Guessed || all[1].Guessed || all[1].Kind != Room || s.asked != 1+asked {
					t.Errorf("%d mailboxes, %d questions, %v", len(all), s.asked, err)
				}
			})
		})
	}
}

// graphBox is a mailbox as Graph tells of it.
func graphBox(name string, licensed bool) string {
	plans := ""
	if licensed {
		plans = `{"service":"exchange","capabilityStatus":"Enabled"}`
	}
	return fmt.Sprintf(`{"id":%q,"mail":"%[1]s@x.example","userPrincipalName":"%[1]s@x.example","accountEnabled":%v,"assignedPlans":[%s]}`, name, licensed, plans)
}

// TestOddDirectories: what directories may answer that makes no good list, or makes one all the same.
func TestOddDirectories(t *testing.T) {
	t.Parallel()
	a, b, room := graphBox("a", true), graphBox("b", true), graphBox("r", false)
	const more, last = `200 {"@odata.nextLink":"HERE/users?page=2","value":[%s]}`, `200 {"value":[%s]}`
	batch := func(status int) string {
		return fmt.Sprintf(`200 {"responses":[{"id":"r","status":%d,"headers":{"Retry-After":"3"},"body":{"value":"room"}}]}`, status)
	}
	for _, tt := range []struct {
		name    string
		google  bool
		answers []string
		want    string // addresses and kinds
		reason  Reason
		set     string
		waits   string
	}{
		{name: "one twice, over two pages", answers: []string{fmt.Sprintf(more, a+","+room), fmt.Sprintf(last, room+","+b), batch(200)}, want: "a@x.example user, b@x.example user, r@x.example room"},
		{name: "one twice, at Google", google: true, answers: []string{`200 {"users":[{"primaryEmail":"a@x.example"}],"nextPageToken":"2"}`, `200 {"users":[{"primaryEmail":"A@x.example"},{"primaryEmail":"b@x.example"}]}`}, want: "a@x.example user, b@x.example user"},
		{name: "throttled in the middle", answers: []string{fmt.Sprintf(more, a), "429 ", fmt.Sprintf(last, b)}, want: "a@x.example user, b@x.example user", waits: "[3s]"},
		{name: "throttled within a batch", answers: []string{fmt.Sprintf(last, room), batch(429), batch(429), batch(200)}, want: "r@x.example room", waits: "[3s 3s]"},
		{name: "not allowed within a batch", answers: []string{fmt.Sprintf(last, room), batch(403)}, want: "r@x.example shared"},
		{name: "no mailbox within a batch", answers: []string{fmt.Sprintf(last, room), batch(404)}, want: "r@x.example shared"},
		{name: "the next page is no address", answers: []string{`200 {"@odata.nextLink":"/users?page=2","value":[]}`}, reason: Answer},
		{name: "the next page is another's who looks like it", answers: []string{`200 {"@odata.nextLink":"HERE@thief.example/users","value":[]}`}, reason: Answer},
		{name: "an error with 200", answers: []string{`200 {"error":{"code":"UnknownError"}}`}, reason: Answer},
		{name: "an error with 200, at Google", google: true, answers: []string{`200 {"error":{"code":500}}`}, reason: Answer},
		{name: "an object without a list", answers: []string{`200 {}`}, reason: Answer},
		{name: "null", answers: []string{`200 null`}, reason: Answer},
		{name: "a page of a gateway", answers: []string{`200 <html></html>`}, reason: Answer},
		{name: "the same page for ever, at Google", google: true, answers: []string{`200 {"users":[],"nextPageToken":"1"}`}, reason: TooMany},
		{name: "no right, at Google", google: true, answers: []string{`403 {"error":{"code":403,"errors":[{"reason":"forbidden"}]}}`}, reason: NotAdmin, set: "admin"},
		{name: "quota of a day, at Google", google: true, answers: []string{`403 {"error":{"code":403,"errors":[{"reason":"dailyLimitExceeded"}]}}`, `200 {"users":[{"primaryEmail":"a@x.example"}]}`}, want: "a@x.example user", waits: "[1s]"},
		{name: "switched off, in Google's newer words", google: true, answers: []string{`403 {"error":{"code":403,"status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}}`}, reason: APIOff, set: GoogleAPI},
		{name: "scope, in Google's newer words", google: true, answers: []string{`403 {"error":{"code":403,"status":"PERMISSION_DENIED","details":[{"@type":"x"},{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`}, reason: Token, set: GoogleScope},
		{name: "quota, in Google's newer words", google: true, answers: []string{`403 {"error":{"code":403,"details":[{"reason":"RATE_LIMIT_EXCEEDED"}]}}`, `200 {"users":[{"primaryEmail":"a@x.example"}]}`}, want: "a@x.example user", waits: "[1s]"},
		{name: "it repeats the token", answers: []string{`400 {"error":"SENT"}`}, reason: Answer},
		{name: "it repeats the token when it is refused", google: true, answers: []string{`401 SENT`}, reason: Token, set: GoogleScope},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, w := noting(&http.Client{Transport: &oauth2.Transport{Base: &scripted{answers: tt.answers}, Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "odd-token"})}})
				few := bounds{mailboxes: 100, pages: 20, page: 10_000}
				list := Microsoft{Client: client, URL: "https://graph.example", bounds: few}.List
				if tt.google {
					list = Google{Client: client, URL: "https://google.example", bounds: few}.List
				}
				all, err := list(t.Context())
				var got []string
				for _, m := range all {
					got = append(got, m.Address+" "+string(m.Kind))
				}
				e, _ := errors.AsType[*Error](err)
				if e == nil {
					e = &Error{}
				}
				if strings.Join(got, ", ") != tt.want || e.Reason != tt.reason || e.Set != tt.set {
					t.Errorf("%q, %v for %q: %s", got, err, e.Set, e.Cause)
				}
				if waited := fmt.Sprint(w.all); !strings.HasPrefix(waited, strings.TrimSuffix(cmp.Or(tt.waits, "[]"), "s]")) {
					t.Errorf("waited %v", w.all)
				}
				if strings.Contains(fmt.Sprint(err)+e.Cause, "odd-token") {
					t.Errorf("the token is told: %v, %s", err, e.Cause)
				}
			})
		})
	}
}
