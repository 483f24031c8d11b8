package discover

import "strings"

// provider is somebody whose MX is known, and what that says of the servers of
// their customers.
type provider struct {
	name   string
	mx     string // the MX host is this or below it
	imap   string // host at port 993; "" if not known
	pop    string // host at port 995; "" if not known
	advice Code   // what the administrator should know; "" for nothing
}

// providers are large ones that cannot be found by the names of their MX, from
// what each publishes for its customers.
func providers() []provider {
	return []provider{
		{"Google", "google.com", "imap.gmail.com", "pop.gmail.com", codeGoogle},
		{"Google", "googlemail.com", "imap.gmail.com", "pop.gmail.com", codeGoogle},
		{"Microsoft 365", "mail.protection.outlook.com", "outlook.office365.com", "outlook.office365.com", codeMicrosoft},
		{"Microsoft 365", "mx.microsoft", "outlook.office365.com", "outlook.office365.com", codeMicrosoft},
		{"Outlook.com", "olc.protection.outlook.com", "outlook.office365.com", "outlook.office365.com", codeMicrosoft},
		{"Yandex", "mx.yandex.net", "imap.yandex.com", "pop.yandex.com", codeAppPassword},
		{"Yandex", "mx.yandex.ru", "imap.yandex.ru", "pop.yandex.ru", codeAppPassword},
		{"Mail.ru", "emx.mail.ru", "imap.mail.ru", "pop.mail.ru", codeAppPassword},
		{"iCloud", "mail.icloud.com", "imap.mail.me.com", "", codeAppPassword},
		{"Yahoo", "yahoodns.net", "imap.mail.yahoo.com", "pop.mail.yahoo.com", codeAppPassword},
		{"Fastmail", "messagingengine.com", "imap.fastmail.com", "pop.fastmail.com", codeAppPassword},
		{"Zoho", "zoho.com", "imappro.zoho.com", "poppro.zoho.com", codeAppPassword},
		{"Zoho", "zoho.eu", "imappro.zoho.eu", "poppro.zoho.eu", codeAppPassword},
		{"IONOS", "kundenserver.de", "imap.ionos.de", "pop.ionos.de", ""},
		{"IONOS", "ionos.com", "imap.ionos.com", "pop.ionos.com", ""},
		{"STRATO", "rzone.de", "imap.strato.de", "pop3.strato.de", ""},
		{"OVH", "mail.ovh.net", "ssl0.ovh.net", "ssl0.ovh.net", ""},
		{"Gandi", "mail.gandi.net", "mail.gandi.net", "mail.gandi.net", ""},
		{"Hostinger", "hostinger.com", "imap.hostinger.com", "pop.hostinger.com", ""},
		{"Infomaniak", "mta-gw.infomaniak.ch", "mail.infomaniak.com", "mail.infomaniak.com", ""},
		{"Mailbox.org", "mailbox.org", "imap.mailbox.org", "pop3.mailbox.org", ""},
		{"Tencent Exmail", "mxbiz1.qq.com", "imap.exmail.qq.com", "pop.exmail.qq.com", codeAppPassword},
		{"NetEase", "qiye163mx01.mxmail.netease.com", "imap.qiye.163.com", "pop.qiye.163.com", codeAppPassword},
		{"Proton Mail", "protonmail.ch", "", "", codeNoIMAP},
		{"Tuta", "tutanota.de", "", "", codeNoIMAP},
		{"Proofpoint", "pphosted.com", "", "", codeFilter},
		{"Proofpoint Essentials", "ppe-hosted.com", "", "", codeFilter},
		{"Mimecast", "mimecast.com", "", "", codeFilter},
		{"Barracuda", "barracudanetworks.com", "", "", codeFilter},
		{"Symantec", "messagelabs.com", "", "", codeFilter},
		{"Cisco", "iphmx.com", "", "", codeFilter},
		{"Hornetsecurity", "hornetsecurity.com", "", "", codeFilter},
		{"SpamExperts", "antispamcloud.com", "", "", codeFilter},
	}
}

// providerOf is the one an MX belongs to. The longest suffix wins.
func providerOf(mx string) (best provider, known bool) {
	for _, p := range providers() {
		if under(mx, p.mx) && len(p.mx) > len(best.mx) {
			best, known = p, true
		}
	}
	return best, known
}

func (s *search) offerProvider(p provider) {
	if p.imap != "" {
		s.offer(candidate{source: SourceProvider, protocol: IMAP, security: TLS, host: p.imap, port: 993, provider: p.name})
	}
	if p.pop != "" {
		s.offer(candidate{source: SourceProvider, protocol: POP3, security: TLS, host: p.pop, port: 995, provider: p.name})
	}
}

func (s *search) noteProvider(p provider, mx string) {
	if p.advice != "" {
		s.note(say(p.advice, "provider", p.name, "host", mx))
	}
}

// product is what a server is, as far as its greeting and capabilities show.
func product(greeting string, capabilities []string) string {
	text := strings.ToLower(greeting + " " + strings.Join(capabilities, " "))
	for _, p := range []struct{ mark, name string }{
		{"gimap", "Gmail"}, {"x-gm-ext", "Gmail"}, {"gpop", "Gmail"}, {"microsoft exchange", "Microsoft Exchange"}, {"dovecot", "Dovecot"},
		{"cyrus", "Cyrus"}, {"courier", "Courier"}, {"kerio", "Kerio Connect"}, {"zimbra", "Zimbra"}, {"communigate", "CommuniGate Pro"},
		{"mdaemon", "MDaemon"}, {"hmailserver", "hMailServer"}, {"domino", "HCL Domino"}, {"icewarp", "IceWarp"}, {"stalwart", "Stalwart"},
		{"axigen", "Axigen"}, {"yandex", "Yandex"}, {"coremail", "Coremail"}, {"zarafa", "Zarafa"}, {"kopano", "Kopano"}, {"mailenable", "MailEnable"},
	} {
		if strings.Contains(text, p.mark) {
			return p.name
		}
	}
	return ""
}
