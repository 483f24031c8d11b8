package control

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// TestStatusNames: what status --json and the socket tell of an account has the names that it has had since
// the first version, and whoever is told it has all of it again.
func TestStatusNames(t *testing.T) {
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	problem := &report.Problem{Kind: store.OverQuota, NeedsPerson: true, Summary: reason.Said("It is <full>."), Cause: "NO", Advice: store.RetryLater, Folder: "a", Since: at, Retry: &at}
	whole := AccountStatus{
		Login: "anna", Domain: "example.com", AliasOf: new("berta"), Origin: store.Enrolled, Stored: store.Active, Running: true, Complete: true,
		Progress: report.Progress{Folder: "a&b", Messages: 9, Copied: 8, Quarantined: 1, LeftOut: 2, MessagesPerSecond: 1.5, OctetsPerSecond: 2.5,
			OctetsDone: 80, OctetsTotal: 90, OctetsAbout: true, Remaining: new(1500 * time.Millisecond)},
		Pass: &report.Pass{Started: at, Ended: at, Complete: true, Figures: report.Figures{Copied: 1, Adopted: 2, FlagChanges: 3, Bytes: 4, Quarantined: 5},
			Error: reason.Said("broke off")},
		Problem: problem,
		Folders: []report.FolderStatus{{Title: "a", Name: "b", State: store.FolderMissing, Note: reason.Said("noted"), Messages: 3, Copied: 2, Quarantined: 1,
			LeftOut: 1, Missing: &at, Looks: 2, Checked: &at, Problem: problem}},
	}
	said := `{"kind":"over_quota","needs_person":true,"summary":"It is <full>.","cause":"NO","advice":"retry","folder":"a","since":"2026-05-04T10:00:00Z","retry_at":"2026-05-04T10:00:00Z"}`
	for name, tt := range map[string]struct {
		account AccountStatus
		want    string
	}{
		"all there is": {whole, `{"login":"anna","domain":"example.com","alias_of":"berta","origin":"enrolled","state":"active","running":true,"complete":true,` +
			`"current_folder":"a&b","messages":9,"copied":8,"quarantined":1,"left_out":2,"messages_per_second":1.5,"bytes_per_second":2.5,"bytes":80,"bytes_total":90,` +
			`"bytes_about":true,"seconds_left":1.5,"last_pass":{"started":"2026-05-04T10:00:00Z","ended":"2026-05-04T10:00:00Z","complete":true,"copied":1,"adopted":2,` +
			`"flag_changes":3,"bytes":4,"quarantined":5,"error":"broke off"},"last_error":` + said + `,"folders":[{"folder":"a","new_name":"b","state":"missing","note":"noted",` +
			`"messages":3,"copied":2,"quarantined":1,"left_out":1,"missing_since":"2026-05-04T10:00:00Z","looks":2,"last_checked":"2026-05-04T10:00:00Z","last_error":` + said + `}]}` + "\n"},
		"nothing yet": {AccountStatus{Login: "b", Origin: store.Imported, Stored: store.Waiting},
			`{"login":"b","domain":"","origin":"imported","state":"waiting","running":false,"complete":false,"messages":0,"copied":0,"quarantined":0,` +
				`"messages_per_second":0,"bytes_per_second":0,"last_pass":null,"last_error":null}` + "\n"},
	} {
		data, err := tt.account.MarshalJSON()
		if err != nil || string(data) != tt.want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, data, tt.want)
		}
		var back AccountStatus
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, tt.account) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, back, tt.account)
		}
	}
	old := AccountStatus{Problem: &report.Problem{Summary: reason.Said("of an earlier version")}}
	var told struct {
		LastError struct{ Kind store.ProblemKind } `json:"last_error"`
	}
	if data, err := json.Marshal(old); err != nil || json.Unmarshal(data, &told) != nil || told.LastError.Kind != store.Unexpected {
		t.Errorf("%s, %v", data, err)
	}
}
