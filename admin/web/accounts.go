package web

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/checks"
	"postferry/admin/request"
	"postferry/admin/transfers"
	"postferry/config"
	"postferry/report"
	"postferry/store"
)

const (
	// formPeople is how many accounts can be typed in at a time.
	formPeople = 5
	// uploadPattern is the form that takes a list, which may be large.
	uploadPattern = "POST /d/{domain}/accounts/list"
)

// accountPages are about accounts, and the lists that they come with.
type accountPages struct {
	frame    *frame
	accounts *admin.Accounts
	checks   *checks.Checks
	domains  *admin.Domains
	folders  *admin.Folders
	lists    *admin.Lists
}

func (s *accountPages) routes() []pageRoute {
	return []pageRoute{
		{"GET /d/{domain}/accounts/new", false, s.pageNewAccounts},
		{"GET /d/{domain}/accounts/template.csv", false, s.downloadTemplate},
		{"POST /d/{domain}/accounts", false, s.formAddAccounts},
		{uploadPattern, false, s.formUploadList},
		{"GET /d/{domain}/lists/{list}", false, s.pageList},
		{"POST /d/{domain}/lists/{list}", false, s.formDecideList},
		{"GET /d/{domain}/a/{account}", false, s.pageAccount},
		{"POST /d/{domain}/a/{account}", false, s.formUpdateAccount},
		{"POST /d/{domain}/a/{account}/alias", false, s.formDecideAlias},
		{"POST /d/{domain}/a/{account}/mailbox", false, s.formDecideMailbox},
		{"POST /d/{domain}/a/{account}/quarantine", false, s.formRetryQuarantined},
		{"POST /d/{domain}/a/{account}/folder/{folder}", false, s.formDecideFolder},
		{"GET /d/{domain}/a/{account}/quarantine/{message}", false, s.pageQuarantined},
	}
}

// person is a row of the form. Passwords are never shown again.
type person struct {
	Number          int
	Login, NewLogin string
	Wrong           string // what is wrong with it
}

// accountsForm is the page on which accounts are added.
type accountsForm struct {
	Domain *admin.DomainView
	People []person
	Max    string // accounts of a list
	All    bool   // for who looks after everything
}

func (s *accountPages) pageNewAccounts(v *visit) error {
	return s.showNewAccounts(v, make([]person, formPeople), nil)
}

func (s *accountPages) showNewAccounts(v *visit, people []person, n *notice) error {
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	for i := range people {
		people[i].Number = i + 1
	}
	return s.frame.showAs(v, statusOf(n), "new_accounts", view{Title: v.T("new_accounts.title"), Path: domainPath(d.Name, "accounts", "new"), Crumbs: v.toDomain(d.Name), Notice: n,
		D: accountsForm{Domain: d, People: people, Max: v.W.Number(config.MaxAccounts), All: v.who.All()}})
}

// formAddAccounts adds those that were typed in.
func (s *accountPages) formAddAccounts(v *visit) error {
	people := make([]person, formPeople)
	var in []admin.AccountInput
	var of []*person // whose they are
	for i := range people {
		field := func(name string) string { return v.r.PostFormValue(name + "-" + strconv.Itoa(i+1)) }
		people[i] = person{Login: strings.TrimSpace(field("login")), NewLogin: strings.TrimSpace(field("new_login"))}
		if people[i].Login == "" && people[i].NewLogin == "" && field("password") == "" && field("new_password") == "" {
			continue
		}
		of = append(of, &people[i])
		in = append(in, admin.AccountInput{Login: people[i].Login, Password: store.Secret(field("password")),
			NewLogin: people[i].NewLogin, NewPassword: store.Secret(field("new_password"))})
	}
	added, err := s.accounts.Add(v.r.Context(), v.who, v.domain(), in)
	if err != nil {
		for _, m := range request.RefusalOf(err).Mistakes {
			if m.Line > 0 && m.Line <= len(of) {
				of[m.Line-1].Wrong = v.W.Mistake(access.Mistake{Code: m.Code, Args: m.Args, Text: m.Text})
			}
		}
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		n.Text += " " + v.T("new_accounts.again")
		return s.showNewAccounts(v, people, n)
	}
	return v.seeAdded(added)
}

// seeAdded leads to the domain's page, which says what came of accounts that were given.
func (v *visit) seeAdded(added *admin.Added) error {
	switch {
	case added.Added+added.Updated == 0:
		return v.seeOther(doneAt(domainPath(v.domain()), "accounts_finished", added.Finished))
	case added.Added == 0:
		return v.seeOther(doneAt(domainPath(v.domain()), "accounts_updated", added.Updated))
	}
	return v.seeOther(doneAt(domainPath(v.domain()), "accounts_added", added.Added+added.Updated))
}

