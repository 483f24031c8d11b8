package request

import (
	"net/http"
	"time"
)

// maxList bounds an uploaded list. Octets.
const maxList = 64 << 20

// Bounds bound how long the parts of an exchange may take.
type Bounds struct {
	Header time.Duration // of a request
	Body   time.Duration // of a request but for uploads
	upload time.Duration // the body of one
	Answer time.Duration // but for streams
	List   int64         // octets of an uploaded list
}

func DefaultBounds() Bounds {
	return Bounds{Header: 10 * time.Second, Body: 30 * time.Second, upload: 10 * time.Minute, Answer: 2 * time.Minute, List: maxList}
}

// AllowUpload lets a request take the time that an upload needs, and bounds its body.
func (g *Gate) AllowUpload(w http.ResponseWriter, r *http.Request) {
	control, now := http.NewResponseController(w), time.Now()
	_ = control.SetReadDeadline(now.Add(g.bounds.upload))
	_ = control.SetWriteDeadline(now.Add(g.bounds.upload + g.bounds.Answer))
	r.Body = http.MaxBytesReader(w, r.Body, g.bounds.List)
}
