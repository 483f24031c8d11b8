package admin

import (
	_ "embed" // openapi.yaml
	"errors"
	"net/http"
)

//go:embed openapi.yaml
var openAPI []byte

// apiPrefix is where the API lives; openapi.yaml describes what is below it.
const apiPrefix = "/api/v1"

// handler answers a request of an actor. An error it returns becomes the
// answer, so it must not have begun one then.
type handler func(w http.ResponseWriter, r *http.Request, who actor) error

// route is one thing that can be asked of the API.
type route struct {
	method string
	path   string // below apiPrefix, with {wildcards} as in http.ServeMux
	open   bool   // needs neither session nor token
	handle handler
}

// handler is the whole server: API, events, metrics and pages.
func (s *Server) handler(version string) (http.Handler, error) {
	s.metrics = newMetrics(s.app, version)
	var err error
	if s.pages, err = loadPages(version); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		mux.Handle(rt.method+" "+apiPrefix+rt.path, s.api(rt))
	}
	mux.Handle(apiPrefix+"/", s.api(route{open: true, handle: unknownPath}))
	mux.Handle("GET /events", s.api(route{handle: s.events}))
	mux.Handle("GET /metrics", s.api(route{handle: s.showMetrics}))
	mux.HandleFunc("GET /healthz", s.health)
	s.addPages(mux)
	return s.wrap(mux)
}

// routes are the API's, as openapi.yaml describes them.
func (s *Server) routes() []route {
	all := []route{
		{"GET", "/openapi.yaml", true, showOpenAPI},
		{"POST", "/discover", false, s.apiDiscover},
	}
	all = append(all, s.accessRoutes()...)
	all = append(all, s.domainRoutes()...)
	all = append(all, s.accountRoutes()...)
	all = append(all, s.transferRoutes()...)
	return append(all, s.reportRoutes()...)
}

// api makes a handler of a route: it finds out who asks, and answers errors.
func (s *Server) api(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var who actor
		if !rt.open {
			var err error
			if who, err = s.app.actorOf(r.Context(), r); err != nil {
				s.refuse(w, r, err)
				return
			}
		}
		if err := rt.handle(w, r, who); err != nil {
			s.refuse(w, r, err)
		}
	})
}

func unknownPath(http.ResponseWriter, *http.Request, actor) error { return errNotFound("path") }

func showOpenAPI(w http.ResponseWriter, _ *http.Request, _ actor) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, err := w.Write(openAPI)
	return ignoreGone(err)
}

// errPanic stands for a handler that panicked.
var errPanic = errors.New("a handler panicked")

// ignoreGone drops the error of writing to a client that has gone: there is
// nobody to tell.
func ignoreGone(error) error { return nil }
