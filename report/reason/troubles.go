package reason

// What keeps accounts from being copied, or lets a folder or a message be left for later. Who is
// told first learns the kind of the problem; these say it more exactly.
const (
	TroubleUnexpected Code = "trouble.unexpected" // nothing else is known of it

	// Of any server.
	TroubleReadOnly       Code = "trouble.read_only"            // something was to be changed where nothing may be
	TroubleStopped        Code = "trouble.stopped"              // the work was stopped
	TroubleAccountMoved   Code = "trouble.account_moved"        // another server has the account
	TroubleFolderMoved    Code = "trouble.folder_moved"         // another server has the folder
	TroubleExcess         Code = "trouble.excess"               // an answer is beyond all bounds
	TroubleExcessLasting  Code = "trouble.excess_lasting"       // likewise, until a person runs it again
	TroubleNoFolders      Code = "trouble.no_folders"           // no folder is listed
	TroubleTooMany        Code = "trouble.too_many_connections" // no more connections are allowed
	TroubleRefused        Code = "trouble.refused"              // a command was refused
	TroubleLost           Code = "trouble.connection_lost"      // the connection broke
	TroubleInUse          Code = "trouble.in_use"               // another POP3 session has the mailbox
	TroublePause          Code = "trouble.pause"                // the server asks for a pause
	TroubleNoMailServer   Code = "trouble.no_mail_server"       // none that may be used answers
	TroubleUnreachable    Code = "trouble.unreachable"          // no connection can be made
	TroubleUnavailable    Code = "trouble.unavailable"          // the server says that it is unwell
	TroubleFull           Code = "trouble.full"                 // the mailbox is full
	TroubleNoPassword     Code = "trouble.no_password"          // none is known
	TroubleToken          Code = "trouble.token"                // the server does not take the token
	TroubleNoTokens       Code = "trouble.no_tokens"            // it takes none
	TroubleNoMaster       Code = "trouble.no_master"            // it lets no login open another's mailbox
	TroubleExpired        Code = "trouble.password_expired"     // the password has expired
	TroubleUnprotected    Code = "trouble.unprotected"          // it takes no passwords on this connection
	TroubleNoSTARTTLS     Code = "trouble.no_starttls"          // it offers no encryption on this port
	TroubleUnsendable     Code = "trouble.unsendable"           // login or password have a line break or a NUL
	TroubleNUL            Code = "trouble.nul"                  // they have a NUL
	TroublePreauth        Code = "trouble.preauth"              // everybody is let in
	TroubleUnproved       Code = "trouble.unproved"             // what answers does not know the password
	TroubleProgram        Code = "trouble.program"              // only programs are let in that it knows
	TroubleLogin          Code = "trouble.login"                // it does not take login and password
	TroubleNotMail        Code = "trouble.not_mail_server"      // what answers is no mail server
	TroubleWithoutTLS     Code = "trouble.without_tls"          // it is to be used without TLS, and may not be
	TroubleTampering      Code = "trouble.tampering"            // something was put into the connection
	TroubleNoProtected    Code = "trouble.no_protected"         // no protected connection can be made
	TroubleFingerprint    Code = "trouble.fingerprint"          // the certificate is another one than the accepted one
	TroubleName           Code = "trouble.certificate_name"     // the certificate is made out to another name
	TroubleSelfSigned     Code = "trouble.self_signed"          // nobody vouches for the certificate
	TroubleIssuer         Code = "trouble.issuer"               // whoever vouches for the certificate is not trusted
	TroubleCertificateOld Code = "trouble.certificate_expired"  // the certificate's time is not now
	TroubleCertificate    Code = "trouble.certificate"          // something else is wrong with the certificate
	TroubleNotTLS         Code = "trouble.not_tls"              // what answers does not speak TLS
	TroubleNoCommonTLS    Code = "trouble.no_common_tls"        // no encryption is known to both
	TroubleOldTLS         Code = "trouble.old_tls"              // the encryption is too old
	TroubleOldTLSOld      Code = "trouble.old_tls_old"          // likewise at the old server, where it can be accepted
	TroubleHungUp         Code = "trouble.hung_up"              // the server hung up during the handshake
	TroubleTLS            Code = "trouble.tls"                  // it ended the handshake with an alert

	// Of signing in by other means than the account's password.
	TroubleTokenUnavailable Code = "trouble.token_unavailable"   // the provider gives out no tokens
	TroubleTenant           Code = "trouble.tenant_unknown"      // it does not know the tenant
	TroubleApplication      Code = "trouble.application_refused" // it refuses the application
	TroublePermission       Code = "trouble.permission_missing"  // the application may not use IMAP
	TroubleDelegation       Code = "trouble.delegation_missing"  // the service account may not act for people
	TroublePrincipal        Code = "trouble.principal_missing"   // the mail server does not know the application
	TroubleMailbox          Code = "trouble.mailbox_refused"     // this mailbox can't be opened
	TroubleMailboxUnknown   Code = "trouble.mailbox_unknown"     // there is no such mailbox
	TroubleIMAPOff          Code = "trouble.imap_off"            // IMAP is switched off for it
	TroubleConsent          Code = "trouble.consent_missing"     // its owner has not agreed
	TroubleConsentLost      Code = "trouble.consent_lost"        // a refresh token that is good for once was used, and what came in its place is lost
	TroubleConsentRevoked   Code = "trouble.consent_revoked"     // what the owner agreed to is not valid any more
	TroubleClock            Code = "trouble.clock_wrong"         // this machine's clock is wrong
	TroubleTokenRefused     Code = "trouble.token_refused"       // a token that was just fetched is refused
	TroubleTokenCommand     Code = "trouble.token_command"       // the program that prints tokens failed
	TroubleMaster           Code = "trouble.master_refused"      // the master login is refused
	TroubleNoSignIn         Code = "trouble.no_sign_in"          // there is nothing to sign in with

	// Of a pass.
	TroubleFolders       Code = "trouble.too_many_folders"       // there are more folders than are made
	TroubleDates         Code = "trouble.wrong_dates"            // the new server does not keep dates
	TroubleVanished      Code = "trouble.folder_vanished"        // a folder went while it was being filled
	TroubleRenumbered    Code = "trouble.folder_renumbered"      // the old server numbered it anew meanwhile
	TroubleNotKnown      Code = "trouble.folder_not_known"       // the new server does not know what it has made
	TroubleNotMade       Code = "trouble.folder_not_made"        // it refuses to make the folder
	TroubleNotMadeNow    Code = "trouble.folder_not_made_now"    // it can't make the folder at the moment
	TroubleLeftOld       Code = "trouble.folder_left_old"        // it went from the old server too soon
	TroubleListBreaks    Code = "trouble.list_breaks"            // the old server's list ends in the middle
	TroubleListUnread    Code = "trouble.list_unread"            // folders in it can't be read
	TroubleMissingOne    Code = "trouble.folder_missing_message" // a folder is missing, and one message does not come
	TroubleMissing       Code = "trouble.folder_missing"         // likewise, and several do not
	TroubleMissingMany   Code = "trouble.folders_missing"        // several folders are
	TroubleSilent        Code = "trouble.silent"                 // the old server does not answer
	TroubleNotFitting    Code = "trouble.not_fitting"            // the account's mail is more than the quota
	TroubleHung          Code = "trouble.hung"                   // the new server fell silent while it stored messages
	TroubleCountsOld     Code = "trouble.counts_old"             // the old server lists fewer messages than there are
	TroubleCountsNew     Code = "trouble.counts_new"             // the new server does
	TroubleFlagsRefused  Code = "trouble.flags_refused"          // it lets nothing be changed in the folder
	TroubleRefusesAll    Code = "trouble.messages_refused"       // it refuses all messages of the folder
	TroubleBudgetOld     Code = "trouble.budget_old"             // as much was read as may be
	TroubleBudgetNew     Code = "trouble.budget_new"             // as much was written as may be
	TroubleSameTwice     Code = "trouble.same_mailbox_twice"     // two logins lead to one mailbox, and both were copied
	TroubleSame          Code = "trouble.same_mailbox"           // they lead to one new mailbox
	TroubleSameUncertain Code = "trouble.same_mailbox_uncertain" // they may
	TroubleOldEmptied    Code = "trouble.old_emptied"            // the old mailbox is another one, without mail
	TroubleOldOther      Code = "trouble.old_other"              // the old mailbox is another one
	TroubleNewEmptied    Code = "trouble.new_emptied"            // the new mailbox is another one, without mail
	TroubleNewOther      Code = "trouble.new_other"              // the new mailbox is another one
)

// What stands in these for whom they are about, and what a server said.
const (
	ServerOld        Code = "server.old"       // the old server, by its name
	ServerNew        Code = "server.new"       // the new server, by its name
	ServerSays       Code = "server.says"      // its answer
	ServerSaid       Code = "server.said"      // what it said before it hung up
	ServerSaysSaid   Code = "server.says_said" // both
	AccountNamed     Code = "whose.account"    // an account, by its login
	AccountElsewhere Code = "whose.elsewhere"  // an account of another domain
)
