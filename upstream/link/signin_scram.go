package link

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
)

// The SCRAM mechanisms that are used (RFC 7677, RFC 5802).
const (
	scramSHA256 = "SCRAM-SHA-256"
	scramSHA1   = "SCRAM-SHA-1"
)

// ErrUnproved means that the server has let us in without showing that it knows the password, too
// (RFC 5802 section 3). It may be another one that stands in between.
var ErrUnproved = errors.New("the server has not proved that it knows the password, as SCRAM wants")

// scramClient is the client's side of SCRAM without channel binding.
type scramClient struct {
	name string
	conv *scram.ClientConversation
}

func newSCRAMClient(name string, si SignIn) (sasl.Client, error) {
	hash := scram.SHA256
	if name == scramSHA1 {
		hash = scram.SHA1
	}
	client, err := hash.NewClient(si.Login, si.Secret.Reveal(), si.As)
	if err != nil { // SASLprep (RFC 4013) forbids what is in it; its words may have the password's characters
		return nil, errUnprepared
	}
	return &scramClient{name: name, conv: client.NewConversation()}, nil
}

// errUnprepared: SCRAM has no way to say such a login or password.
var errUnprepared = errors.New("the login or the password has characters that SCRAM can't express (RFC 4013)")

func (c *scramClient) Start() (string, []byte, error) {
	first, err := c.conv.Step("")
	return c.name, []byte(first), err
}

// Next answers a challenge. With the last one the server has proved itself, and there is nothing
// more to say than that it was heard.
func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	if c.conv.Done() {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	text := string(challenge)
	if iterations(text) > maxIterations {
		return nil, errIterations
	}
	answer, err := c.conv.Step(text)
	switch {
	case err == nil:
		return []byte(answer), nil
	case strings.HasPrefix(text, "e="): // a refusal, which the server repeats when it says NO
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	return nil, fmt.Errorf("%w: %w", ErrUnproved, err)
}

// maxIterations bounds what a server can make us work for one login: half a second.
const maxIterations = 1_000_000

var errIterations = fmt.Errorf("%w: it wants more iterations than any server that means well", ErrUnproved)

// iterations are how often a challenge wants the password to be hashed (RFC 5802 section 5.1);
// 0 if it doesn't say.
func iterations(challenge string) uint64 {
	for field := range strings.SplitSeq(challenge, ",") {
		if number, ok := strings.CutPrefix(field, "i="); ok {
			n, err := strconv.ParseUint(number, 10, 64)
			if errors.Is(err, strconv.ErrRange) {
				return math.MaxUint64
			}
			return n
		}
	}
	return 0
}

// Proved tells whether a server that has said OK was to be believed.
func Proved(client sasl.Client) bool {
	c, ok := client.(*scramClient)
	return !ok || c.conv.Valid()
}
