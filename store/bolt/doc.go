// Package bolt is the store of a single node: a bbolt database in a directory, which one process
// opens at a time. What is kept, and what its words mean, is in package store.
//
// A Store is made of parts of one subject each, which share a database: what is done under a lock, by
// the committer, and when a page is damaged, is the database's business and not theirs.
//
// # On the disk
//
// The state directory (mode 0700) holds three files (mode 0600):
//
//	state.db  the database (bbolt)
//	key       32 random bytes in base64: the key that seals passwords
//	lock      held with flock(2) while the state is open; names its holder
//
// Beside them are key.new while the key is changed, and state.db.new and state.db.replaced while a database
// is made or replaced (see below). The directory is refused if others may write it: who could put a file there would be believed.
//
// The key is taken from the environment variable POSTFERRY_KEY or from the
// systemd credential postferry.key if there is one; then the file is neither
// read nor made. A password is stored as a random nonce and its
// XChaCha20-Poly1305 sealing; account number and kind are authenticated along,
// so that no sealed password opens in another's place. So are the secrets of signins and
// consents, with the key of their row. Backup copies state.db
// and key at one moment, while they are in use.
//
// RotateKey changes the key. The next one is written to key.new first; then
// everything is sealed with it in one transaction; pages that are not in use any
// more, in which the sealings of the key before still are, are overwritten;
// and key.new becomes key. Where Open finds that key.new alone opens the state, it
// does what is left of that.
//
// The database has these buckets. Numbers in keys are big-endian, 8 bytes for
// accounts and 4 for folders, so that the order of keys is that of numbers.
//
//	meta        name                    -> schema version; a known text, sealed, to recognise the key
//	accounts    account                 -> account, passwords sealed
//	logins      login, ASCII lower case -> account
//	folders     account, folder         -> names, state, subscription
//	progress    account, folder         -> checkpoint and counts: what batches change
//	ledger      account                 -> bucket: folder, last message key -> segment: some entries
//	flagsets    account, number         -> a set of flags
//	flagindex   account, hash of a set  -> its number
//	intents     account, folder, message key -> intent
//	quarantine  account, folder, message key -> reason, server's words, attempts
//	repaired    account, folder, message key -> what was done to the message, the original's fingerprint and size
//	lost        account, folder, message key -> intent of a message that was given to the new server once more
//	away        account, folder, message key -> folder, UID of a copy that is elsewhere, as the message was moved at the old server
//	awayin      account, folder of the copy, folder and key of the line -> nothing
//	returns     account, folder         -> how far its way back is
//	            account, folder, UIDVALIDITY, UID -> a message on its way back
//	passes      account, pass           -> pass; the newest 50
//	usage       account                 -> octets moved in each of the last 25 hours
//	admins      name, ASCII lower case  -> administrator, password hashed with argon2id
//	sessions    SHA-256 of the cookie   -> administrator's name, when it began and was used
//	tokens      SHA-256 of the token    -> number, name, scope, who made it
//	audit       number                  -> who did what when
//	auditdomains  @ and a domain        -> bucket: number -> nothing; which entries are the domain's (@ alone: no domain's)
//	summaries   account                 -> sums over its folders, its newest pass
//	domains     domain                  -> servers and policy, of those not in the configuration
//	signins     side, domain            -> how Postferry signs in there, its secret sealed
//	consents    side, domain, login     -> what a mailbox's owner has agreed to, the refresh token sealed
//	schedules   domain                  -> when its accounts are passed over again
//	runs        run                     -> run; the newest 50 of a domain
//	runparts    run, account            -> how far the account is within the run
//	moves       domain                  -> its last check, what DNS told of its names
//	reports     number                  -> what a move came to, as JSON; the newest 50 of a domain
//	notices     domain NUL event NUL cause -> what people were told of it, as JSON
//
// Package rows is the exact description of keys and values. A folder's entries lie in segments of up to
// 400 octets, some 30 entries, in the order of their keys. In one that was copied in order an entry takes 12
// octets, of which 8 are its fingerprint and 3 its size; a message costs about 15 on the disk. A segment is read and
// written whole. Its key is that of its last entry, so that the one for a key is found by looking for it; a folder's
// last segment has a key of its own, which stays the same while the folder grows. A change in the middle
// writes one segment, and with it one page of the database, as the change of a row did when each entry had one.
//
// # Upgrading
//
// A database of an earlier version (up to 3 the ledger had a row for each entry) is not changed. A new one is
// made beside it as state.db.new, compared with it row by row, synced, and given its name (package rebuild).
// Wherever that is interrupted, there is the one or the other, whole. The old one is kept as state.db.replaced until
// the new one is open, then overwritten and removed. A row that could not be read stays one that can't.
//
// # Damage
//
// bbolt believes its file. So all pages that can be reached are looked at before
// it maps them (package pages), which takes about 40 ms for 100,000 accounts, and what
// happens to them while they are mapped, a file that is cut or a disk that fails,
// is caught where they are used (damage.go). Both are a *DamagedError; after the
// second the store is lost, and every call returns it. A row that can't be read is
// a *DamagedError of the call that needs it and nobody else's.
//
// # Forgetting
//
// bbolt leaves what it deletes in pages that it doesn't use any more, until it uses
// them again. Where something must not be found any more (the passwords of finished accounts,
// a domain that was forgotten), the transaction that deletes it leaves a mark in the meta
// bucket, and those pages are overwritten before the call returns, or, if that was interrupted,
// when the database is opened next.
//
// # Writing
//
// All writes go through one goroutine, the committer. It takes whatever is
// waiting, applies it in one transaction and waits for the disk once. So a
// call returns nil only when its change is on the disk, a hundred accounts
// share the cost of a flush, and a lone call waits for nobody. Reads see the last
// commit and neither wait for writes nor hold them up.
package bolt
