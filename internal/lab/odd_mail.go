package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// appendMail is APPEND, with one message or several (RFC 3502).
func (c *OddConn) appendMail() string {
	o := c.server
	messages := oddAppends(c.Args[1:])
	o.mu.Lock()
	f, refuse, room := o.folders[c.name], o.opt.Append, o.opt.Quota-o.used()
	quota := o.opt.Quota > 0
	o.mu.Unlock()
	if f == nil {
		return "NO [TRYCREATE] no such folder"
	}
	for _, m := range messages {
		if room -= len(m.Body); quota && room < 0 {
			return "NO [OVERQUOTA] the mailbox is full"
		}
		if refuse == nil {
			continue
		}
		if text := o.ask(func() string { return refuse(c, m) }); text != "" {
			return text
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.keep(f, messages)
}

// keep stores the messages of an APPEND and tells where. The caller holds the lock.
func (o *Odd) keep(f *oddFolder, messages []*OddMessage) string {
	if o.opt.Stored > 0 {
		messages = messages[:min(o.opt.Stored, len(messages))]
	}
	var uids []string
	for _, m := range messages {
		there := f.same(m)
		if there == nil || !o.opt.Unites {
			there = f.add(m)
		}
		uids = append(uids, strconv.FormatUint(uint64(there.UID), 10))
	}
	if !slices.Contains(strings.Fields(o.opt.Caps), "UIDPLUS") || o.opt.Fleeting {
		return "OK done"
	}
	if o.opt.Swapped {
		slices.Reverse(uids)
	}
	if told := o.opt.Told; told > len(uids) {
		uids = append(uids, uids[len(uids)-1])
	} else if told > 0 {
		uids = uids[:told]
	}
	return fmt.Sprintf("OK [APPENDUID %d %s] done", f.validity, strings.Join(uids, ","))
}

// same is the message of a folder that has the octets of another one; nil for none.
func (f *oddFolder) same(m *OddMessage) *OddMessage {
	i := slices.IndexFunc(f.messages, func(there *OddMessage) bool { return there.Body == m.Body })
	if i < 0 {
		return nil
	}
	return f.messages[i]
}

// oddAppends are the messages among the arguments of APPEND: flags and date,
// both optional, and the message.
func oddAppends(args []string) (all []*OddMessage) {
	m := &OddMessage{}
	for _, arg := range args {
		switch {
		case m.Flags == nil && m.Date == "" && strings.HasPrefix(arg, "("):
			m.Flags = strings.Fields(strings.Trim(arg, "()"))
		case m.Date == "" && isOddDate(arg):
			m.Date = arg
		default:
			m.Body = arg
			all = append(all, m)
			m = &OddMessage{}
		}
	}
	return all
}

func isOddDate(arg string) bool {
	return len(arg) == len(oddDate) && arg[2] == '-' && arg[6] == '-' && !strings.Contains(arg, "\n")
}

// found are the messages of the open folder in a set, with their numbers.
func (c *OddConn) found(set string, fn func(number int, m *OddMessage)) {
	o := c.server
	o.mu.Lock()
	hidden := o.opt.Hidden
	var messages []OddMessage
	for _, m := range c.selected.messages {
		messages = append(messages, *m)
	}
	o.mu.Unlock()
	last := uint32(0)
	if len(messages) > 0 {
		last = messages[len(messages)-1].UID
	}
	byNumber := c.Verb == "FETCH"
	if byNumber {
		last = uint32(len(messages))
	}
	wanted := parseOddSet(set, last)
	for i := range messages {
		m := &messages[i]
		id := m.UID
		if byNumber {
			id = uint32(i + 1)
		}
		if wanted.has(id) && (hidden == nil || !hidden(c.name, m)) {
			fn(i+1, m)
		}
	}
}

// AsksFor tells whether the present command is a FETCH of a message's body.
func (c *OddConn) AsksFor(uid uint32) bool {
	if !strings.HasSuffix(c.Verb, "FETCH") || !strings.Contains(strings.Join(c.Args, " "), "BODY.PEEK[]") {
		return false
	}
	asked := false
	c.found(c.Args[0], func(_ int, m *OddMessage) { asked = asked || m.UID == uid })
	return asked
}

func (c *OddConn) search() string {
	if c.selected == nil {
		return "BAD no folder is open"
	}
	if len(c.Args) != 2 || c.Args[0] != "UID" {
		return "BAD only UID is searched for"
	}
	out := "* SEARCH"
	c.found(c.Args[1], func(_ int, m *OddMessage) { out += " " + strconv.FormatUint(uint64(m.UID), 10) })
	c.say(out + "\r\n")
	return "OK done"
}

func (c *OddConn) store() string {
	if c.selected == nil {
		return "BAD no folder is open"
	}
	set, op, flags := c.Args[0], c.Args[1], strings.Fields(strings.Trim(c.Args[2], "()"))
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	f := c.selected
	uids := parseOddSet(set, f.next-1)
	for _, m := range f.messages {
		if !uids.has(m.UID) {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(m.Flags), func(flag string) bool { return slices.Contains(flags, flag) })
		if op[0] == '+' {
			kept = append(kept, flags...)
		}
		f.modseq++
		m.Flags, m.modseq = kept, f.modseq
	}
	return "OK done"
}

// copyMail is UID COPY.
func (c *OddConn) copyMail() string {
	o := c.server
	if c.selected == nil || len(c.Args) != 2 {
		return "BAD no folder is open, or another syntax"
	}
	var copies []*OddMessage
	var from []string
	octets := 0
	c.found(c.Args[0], func(_ int, m *OddMessage) {
		copies = append(copies, &OddMessage{Flags: slices.Clone(m.Flags), Date: m.Date, Body: m.Body})
		from = append(from, strconv.FormatUint(uint64(m.UID), 10))
		octets += len(m.Body)
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	switch f := o.folders[c.Args[1]]; {
	case f == nil:
		return "NO [TRYCREATE] no such folder"
	case o.opt.Quota > 0 && o.used()+octets > o.opt.Quota:
		return "NO [OVERQUOTA] the mailbox is full"
	case len(copies) == 0:
		return "OK nothing to copy"
	default:
		return strings.Replace(o.keep(f, copies), fmt.Sprintf("[APPENDUID %d ", f.validity), fmt.Sprintf("[COPYUID %d %s ", f.validity, strings.Join(from, ",")), 1)
	}
}

func (c *OddConn) fetch() string {
	if c.selected == nil {
		return "BAD no folder is open"
	}
	items := strings.Join(c.Args[1:], " ")
	since := uint64(0)
	if _, after, ok := strings.Cut(items, "CHANGEDSINCE "); ok {
		if !c.has("CONDSTORE") {
			return "BAD unexpected parameter"
		}
		since, _ = strconv.ParseUint(strings.TrimRight(after, ")"), 10, 64) //nolint:errcheck // then all have changed
	}
	c.server.mu.Lock()
	rewrite := c.server.opt.Fetch
	c.server.mu.Unlock()
	c.found(c.Args[0], func(number int, m *OddMessage) {
		if m.modseq <= since || c.hangUp {
			return
		}
		text := fmt.Sprintf("* %d FETCH (%s)\r\n", number, m.items(items))
		if rewrite != nil {
			text = c.server.ask(func() string { return rewrite(c, m, text) })
		}
		c.say(text)
	})
	if c.hangUp {
		return ""
	}
	return "OK done"
}

// items are those of a message that are asked for.
func (m *OddMessage) items(asked string) string {
	out := []string{fmt.Sprintf("UID %d", m.UID)}
	if strings.Contains(asked, "FLAGS") {
		out = append(out, "FLAGS ("+strings.Join(m.Flags, " ")+")")
	}
	if strings.Contains(asked, "INTERNALDATE") {
		out = append(out, `INTERNALDATE "`+m.Date+`"`)
	}
	if strings.Contains(asked, "RFC822.SIZE") {
		out = append(out, fmt.Sprintf("RFC822.SIZE %d", len(m.Body)))
	}
	if strings.Contains(asked, "CHANGEDSINCE") {
		out = append(out, fmt.Sprintf("MODSEQ (%d)", m.modseq))
	}
	switch {
	case strings.Contains(asked, "BODY.PEEK[]"):
		out = append(out, fmt.Sprintf("BODY[] {%d}\r\n%s", len(m.Body), m.Body))
	case strings.Contains(asked, "HEADER"):
		header, _, _ := strings.Cut(m.Body, "\r\n\r\n")
		header += "\r\n\r\n"
		out = append(out, fmt.Sprintf("BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s", len(header), header))
	}
	return strings.Join(out, " ")
}
