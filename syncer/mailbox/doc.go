// Package mailbox sees to it that one mailbox is one account's, under however many logins: an
// account claims its mailbox before anything is copied, and one that is proved to be another
// account's makes it an alias of that account. What merely looks alike is a question to a
// person, and so is a login that leads to another mailbox than it did.
//
// It must not know passes or folders' jobs.
package mailbox
