package adopt

import (
	"context"
	"slices"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/recovery"
	"postferry/upstream"
)

// seeToAlike looks at the lines of the ledger whose copies are the same as what messages would be recognised as: see
// recovery.AlikeLine. It returns the messages that none of them stands for; if those are all, what may be the copies of lines
// is left alone from now on.
func (r *Recogniser) seeToAlike(ctx context.Context, missing []upstream.Message, want []message.Wanted) ([]upstream.Message, error) {
	lines, err := r.alikeLines(ctx, r.adoption.prints(want))
	if err != nil || len(lines) == 0 {
		return missing, err
	}
	if r.Archive == nil && !r.First() {
		rest, err := r.Recovery.Alike.Enter(ctx, missing, lines, r.Taking)
		if err != nil {
			return nil, err
		}
		if len(rest) < len(missing) {
			r.entered(len(missing) - len(rest))
			return rest, nil
		}
	}
	var astray []recovery.AlikeLine
	err = r.out.OnNew(ctx, func(ctx context.Context) (err error) {
		astray, err = r.Recovery.Alike.Astray(ctx, lines)
		return err
	})
	if err == nil {
		r.adoption.leaveFor(astray, want)
	}
	return missing, err
}

// alikeLines are the lines that seeToAlike looks at. Where a folder is pulled for the first time other tools may have brought
// all of it, so that the other folders' lines are read once, and its own only if messages may have been moved here.
func (r *Recogniser) alikeLines(ctx context.Context, prints map[store.Fingerprint]bool) (lines []recovery.AlikeLine, err error) {
	switch {
	case len(prints) == 0:
		return nil, nil
	case !r.First():
		lines, err = r.Recovery.Alike.Lines(ctx, prints, true, true)
	default:
		lines, err = r.firstAlike(ctx, prints)
	}
	return slices.DeleteFunc(lines, func(l recovery.AlikeLine) bool { return r.adoption.leftFor[l.At()] }), err
}

func (r *Recogniser) firstAlike(ctx context.Context, prints map[store.Fingerprint]bool) (lines []recovery.AlikeLine, err error) {
	a := r.adoption
	if !a.read {
		if a.abroad, err = r.Recovery.Alike.Lines(ctx, a.allPrints(), false, true); err != nil {
			return nil, err
		}
		a.read = true
	}
	for _, l := range a.abroad {
		if prints[l.Fingerprint] {
			lines = append(lines, l)
		}
	}
	if lines, err = r.Recovery.Alike.StillThere(ctx, lines); err != nil || r.moves == nil {
		return lines, err
	}
	own, err := r.Recovery.Alike.Lines(ctx, prints, true, false)
	for _, l := range own {
		if l.UID == 0 { // the others have just been found
			lines = append(lines, l)
		}
	}
	return lines, err
}

// orRecognise goes on with the messages that no line stands for.
func (r *Recogniser) orRecognise(ctx context.Context, rest []upstream.Message, err error) ([]upstream.Message, error) {
	if err != nil {
		return nil, err
	}
	return r.Recognise(ctx, rest, false)
}

func (a *Adoption) prints(want []message.Wanted) map[store.Fingerprint]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fromNew.Prints(want)
}

// allPrints are the fingerprints of all that messages may be recognised as.
func (a *Adoption) allPrints() map[store.Fingerprint]bool {
	prints := map[store.Fingerprint]bool{}
	for i := range a.fromNew.Sorted {
		prints[a.fromNew.Sorted[i].Fingerprint] = true
	}
	return prints
}

// leaveFor leaves one message alone for each of these lines, once.
func (a *Adoption) leaveFor(lines []recovery.AlikeLine, others []message.Wanted) {
	a.mu.Lock()
	defer a.mu.Unlock()
	copies := make([]message.Wanted, len(lines))
	for i, l := range lines {
		copies[i], a.leftFor[l.At()] = l.Copy(), true
	}
	a.fromNew.LeaveFor(copies, others)
}
