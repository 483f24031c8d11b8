package proxy

import (
	"bytes"
	"strings"
	"testing"

	"postferry/wire"
)

func TestFilterCapabilities(t *testing.T) {
	for response, want := range map[string]string{
		"* CAPABILITY IMAP4rev1 STARTTLS IDLE AUTH=PLAIN COMPRESS=DEFLATE\r\n": "* CAPABILITY IMAP4rev1 IDLE\r\n",
		"* capability imap4rev1 starttls idle\n":                               "* capability imap4rev1 idle\n",
		"CAPABILITY OK [CAPABILITY LOGINDISABLED ID] done AUTH=PLAIN\r\n":      "CAPABILITY OK [CAPABILITY ID] done AUTH=PLAIN\r\n",
		"* OK [CAPABILITY] done\r\n":                                           "* OK [CAPABILITY] done\r\n",
		"* CAPABILITY\r\n":                                                     "* CAPABILITY\r\n",
		"* CAPABILITY\rSTARTTLS ID\n":                                          "* CAPABILITY ID\n",
		"* CAPABILITY\rX Y\n":                                                  "* CAPABILITY X Y\n",
		"* OK [CAPABILITY AUTH={3}\r\nabc] x\r\n":                              "* OK [CAPABILITY AUTH={3}\r\nabc] x\r\n",
		"* OK [CAPA\rBILITY STARTTLS] x\r\n":                                   "* OK [CAPA\rBILITY STARTTLS] x\r\n",
	} {
		if got := string(filterCapabilities([]byte(response))); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", response, got, want)
		}
	}
}

// FuzzFilterCapabilities: whatever a server's list of capabilities looks like, what the
// client gets is one response of the same kind without what is denied.
func FuzzFilterCapabilities(f *testing.F) {
	for _, s := range []string{
		"* CAPABILITY IMAP4rev1 STARTTLS\r\n", "* CAPABILITY\rX Y\n", "a1 OK [CAPABILITY AUTH=PLAIN {3}\r\nabc] done\r\n",
		"* OK [CAPABILITY IMAP4rev1\tLOGINDISABLED", "CAPABILITY NO [capability]\n* capability unauthenticate\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := download{}
		for off := 0; off < len(data); {
			n, end := d.scan.Scan(data[off:])
			response := data[off : off+n]
			off += n
			if !end || !d.listsCapabilities() {
				continue
			}
			out := filterCapabilities(response)
			if again := filterCapabilities(out); !bytes.Equal(again, out) {
				t.Errorf("%q became %q, and then %q", response, out, again)
			}
			var scan wire.ResponseScanner
			if n, end := scan.Scan(out); n != len(out) || !end || scan.Kind() != d.scan.Kind() || scan.Status() != d.scan.Status() ||
				!bytes.Equal(scan.Tag(), d.scan.Tag()) || !bytes.Equal(scan.Code(), d.scan.Code()) {
				t.Errorf("%q became %q, which is another response", response, out)
			}
			from, to := capabilityList(out)
			for _, c := range strings.Fields(string(out[from:to])) {
				if !isAllowed(c) && !strings.HasSuffix(c, "}") {
					t.Errorf("%q became %q, with %s", response, out, c)
				}
			}
		}
	})
}
