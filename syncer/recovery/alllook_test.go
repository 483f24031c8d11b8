package recovery

import (
	"testing"
	"time"

	"postferry/store"
)

// TestOverdueOnceADay: all of a folder's messages are compared once a day, at a time of its own: neither the folders of an account
// nor the INBOXes of all accounts come together.
func TestOverdueOnceADay(t *testing.T) {
	const folders = 4800
	began := time.Unix(1700000000, 0)
	for name, of := range map[string]func(n int) (store.AccountID, store.FolderID){
		"folders of an account": func(n int) (store.AccountID, store.FolderID) { return 7, store.FolderID(n) },
		"INBOX of all accounts": func(n int) (store.AccountID, store.FolderID) { return store.AccountID(n), 1 },
	} {
		var hours [24]int
		for n := 1; n <= folders; n++ {
			account, id := of(n)
			if Overdue(account, id, time.Time{}, began) || Overdue(account, id, began, began) {
				t.Fatalf("%s: %d has never been pulled, or just now", name, n)
			}
			hour := 0
			for hour < len(hours) && !Overdue(account, id, began, began.Add(time.Duration(hour+1)*time.Hour)) {
				hour++
			}
			if hour == len(hours) {
				t.Fatalf("%s: %d isn't compared within a day", name, n)
			}
			hours[hour]++
		}
		for hour, n := range hours {
			if share := folders / len(hours); n < share/2 || n > share*2 {
				t.Errorf("%s: %d of %d in hour %d", name, n, folders, hour)
			}
		}
	}
}
