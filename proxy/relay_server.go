package proxy

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"strings"

	"postferry/wire"
)

// download is the new server's side of a relay.
type download struct {
	*relay
	window
	scan  wire.ResponseScanner
	noted bool // something the client's side may be waiting for has not been settled
}

func newDownload(r *relay, ahead *bufio.Reader) *download {
	return &download{relay: r, window: newWindow(r.server, ahead, &r.srv.buffers)}
}

// burst passes on what the new server sends until nothing comes any more or something ends. It is
// the one that writes to the client.
func (d *download) burst(ctx context.Context) error {
	for {
		if err := d.responses(ctx); err != nil {
			return cmp.Or(d.passAll(), err)
		}
		if err := d.passSafe(); err != nil {
			return err
		}
		err := d.more()
		if errors.Is(err, errFull) {
			if err = d.passAll(); err == nil {
				err = d.more()
			}
		}
		switch {
		case err == errQuiet:
			return err
		case err != nil:
			return cmp.Or(d.passAll(), err)
		}
	}
}

// more reads what comes. Once the client has left the server's silence is bounded.
func (d *download) more() error {
	d.bound()
	return d.window.more()
}

func (d *download) idle(lasting bool) bool {
	d.bound()
	return d.window.idle(lasting)
}

func (d *download) bound() {
	if d.left.Load() {
		d.wait(leavingBound)
	}
}

// responses scans all that is buffered.
func (d *download) responses(ctx context.Context) error {
	for d.off < len(d.b) {
		n, end := d.scan.Scan(d.b[d.off:])
		d.off += n
		if !end {
			return nil
		}
		if err := d.response(ctx); err != nil {
			return err
		}
		d.next()
	}
	return nil
}

// response looks at the response that has just ended.
func (d *download) response(ctx context.Context) error {
	if d.hides() {
		return d.swallow()
	}
	var err error
	switch d.scan.Kind() {
	case wire.Continuation:
		d.flow.plus()
		d.noted = true
	case wire.Tagged:
		err = d.tagged(ctx)
	default:
		err = d.untagged(ctx)
	}
	if err != nil {
		return err
	}
	if d.listsCapabilities() && !d.cut {
		return d.passFiltered()
	}
	if d.out.queuing.Load() {
		return d.pass(d.off, false)
	}
	return nil
}

// tagged completes a command.
func (d *download) tagged(ctx context.Context) error {
	cmd := d.flow.find(d.scan.Tag())
	if cmd == nil {
		return nil
	}
	var err error
	ok := d.scan.Status() == wire.StatusOK
	if len(cmd.names) > 0 && (ok || cmd.verb == wire.VerbRename) {
		err = d.changed(ctx, cmd, ok)
	}
	if over, renames := d.flow.passedOver(cmd, ok); over != nil {
		err = d.passOver(ctx, over, renames)
	}
	d.flow.complete(cmd, ok)
	d.noted = true
	return err
}

// passOver has a command that is not completed, as one in the place of DONE, count as refused, until it is completed after all.
func (d *download) passOver(ctx context.Context, cmd *inFlight, renames bool) error {
	var err error
	if renames {
		err = d.changed(ctx, cmd, false)
	}
	d.flow.letGo(cmd)
	return err
}

// hides reports whether the response under way or just ended belongs to a command of the
// relay's own. No other one is under way then that has such responses, but a search that the client
// wants to be kept up to date (RFC 5267) has them at any time, with a tag of its own.
func (d *download) hides() bool {
	own := d.flow.hiding.Load()
	if own == nil || d.cut {
		return false
	}
	switch d.scan.Kind() {
	case wire.Untagged:
		switch string(d.scan.Name()) {
		case "SEARCH":
			return true
		case "ESEARCH":
			return !d.scan.Between() || !answersAnother(d.b[d.begin:d.off], own.tag)
		}
	case wire.Tagged:
		return own == d.flow.find(d.scan.Tag())
	}
	return false
}

// answersAnother reports whether an ESEARCH response tells which command it answers, and that is not the one with the tag.
func answersAnother(response []byte, tag string) bool {
	_, correlator, found := bytes.Cut(bytes.ToUpper(response), []byte("(TAG "))
	return found && !bytes.HasPrefix(bytes.TrimLeft(correlator, ` "`), []byte(tag))
}

