package request

import (
	"net/http"
	"time"
)

// MaxList bounds an uploaded list. Octets.
const MaxList = 64 << 20

// These bound how long the parts of an exchange may take.
const (
	HeaderBound = 10 * time.Second // of a request
	BodyBound   = 30 * time.Second // of a request but for uploads
	uploadBound = 10 * time.Minute // the body of one
	AnswerBound = 2 * time.Minute  // but for streams
)

// AllowUpload lets a request take the time that an upload needs, and bounds its body.
func (g *Gate) AllowUpload(w http.ResponseWriter, r *http.Request) {
	control, now := http.NewResponseController(w), time.Now()
	_ = control.SetReadDeadline(now.Add(uploadBound))
	_ = control.SetWriteDeadline(now.Add(uploadBound + AnswerBound))
	r.Body = http.MaxBytesReader(w, r.Body, g.maxList)
}
