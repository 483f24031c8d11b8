package session

import "time"

// SettleQuiet is how long a folder must not have changed until it is believed that its server has stored all that had reached
// it. The pauses between attempts go with it.
const SettleQuiet = 3 * time.Second
