package upstream

import (
	"bufio"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// parser reads what responses tell, within the bounds. Its methods stand beside what they are about.
type parser struct {
	dec      *wire.Decoder
	reader   *bufio.Reader // below dec
	bounds   *bounds
	warnings *warnings
	keywords map[string]imap.Flag // flags seen
	labelled bool                 // labels have been asked for
}
