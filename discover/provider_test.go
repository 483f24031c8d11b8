package discover

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"postferry/config"
)

// TestProviders: what providers.toml says of each makes sense, and nothing twice.
func TestProviders(t *testing.T) {
	t.Parallel()
	all, err := readProviders(providersFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Errorf("only %d providers", len(all))
	}
	mx := map[string]string{}
	for _, p := range all {
		programs := p.SignIn != withNothing && p.SignIn != isFilter
		for name, wrong := range map[string]bool{
			"no name or id":                p.Name == "" || p.ID == "" || p.ID != strings.ToLower(p.ID),
			"an unknown sign_in":           !slices.Contains([]signIn{withPassword, withAppPassword, withToken, withNothing, isFilter}, p.SignIn),
			"no server, or one that isn't": programs != (p.imap.Host != ""),
			"an unprotected server":        programs && p.imap.Security != config.ImplicitTLS || p.pop3.Host != "" && p.pop3.Security != config.ImplicitTLS,
			"POP3 and IMAP mixed up":       p.imap.Protocol != config.IMAP || p.pop3.Host != "" && p.pop3.Protocol != config.POP3,
			"no page":                      p.Page == "" && (p.SignIn == withAppPassword || p.SignIn == withToken || p.Switch || p.Recent > 0),
			"a negative limit":             min(p.Down, p.Up, p.Message, int64(p.Window), int64(p.Recent), int64(p.Connections)) < 0,
			"neither MX nor host":          len(p.MX) == 0 && p.imap.Host == "",
			"limits although nobody reads": !programs && (p.Down > 0 || p.Window > 0 || p.Switch),
		} {
			if wrong {
				t.Errorf("%s: %s", p.Name, name)
			}
		}
		if u, err := url.Parse(p.Page); err != nil || p.Page != "" && (u.Scheme != "https" || u.Host == "") {
			t.Errorf("%s: the page %q", p.Name, p.Page)
		}
		for _, name := range p.MX {
			if first, twice := mx[name]; twice || name != strings.ToLower(name) || strings.HasSuffix(name, ".") {
				t.Errorf("%s: the MX %q, of %q as well", p.Name, name, first)
			}
			mx[name] = p.Name
			if got, _ := providerOf("mx." + name); got.Name != p.Name {
				t.Errorf("mx.%s is %q's, not %s's", name, got.Name, p.Name)
			}
		}
		for _, host := range append([]string{p.imap.Host}, p.Hosts...) {
			if got, _ := providerOfHost(strings.ToUpper(host)); programs && got.ID != p.ID && p.ID != "outlook" {
				t.Errorf("%s is %q's, not %s's", host, got.Name, p.Name)
			}
		}
	}
	for _, wrong := range []string{"[[provider]]\nnam = \"x\"", "[[provider]]\nimap = \"x\"", "[provider"} {
		if _, err := readProviders([]byte(wrong)); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestProviderOfHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"imap.gmail.com": "google", "imap.googlemail.com": "google", "outlook.office365.com": "microsoft", "outlook.office365.us": "microsoft",
		"partner.outlook.cn": "microsoft", "imap.mail.yahoo.com": "yahoo", "imap.aol.com": "yahoo", "imap.mail.me.com": "icloud", "imap.web.de": "webde",
		"mail.example.com": "", "notimap.gmail.com": "", "imap.gmail.com.example.com": "", "": "", "127.0.0.1": "",
	} {
		if got := Provider(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

// between is a domain with two servers.
func between(old, new string) config.Domain {
	return config.Domain{Old: config.Server{Host: old}, New: config.Server{Host: new}}
}

// TestComplete: a domain that is recognised gets its providers' limits, unless somebody chose others.
func TestComplete(t *testing.T) {
	t.Parallel()
	const gmail, own = "imap.gmail.com", "mail.example.com"
	for name, c := range map[string]struct {
		old, new string
		given    config.AccountLimits
		want     config.AccountLimits
	}{
		"from Google":        {gmail, own, config.AccountLimits{}, config.AccountLimits{OldBytesPerDay: 2_400_000_000}},
		"to Google":          {own, gmail, config.AccountLimits{}, config.AccountLimits{NewBytesPerDay: 480_000_000}},
		"from own to own":    {own, own, config.AccountLimits{}, config.AccountLimits{}},
		"a smaller one":      {gmail, own, config.AccountLimits{OldBytesPerDay: 5, Given: config.GivenLimits{OldBytesPerDay: true}}, config.AccountLimits{OldBytesPerDay: 5}},
		"expressly none":     {gmail, own, config.AccountLimits{Given: config.GivenLimits{OldBytesPerDay: true}}, config.AccountLimits{}},
		"another one":        {gmail, own, config.AccountLimits{NewBytesPerDay: 7, Given: config.GivenLimits{NewBytesPerDay: true}}, config.AccountLimits{OldBytesPerDay: 2_400_000_000, NewBytesPerDay: 7}},
		"15 are more than 4": {gmail, own, config.AccountLimits{Connections: 4}, config.AccountLimits{Connections: 4, OldBytesPerDay: 2_400_000_000}},
		"twice is like once": {own, gmail, config.AccountLimits{NewBytesPerDay: 480_000_000}, config.AccountLimits{NewBytesPerDay: 480_000_000}},
	} {
		d := between(c.old, c.new)
		d.Account = c.given
		Complete(&d)
		c.want.Given = c.given.Given
		if d.Account != c.want {
			t.Errorf("%s: %+v, want %+v", name, d.Account, c.want)
		}
	}
}

func TestPeculiarities(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, want, text string }{
		{"imap.gmail.com", "mail.example.com", "note_google note_daily_limit", "allows 2500 MB a day for an account. Postferry keeps to 2400 MB"},
		{"mail.example.com", "imap.gmail.com", "note_google note_message_size note_daily_limit", "new_bytes_per_day"},
		{"outlook.office365.com", "outlook.office365.com", "note_microsoft note_throttling note_message_size", "up to 45 MB"},
		{"imap.mail.yahoo.com", "mail.example.com", "note_app_password note_window", "10000 messages of a folder at most"},
		{"imap.aol.com", "mail.example.com", "note_app_password note_window", "AOL shows mail programs 10000 messages of a folder at most"},
		{"imap.163.com", "mail.example.com", "note_app_password note_switch note_recent", "only the mail of the last 30 days"},
		{"imap.gmx.net", "mail.example.com", "note_switch", "https://hilfe.gmx.net/pop-imap/einschalten.html"},
		{"mail.example.com", "mail.example.org", "", ""},
	} {
		var got, texts []string
		for _, m := range Peculiarities(between(c.old, c.new)) {
			got, texts = append(got, m.Code), append(texts, m.Text)
		}
		if strings.Join(got, " ") != c.want || !strings.Contains(strings.Join(texts, "\n"), c.text) {
			t.Errorf("%s to %s: %s, want %s\n%s", c.old, c.new, strings.Join(got, " "), c.want, strings.Join(texts, "\n"))
		}
		if strings.Contains(strings.Join(texts, ""), "{") {
			t.Errorf("%s to %s: something is not filled in: %s", c.old, c.new, texts)
		}
	}
}
