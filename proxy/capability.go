package proxy

import (
	"bytes"
	"strings"
)

// denied are the capabilities that a relay can't keep: what would change the
// connection under it (STARTTLS, COMPRESS), log in a second time, or send the
// client to another server (RFC 2221, RFC 2193).
var denied = map[string]bool{
	"STARTTLS": true, "LOGINDISABLED": true, "UNAUTHENTICATE": true,
	"LOGIN-REFERRALS": true, "MAILBOX-REFERRALS": true,
}

func isAllowed(capability string) bool {
	name := strings.ToUpper(capability)
	return !denied[name] && !strings.HasPrefix(name, "AUTH=") && !strings.HasPrefix(name, "COMPRESS=")
}

// allowed returns the capabilities that clients are shown.
func allowed(caps []string) []string {
	var kept []string
	for _, c := range caps {
		if isAllowed(c) {
			kept = append(kept, c)
		}
	}
	return kept
}

// filterCapabilities returns a response with the capabilities it lists, in a
// CAPABILITY response or response code, reduced to those allowed. The rest of
// it stays byte for byte.
func filterCapabilities(response []byte) []byte {
	from, to := capabilityList(response)
	out := bytes.Clone(response[:from])
	for _, c := range bytes.Fields(response[from:to]) {
		// What announces a literal can't be left out without what follows.
		if isAllowed(string(c)) || bytes.HasSuffix(c, []byte("}")) {
			out = append(append(out, ' '), c...)
		}
	}
	return append(out, response[to:]...)
}

// capabilityList finds the list: "* CAPABILITY list" or "tag OK [CAPABILITY list]".
// It is empty, at the end, if there is none.
func capabilityList(response []byte) (from, to int) {
	const word = "CAPABILITY"
	from = bytes.IndexByte(response, ' ') + 1 // behind the tag, which may be that word
	for ; ; from++ {
		if from+len(word) > len(response) {
			return len(response), len(response)
		}
		if strings.EqualFold(string(response[from:from+len(word)]), word) {
			break
		}
	}
	from += len(word)
	to = len(response)
	if i := bytes.IndexAny(response[from:], "]\n"); i >= 0 {
		to = from + i
	}
	return from, from + len(bytes.TrimRight(response[from:to], "\r"))
}
