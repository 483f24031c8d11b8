package session

import (
	"errors"
)

// ErrYield says that a job stopped at a safe point because it was asked to.
var ErrYield = errors.New("pull interrupted for something more urgent")
