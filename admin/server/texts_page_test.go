package server

import (
	"io"
	"net/http"
	"testing"
)

// The pages speak the language that the browser asks for.
func TestTextsOnThePage(t *testing.T) {
	p := startPage(t)
	for name, want := range map[string][]string{
		"de-AT,en;q=0.5": {`lang="de"`, "Passwort", "Anmelden"},
		"ru":             {`lang="ru"`, "Пароль", "Войти"},
		"fr":             {`lang="en"`, "Password", "Sign in"},
	} {
		c := p.browser()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/login", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Language", name)
		answer, err := c.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		shows(t, "the page in "+name, answer.StatusCode, 200, string(page), want...)
	}
}
