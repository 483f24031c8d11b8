package clouds

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// codeLife is how long a code may wait for its redemption; deviceLife for the person.
const (
	codeLife   = 10 * time.Minute
	deviceLife = 15 * time.Minute
)

// code is an authorization code (RFC 6749 section 4.1.2) that waits for its redemption.
type code struct {
	grant
	redirect  string
	challenge string
	offline   bool
	ends      time.Time
	used      bool
}

// device is a device's request (RFC 8628) that waits for a person.
type device struct {
	grant
	userCode string
	ends     time.Time
	offline  bool
	answered bool
	denied   bool
	asked    time.Time // when it was last asked for
}

// interval is how often a device may ask (RFC 8628 section 3.5).
const interval = time.Second

// Accept lets a person consent to what the device with a user code asks for; false if
// there is none.
func (d *desk) Accept(userCode, user string) bool { return d.answer(userCode, user, false) }

// Deny is the person's no.
func (d *desk) Deny(userCode string) bool { return d.answer(userCode, "", true) }

func (d *desk) answer(userCode, user string, denied bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.devices {
		if strings.EqualFold(x.userCode, strings.TrimSpace(userCode)) && !x.answered {
			x.answered, x.denied, x.user = true, denied, user
			return true
		}
	}
	return false
}

// await notes a device's request and returns its codes.
func (d *desk) await(x device) (deviceCode, userCode string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.devices == nil {
		d.devices = map[string]*device{}
	}
	deviceCode, x.userCode = "device-"+random(), random()[:8]
	d.devices[deviceCode] = &x
	return deviceCode, x.userCode
}

// Poll is what came of a device's request.
type poll int

const (
	pollUnknown poll = iota
	pollPending
	pollSlower
	pollExpired
	pollDenied
	pollDone
)

// asked tells a device what came of its request; what is done is told once.
func (d *desk) asked(deviceCode, app string, now time.Time) (device, poll) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.devices[deviceCode]
	if x == nil || x.app != app {
		return device{}, pollUnknown
	}
	before := x.asked
	x.asked = now
	switch {
	case now.After(x.ends):
		return *x, pollExpired
	case x.denied:
		return *x, pollDenied
	case x.answered:
		delete(d.devices, deviceCode)
		return *x, pollDone
	case now.Sub(before) < interval/2:
		return *x, pollSlower
	}
	return *x, pollPending
}

// keep notes an authorization code.
func (d *desk) keep(c code) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.codes == nil {
		d.codes = map[string]code{}
	}
	name := "code-" + random()
	d.codes[name] = c
	return name
}

// redeem finds a code, and marks it as used.
func (d *desk) redeem(name string) (c code, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok = d.codes[name]
	if ok {
		used := c
		used.used = true
		d.codes[name] = used
	}
	return c, ok
}

// consentPage asks a person, in the place of the services' own pages.
var consentPage = template.Must(template.New("consent").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Service}} (demo)</title>
<style>body{font:16px/1.5 sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}select,input,button{font:inherit;padding:.4rem}</style></head>
<body><h1>{{.Service}} (demo)</h1>
<p>This page stands in for the one of {{.Service}}. <b>{{.App}}</b> wants to:</p>
<ul>{{range .Scopes}}<li><code>{{.}}</code></li>{{end}}</ul>
<form method="post">
{{if .AskCode}}<p><label>Code <input name="user_code" value="{{.Code}}" required></label></p>{{end}}
<p><label>Sign in as <select name="user">{{range .People}}<option{{if eq . $.Hint}} selected{{end}}>{{.}}</option>{{end}}</select></label></p>
<p><button name="answer" value="accept">Accept</button> <button name="answer" value="cancel">Cancel</button></p>
</form></body></html>`))

// consent is what the page shows.
type consent struct {
	Service, App, Hint, Code string
	Scopes, People           []string
	AskCode                  bool
}

func (c consent) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = consentPage.Execute(w, c) // whoever hangs up doesn't want it
}

// devicePage is where a person enters the code that a device shows.
func (d *desk) devicePage(w http.ResponseWriter, r *http.Request, c consent) {
	if r.Method != http.MethodPost {
		c.AskCode, c.Code = true, r.FormValue("user_code")
		c.write(w)
		return
	}
	done := d.Deny
	if r.FormValue("answer") == "accept" && slices.Contains(c.People, r.FormValue("user")) {
		done = func(code string) bool { return d.Accept(code, r.FormValue("user")) }
	}
	if !done(r.FormValue("user_code")) {
		http.Error(w, "That code didn't work. Check the code and try again.", http.StatusBadRequest)
		return
	}
	http.Error(w, "You may close this window now.", http.StatusOK)
}

// sendBack leads the browser back to the client (RFC 6749 section 4.1.2).
func sendBack(w http.ResponseWriter, r *http.Request, params ...string) {
	u, err := url.Parse(r.FormValue("redirect_uri"))
	if err != nil {
		http.Error(w, "redirect_uri", http.StatusBadRequest)
		return
	}
	q := u.Query()
	if state := r.FormValue("state"); state != "" {
		q.Set("state", state)
	}
	for i := 0; i+1 < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	u.RawQuery = q.Encode()
	http.Redirect(w, r, u.String(), http.StatusFound)
}

// allowedRedirect: an address is one of those registered, letter by letter; of loopback
// addresses the port is free (RFC 8252 section 7.3).
func allowedRedirect(redirect string, registered []string) bool {
	u, err := url.Parse(redirect)
	if err != nil {
		return false
	}
	for _, known := range registered {
		k, err := url.Parse(known)
		if err != nil {
			continue
		}
		loopback := k.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, k.Hostname())
		if redirect == known || loopback && u.Scheme == "http" && u.Hostname() == k.Hostname() && u.Path == k.Path {
			return true
		}
	}
	return false
}
