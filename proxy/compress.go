package proxy

import (
	"bytes"
	"compress/flate"
	"context"
	"strings"

	"postferry/wire"
)

// COMPRESS=DEFLATE (RFC 4978) between the client and the relay; the new server has no part in
// it. What is said to the client passes through the outlet, and so changes there, behind the OK.
// The client's side reads through a decompressor from then on.

// capCompress is what clients are told.
const capCompress = "COMPRESS=DEFLATE"

// compresses reports whether a client may have what it is sent compressed.
func (r *relay) compresses() bool { return r.srv.cfg.Proxy.Compress && !r.compressed.Load() }

// withCapability adds one to the list in a response.
func withCapability(response []byte, name string) []byte {
	_, to := capabilityList(response)
	if to == len(response) {
		return response
	}
	return append(append(append(bytes.Clone(response[:to]), ' '), name...), response[to:]...)
}

// compress answers COMPRESS when all before it is answered. Nothing may follow it before the
// answer has come (RFC 4978 section 4).
func (u *upload) compress(ctx context.Context) error {
	tag, mechanism := string(u.scan.Tag()), u.mechanism()
	if !isTag(tag) {
		tag = "*"
	}
	u.dropDone(ctx)
	switch {
	case u.compressed.Load():
		return u.out.inject(tag + " NO [COMPRESSIONACTIVE] DEFLATE is active already\r\n")
	case !strings.EqualFold(mechanism, "DEFLATE"):
		return u.out.inject(tag + " NO Only DEFLATE is known here\r\n")
	case len(u.b) > 0:
		u.out.bye("* BYE Nothing may follow COMPRESS\r\n")
		return errTooLong
	}
	u.compressed.Store(true)
	if err := u.out.compress(tag + " OK DEFLATE is active\r\n"); err != nil {
		return err
	}
	u.raw = u.r // empty; flate reads it octet by octet and not further than it has to
	inflated := flate.NewReader(u.raw)
	u.window = newWindow(inflated, u.lent.reader(inflated, false), u.lent)
	return nil
}

// mechanism is the argument of COMPRESS.
func (u *upload) mechanism() string {
	words := strings.Fields(string(u.b[u.begin:u.off]))
	if len(words) != 3 {
		return ""
	}
	return words[2]
}

// compressing reports whether the command under way is one that the relay carries out.
func (u *upload) compressing() bool {
	return u.refused && u.scan.Verb() == wire.VerbCompress && u.srv.cfg.Proxy.Compress
}

// compress sends a whole response at the next boundary, and all that follows compressed.
func (o *outlet) compress(response string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.last {
		return errLastWord
	}
	w, err := flate.NewWriter(o.conn, flate.DefaultCompression)
	if err != nil {
		return err
	}
	o.queue, o.next = append(o.queue, response...), w
	return o.flush()
}

// put writes to the client, compressed if that is wanted.
func (o *outlet) put(p []byte) (int, error) {
	if o.deflate == nil {
		return o.conn.Write(p)
	}
	if _, err := o.deflate.Write(p); err != nil {
		return 0, err
	}
	return len(p), o.deflate.Flush()
}
