package proxy

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"postferry/wire"
)

// serverError is a new server that takes no more.
type serverError struct{ error }

func (e *serverError) Unwrap() error { return e.error }

// upload is the client's side of a relay.
type upload struct {
	*relay
	window
	scan    wire.CommandScanner
	cmd     *inFlight // the command under way; nil if none, or none that is followed
	idles   *inFlight // the IDLE that the next line ends; nil for none
	refused bool      // the command under way is not for the new server
	asking  bool      // the command under way has announced a literal that the server may ask for
	asked   asking
	renewed time.Time     // when the deadline for what is written was set
	raw     *bufio.Reader // compressed octets of the client; nil if it doesn't compress
	// gathered is what has been passed on of the search under way.
	gathered []byte
}

func newUpload(r *relay, ahead *bufio.Reader) *upload {
	return &upload{relay: r, window: newWindow(r.client, ahead, &r.srv.buffers)}
}

// burst scans and passes on until nothing comes any more or something ends.
func (u *upload) burst(ctx context.Context) error {
	for {
		if err := u.scanAll(ctx); err != nil {
			return err
		}
		if err := u.passSafe(); err != nil {
			return err
		}
		err := u.more()
		if errors.Is(err, errFull) {
			if err = u.pass(len(u.b)); err == nil {
				err = u.more()
			}
		}
		switch {
		case err == errQuiet:
			return err
		case err != nil:
			return cmp.Or(u.pass(len(u.b)), err)
		}
	}
}

// ended is the end of what the client sends: the new server is told, and what still comes is read
// away.
func (u *upload) ended(err error) {
	defer u.giveBack()
	var lost *serverError
	switch {
	case u.down.Load():
	case errors.Is(err, errTooLong), errors.Is(err, errLastWord):
		u.server.SetReadDeadline(time.Now())
	case errors.As(err, &lost): // it may have said why
		u.wait(lingerBound)
	default:
		u.left.Store(true)
		if closeWrite(u.server) != nil {
			u.server.Close()
		}
		u.wait(leavingBound)
	}
	discard(u.r)
}