// downloadTemplate sends a list to be filled in with a spreadsheet program.
func (s *accountPages) downloadTemplate(v *visit) error {
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	return v.download(d.Name+"-accounts.csv", "text/csv; charset=utf-8", func(w io.Writer) error {
		_, err := io.WriteString(w, "login,password,new login,new password\r\nanna@"+d.Name+",the password,,\r\nbert@"+d.Name+",the password,berta@"+d.Name+",another password\r\n")
		return err
	})
}

// formUploadList reads a list from a form, as a file or as text. It is read as
// it comes: nothing of it is kept on the disk.
func (s *accountPages) formUploadList(v *visit) error {
	s.frame.gate.AllowUpload(v.w, v.r)
	parts, err := v.r.MultipartReader()
	if err != nil {
		return &access.Refusal{Kind: access.KindUnsupported, Code: "not_a_list", Detail: "Send a list.", Cause: err}
	}
	list, why, err := s.listOf(v, parts)
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showNewAccounts(v, make([]person, formPeople), n)
	}
	if list == nil {
		return s.showNewAccounts(v, make([]person, formPeople), &notice{Kind: "bad", Text: v.T("new_accounts." + why)})
	}
	if len(list.Mistakes) == 0 && len(list.Ignored) == 0 {
		return s.takeList(v, list.ID, false)
	}
	return v.seeOther(domainPath(v.domain(), "lists", list.ID))
}

// listOf parses the part of a form that holds a list; without one list is nil, and why is the word for the text that says so.
func (s *accountPages) listOf(v *visit, parts *multipart.Reader) (list *admin.ListView, why string, err error) {
	why = "no_list"
	var encoding config.ListEncoding
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return list, why, nil
		}
		if err != nil {
			return nil, "", badForm(err)
		}
		if part.FormName() == "encoding" {
			if encoding, err = readEncoding(part); err != nil {
				return nil, "", err
			}
			continue
		}
		text := bufio.NewReaderSize(part, 64<<10)
		switch begin, _ := text.Peek(4 << 10); {
		case len(begin) == 0 && part.FileName() != "":
			why = "empty_file"
			continue
		case strings.TrimSpace(string(begin)) == "" && part.FileName() == "":
			continue // an empty field
		case list != nil: // nobody knows which of the two is meant
			return nil, "two_lists", s.lists.Drop(v.r.Context(), v.who, v.domain(), list.ID)
		}
		if list, err = s.lists.Parse(v.r.Context(), v.who, v.domain(), text, listFormat(part), encoding); err != nil {
			return nil, "", err
		}
	}
}

// readEncoding reads in which encoding a form says that its list is.
func readEncoding(part io.Reader) (config.ListEncoding, error) {
	text, err := io.ReadAll(io.LimitReader(part, 64))
	if err != nil {
		return "", badForm(err)
	}
	encoding, err := config.ParseListEncoding(string(text))
	if err != nil {
		return "", access.Invalid(access.WrongField("encoding", "unknown_value", "This is no encoding of a list: %s.", err))
	}
	return encoding, nil
}

// listFormat is the form of list that a browser says it sends.
func listFormat(part *multipart.Part) config.ListFormat {
	if kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err == nil && kind == "text/csv" || strings.HasSuffix(strings.ToLower(part.FileName()), ".csv") {
		return config.ListCSV
	}
	return config.ListAuto
}

// badForm is for a form that can't be read to its end.
func badForm(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return &access.Refusal{Kind: access.KindMalformed, Code: "malformed", Detail: "The form did not arrive whole. Try again.", Cause: err}
}

// takeList adds the accounts of a list.
func (s *accountPages) takeList(v *visit, id string, onlyGood bool) error {
	added, err := s.lists.Add(v.r.Context(), v.who, v.domain(), id, onlyGood)
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showNewAccounts(v, make([]person, formPeople), n)
	}
	return v.seeAdded(added)
}

// pageList shows a list that has mistakes, or columns that mean nothing.
func (s *accountPages) pageList(v *visit) error {
	list, err := s.lists.Show(v.r.Context(), v.who, v.domain(), v.r.PathValue("list"))
	if err != nil {
		return err
	}
	mistakes := make([]string, len(list.Mistakes))
	for i, m := range list.Mistakes {
		mistakes[i] = v.W.Mistake(m)
	}
	title := v.T("list.title")
	if len(list.Mistakes) == 0 {
		title = v.T("list.look")
	}
	return s.frame.show(v, "list", view{Title: title, Crumbs: append(v.toDomain(v.domain()), crumb{domainPath(v.domain(), "accounts", "new"), v.T("new_accounts.title")}),
		D: struct {
			*admin.ListView
			Domain   string
			Mistakes []string
		}{list, v.domain(), mistakes}})
}

