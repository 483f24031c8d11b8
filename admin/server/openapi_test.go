package server

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/admin/api"
)

// contract is openapi.yaml, read once for all tests.
var contract = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromFile("../api/openapi.yaml")
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(openapi3.NewLoader().Context)
})

var contractRouter = sync.OnceValues(func() (routers.Router, error) {
	doc, err := contract()
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})

// operations are the "METHOD /path" of openapi.yaml.
func operations(t *testing.T) map[string]*openapi3.Operation {
	t.Helper()
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all[method+" "+path] = op
		}
	}
	return all
}

// TestRoutesAreDescribed holds openapi.yaml and the handlers together, both ways.
func TestRoutesAreDescribed(t *testing.T) {
	described := operations(t)
	for _, rt := range routedBy(api.New(&admin.Service{}, nil, zerolog.Nop(), "")) {
		name := rt.method + " " + strings.TrimPrefix(rt.path, apiPath)
		op := described[name]
		if op == nil {
			t.Errorf("openapi.yaml does not have %s", name)
			continue
		}
		if open := op.Security != nil && len(*op.Security) == 0; open != rt.open {
			t.Errorf("%s: open is %v, openapi.yaml says %v", name, rt.open, open)
		}
		delete(described, name)
	}
	for name := range described {
		t.Errorf("openapi.yaml has %s, which nobody answers", name)
	}
}

// TestOperationsAreNamed wants what generators of clients need.
func TestOperationsAreNamed(t *testing.T) {
	var ids []string
	for name, op := range operations(t) {
		if op.OperationID == "" || op.Summary == "" || slices.Contains(ids, op.OperationID) {
			t.Errorf("%s has no name of its own, or no summary: %q", name, op.OperationID)
		}
		ids = append(ids, op.OperationID)
	}
}

// checkContract wants what was asked and answered to be as openapi.yaml says.
// Every test that talks to the API passes it.
func checkContract(t testing.TB, req *http.Request, body any, resp *http.Response, text []byte) {
	t.Helper()
	if !strings.HasPrefix(req.URL.Path, apiPath+"/") || resp.StatusCode/100 == 3 {
		return
	}
	router, err := contractRouter()
	if err != nil {
		t.Fatal(err)
	}
	again := req.Clone(t.Context())
	again.URL.Scheme, again.URL.Host = "", ""
	if list, ok := body.(string); ok {
		again.Body = io.NopCloser(strings.NewReader(list))
	} else if body != nil {
		sent, _ := json.Marshal(body)
		again.Body = io.NopCloser(bytes.NewReader(sent))
	}
	route, params, err := router.FindRoute(again)
	if err != nil {
		if resp.StatusCode < 400 {
			t.Errorf("%s %s: answered %d, but %v", req.Method, req.URL.Path, resp.StatusCode, err)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true}}
	if resp.StatusCode < 400 {
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("%s %s: taken, but openapi.yaml says: %v", req.Method, req.URL.Path, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Options: in.Options}
	out.SetBodyBytes(text)
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s %s: answered %d, but openapi.yaml says: %v\n%s", req.Method, req.URL.Path, resp.StatusCode, err, text)
	}
}

// TestClientsCanBeGenerated: generators make a type of each schema and each parameter, whose names must
// differ whatever the case (oapi-codegen refuses all of it otherwise).
func TestClientsCanBeGenerated(t *testing.T) {
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	note := func(name, what string) {
		if other, taken := seen[strings.ToLower(name)]; taken {
			t.Errorf("%s and %s have one name for generators: %s", what, other, name)
		}
		seen[strings.ToLower(name)] = what
	}
	for name := range doc.Components.Schemas {
		note(name, "schema "+name)
	}
	for name, p := range doc.Components.Parameters {
		if typed, ok := p.Value.Extensions["x-go-name"].(string); ok {
			name = typed
		}
		note(name, "parameter "+name)
	}
}
