package lab

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// has tells whether the server knows a capability.
func (c *OddConn) has(name string) bool {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return slices.Contains(strings.Fields(c.server.opt.Caps), name)
}

// next reads a command and answers it. It returns false at the end of the
// connection.
func (c *OddConn) next() bool {
	line, err := c.in.line()
	if err != nil {
		return false
	}
	tag, rest, ok := strings.Cut(line, " ")
	verb, rest, _ := strings.Cut(rest, " ")
	verb = strings.ToUpper(verb)
	if verb == "UID" {
		var sub string
		sub, rest, _ = strings.Cut(rest, " ")
		verb += " " + strings.ToUpper(sub)
	}
	command := oddCommand(verb)
	if !ok || command == nil {
		c.server.note(&c.server.strange, line)
		c.say(tag + " BAD unknown command\r\n")
		return true
	}
	c.tag, c.Verb = tag, verb
	if c.Args, err = c.args(rest, c.enough); err != nil && !errors.Is(err, errOddSyntax) {
		return false
	}
	c.Commands++
	c.answer(command, err)
	return true
}

// enough tells whether a literal is one too many.
func (c *OddConn) enough(args []string) bool {
	return c.Verb == "APPEND" && !c.has("MULTIAPPEND") && slices.ContainsFunc(args[min(1, len(args)):], func(arg string) bool {
		return strings.Contains(arg, "\n")
	})
}

func (o *Odd) note(list *[]string, line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*list = append(*list, line)
}

// answer runs a command, unless the test answers itself.
func (c *OddConn) answer(command func(c *OddConn) string, err error) {
	c.record()
	c.server.mu.Lock()
	odd, noise := c.server.opt.Answer, c.server.opt.Noise
	c.Open = c.server.open
	c.server.mu.Unlock()
	text := ""
	switch {
	case err != nil:
		text = "BAD syntax error"
	case odd != nil:
		text = c.server.ask(func() string { return odd(c) })
	}
	if text == "" {
		text = command(c)
	}
	switch {
	case text == "", c.silent:
	case strings.HasPrefix(text, "* "):
		c.say(text + "\r\n")
	default:
		c.say(noise + c.tag + " " + text + "\r\n")
	}
	c.hangUp = c.hangUp || strings.HasPrefix(text, "* BYE")
}

// record notes what was heard.
func (c *OddConn) record() {
	what := c.Verb
	switch c.Verb {
	case "EXAMINE", "SELECT", "STATUS", "APPEND", "CREATE":
		if len(c.Args) > 0 {
			what += " " + c.Args[0]
			c.name = c.Args[0]
		}
	}
	c.server.note(&c.server.heard, what)
	body := strings.HasSuffix(c.Verb, "FETCH") && (strings.Contains(strings.Join(c.Args, " "), "BODY[") || strings.Contains(strings.Join(c.Args, " "), "RFC822 "))
	if body || slices.Contains([]string{"SELECT", "APPEND", "CREATE", "SUBSCRIBE", "UID STORE", "CLOSE"}, c.Verb) {
		c.server.note(&c.server.changes, what)
	}
}

// oddCommand is what an Odd server does for a verb, nil if it does not know it.
// It returns the tagged response without the tag.
func oddCommand(verb string) func(c *OddConn) string {
	return map[string]func(c *OddConn) string{
		"CAPABILITY": (*OddConn).capability, "NOOP": (*OddConn).ok, "LOGOUT": (*OddConn).logout, "ID": (*OddConn).id,
		"LOGIN": (*OddConn).login, "NAMESPACE": (*OddConn).namespace, "LIST": (*OddConn).list, "LSUB": (*OddConn).lsub,
		"STATUS": (*OddConn).status, "SELECT": (*OddConn).openFolder, "EXAMINE": (*OddConn).openFolder,
		"UNSELECT": (*OddConn).leave, "CLOSE": (*OddConn).leave, "CREATE": (*OddConn).createFolder,
		"SUBSCRIBE": (*OddConn).subscribe, "APPEND": (*OddConn).appendMail, "GETQUOTAROOT": (*OddConn).quotaRoot,
		"FETCH": (*OddConn).fetch, "UID FETCH": (*OddConn).fetch, "UID SEARCH": (*OddConn).search, "UID STORE": (*OddConn).store,
		"UID COPY": (*OddConn).copyMail,
	}[verb]
}

