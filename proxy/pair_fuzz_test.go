package proxy

import (
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"postferry/store"
)

// FuzzPair has a client and a new server say anything, through a relay that runs: each hears what
// the other has said, but for what the relay leaves out, and both come to an end.
func FuzzPair(f *testing.F) {
	for i, up := range someCommands {
		f.Add([]byte(crlf(up)), []byte(crlf(someResponses[i])), byte(i), i%2 == 0)
	}
	f.Add([]byte("a SELECT {5}\r\nINBOX\r\nb UID SEARCH TEXT {3}\r\nabc\r\n"), []byte("+ go\r\na OK x\r\n+ go\r\n* SEARCH 1\r\nb OK x\r\n"), byte(3), true)
	f.Add([]byte("a IDLE\r\nDONE\r\nb LOGOUT\r\n"), []byte("+ x\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\na OK [CAPABILITY X AUTH=PLAIN] x\r\n* BYE\r\nb OK x\r\n"), byte(200), true)
	f.Fuzz(func(t *testing.T, up, down []byte, size byte, ferried bool) {
		synctest.Test(t, func(t *testing.T) { sayAnything(t, up, down, int(size), ferried) })
	})
}

func sayAnything(t *testing.T, up, down []byte, size int, ferried bool) {
	g := newRigInMemory(t, func(g *rig, in *entry) {
		g.srv.cfg.Proxy.SearchWait = patience
		g.ferry.looked = true
		if !ferried {
			in.account = store.Account{}
		}
	})
	toServer, toClient := make(chan string, 1), make(chan string, 1)
	go hearToEnd(g.server, toServer)
	sayAll(g.client, up, size+1)
	go hearToEnd(g.client, toClient)
	sayAll(g.server, down, size*7+1)
	<-g.ended
	if heard := relaySearch.ReplaceAllString(<-toServer, ""); !partOf(heard, string(up)) {
		t.Errorf("the server heard %q of %q", heard, up)
	}
	if heard := relayWordsToAny.ReplaceAllString(<-toClient, ""); !partOf(unspaced.Replace(heard), unspaced.Replace(string(down))) {
		t.Errorf("the client heard %q of %q", heard, down)
	}
}

// unspaced takes out what a list of capabilities is written with anew.
var unspaced = strings.NewReplacer(" ", "", "\r", "")

// relayWordsToAny is what the relay says itself, whatever a client's tags are.
var relayWordsToAny = regexp.MustCompile(`\* OK \[INPROGRESS [^\r]*\r\n|\S* BAD Not possible after login\r\n|\* BYE [^\r]*\r\n`)

func hearToEnd(p *peer, heard chan<- string) {
	text, _ := io.ReadAll(p.r)
	heard <- string(text)
}

func sayAll(p *peer, text []byte, size int) {
	for len(text) > 0 {
		n := min(size, len(text))
		if _, err := p.Write(text[:n]); err != nil {
			return
		}
		text = text[n:]
	}
	closeWrite(p.Conn)
}

// partOf reports whether text is what is left of whole when parts of it are left out.
func partOf(text, whole string) bool {
	for i := range len(text) {
		at := strings.IndexByte(whole, text[i])
		if at < 0 {
			return false
		}
		whole = whole[at+1:]
	}
	return true
}
