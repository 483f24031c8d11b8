package measure

import (
	"testing"
	"time"

	"postferry/report"
	"postferry/store"
)

func TestSizes(t *testing.T) {
	tests := []struct {
		name              string
		ledger            []uint32
		listed            []int64
		messages, unsized uint64
		want              uint64
		exact             bool
	}{
		{"an empty folder", nil, nil, 0, 0, 0, true},
		{"nothing seen", nil, nil, 5, 0, 0, false},
		{"all listed", nil, []int64{10, 20, 30}, 3, 0, 60, true},
		{"half of it listed", nil, []int64{10, 30}, 4, 0, 80, false},
		{"ledger and list", []uint32{100, 200}, []int64{300}, 3, 0, 600, true},
		{"the ledger has what is gone", []uint32{100, 100, 100, 100}, nil, 2, 0, 200, true},
		{"one refused", []uint32{100, 200}, nil, 3, 1, 300, true},
		{"only refused", nil, nil, 2, 2, 0, true},
		{"refused, and more to come", []uint32{100}, nil, 4, 1, 300, false},
		{"a server that tells no size", nil, []int64{-1, -1}, 2, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Sizes
			var entries []store.Entry
			for _, size := range tt.ledger {
				entries = append(entries, store.Entry{Size: size})
			}
			s.Reset(entries)
			for _, size := range tt.listed {
				s.Add(size)
			}
			if got, exact := s.Of(tt.messages, tt.unsized); got != tt.want || exact != tt.exact {
				t.Errorf("got %d, %v; want %d, %v", got, exact, tt.want, tt.exact)
			}
		})
	}
}

func TestProgressOfRows(t *testing.T) {
	checked := store.Checkpoint{Checked: time.Unix(1, 0), Messages: 10, UIDNext: 20}
	tests := []struct {
		name          string
		row           store.Folder
		messages      uint64 // as STATUS tells
		since, octets uint64
		before, after Progress
	}{
		{"never looked at", store.Folder{}, 7, 7, 0, Progress{}, Progress{Total: 7}},
		{"half done", store.Folder{Copied: 3, Checkpoint: store.Checkpoint{Messages: 7}}, 8, 0, 0,
			Progress{Done: 3, Total: 7}, Progress{Done: 3, Total: 8}},
		{"complete, nothing new", store.Folder{Copied: 12, Checkpoint: checked}, 10, 0, 500,
			Progress{Done: 10, Total: 10}, Progress{Done: 10, Total: 10, Octets: 500, OctetsTotal: 500, Exact: true}},
		{"complete, two new", store.Folder{Copied: 9, Quarantined: 1, Checkpoint: checked}, 12, 2, 0,
			Progress{Done: 10, Total: 10}, Progress{Done: 10, Total: 12}},
		{"complete, and much deleted since", store.Folder{Copied: 10, Checkpoint: checked}, 1, 3, 0,
			Progress{Done: 10, Total: 10}, Progress{Total: 1}},
		{"emptied", store.Folder{Copied: 10, Checkpoint: checked}, 0, 0, 0,
			Progress{Done: 10, Total: 10}, Progress{Exact: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := OfRow(tt.row)
			if p != tt.before {
				t.Errorf("before: %+v, want %+v", p, tt.before)
			}
			if p = p.Announced(tt.row.Checkpoint, tt.messages, tt.since, tt.octets); p != tt.after {
				t.Errorf("after: %+v, want %+v", p, tt.after)
			}
		})
	}
}

func TestSumOfFolders(t *testing.T) {
	var s Sum
	s.Add(Progress{Done: 5, Total: 10, Octets: 500, OctetsTotal: 1000, Exact: true})
	s.Add(Progress{Exact: true})
	if got, want := s.Progress(), (Progress{Done: 5, Total: 10, Octets: 500, OctetsTotal: 1000, Exact: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	s.Add(Progress{Done: 2, Total: 4})
	if got, want := s.Progress(), (Progress{Done: 7, Total: 14, Octets: 700, OctetsTotal: 1400}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRate(t *testing.T) {
	var m Meter
	start := time.Unix(1_700_000_000, 0)
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	m.Add(at(0), 10, 1000)
	if _, known := m.Rate(at(1), start); known {
		t.Error("known after a second")
	}
	for s := 1; s < 10; s++ {
		m.Add(at(s), 10, 1000)
	}
	if r, known := m.Rate(at(10), start); !known || r.Messages != 10 || r.Octets != 1000 {
		t.Errorf("after ten seconds: %+v, %v", r, known)
	}
	if r, known := m.Rate(at(25), start); !known || r.Messages != 4 || r.Octets != 400 {
		t.Errorf("after a pause: %+v, %v", r, known)
	}
	if r, known := m.Rate(at(100), start); !known || r != (report.Rate{}) {
		t.Errorf("long after: %+v, %v", r, known)
	}
	if r, _ := m.Rate(at(12), at(5)); r.Messages != 50.0/7 {
		t.Errorf("of a later pass: %+v", r)
	}
}