// scanAll scans all that is buffered.
func (u *upload) scanAll(ctx context.Context) error {
	for u.off < len(u.b) {
		if err := u.decide(ctx); err != nil {
			return err
		}
		n, ev := u.scan.Scan(u.b[u.off:])
		u.off += n
		var err error
		switch ev {
		case wire.CommandVerb:
			err = u.verb(ctx)
		case wire.CommandLiteral:
			err = u.literal(ctx)
		case wire.CommandEnd:
			err = u.end(ctx)
		case wire.CommandBad:
			u.out.bye("* BYE The tag is too long\r\n")
			err = errTooLong
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refusedVerbs would break the relay: they change the connection under it or
// the person it is for.
var refusedVerbs = map[wire.Verb]bool{
	wire.VerbAuthenticate: true, wire.VerbCompress: true, wire.VerbLogin: true,
	wire.VerbStartTLS: true, wire.VerbUnauthenticate: true,
}

// verb decides what becomes of a command. No byte of it has been passed on yet.
func (u *upload) verb(ctx context.Context) error {
	u.asksFor(u.scan.Verb())
	if refusedVerbs[u.scan.Verb()] {
		u.refused = true
		return u.pass(u.begin)
	}
	if tag := string(u.scan.Tag()); isTag(tag) {
		if u.flow.full() { // some of those that it waits for may not have been passed on yet
			if err := u.pass(u.begin); err != nil {
				return err
			}
		}
		if u.cmd = u.flow.begin(ctx, tag, u.scan.Verb()); u.cmd == nil {
			return errLastWord
		}
		u.flow.insteadOfDone(u.cmd, u.idles)
	}
	return nil
}

// isTag reports whether a server would complete a command with this tag. What
// it is answered otherwise has no tag.
func isTag(tag string) bool {
	for _, c := range []byte(tag) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\+`, c) >= 0 {
			return false
		}
	}
	return tag != ""
}

// literal passes on the announcement of a synchronising literal. What the client says next depends
// on the server's verdict, and few clients say anything before it.
func (u *upload) literal(ctx context.Context) error {
	if u.refused {
		u.scan.Continue(false)
		return u.refuse(ctx)
	}
	if u.cmd == nil {
		u.flow.unnamed()
		u.scan.Continue(false)
		u.done()
		return nil
	}
	u.flow.await(u.cmd)
	u.asking = true
	return u.pass(u.off)
}

// decide waits for the verdict on a literal, if one has been announced: what has come is its data, or the
// command is over.
func (u *upload) decide(ctx context.Context) error {
	if !u.asking {
		return nil
	}
	u.asking = false
	data, err := u.flow.invited(ctx, u.cmd)
	u.scan.Continue(data)
	if !data {
		u.done()
	}
	return err
}

// end deals with a command that has been scanned to its end. Its last bytes
// have not been passed on yet.
func (u *upload) end(ctx context.Context) error {
	verb, args := u.scan.Verb(), u.scan.Args()
	lost, over := u.flow.lost(u.cmd)
	var err error
	switch {
	case u.cmd != nil && concerns(verb):
		err = u.meet(ctx)
	case u.cmd == nil && u.idles == nil && !u.refused: // not the end of an IDLE
		u.flow.unnamed()
	}
	switch {
	case err != nil:
	case u.compressing():
		return u.compress(ctx)
	case u.refused:
		return u.refuse(ctx)
	case u.searches() && !lost:
		err = u.search(ctx)
	case u.cmd != nil && !lost && asksAboutAll(verb, u.b[u.begin:u.off]) && u.ferried():
		err = u.asks(ctx)
	case verb == wire.VerbID && !u.cut:
		u.identify()
	case u.cmd == nil || len(args) == 0 || over:
	case opens(verb) && u.ferried() && !lost:
		err = u.hold(ctx, string(args[0]))
	case opens(verb):
		u.flow.opens(u.cmd, u.rawName(string(args[0])))
	case verb == wire.VerbStatus && u.ferried() && !lost:
		err = u.asks(ctx, string(args[0]))
	case verb == wire.VerbRename && len(args) == 2 && u.watched():
		err = u.rename(ctx, string(args[0]), string(args[1]))
	case (verb == wire.VerbCreate || verb == wire.VerbDelete) && u.watched():
		err = u.rest(ctx, string(args[0]))
	}
	u.done()
	return err
}

// identify notes what the client calls itself after it has logged in.
func (u *upload) identify() {
	if id, ok := wire.ParseID(u.b[u.begin:u.off]); ok {
		u.call(programOf(id))
	}
}

// rename reports a RENAME before the new server has seen its end, and so before
// anything can have come of it. Those before it are over then: what it means depends on them.
func (u *upload) rename(ctx context.Context, from, to string) error {
	if err := u.passBefore(); err != nil {
		return err
	}
	u.flow.name(u.cmd, from, to)
	u.flow.quiet(ctx, changeBound, u.cmd, u.idles) // an IDLE ends by this very command
	u.holdCopying(ctx, from, to)
	ctx, cancel := context.WithTimeout(ctx, changeBound)
	defer cancel()
	if err := u.srv.ferry.Renaming(ctx, u.account().ID, u.rawName(from), u.rawName(to)); err != nil {
		u.logger().Error().Err(err).Str("folder", wire.DecodeMailbox(u.rawName(from))).Msg("a folder about to be renamed could not be recorded")
	}
	return nil
}

// rest makes the copying into a folder rest before a CREATE or DELETE goes to the new
// server: otherwise messages would get into another folder of that name, or a folder that is
// being filled could not be deleted.
func (u *upload) rest(ctx context.Context, name string) error {
	if err := u.passBefore(); err != nil {
		return err
	}
	u.flow.name(u.cmd, name)
	u.holdCopying(ctx, name)
	return nil
}

// holdCopying makes the copying into folders rest until the command is completed. The
// client waits for that no longer than the bound.
func (u *upload) holdCopying(ctx context.Context, names ...string) {
	raw := make([]string, len(names))
	for i, name := range names {
		raw[i] = u.rawName(name)
	}
	defer u.holding(heldByChange)()
	ctx, cancel := context.WithTimeout(ctx, changeBound)
	defer cancel()
	u.flow.held(u.cmd, u.srv.ferry.Hold(ctx, u.account().ID, raw...))
}

// passBefore passes on what comes before the command under way, which is held back.
func (u *upload) passBefore() error {
	if u.cut {
		return nil // it was, with a part of the command
	}
	return u.pass(u.begin)
}

// done marks the end of a command.
func (u *upload) done() {
	u.idles = nil
	if u.cmd != nil && u.cmd.verb == wire.VerbIdle {
		u.idles = u.cmd
	}
	u.cmd, u.refused, u.gathered = nil, false, nil
	u.next()
}

// refuse answers a command in the server's place, when those before it have
// been answered, and drops it.
func (u *upload) refuse(ctx context.Context) error {
	tag := string(u.scan.Tag())
	if !isTag(tag) {
		tag = "*"
	}
	u.dropDone(ctx)
	return u.out.inject(tag + " BAD Not possible after login\r\n")
}

// dropDone drops a command that the relay answers itself, and waits until those before it are answered. An IDLE among them
// goes on: the new server hears nothing that would end it.
func (u *upload) dropDone(ctx context.Context) {
	idles := u.idles
	u.done()
	u.drop(u.off)
	u.idles = idles
	u.flow.quiet(ctx, refusalBound, idles)
}

func opens(v wire.Verb) bool { return v == wire.VerbSelect || v == wire.VerbExamine }

// passSafe passes on all but what has to stay together: a command of which the
// verb is not known yet, and one that may have to be held back.
func (u *upload) passSafe() error {
	if !u.cut && (u.scan.Undecided() || u.compressing() || u.cmd != nil && (opens(u.cmd.verb) || asks(u.cmd.verb) || u.searches())) {
		return u.pass(u.begin)
	}
	return u.pass(len(u.b))
}

// pass passes on the first n octets, or drops them if they are refused.
func (u *upload) pass(n int) error {
	if n == 0 {
		return nil
	}
	if n > u.begin && u.searches() {
		u.gather(u.b[u.begin:n])
	}
	if !u.refused || n <= u.begin {
		sent, err := u.write(u.b[:n])
		u.got += int64(sent)
		u.srv.metrics.received.Add(int64(sent))
		if err != nil {
			return err
		}
	}
	u.drop(n)
	return nil
}

// write sends something to the new server. As long as that takes nothing the client is not read, and its leaving not noticed: one that
// takes nothing for very long is gone.
func (u *upload) write(p []byte) (int, error) {
	if now := time.Now(); now.Sub(u.renewed) > writeBound/16 { // not with each write: that costs as much as a small one
		u.renewed = now
		u.server.SetWriteDeadline(now.Add(writeBound))
	}
	n, err := u.server.Write(p)
	if err != nil {
		return n, &serverError{err}
	}
	return n, nil
}
