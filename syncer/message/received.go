package message

import "strings"

// maxServerName bounds the name of a server in a Received field (RFC 1035 section 2.3.4).
const maxServerName = 255

// ReceivedFrom is the server that brought a message to the one it lies on: what the topmost
// Received field (RFC 5321 section 4.4) says it was received from, else who wrote the
// field; "" if that can't be read.
func ReceivedFrom(header []byte) string {
	var top string
	found := false
	EachField(header, func(name, value []byte) {
		if !found && strings.EqualFold(string(name), "Received") {
			top, found = string(value[:min(len(value), maxDateField)]), true
		}
	})
	words := strings.Fields(withoutComments(top))
	for _, key := range []string{"from", "by"} {
		for i, w := range words[:max(len(words)-1, 0)] {
			if strings.EqualFold(w, key) {
				if name := serverName(words[i+1]); name != "" {
					return name
				}
			}
		}
	}
	return ""
}

// serverName is a name or an address in a Received field, "" if it is none.
func serverName(word string) string {
	word = strings.ToLower(strings.TrimRight(word, ";."))
	if len(word) > maxServerName || strings.ContainsFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_:[]", r)
	}) {
		return ""
	}
	return word
}