func (s *accountPages) formDecideList(v *visit) error {
	if v.r.PostFormValue("do") == "take" {
		return s.takeList(v, v.r.PathValue("list"), true)
	}
	if err := s.lists.Drop(v.r.Context(), v.who, v.domain(), v.r.PathValue("list")); err != nil {
		return err
	}
	return v.seeOther(domainPath(v.domain(), "accounts", "new"))
}

// accountPageView is all there is to see of an account.
type accountPageView struct {
	*admin.AccountDetail
	Domain     string
	POP3       bool
	Row        row
	Quarantine []transfers.Quarantined
	Checked    *checks.CheckedAccount
}

func (s *accountPages) pageAccount(v *visit) error { return s.showAccountPage(v, nil) }

func (s *accountPages) showAccountPage(v *visit, n *notice) error {
	id, err := request.AccountID(v.r)
	if err != nil {
		return err
	}
	ctx := v.r.Context()
	d, err := s.domains.Show(ctx, v.who, v.domain())
	if err != nil {
		return err
	}
	detail, err := s.folders.Detail(ctx, v.who, d.Name, id)
	if err != nil {
		return err
	}
	refused, err := s.folders.Quarantine(ctx, v.who, d.Name, id)
	if err != nil {
		return err
	}
	checked, err := s.checks.Account(ctx, v.who, d.Name, id)
	if err != nil && request.RefusalOf(err).Kind != access.KindNotFound {
		return err
	}
	return s.frame.showAs(v, statusOf(n), "account", view{Title: detail.Login, Path: domainPath(d.Name, "a", v.r.PathValue("account")), Crumbs: v.toDomain(d.Name), Notice: n,
		Stream: domainPath(d.Name, "live") + "?account=" + strconv.FormatUint(uint64(id), 10),
		D: accountPageView{AccountDetail: detail, Domain: d.Name, POP3: d.Old.Protocol == "pop3", Row: row{v.W, d.Name, &detail.Account},
			Quarantine: refused, Checked: checked}})
}

// formUpdateAccount corrects logins and passwords; what is left empty stays.
func (s *accountPages) formUpdateAccount(v *visit) error {
	id, err := request.AccountID(v.r)
	if err != nil {
		return err
	}
	var p admin.AccountPatch
	for name, to := range map[string]**string{"old_login": &p.OldLogin, "new_login": &p.NewLogin} {
		if text := strings.TrimSpace(v.r.PostFormValue(name)); text != "" {
			*to = &text
		}
	}
	for name, to := range map[string]**store.Secret{"old_password": &p.OldPassword, "new_password": &p.NewPassword} {
		if secret := store.Secret(v.r.PostFormValue(name)); secret != "" {
			*to = &secret
		}
	}
	if v.r.PostFormValue("both") != "" && p.NewPassword == nil {
		p.NewPassword = p.OldPassword
	}
	if _, err := s.accounts.Update(v.r.Context(), v.who, v.domain(), id, p); err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showAccountPage(v, n)
	}
	return v.seeOther(doneAt(v.r.URL.Path, "account_changed", 0))
}

func (s *accountPages) formRetryQuarantined(v *visit) error {
	id, err := request.AccountID(v.r)
	if err != nil {
		return err
	}
	if err := v.r.ParseForm(); err != nil {
		return badForm(err)
	}
	n, err := s.folders.RetryQuarantined(v.r.Context(), v.who, v.domain(), id, v.r.PostForm["message"])
	if err != nil {
		return err
	}
	return v.seeOther(doneAt(domainPath(v.domain(), "a", v.r.PathValue("account")), "retried", n))
}

func (s *accountPages) formDecideFolder(v *visit) error {
	id, err := request.AccountID(v.r)
	if err != nil {
		return err
	}
	folder, err := request.FolderID(v.r)
	if err != nil {
		return err
	}
	verdict := report.FolderVerdict(v.r.PostFormValue("verdict"))
	if err := s.folders.DecideFolder(v.r.Context(), v.who, v.domain(), id, folder, verdict); err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showAccountPage(v, n)
	}
	return v.seeOther(doneAt(domainPath(v.domain(), "a", v.r.PathValue("account")), "folder_decided", 0))
}

// pageQuarantined shows a refused message's header.
func (s *accountPages) pageQuarantined(v *visit) error {
	id, err := request.AccountID(v.r)
	if err != nil {
		return err
	}
	header, err := s.folders.QuarantinedHeader(v.r.Context(), v.who, v.domain(), id, v.r.PathValue("message"))
	if err != nil {
		return err
	}
	return s.frame.show(v, "header", view{Title: v.T("header.title"),
		Crumbs: append(v.toDomain(v.domain()), crumb{domainPath(v.domain(), "a", v.r.PathValue("account")), v.T("header.account")}),
		D:      strings.ToValidUTF8(string(header), "\ufffd")})
}
