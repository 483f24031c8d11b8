package admin

import (
	"context"
	"errors"
	"slices"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/report"
	"postferry/store"
)

// AccountDetail is all there is to see of an account.
type AccountDetail struct {
	report.Account
	Folders []report.FolderStatus `json:"folders"`
	Passes  []report.Pass         `json:"passes"` // newest first
}

// Folders are those of an account, with the messages in them that a server refuses.
type Folders struct {
	scopes   *Scopes
	accounts *Accounts
	chooser  *selection.Chooser
	store    folderStore
	ferry    folderFerry
	boards   *board.Boards
	audit    *access.Audit
}

// folderFerry knows how far folders are.
type folderFerry interface {
	Folders(ctx context.Context, id store.AccountID) ([]report.Folder, error)
	DecideFolder(ctx context.Context, id store.AccountID, folder store.FolderID, v report.FolderVerdict) error
	Quarantine(ctx context.Context, id store.AccountID) ([]report.QuarantineRecord, error)
	RetryQuarantined(ctx context.Context, messages []string) (released int, err error)
	QuarantinedHeader(ctx context.Context, message string) ([]byte, error)
}

// Detail returns an account with its folders and its history.
func (a *Folders) Detail(ctx context.Context, who access.Actor, domain string, id store.AccountID) (*AccountDetail, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	x, err := a.accounts.account(ctx, d, id)
	if err != nil {
		return nil, err
	}
	v, err := a.accounts.show(ctx, d, id)
	if err != nil {
		return nil, err
	}
	if x.Alias != 0 { // which has folders and history
		id = x.Alias
	}
	folders, err := a.ferry.Folders(ctx, id)
	if err != nil {
		return nil, err
	}
	passes, err := a.store.Passes(ctx, id)
	if err != nil {
		return nil, err
	}
	detail := &AccountDetail{Account: *v, Folders: make([]report.FolderStatus, len(folders)), Passes: make([]report.Pass, len(passes))}
	for i, f := range folders {
		detail.Folders[i] = report.FolderOf(&f, nil)
	}
	for i, p := range passes {
		detail.Passes[len(passes)-1-i] = report.PassOf(&p)
	}
	return detail, nil
}

// Quarantine returns an account's messages that one of the servers refuses.
func (a *Folders) Quarantine(ctx context.Context, who access.Actor, domain string, id store.AccountID) ([]transfers.Quarantined, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	if _, err := a.accounts.account(ctx, d, id); err != nil {
		return nil, err
	}
	messages, err := a.ferry.Quarantine(ctx, id)
	return transfers.ViewQuarantined(messages), err
}

// RetryQuarantined lets messages of an account be tried again; all of them if
// none are named.
func (a *Folders) RetryQuarantined(ctx context.Context, who access.Actor, domain string, id store.AccountID, messages []string) (int, error) {
	known, err := a.Quarantine(ctx, who, domain, id)
	if err != nil {
		return 0, err
	}
	ids := make([]string, len(known))
	for i, m := range known {
		ids[i] = m.ID
	}
	for _, m := range messages {
		if !slices.Contains(ids, m) {
			return 0, access.NotFound("message")
		}
	}
	if len(messages) == 0 {
		messages = ids
	}
	if len(messages) == 0 {
		return 0, nil
	}
	released, err := a.ferry.RetryQuarantined(ctx, messages)
	if err != nil {
		return 0, err
	}
	a.boards.Changed(domain)
	return released, a.audit.Note(ctx, who, "retry_quarantined", access.About{Domain: domain, Account: a.chooser.LoneLogin(ctx, []store.AccountID{id}), Count: released})
}

// DecideFolder does with a folder that is missing at the new server what somebody says.
func (a *Folders) DecideFolder(ctx context.Context, who access.Actor, domain string, id store.AccountID, folder store.FolderID, v report.FolderVerdict) error {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return err
	}
	x, err := a.accounts.account(ctx, d, id)
	if err != nil {
		return err
	}
	if v != report.FolderDeleted && v != report.FolderRecreate {
		return access.Invalid(access.WrongField("verdict", "unknown_value", "Expected %q or %q.", report.FolderDeleted, report.FolderRecreate))
	}
	if x.Alias != 0 { // which has the folders
		id = x.Alias
	}
	switch err := a.ferry.DecideFolder(ctx, id, folder, v); {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, report.ErrNoFolder):
		return access.NotFound("folder")
	case errors.Is(err, report.ErrNotMissing):
		return access.Conflict("folder_not_missing", "The folder is not missing: there is nothing to decide.")
	case err != nil:
		return err
	}
	a.boards.Changed(domain)
	return a.audit.Note(ctx, who, "folder_"+string(v), access.About{Domain: domain, Account: x.Login, Detail: a.folderTitle(ctx, id, folder)})
}

// folderTitle is what people call a folder.
func (a *Folders) folderTitle(ctx context.Context, id store.AccountID, folder store.FolderID) string {
	rows, err := a.store.Folders(ctx, id)
	if err != nil {
		return ""
	}
	for _, row := range rows {
		if row.ID == folder {
			return row.Title
		}
	}
	return ""
}

// QuarantinedHeader reads the header of a refused message of an account.
func (a *Folders) QuarantinedHeader(ctx context.Context, who access.Actor, domain string, id store.AccountID, message string) ([]byte, error) {
	known, err := a.Quarantine(ctx, who, domain, id)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(known, func(q transfers.Quarantined) bool { return q.ID == message }) {
		return nil, access.NotFound("message")
	}
	if err := a.audit.Note(ctx, who, "show_header", access.About{Domain: domain, Account: a.chooser.LoneLogin(ctx, []store.AccountID{id})}); err != nil {
		return nil, err
	}
	return a.ferry.QuarantinedHeader(ctx, message)
}
