package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
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
func (s *Server) live(v *visit) error {
	d, err := s.app.domain(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	ids, err := watched(v.r)
	if err != nil {
		return err
	}
	alone := v.r.URL.Query().Get("account") != ""
	return s.stream(v.w, v.r, v.who, func(ctx context.Context, x *stream) error {
		return s.changes(ctx, v, d.Name, func(b *board) ([]part, error) {
			if alone {
				return s.accountParts(ctx, v, d.Name, b.accountsOf(ids))
			}
			return s.domainParts(ctx, v, d.Name, b.accountsOf(ids))
		}, func(c change) error { return x.sendAs("change", c.ID, c) })
	})
}

// part is a piece of a page: which element, which template, and what it shows.
type part struct {
	id, template string
	data         any
}

// changes renders the parts of a page and tells them.
func (s *Server) changes(ctx context.Context, v *visit, domain string, parts func(*board) ([]part, error), tell func(change) error) error {
	b, err := s.app.boards.of(ctx, domain)
	if err != nil {
		return err
	}
	all, err := parts(b)
	if err != nil {
		return err
	}
	for _, p := range all {
		html, err := s.part(p.template, p.data)
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
func (s *Server) domainParts(ctx context.Context, v *visit, domain string, accounts []accountView) ([]part, error) {
	x, err := s.whole(ctx, v, domain)
	if err != nil {
		return nil, err
	}
	parts := []part{{"whole", "whole", x}, {"attention", "attention", x}, {"actions", "domain_actions", x}}
	if c := s.app.viewCheck(domain); c != nil {
		parts = append(parts, part{"check", "check", checkPart{v.W, domain, c}})
	}
	if y := s.app.viewVerify(domain); y != nil {
		parts = append(parts, part{"verify", "verify", verifyPart{v.W, domain, y}})
	}
	for i := range accounts {
		parts = append(parts, part{"a" + strconv.FormatUint(uint64(accounts[i].ID), 10), "row", row{v.W, domain, &accounts[i]}})
	}
	return parts, nil
}

// accountParts are those of an account's page.
func (s *Server) accountParts(ctx context.Context, v *visit, domain string, accounts []accountView) ([]part, error) {
	if len(accounts) != 1 {
		return nil, errNotFound("account")
	}
	detail, err := s.app.accountDetail(ctx, v.who, domain, accounts[0].ID)
	if err != nil {
		return nil, err
	}
	r := row{v.W, domain, &detail.accountView}
	return []part{{"account", "account_whole", r}, {"folders", "folders", foldersPart{v.W, detail.Folders}}, {"actions", "account_actions", r}}, nil
}

// foldersPart is the table of an account's folders.
type foldersPart struct {
	W       *words
	Folders []folderView
}

// stream opens a stream of events and lets look send to it again and again.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, who actor, look func(context.Context, *stream) error) error {
	if !s.streams.open(who) {
		return errTooManyStreams()
	}
	defer s.streams.close(who)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	w.WriteHeader(http.StatusOK)
	x := &stream{app: s.app, who: who, out: w, flush: http.NewResponseController(w), last: map[string][]byte{}}
	// The bound on reading a request would end the stream: whoever waits for the
	// connection to be closed reads from it (net/http does).
	if err := x.flush.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	switch err := x.run(ctx, r, look); {
	case err == nil || ctx.Err() != nil || errors.Is(err, errReaderGone):
		s.log.Debug().Err(err).Str("path", r.URL.Path).Msg("a stream of events ended")
	default:
		s.log.Error().Err(err).Str("path", r.URL.Path).Msg("a stream of events failed")
	}
	return nil
}