func (c *OddConn) ok() string { return "OK done" }

func (c *OddConn) logout() string {
	c.say("* BYE bye\r\n")
	c.hangUp = true
	return "OK bye"
}

func (c *OddConn) id() string {
	c.Identified = true
	c.say("* ID NIL\r\n")
	return "OK done"
}

func (c *OddConn) capability() string {
	c.say("* CAPABILITY " + c.announced() + "\r\n")
	return "OK done"
}

func (c *OddConn) announced() string {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return strings.TrimSpace(c.server.opt.Caps + " " + c.server.opt.Lies)
}

func (c *OddConn) login() string {
	c.server.mu.Lock()
	if !c.loggedIn {
		c.server.open++
	}
	c.loggedIn = true
	c.server.mu.Unlock()
	return "OK [CAPABILITY " + c.announced() + "] welcome"
}

func (c *OddConn) namespace() string {
	c.say("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n")
	return "OK done"
}

func (c *OddConn) list() string {
	c.server.mu.Lock()
	listing := c.server.opt.Listing
	c.server.mu.Unlock()
	if listing != nil {
		listing()
	}
	if len(c.Args) > 1 && c.Args[1] == "" {
		c.say("* LIST (\\Noselect) \"/\" \"\"\r\n")
		return "OK done"
	}
	options := strings.Join(c.Args[min(2, len(c.Args)):], " ")
	if options != "" && !c.has("LIST-EXTENDED") || strings.Contains(options, "STATUS") && !c.has("LIST-STATUS") {
		return "BAD unknown options"
	}
	c.server.mu.Lock()
	text := c.server.listed(options)
	c.server.mu.Unlock()
	c.say(text)
	return "OK done"
}

// listed are the answers to LIST with options. The caller holds the lock.
func (o *Odd) listed(options string) string {
	var out strings.Builder
	for _, name := range o.order {
		if o.unlisted(name) {
			continue
		}
		f, attrs := o.folders[name], ""
		if f.subscribed && strings.Contains(options, "SUBSCRIBED") {
			attrs = "\\Subscribed"
		}
		fmt.Fprintf(&out, "* LIST (%s) \"/\" %s\r\n", attrs, oddQuote(name))
		if strings.Contains(options, "STATUS") {
			fmt.Fprintf(&out, "* STATUS %s (%s)\r\n", oddQuote(name), f.status(options))
		}
	}
	return out.String()
}

func (o *Odd) unlisted(name string) bool { return o.opt.Unlisted != nil && o.opt.Unlisted(name) }

func (c *OddConn) lsub() string {
	var out strings.Builder
	c.server.mu.Lock()
	for _, name := range c.server.order {
		if c.server.folders[name].subscribed && !c.server.unlisted(name) {
			fmt.Fprintf(&out, "* LSUB () \"/\" %s\r\n", oddQuote(name))
		}
	}
	c.server.mu.Unlock()
	c.say(out.String())
	return "OK done"
}

// status are the items of STATUS that are asked for.
func (f *oddFolder) status(asked string) string {
	items := fmt.Sprintf("MESSAGES %d UIDNEXT %d UIDVALIDITY %d", len(f.messages), f.next, f.validity)
	if strings.Contains(asked, "HIGHESTMODSEQ") {
		items += fmt.Sprintf(" HIGHESTMODSEQ %d", f.modseq)
	}
	if strings.Contains(asked, "SIZE") {
		items += fmt.Sprintf(" SIZE %d", f.size())
	}
	return items
}

