package api

import (
	"context"
	_ "embed" // openapi.yaml
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
)

//go:embed openapi.yaml
var openAPI []byte

// apiPrefix is where the API lives; openapi.yaml describes what is below it.
const apiPrefix = "/api/v1"

// handler answers a request of an actor. An error it returns becomes the
// answer, so it must not have begun one then.
type handler func(w http.ResponseWriter, r *http.Request, who access.Actor) error

// operation is one thing that can be asked of the API.
type operation struct {
	method string
	path   string // below apiPrefix, with {wildcards} as in http.ServeMux
	open   bool   // needs neither session nor token
	handle handler
}

// API answers programs.
type API struct {
	gate    *request.Gate
	metrics *metrics
	log     zerolog.Logger
	paths   *http.ServeMux // knows what there is, and answers nothing
	healthy func(context.Context) error

	access    *accessAPI
	accounts  *accountAPI
	domains   *domainAPI
	endings   *endingAPI
	live      *eventAPI
	reports   *reportAPI
	signIns   *signInAPI
	transfers *transferAPI
}

// New makes the API of the use cases; /metrics shows others' figures as well.
func New(a *admin.Service, g *request.Gate, log zerolog.Logger, version string, figures ...prometheus.Collector) *API {
	s := &API{gate: g, metrics: newMetrics(a, g, version, figures), log: log, paths: http.NewServeMux(), healthy: a.Healthy,
		access:    &accessAPI{access: a.Access, audit: a.Audit, sessions: a.Sessions, gate: g},
		accounts:  &accountAPI{accounts: a.Accounts, folders: a.Folders, lists: a.Lists, scopes: a.Scopes, gate: g},
		domains:   &domainAPI{servers: a.Servers, domains: a.Domains, webhooks: a.Webhooks, status: a.Status},
		endings:   &endingAPI{finishing: a.Finishing},
		live:      &eventAPI{scopes: a.Scopes, status: a.Status, gate: g},
		reports:   &reportAPI{runs: a.Runs, verifications: a.Verifications},
		signIns:   &signInAPI{tenants: a.Tenants, consents: a.Consents},
		transfers: &transferAPI{checks: a.Checks, transfers: a.Transfers},
	}
	for _, op := range s.operations() {
		s.paths.Handle(op.method+" "+apiPrefix+op.path, http.NotFoundHandler())
	}
	return s
}

// Routes are all that can be asked for: the API, live events, metrics and whether all is well.
func (s *API) Routes() []request.Route {
	all := []request.Route{
		{Pattern: apiPrefix + "/", Open: true, Handler: s.answer(operation{open: true, handle: s.unknownPath})},
		{Pattern: "GET /events", Handler: s.answer(operation{handle: s.live.events})},
		{Pattern: "GET /metrics", Handler: s.answer(operation{handle: s.showMetrics})},
		{Pattern: "GET /healthz", Open: true, Handler: http.HandlerFunc(s.health)},
	}
	for _, op := range s.operations() {
		all = append(all, request.Route{Pattern: op.method + " " + apiPrefix + op.path, Open: op.open, Upload: op.path == uploadPath, Handler: s.answer(op)})
	}
	return all
}

// Observe counts a request for the metrics.
func (s *API) Observe(pattern, method string, status int, took time.Duration) {
	s.metrics.observe(pattern, method, status, took)
}

// operations are the API's, as openapi.yaml describes them.
func (s *API) operations() []operation {
	all := []operation{
		{"GET", "/openapi.yaml", true, showOpenAPI},
		{"POST", "/discover", false, s.domains.discover},
	}
	all = append(all, s.access.routes()...)
	all = append(all, s.domains.routes()...)
	all = append(all, s.accounts.routes()...)
	all = append(all, s.accounts.mailRoutes()...)
	all = append(all, s.transfers.routes()...)
	all = append(all, s.endings.routes()...)
	all = append(all, s.signIns.routes()...)
	return append(all, s.reports.routes()...)
}

// answer makes a handler of an operation: it finds out who asks, and answers errors.
func (s *API) answer(op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var who access.Actor
		if !op.open {
			var err error
			if who, err = s.gate.Actor(r); err != nil {
				s.Refuse(w, r, err)
				return
			}
		}
		if err := op.handle(w, r, who); err != nil {
			s.Refuse(w, r, err)
		}
	})
}

// unknownPath answers what no operation does: it is not there, or only other things can be done with
// it, which Allow names (RFC 9110 section 10.2.1).
func (s *API) unknownPath(w http.ResponseWriter, r *http.Request, _ access.Actor) error {
	var allow []string
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut} {
		asked := r.Clone(r.Context())
		asked.Method = method
		if _, pattern := s.paths.Handler(asked); pattern != "" {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return access.NotFound("path")
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	return &access.Refusal{Kind: access.KindMethod, Code: "method_not_allowed", Args: access.Args("allowed", strings.Join(allow, ", ")),
		Detail: "This can't be done with what is there: only " + strings.Join(allow, ", ") + "."}
}

func showOpenAPI(w http.ResponseWriter, _ *http.Request, _ access.Actor) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, err := w.Write(openAPI)
	return request.IgnoreGone(err)
}
