// Command client uses the client that oapi-codegen makes: it sets a domain up, adds accounts, and reads what came of it.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	token := func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
		return nil
	}
	api, err := NewClientWithResponses(os.Getenv("BASE"), WithRequestEditorFn(token))
	if err != nil {
		return err
	}
	const domain = "a.example"
	oldServer, newServer := "imaps://old.a.example", "imaps://new.example"
	made, err := api.PutDomainWithResponse(ctx, domain, DomainInput{Old: &oldServer, New: &newServer})
	if err != nil || made.JSON200 == nil {
		return fmt.Errorf("put: %w: %s", err, made.Body)
	}
	fmt.Println(made.JSON200.Name, made.JSON200.Old.Host, made.JSON200.Schedule == nil)
	added, err := api.AddAccountsWithResponse(ctx, domain, AccountsInput{Accounts: &[]AccountInput{{Login: "anna@a.example", Password: "x"}}})
	if err != nil || added.JSON200 == nil {
		return fmt.Errorf("add: %w: %s", err, added.Body)
	}
	perPage := 10
	page, err := api.ListAccountsWithResponse(ctx, domain, &ListAccountsParams{PerPage: &perPage})
	if err != nil || page.JSON200 == nil {
		return fmt.Errorf("list: %w: %s", err, page.Body)
	}
	for _, a := range page.JSON200.Accounts {
		fmt.Println(a.Login, a.State, a.Problem == nil)
	}
	none, err := api.AccountWithResponse(ctx, domain, 0)
	if err != nil || none.ApplicationproblemJSON404 == nil {
		return fmt.Errorf("account: %w: %s", err, none.Body)
	}
	fmt.Println(none.StatusCode(), none.ApplicationproblemJSON404.Code)
	return nil
}
