package upstream

// status is an OK, NO, BAD, BYE or PREAUTH.
type status struct {
	kind string // upper case
	code string // response code, upper case, "" for none
	args string // what follows the code within its brackets
	text string // for people
}
