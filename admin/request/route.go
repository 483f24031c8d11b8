package request

import "net/http"

// Route is something that can be asked for.
type Route struct {
	Pattern string // of http.ServeMux
	Open    bool   // for those who have not logged in, too
	Upload  bool   // the body may be large: the handler bounds it
	Handler http.Handler
}