func (f *oddFolder) size() (sum int) {
	for _, m := range f.messages {
		sum += len(m.Body)
	}
	return sum
}

func (c *OddConn) status() string {
	c.server.mu.Lock()
	f := c.server.folders[c.name]
	c.server.mu.Unlock()
	asked := strings.Join(c.Args[1:], " ")
	switch {
	case strings.Contains(asked, "HIGHESTMODSEQ") && !c.has("CONDSTORE"), strings.Contains(asked, "SIZE") && !c.has("STATUS=SIZE"):
		return "BAD unknown status item"
	case f == nil:
		return "NO [NONEXISTENT] no such folder"
	}
	c.server.mu.Lock()
	text := fmt.Sprintf("* STATUS %s (%s)\r\n", oddQuote(c.name), f.status(asked))
	c.server.mu.Unlock()
	c.say(text)
	return "OK done"
}

func (c *OddConn) openFolder() string {
	if len(c.Args) > 1 && !c.has("CONDSTORE") {
		return "BAD unexpected parameter"
	}
	o := c.server
	o.mu.Lock()
	f, text := o.folders[c.name], ""
	if f != nil {
		text = o.opened(f, c.Verb)
	}
	o.mu.Unlock()
	if f == nil {
		return "NO [NONEXISTENT] no such folder"
	}
	c.selected = f
	c.say(text)
	if c.Verb == "EXAMINE" {
		return "OK [READ-ONLY] done"
	}
	return "OK [READ-WRITE] done"
}

// opened is what a folder's opening with a verb tells of it. The caller holds the lock.
func (o *Odd) opened(f *oddFolder, verb string) string {
	permanent := o.opt.PermanentFlags
	switch {
	case verb == "EXAMINE":
		permanent = ""
	case permanent == "":
		permanent = `\Answered \Flagged \Deleted \Seen \Draft \*`
	}
	modseq, fleeting := "NOMODSEQ", ""
	if o.opt.Fleeting {
		o.renumber(f)
		fleeting = "* NO [UIDNOTSTICKY] UIDs do not last\r\n"
	}
	if slices.Contains(strings.Fields(o.opt.Caps), "CONDSTORE") {
		modseq = fmt.Sprintf("HIGHESTMODSEQ %d", f.modseq)
	}
	return fmt.Sprintf("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* OK [PERMANENTFLAGS (%s)] x\r\n* %d EXISTS\r\n* 0 RECENT\r\n"+
		"* OK [UIDVALIDITY %d] x\r\n* OK [UIDNEXT %d] x\r\n* OK [%s] x\r\n%s", permanent, len(f.messages), f.validity, f.next, modseq, fleeting)
}

func (c *OddConn) leave() string {
	if c.Verb == "UNSELECT" && !c.has("UNSELECT") {
		return "BAD unknown command"
	}
	c.selected = nil
	return "OK done"
}

func (c *OddConn) createFolder() string {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if !c.server.create(c.name) {
		return "NO [ALREADYEXISTS] it exists"
	}
	return "OK done"
}

func (c *OddConn) subscribe() string {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	f := c.server.folders[c.Args[0]]
	if f == nil {
		return "NO [NONEXISTENT] no such folder"
	}
	f.subscribed = true
	return "OK done"
}

func (c *OddConn) quotaRoot() string {
	c.server.mu.Lock()
	used, limit := c.server.used(), c.server.opt.Quota
	c.server.mu.Unlock()
	if limit == 0 {
		return "NO no quota"
	}
	c.say(fmt.Sprintf("* QUOTAROOT %s \"\"\r\n* QUOTA \"\" (STORAGE %d %d)\r\n", oddQuote(c.Args[0]), (used+1023)/1024, limit/1024))
	return "OK done"
}

// used is the size of all mail. The caller holds the lock.
func (o *Odd) used() (sum int) {
	for _, f := range o.folders {
		sum += f.size()
	}
	return sum
}
