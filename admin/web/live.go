package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/request"
	"postferry/report"
)

// change is a part of a page as it looks now: the element with this id gets
// this content, if its version is another one.
type change struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	HTML    string `json:"html"`
}

// live answers GET /d/DOMAIN/live: the parts of a page that change, rendered
// here, so that words and marks are in one place. ids are the accounts in the
// page's table, account is the one a page is about.
func (s *domainPages) live(v *visit) error {
	d, err := s.scopes.Domain(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	ids, err := watched(v.r)
	if err != nil {
		return err
	}
	alone := v.r.URL.Query().Get("account") != ""
	return s.frame.gate.Stream(v.w, v.r, v.who, func(ctx context.Context, x *request.Stream) error {
		return s.changes(ctx, v, d.Name, func(b *board.Board) ([]part, error) {
			if alone {
				return s.accountParts(ctx, v, d.Name, b.AccountsOf(ids))
			}
			return s.domainParts(ctx, v, d.Name, b.AccountsOf(ids))
		}, func(c change) error { return x.SendAs("change", c.ID, c) })
	})
}

// part is a piece of a page: which element, which template, and what it shows.
type part struct {
	id, template string
	data         any
}

// changes renders the parts of a page and tells them.
func (s *domainPages) changes(ctx context.Context, v *visit, domain string, parts func(*board.Board) ([]part, error), tell func(change) error) error {
	b, err := s.status.Board(ctx, domain)
	if err != nil {
		return err
	}
	all, err := parts(b)
	if err != nil {
		return err
	}
	for _, p := range all {
		html, err := s.frame.part(p.template, p.data)
		if err != nil {
			return fmt.Errorf("part %s: %w", p.template, err)
		}
		sum := sha256.Sum256([]byte(html))
		if err := tell(change{ID: p.id, Version: hex.EncodeToString(sum[:8]), HTML: html}); err != nil {
			return err
		}
	}
	return nil
}

// domainParts are those of a domain's page.
func (s *domainPages) domainParts(ctx context.Context, v *visit, domain string, accounts []report.Account) ([]part, error) {
	x, err := s.whole(ctx, v, domain)
	if err != nil {
		return nil, err
	}
	parts := []part{{"whole", "whole", x}, {"attention", "attention", x}, {"actions", "domain_actions", x}}
	if a, err := s.advice(ctx, v, domain); err == nil {
		parts = append(parts, part{"advice", "advice", a})
	}
	if p := s.finishing.ViewPrepare(domain); p != nil {
		parts = append(parts, part{"prepare", "prepare", finishPageView{Domain: domain, P: p, W: v.W}})
	}
	if c := s.checks.View(domain); c != nil {
		parts = append(parts, part{"check", "check", checkPart{v.W, domain, c}})
	}
	if y := s.verifications.View(domain); y != nil {
		parts = append(parts, part{"verify", "verify", verifyPart{v.W, domain, y}})
	}
	for i := range accounts {
		parts = append(parts, part{"a" + strconv.FormatUint(uint64(accounts[i].ID), 10), "row", row{v.W, domain, &accounts[i]}})
	}
	return parts, nil
}

// accountParts are those of an account's page.
func (s *domainPages) accountParts(ctx context.Context, v *visit, domain string, accounts []report.Account) ([]part, error) {
	if len(accounts) != 1 {
		return nil, access.NotFound("account")
	}
	detail, err := s.folders.Detail(ctx, v.who, domain, accounts[0].ID)
	if err != nil {
		return nil, err
	}
	r := row{v.W, domain, &detail.Account}
	return []part{{"account", "account_whole", r}, {"folders", "folders", foldersPart{v.W, detail.Folders}}, {"actions", "account_actions", r}}, nil
}

// foldersPart is the table of an account's folders.
type foldersPart struct {
	W       *words
	Folders []report.FolderStatus
}