// swallow passes on what comes before a response that the client is not to hear.
func (d *download) swallow() error {
	if d.scan.Kind() == wire.Tagged {
		d.flow.complete(d.flow.find(d.scan.Tag()), d.scan.Status() == wire.StatusOK)
		d.noted = true
	}
	before := bytes.Clone(d.b[:d.begin])
	d.drop(d.off)
	return d.send(before, false)
}

// untagged takes note of the few untagged responses that change the relay.
func (d *download) untagged(ctx context.Context) error {
	switch string(d.scan.Name()) {
	case "BYE":
		d.bye = true
	case "BAD":
		d.noted = true
		if cmd, renames := d.flow.refused(); cmd != nil {
			return d.passOver(ctx, cmd, renames)
		}
	case "ENABLED":
		line := strings.ToUpper(string(d.b[d.begin:d.off]))
		for _, c := range strings.Fields(line) {
			switch c {
			case "UTF8=ACCEPT", "IMAP4REV2":
				d.utf8.Store(true)
			case "UIDONLY":
				d.uidOnly.Store(true)
			}
		}
	}
	return nil
}

// listsCapabilities reports whether the response under way or just ended does.
func (d *download) listsCapabilities() bool {
	const word = "CAPABILITY"
	if d.scan.Status() != wire.StatusNone {
		return string(d.scan.Code()) == word
	}
	return d.scan.Kind() == wire.Untagged && string(d.scan.Name()) == word
}

// keep reports whether the response under way is to stay together: it is not
// known yet what it is, or it has to be seen whole.
func (d *download) keep() bool {
	return d.scan.Undecided() || d.listsCapabilities() || d.hides() ||
		d.scan.Kind() == wire.Untagged && string(d.scan.Name()) == "ENABLED"
}

// changed reports a completed CREATE, DELETE or RENAME, or a refused RENAME, before
// the client learns of it. What the server sent before is not held up by that.
func (d *download) changed(ctx context.Context, cmd *inFlight, ok bool) error {
	if err := d.pass(d.begin, d.cut); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, changeBound)
	defer cancel()
	newName := ""
	switch {
	case len(cmd.names) > 1 && ok:
		newName = d.rawName(cmd.names[1])
		d.flow.renamed(d.rawName(cmd.names[0]), newName)
	case !ok:
		newName = d.rawName(cmd.names[0])
	}
	err := d.srv.ferry.Changed(ctx, d.account().ID, cmd.verb.String(), d.rawName(cmd.names[0]), newName)
	if err != nil {
		d.logger().Error().Err(err).Str("folder", wire.DecodeMailbox(d.rawName(cmd.names[0]))).Str("verb", cmd.verb.String()).Msg("a changed folder could not be recorded")
	}
	return nil
}

// passFiltered passes on a response that lists capabilities.
func (d *download) passFiltered() error {
	list := filterCapabilities(d.b[d.begin:d.off])
	if d.compresses() {
		list = withCapability(list, capCompress)
	}
	line := append(bytes.Clone(d.b[:d.begin]), list...)
	d.drop(d.off)
	return d.send(line, false)
}

// passSafe passes on all but what has to stay together.
func (d *download) passSafe() error {
	if d.keep() && !d.cut && !d.scan.Between() {
		return d.pass(d.begin, false)
	}
	return d.passAll()
}

// passAll passes on all there is.
func (d *download) passAll() error { return d.pass(len(d.b), !d.scan.Between()) }

// pass passes on the first n octets; mid tells whether they end within a response.
func (d *download) pass(n int, mid bool) error {
	err := d.send(d.b[:n], mid)
	d.drop(n)
	return err
}

func (d *download) send(p []byte, mid bool) error {
	if err := d.out.pass(p, mid); err != nil {
		if errors.Is(err, errLastWord) {
			return err
		}
		return &writeError{err}
	}
	if d.noted {
		d.noted = false
		d.flow.settle()
		if d.ending.Load() != nil && d.flow.closes() && d.sayBye() {
			return errLastWord
		}
	}
	return nil
}
