package discover

// What is wrong with what was entered.
const (
	codeEmpty     Code = "input_empty"
	codeNotDomain Code = "input_not_a_domain"
	codeIsAddress Code = "input_ip_address"
)

// What came of a question.
const (
	codeRecords     Code = "lookup_records"
	codeNone        Code = "lookup_none"
	codeNotOffered  Code = "lookup_not_offered"
	codeDNSFailed   Code = "dns_failed"
	codeDNSTimeout  Code = "dns_timeout"
	codeDNSNotKnown Code = "dns_not_known"
	codeHost        Code = "lookup_host" // and why it can't be looked up
	codeConfig      Code = "autoconfig_found"
	codeNoServers   Code = "autoconfig_no_servers"
	codeHTTPStatus  Code = "autoconfig_status"
	codeHTTPFailed  Code = "autoconfig_failed"
	codeHTTPCert    Code = "autoconfig_certificate"
	codeHTTPNoHost  Code = "autoconfig_no_host"
	codeHTTPGarbage Code = "autoconfig_garbage"
)

// What came of an attempt.
const (
	codeOK          Code = "ok"
	codeBadCert     Code = "ok_bad_certificate"
	codePlaintext   Code = "ok_unprotected"
	codeNoAddress   Code = "no_address"
	codeExcludedNew Code = "excluded_new"
	codeExcludedOwn Code = "excluded_own"
	codePort        Code = "port_refused"
	codeRefused     Code = "refused"
	codeTimeout     Code = "timeout"
	codeUnreachable Code = "unreachable"
	codeCut         Code = "cut"
	codeTLSFailed   Code = "tls_failed"
	codeNotMail     Code = "other_protocol"
	codeTurnedAway  Code = "turned_away"
	codeFailed      Code = "failed"
	codeNotNeeded   Code = "not_needed"
	codeOutOfTime   Code = "out_of_time"
	codeDenied      Code = "not_offered"
)

// PrivateAddress is the outcome of what Finder.AllowPrivate would try.
const PrivateAddress Code = "private_address"

// What is wrong with a certificate.
const (
	codeExpired     Code = "certificate_expired"
	codeNotYet      Code = "certificate_not_yet_valid"
	codeOtherName   Code = "certificate_other_name"
	codeSelfSigned  Code = "certificate_self_signed"
	codeUnknownCA   Code = "certificate_unknown_authority"
	codeInvalidCert Code = "certificate_invalid"
)

// Why a server was chosen, or none.
const (
	codeWhyIMAP     Code = "why_imap"
	codeWhyPOP3     Code = "why_pop3"
	codeWhyTrusted  Code = "why_trusted"
	codeWhyPin      Code = "why_pin"
	codeWhyPlain    Code = "why_unprotected"
	codeWhySource   Code = "why_source_" // and the source
	codeNothing     Code = "nothing_found"
	codeOnlyNew     Code = "nothing_but_new"
	codeNoSuchName  Code = "nothing_no_domain"
	codeNothingHint Code = "nothing_hint"
)

// What the administrator should know besides.
const (
	codeGoogle      Code = "note_google"
	codeMicrosoft   Code = "note_microsoft"
	codeAppPassword Code = "note_app_password"
	codeSwitch      Code = "note_switch"
	codeRecent      Code = "note_recent"
	codeWindow      Code = "note_window"
	codeDaily       Code = "note_daily_limit"
	codeMessageSize Code = "note_message_size"
	codeHints       Code = "note_throttling"
	codeNoIMAP      Code = "note_no_imap"
	codeFilter      Code = "note_filter"
	codeLogin       Code = "note_login_" // and the form
	codeNoPasswords Code = "note_no_passwords"
	codeOAuthOnly   Code = "note_oauth_only"
	codeOtherOwner  Code = "note_other_domain"
	codeNewUnknown  Code = "note_new_unknown"
)

// Where the MX leads.
const (
	codeMXNew      Code = "mx_new"
	codeMXProvider Code = "mx_new_provider"
	codeMXPartly   Code = "mx_partly"
	codeMXOther    Code = "mx_other"
	codeMXNone     Code = "mx_none"
	codeMXUnknown  Code = "mx_unknown"
	codeMXHosts    Code = "mx_hosts"
)

