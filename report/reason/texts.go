package reason

import (
	"maps"
	"strings"
)

// text is how a code is said in English: a format of %s, or %q for what is quoted, and the names of
// its values in their order.
type text struct {
	format string
	names  []string
	bare   string // without any values, if that is possible
}

// begins reports that the sentence begins with whom it is about.
func (t text) begins() bool { return strings.HasPrefix(t.format, "%s") && t.names[0] == "Who" }

// texts are the English words of all codes. What programs are told, and what the page says in
// English, are these.
var texts = together(reasonTexts, troubleTexts)

// together makes one table of several.
func together(tables ...map[Code]text) map[Code]text {
	all := map[Code]text{}
	for _, table := range tables {
		maps.Copy(all, table)
	}
	return all
}

// reasonTexts are the words of all codes but those of problems.
var reasonTexts = map[Code]text{
	Refused:         {format: "The new server refuses this message."},
	RefusedRepaired: {format: "The new server refuses this message, also after a repair (%s).", names: []string{"What"}},
	NotNowNew:       {format: "The new server can't take this message at the moment."},
	Empty:           {format: "The message is empty, and the new server takes no empty messages."},
	OldBreaks:       {format: "The connection with the old server breaks each time it is asked for this message."},
	NewBreaks:       {format: "The connection with the new server breaks each time it is given this message."},
	NotDelivered:    {format: "The old server lists this message but does not deliver it."},
	StandIn:         {format: "The old server can't convert this message and delivers a notice in its place, which is not copied; Outlook may still open it."},
	NotNowOld:       {format: "The old server can't deliver this message at the moment."},
	TooLarge:        {format: "The message (%s) is larger than the new server takes (%s).", names: []string{"Size", "Limit"}},
	DiffersOld:      {format: "The old server delivers this message differently each time it is asked for it."},
	EndlessOld:      {format: "The old server does not mark where this message ends, so that it can't be had whole."},
	ChangedNew:      {format: "The new server has not stored this message as it was given."},
	CopyLost:        {format: "The new server was put back to an earlier state, which does not have the copy."},
	LostOrRemoved:   {format: "It was copied, and is gone since the new server has numbered the folder anew: its user has removed it, or the server has lost it."},
	NewBreaksRead:   {format: "The connection with the new server breaks each time it is asked for this message."},
	NotDeliveredNew: {format: "The new server lists this message but does not deliver it."},
	OddDate:         {format: "its date is none that every server can hold"},
	Removed:         {format: "was copied, is gone from the new server"},
	NotYet:          {format: "not copied yet"},
	Never:           {format: "never copied"},
	OtherFolder:     {format: "was copied, but the folder on the new server is another one now (UIDVALIDITY)"},
	OtherMessage:    {format: "was copied, but another message is in its place"},
	BetweenPlaces:   {format: "was being moved to the end of its folder when that was interrupted; it is settled when the account goes on"},
	InBothPlaces:    {format: "a move to the end of the folder was interrupted; one of the two goes when the account goes on"},
	OnlyInView:      {format: "in no folder that is copied"},
	Unlisted:        {format: "%s: the server listed fewer messages than it says the folder has: %s of %s", names: []string{"Folder", "Listed", "Messages"}},
	Counts:          {format: "the %s server listed %s messages and says that the folder has %s", names: []string{"Side", "Listed", "Messages"}},
	SomeLeft:        {format: "not copied: %s of its messages", names: []string{"Count"}},
	AllCopied:       {format: "all of its mail had been copied"},
	LeftOld:         {format: "not on the old server any more, and not all of its mail had been copied"},
	LeftOut:         {format: "%s messages left out", names: []string{"Count"}},
	Omitted:         {format: "there are more folders than are made for one account: %s are left out", names: []string{"Count"}},
	ListBreaks:      {format: "the old server breaks the connection behind this folder in its list; those that follow are not compared"},
	ListUnread:      {format: "the old server lists folders in a way that can't be read"},
	DeletedThere:    {format: "deleted on the new server by its user"},
	FolderUnread:    {format: "The old server does not let this folder be read."},
	Finished:        {format: "The account is finished: its old server is not contacted any more."},
	OldEmptied:      {format: "The old mailbox is empty and not the one any more that messages were copied from (%s): the server may have been replaced, or have lost its mail. Whether anything is missing can't be told.", names: []string{"Count"}},
	NotActive:       {format: "The account is %s: nothing is copied.", names: []string{"State"}},
	NoDomain:        {format: "The configuration has no domain %s any more.", names: []string{"Domain"}},
	BackNoUIDs:      {format: "the old server does not say where it puts messages (UIDPLUS), or its numbers don't last: without that nothing is copied back to it"},
	BackNoUIDsNew:   {format: "the new server does not tell UIDs that last"},
	BackFull:        {format: "the old mailbox is full"},
	BackRefusing:    {format: "the old server refuses one message after the other"},
	BackAllMail:     {format: "the old mailbox has a folder that shows all mail, with which nothing can be copied back to it"},
	Octets:          {format: "%s octets", names: []string{"Size"}},
	Messages:        {format: "%s messages", names: []string{"Count"}},

	NULReplaced:   {format: "NUL octets replaced by 0x80"},
	BareLFMade:    {format: "bare LF made CRLF"},
	EndCompleted:  {format: "final line end completed"},
	EndAdded:      {format: "final line end added"},
	HeaderAdded:   {format: "empty header added"},
	MboxRemoved:   {format: "mbox separator before the header removed"},
	BlanksRemoved: {format: "blanks before a header field's colon removed"},
	LinesJoined:   {format: "lines that are no header field joined to the one before"},
	LinesFolded:   {format: "long header lines folded"},
	FlagsLeft:     {format: "flags left out: %s", names: []string{"Flags"}},
	KeywordsLeft:  {format: "keywords left out"},
	DateReplaced:  {format: "date %s replaced by %s", names: []string{"Was", "Now"}},

	LeftByConfig: {format: "skip has %q in the configuration", names: []string{"Of"}},
	LeftShared:   {format: "in the shared namespace %q", names: []string{"Of"}, bare: "in a shared namespace"},
	LeftView:     {format: "a view of mail in other folders (%s)", names: []string{"Of"}},
	LeftLong:     {format: "its name is too long"},
	LeftDeep:     {format: "its name has too many parts"},
	LeftOmitted:  {format: "there are more folders than are made for one account"},

	NotMapped: {format: "not %q as in the configuration: another folder has that name, or this one had its own before", names: []string{"Wanted"}},

	NoteCalled:       {format: `%q is called %q on the new server`, names: []string{"Folder", "Name"}},
	NoteCalledMapped: {format: `%q is called %q on the new server, as the configuration says`, names: []string{"Folder", "Name"}},
	NoteNotMapped:    {format: `%q is called %q on the new server, not %q as in the configuration: another folder has that name, or this one had its own before`, names: []string{"Folder", "Name", "Wanted"}},
	NoteSpecialUse:   {format: `%q goes to %q on the new server (%s)`, names: []string{"Folder", "Name", "Use"}},
	NoteRenamed:      {format: `%q was renamed to %q on the new server; it goes on there`, names: []string{"Folder", "Name"}},
	NoteLeft:         {format: `%q is not copied: %s`, names: []string{"Folder", "Why"}},
	NoteLeftView:     {format: `%q is not copied: %s; mail that lies in no other folder stays on the old server`, names: []string{"Folder", "Why"}},
	NoteAllMail:      {format: `%q shows all mail: what lies in no other folder is copied to %q on the new server`, names: []string{"Folder", "Name"}},
	NoteLeftLater:    {format: `%q is not copied any more: %s; what has been copied stays`, names: []string{"Folder", "Why"}},
	NoteShared:       {format: `the shared namespace %q is not copied (%s of the old server's folders)`, names: []string{"Folder", "Count"}},
	NoteOmitted:      {format: `%q and others are not copied: these %s are more folders than the %s that are made for one account (sync.max_folders)`, names: []string{"Folder", "Count", "Limit"}},
	NoteGone:         {format: `%q is not on the new server any more: it was deleted there, or it is missing; it is not created again`, names: []string{"Folder"}},
	NoteFound:        {format: `%q is on the new server again; it goes on there`, names: []string{"Folder"}},
	NoteMadeAgain:    {format: `%q was deleted on the new server and made again there; its old mail stays deleted`, names: []string{"Folder"}},
	NoteNoInbox:      {format: `the new server's list of folders lacks INBOX; %q is not taken for deleted`, names: []string{"Folder"}},
	NoteCase:         {format: `%q differs only in case from %q; on a server that ignores case it gets another name if that one is another folder's`, names: []string{"Folder", "Name"}},
	NoteUnreadable:   {format: `%q can't be read: %s`, names: []string{"Folder", "Why"}},
	NotePOP3:         {format: `the old server speaks POP3: its inbox is copied; other folders and flags can't be`},
}
