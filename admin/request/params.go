package request

import (
	"net/http"
	"strconv"
	"strings"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/store"
)

// DefaultPerPage is a page's length if none is asked for.
const DefaultPerPage = 50

// AccountID reads the account of a path.
func AccountID(r *http.Request) (store.AccountID, error) {
	n, err := strconv.ParseUint(r.PathValue("account"), 10, 64)
	if err != nil {
		return 0, access.NotFound("account")
	}
	return store.AccountID(n), nil
}

// QueryNumber reads a number of the query; it is fallback if there is none.
func QueryNumber(r *http.Request, name string, fallback, lowest, highest uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < lowest || n > highest {
		m := access.WrongField(name, "number_malformed", "This should be a number from %d to %d.", lowest, highest)
		m.Args = access.Args("lowest", lowest, "highest", highest)
		return 0, access.Invalid(m)
	}
	return n, nil
}

// Page reads which page of a list is wanted.
func Page(r *http.Request) (page, perPage int, err error) {
	p, err := QueryNumber(r, "page", 1, 1, 1_000_000)
	if err != nil {
		return 0, 0, err
	}
	n, err := QueryNumber(r, "per_page", DefaultPerPage, 1, board.MaxPerPage)
	return int(p), int(n), err
}

func pathNumber(r *http.Request, name string) (uint64, error) {
	return strconv.ParseUint(r.PathValue(name), 10, 64)
}

func FolderID(r *http.Request) (store.FolderID, error) {
	id, err := strconv.ParseUint(r.PathValue("folder"), 10, 32)
	if err != nil {
		return 0, access.NotFound("folder")
	}
	return store.FolderID(id), nil
}

// RunID reads the run of a path.
func RunID(r *http.Request) (store.RunID, error) {
	n, err := pathNumber(r, "run")
	if err != nil {
		return 0, access.NotFound("run")
	}
	return store.RunID(n), nil
}

// AccountIDs reads a list of accounts.
func AccountIDs(text string) ([]store.AccountID, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > board.MaxPerPage {
		return nil, access.Invalid(access.WrongField("ids", "too_many", "At most %d accounts can be watched at a time.", board.MaxPerPage))
	}
	ids := make([]store.AccountID, len(parts))
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			return nil, access.Invalid(access.WrongField("ids", "number_malformed", "Expected numbers of accounts, separated by commas."))
		}
		ids[i] = store.AccountID(n)
	}
	return ids, nil
}
