package credential

import (
	"crypto/rand"
	"strings"
)

// cloud is where one of Microsoft's clouds gives out tokens, and what they are asked for.
type cloud struct{ authority, scope string }

// cloudOf finds the cloud that a mail server belongs to: those of governments and of China have names of
// their own (learn.microsoft.com, "National cloud deployments").
func cloudOf(host string) cloud {
	host = strings.ToLower(host)
	switch {
	case strings.HasSuffix(host, ".us"):
		return cloud{"https://login.microsoftonline.us", "https://" + host + "/.default"}
	case strings.HasSuffix(host, ".cn"):
		return cloud{"https://login.partner.microsoftonline.cn", "https://partner.outlook.cn/.default"}
	}
	return cloud{"https://login.microsoftonline.com", "https://outlook.office365.com/.default"}
}

// fill fills with random octets.
func fill(b []byte) { rand.Read(b) } // never fails (crypto/rand)
