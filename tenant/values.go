package tenant

import (
	"encoding/json"
	"fmt"
	"strings"

	"postferry/config"
	"postferry/directory"
	"postferry/store"
)

// The pages of the providers on which things are set.
const (
	pageEntra      = "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade"
	pageExchange   = "https://learn.microsoft.com/powershell/exchange/connect-to-exchange-online-powershell"
	pageDelegation = "https://admin.google.com/ac/owl/domainwidedelegation"
	pageGmail      = "https://admin.google.com/ac/apps/gmail/enduseraccess"
	pageAdminSDK   = "https://console.cloud.google.com/apis/library/admin.googleapis.com"
)

// mailPermission is the permission of an application for mailboxes (API Office 365 Exchange Online).
const mailPermission = "IMAP.AccessAsApp"

// googleScopes are what a service account is delegated, as the Admin console takes them.
const googleScopes = "https://mail.google.com/," + directory.GoogleScope

// Value is something to be pasted at the provider.
type Value struct {
	Name string `json:"name"` // for programs and translations
	Text string `json:"text"`
}

// The names of values.
const (
	ValueMailPermission = "mail_permission" // of Office 365 Exchange Online
	ValueListPermission = "list_permission" // of Microsoft Graph
	ValueKindPermission = "kind_permission" // likewise; may be left out
	ValueCommands       = "commands"        // in Exchange Online PowerShell
	ValueClientID       = "client_id"       // of the service account
	ValueScopes         = "scopes"          // to delegate to it
)

// Values are what has to be pasted at the provider that a way to sign in belongs to.
func Values(in *config.SignIn) []Value {
	switch {
	case in == nil:
		return nil
	case in.Method == config.Microsoft:
		return []Value{{ValueMailPermission, mailPermission}, {ValueListPermission, directory.GraphUsers}, {ValueKindPermission, directory.GraphSettings},
			{ValueCommands, principal(in.ClientID) + "\n" + forAll}}
	case in.Method == config.Google:
		return []Value{{ValueClientID, accountID(in)}, {ValueScopes, googleScopes}}
	}
	return nil
}

// principal registers an application in Exchange Online. Its object id there is the one of the
// enterprise application, not of the registration.
func principal(clientID string) string {
	return fmt.Sprintf(`Connect-MgGraph -Scopes Application.Read.All
Connect-ExchangeOnline
$app = Get-MgServicePrincipal -Filter "AppId eq '%s'"
New-ServicePrincipal -AppId $app.AppId -ObjectId $app.Id -DisplayName "Postferry"`, quoted(clientID))
}

// forAll gives the application all mailboxes.
const forAll = `Get-Mailbox -ResultSize Unlimited | ForEach-Object { Add-MailboxPermission -Identity $_.PrimarySmtpAddress -User $app.Id -AccessRights FullAccess -AutoMapping $false }`

// forOne gives it one, and lets programs into that.
func forOne(clientID, mailbox string) string {
	return fmt.Sprintf(`$app = Get-ServicePrincipal | Where-Object AppId -eq '%s'
Add-MailboxPermission -Identity '%s' -User $app.ObjectId -AccessRights FullAccess -AutoMapping $false
%s`, quoted(clientID), quoted(mailbox), imapOn(mailbox))
}

func imapOn(mailbox string) string {
	return fmt.Sprintf("Set-CASMailbox -Identity '%s' -ImapEnabled $true", quoted(mailbox))
}

// quoted makes text fit between the quotes of PowerShell.
func quoted(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.NewReplacer("'", "''", "’", "’’", "‘", "‘‘").Replace(text))
}

// accountID is the client id of a service account.
func accountID(in *config.SignIn) string {
	var key struct {
		ID string `json:"client_id"`
	}
	if json.Unmarshal([]byte(in.Secret.Reveal()), &key) != nil {
		return ""
	}
	return key.ID
}

// remedy is what has to be set, and where, if signing in fails.
func remedy(kind store.ProblemKind, server config.Server, mailbox string) (set, where string) {
	in := server.SignIn
	switch kind {
	case store.ApplicationRefused, store.TenantUnknown:
		if in.Method == config.Microsoft {
			return "", pageEntra
		}
	case store.PermissionMissing:
		return mailPermission, pageEntra
	case store.PrincipalMissing:
		return principal(in.ClientID) + "\n" + forAll, pageExchange
	case store.MailboxRefused:
		if in.Method == config.Microsoft {
			return forOne(in.ClientID, mailbox), pageExchange
		}
	case store.DelegationMissing:
		return accountID(in) + "\n" + googleScopes, pageDelegation
	case store.IMAPOff:
		if in.Method == config.Microsoft {
			return imapOn(mailbox), pageExchange
		}
		return "", pageGmail
	}
	return "", ""
}

// directoryPage is where what a directory lacks is set.
func directoryPage(reason directory.Reason, server config.Server) string {
	switch {
	case reason == directory.APIOff:
		return pageAdminSDK
	case reason == directory.Permission && server.SignIn.Method == config.Microsoft:
		return pageEntra
	case reason == directory.Permission, reason == directory.Token && server.SignIn.Method == config.Google:
		return pageDelegation
	}
	return ""
}