var sentences = map[Code]string{
	codeEmpty:     `Enter a mail domain, such as example.com, or an address in it.`,
	codeNotDomain: `{input} is no mail domain; expected one such as example.com, or an address such as anna@example.com.`,
	codeIsAddress: `{input} is an IP address; expected a mail domain such as example.com.`,

	codeRecords:     `{records}`,
	codeNone:        `none published`,
	codeNotOffered:  `the domain says that it does not offer this`,
	codeDNSFailed:   `DNS gave no answer ({cause})`,
	codeDNSTimeout:  `DNS did not answer in time`,
	codeDNSNotKnown: "it does not know the domain",
	codeHost:        `{host}: {cause}`,
	codeConfig:      `{servers}`,
	codeNoServers:   `a configuration that names no IMAP or POP3 server`,
	codeHTTPStatus:  `the web server has none (it answers {status})`,
	codeHTTPFailed:  `the web server can't be asked ({cause})`,
	codeHTTPCert:    `the web server's certificate is not valid, so what it says is not believed`,
	codeHTTPNoHost:  `there is no such web server`,
	codeHTTPGarbage: `what the web server sends is no such configuration`,

	codeOK:          `answers, with a valid certificate`,
	codeBadCert:     `answers, but its certificate is not in order: {problems}`,
	codePlaintext:   `answers, but offers no protection: passwords and mail could be read on the way`,
	codeNoAddress:   `there is no such name`,
	codeExcludedNew: `leads to the new server ({address})`,
	codeExcludedOwn: `leads to Postferry itself ({address})`,
	PrivateAddress:  `leads to {address}, an address inside private networks, which is not tried from here`,
	codePort:        `port {port} does not belong to mail, so it is not tried`,
	codeRefused:     `nothing listens there`,
	codeTimeout:     `no answer in time`,
	codeUnreachable: `can't be reached ({cause})`,
	codeCut:         `hangs up`,
	codeTLSFailed:   `TLS does not work there ({cause})`,
	codeNotMail:     `something else answers, not {protocol}`,
	codeTurnedAway:  `turns us away: {text}`,
	codeFailed:      `does not work ({cause})`,
	codeNotNeeded:   `not tried: a better one was found already`,
	codeOutOfTime:   `not tried: no time was left`,
	codeDenied:      `not tried: the domain says that it does not offer this`,

	codeExpired:     `it expired on {date}`,
	codeNotYet:      `it is not valid before {date}`,
	codeOtherName:   `it is made out to {names}, not to {host}`,
	codeSelfSigned:  `it is self-signed`,
	codeUnknownCA:   `it was issued by {issuer}, which is not trusted here`,
	codeInvalidCert: `it can't be accepted ({cause})`,

	codeWhyIMAP:    `It speaks IMAP, which brings all folders and flags.`,
	codeWhyPOP3:    `It speaks POP3, which brings the inbox alone, without folders and flags: no IMAP server was found.`,
	codeWhyTrusted: `The connection is protected, and the certificate is valid.`,
	codeWhyPin:     `The certificate is not in order ({problems}). It can be used all the same if you pin its fingerprint; compare that with what the server's administrator says: {fingerprint}`,
	codeWhyPlain:   `It offers no protection: passwords and mail could be read on the way. Nothing better was found.`,

	codeWhySource + Code(SourceSRV):        `The domain names it in DNS (SRV).`,
	codeWhySource + Code(SourceAutoconfig): `The domain names it in the configuration that it publishes for mail programs.`,
	codeWhySource + Code(SourceProvider):   `The domain's MX belongs to {provider}, and this is the server of its customers.`,
	codeWhySource + Code(SourceMX):         `It is beside the domain's MX.`,
	codeWhySource + Code(SourceNames):      `It has the name that mail servers usually have.`,

	codeNothing:     `No mail server was found.`,
	codeOnlyNew:     `Everything that answers is the new server or Postferry itself: DNS seems to have been changed already.`,
	codeNoSuchName:  `There is no domain {domain}; is it spelt right?`,
	codeNothingHint: `Enter the old server by hand: its provider's help pages say what it is called, and so do the settings of a mail program that still uses it.`,

	codeGoogle:      `This is Google. The password of a Google account does not work in mail programs: either a service account opens all mailboxes of a Workspace (docs/google.md), or each account needs an app password, which needs 2-step verification. IMAP must be allowed in the administration.`,
	codeMicrosoft:   `This is Microsoft 365. It has switched passwords off for IMAP and POP3: they are refused even if they are right. An application that an administrator of the tenant lets into the mailboxes opens them all (docs/microsoft365.md).`,
	codeAppPassword: `This is {provider}. The ordinary password may not work: create an app password for each account ({page}).`,
	codeSwitch:      `{provider} lets mail programs in only after IMAP was switched on for the account ({page}).`,
	codeRecent:      `{provider} shows mail programs only the mail of the last {days} days until the account's settings say otherwise ({page}).`,
	codeWindow:      `{provider} shows mail programs {messages} messages of a folder at most. What lies behind them is not seen, so it is neither copied nor counted.`,
	codeDaily:       `{provider} allows {size} a day for an account. Postferry keeps to {kept} by itself, rests and goes on; {key} in [domain.account_limits] changes that.`,
	codeMessageSize: `{provider} takes messages of up to {size}. Larger ones are set aside and told.`,
	codeHints:       `{provider} slows down whoever asks for much, and says for how long. Postferry waits that long.`,
	codeNoIMAP:      `This is {provider}, which offers neither IMAP nor POP3 to the outside.`,
	codeFilter:      `The MX {host} is a filter ({provider}) that passes mail on; the server behind it does not show there.`,
	codeNoPasswords: `The server does not announce that it takes passwords.`,
	codeOAuthOnly:   `The domain's configuration for mail programs allows OAuth2 only: another way to sign in than with passwords has to be chosen (old_sign_in in the configuration).`,
	codeOtherOwner:  `{host} lies outside of {domain}. Make sure that it is your provider's before you enter passwords.`,

	codeNewUnknown: `The new server can't be looked up ({cause}), so what leads there can't be told apart from the old one.`,

	codeLogin + FormAddress:   `People log in with their whole address ({example}).`,
	codeLogin + FormLocalPart: `People log in with what stands before the @ ({example}).`,
	codeLogin + FormOther:     `People log in as {template}, says the domain.`,

	codeMXNew:      `The MX leads to the new server already ({hosts}). Others may go on using what they remember of the old one for {ttl}.`,
	codeMXProvider: `The MX leads to {hosts}, which belong to the new server's provider: it has moved, unless the old server is there as well. Others may go on using what they remember for {ttl}.`,
	codeMXPartly:   `Some MX lead to the new server, but not all of them ({hosts}).`,
	codeMXOther:    `The MX has not moved yet: it leads to {hosts}. After a change, others go on using the old one for up to {ttl}.`,
	codeMXNone:     `The domain says that it takes no mail (it has an empty MX).`,
	codeMXUnknown:  `Where the MX leads is not known ({cause}).`,
	codeMXHosts:    `The MX leads to {hosts}. After a change, others go on using the old one for up to {ttl}.`,
}
