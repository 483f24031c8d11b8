package treesync

import (
	"errors"
	"testing"

	"postferry/upstream/link"
)

func TestGraverError(t *testing.T) {
	fix := &link.Error{Class: link.Fix, Err: errors.New("fix")}
	later := &link.Error{Class: link.Later, Err: errors.New("later")}
	tests := []struct{ one, other, want error }{
		{nil, nil, nil},
		{later, nil, later},
		{nil, fix, fix},
		{later, fix, fix},
		{fix, later, fix},
		{fix, &link.Error{Class: link.Fix, Err: errors.New("other")}, fix},
	}
	for _, tt := range tests {
		if got := graver(tt.one, tt.other); got != tt.want {
			t.Errorf("graver(%v, %v) = %v, want %v", tt.one, tt.other, got, tt.want)
		}
	}
}
