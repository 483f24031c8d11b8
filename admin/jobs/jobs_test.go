package jobs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"postferry/admin/access"
	"postferry/store"
)

// TestJobsAreBounded: one domain's jobs leave places for those of others, and of who looks
// after everything.
func TestJobsAreBounded(t *testing.T) {
	j := NewRunner()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		j.Run(ctx)
	}()
	for i, scope := range []string{"a", "a", "a", "b", store.ScopeAll} {
		err := j.start(ctx, scope, func(ctx context.Context) { <-ctx.Done() })
		if busy := err != nil && access.AsRefusal(err).Code == "too_many_jobs"; busy != (i == maxJobsEach) {
			t.Errorf("job %d, of %q: %v", i, scope, err)
		}
	}
	end()
	<-ended
	if err := j.start(t.Context(), "c", func(context.Context) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	for scope, all := range map[string]int{"a": maxJobsEach, "b": maxJobsEach, "c": maxJobsEach, store.ScopeAll: maxJobsAll} {
		if !j.places.Take(scope, all) {
			t.Errorf("places of %q are left over", scope)
		}
	}
}

// TestEndOfAJob: a job has ended when it has ended, not when it began.
func TestEndOfAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner, shelf, began := NewRunner(), NewShelf[int](), time.Now()
		go runner.Run(t.Context())
		err := Start(t.Context(), runner, access.Actor{Scope: "a.example"}, shelf, "a.example", Progress{Started: began}, func(context.Context, *Job[int]) error {
			<-time.After(3 * time.Minute)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(4 * time.Minute)
		shelf.Get("a.example").Change(func(v *Progress, _ *int) {
			if v.State != stateDone || v.Ended == nil || v.Ended.Sub(began) != 3*time.Minute {
				t.Errorf("%+v", v)
			}
		})
	})
}
