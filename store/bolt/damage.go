package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"postferry/store/bolt/rows"
	"postferry/store/bolt/statedir"
)

// DamagedError says that the database is not what it was when it was written.
type DamagedError struct {
	Path string // of the database
	Err  error  // what was found
}

// Error is a sentence for the person at the screen, with the way out.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("the database %s is damaged (%v): put a backup of it and of the key beside it in their place; "+
		"or move it away and import the accounts again: what was copied is then recognised on the new server", e.Path, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// rowsDamaged makes the mistake of a row a DamagedError; others pass unchanged.
func (b *database) rowsDamaged(err error) error {
	var row *rows.Damage
	if err == nil || !errors.As(err, &row) {
		return err
	}
	return &DamagedError{Path: filepath.Join(b.dir, statedir.DatabaseFile), Err: err}
}

// guard runs what touches the database's memory. bbolt panics where a page is
// not what it should be, and reading beyond the end of the file or where the disk
// fails is a signal: both become an error. The pages were checked when the
// database was opened; this is for what happens to them later.
func (b *database) guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if !ofDatabase(p) {
				panic(p)
			}
			err = b.lose(&DamagedError{Path: filepath.Join(b.dir, statedir.DatabaseFile), Err: causeOf(p)})
		}
	}()
	return fn()
}

// lose makes the store useless: where a transaction was broken off, its locks may
// still be held, and nothing that is written now can be relied on. It returns
// the first error it was given.
func (b *database) lose(err error) error {
	b.lostOnce.Do(func() {
		b.lostErr = err
		close(b.lost)
	})
	return b.lostErr
}

// Lost is closed when the database has turned out to be damaged while it was in
// use. Every call returns that error then, the same as LostError.
func (b *database) Lost() <-chan struct{} { return b.lost }

// LostError is why the store is lost; nil as long as it is not.
func (b *database) LostError() error {
	select {
	case <-b.lost:
		return b.lostErr
	default:
		return nil
	}
}

// unreadable is a panic at an address, see debug.SetPanicOnFault.
type unreadable interface{ Addr() uintptr }

// causeOf is a panic as a person may read it.
func causeOf(p any) error {
	if _, ok := p.(unreadable); ok {
		return errors.New("a page of it can't be read")
	}
	return fmt.Errorf("%v", p)
}

// ofDatabase tells a panic of bbolt, or at an address that can't be read, from
// our own mistakes. It is asked while the panic is dealt with.
func ofDatabase(p any) bool {
	if _, ok := p.(unreadable); ok {
		return true
	}
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for panicked := false; ; {
		frame, more := frames.Next()
		panicked = panicked || frame.Function == "runtime.gopanic"
		switch {
		case panicked && strings.HasPrefix(frame.Function, "go.etcd.io/bbolt"):
			return true
		case panicked && strings.HasPrefix(frame.Function, "postferry/"), !more:
			return false
		}
	}
}
