package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"testing"

	"postferry/store"
)

// pageClient is a program that has logged in to the import page.
type pageClient struct {
	t    *testing.T
	url  string
	http *http.Client
}

// loginPage logs in as an administrator.
func loginPage(t *testing.T, url, name, password string) *pageClient {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &pageClient{t: t, url: url, http: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}}
	c.do(http.MethodPost, "/login", map[string]string{"name": name, "password": password}, nil)
	return c
}

// do calls the API and wants it to succeed.
func (c *pageClient) do(method, path string, in, out any) {
	c.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		c.t.Fatalf("%s %s: %s %s, %v", method, path, resp.Status, answer, err)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		c.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
}

func (c *pageClient) get(path string, out any) { c.t.Helper(); c.do(http.MethodGet, path, nil, out) }

func (c *pageClient) post(path string, in, out any) {
	c.t.Helper()
	c.do(http.MethodPost, path, in, out)
}

// What the tests look at of the answers.
type pageDomain struct {
	Name   string
	Totals struct {
		Waiting, Queued, Running, Failed, Retrying, Complete, Stopped int
		Messages, Copied                                              uint64
	}
}

type pageAccount struct {
	ID      store.AccountID
	Login   string
	State   string
	Problem *struct {
		Kind   store.ProblemKind
		Server store.Side
	}
}

type pageRun struct {
	ID                                  store.RunID
	Kind                                store.RunKind
	State                               store.RunState
	Accounts, Complete, Failed, Stopped uint64
	Copied                              uint64
}
