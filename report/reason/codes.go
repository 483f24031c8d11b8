package reason

// Code names a reason for programs and translations. The codes are stable; new ones may join. What
// comes before the dot says where there is a text for it in the page's languages.
type Code string

// Why a message is in quarantine, missing or not compared, and a folder or an account likewise.
const (
	Refused         Code = "reason.refused"           // the new server refuses the message
	RefusedRepaired Code = "reason.refused_repaired"  // also after a repair
	NotNowNew       Code = "reason.not_now_new"       // the new server can't take it at the moment
	Empty           Code = "reason.empty"             // there is nothing in it
	OldBreaks       Code = "reason.old_breaks"        // the connection with the old server breaks at it
	NewBreaks       Code = "reason.new_breaks"        // the connection with the new server breaks at it
	NotDelivered    Code = "reason.not_delivered"     // the old server lists it only
	StandIn         Code = "reason.stand_in"          // the old server delivers a notice in its place
	NotNowOld       Code = "reason.not_now_old"       // the old server can't deliver it at the moment
	TooLarge        Code = "reason.too_large"         // it is larger than the new server takes
	DiffersOld      Code = "reason.differs_old"       // the old server delivers it differently each time
	EndlessOld      Code = "reason.endless_old"       // the old server doesn't say where it ends
	ChangedNew      Code = "reason.changed_new"       // the new server has stored something else
	CopyLost        Code = "reason.copy_lost"         // the new server was put back to an earlier state, which does not have the copy
	LostOrRemoved   Code = "reason.lost_or_removed"   // the copy is gone since the new server has numbered the folder anew
	NewBreaksRead   Code = "reason.new_breaks_read"   // the connection with the new server breaks when it is read
	NotDeliveredNew Code = "reason.not_delivered_new" // the new server lists it only
	OddDate         Code = "reason.odd_date"          // not every server can hold its date
	Removed         Code = "reason.removed"           // the copy is gone
	NotYet          Code = "reason.not_yet"           // it is still to come
	Never           Code = "reason.never"             // it was never copied
	OtherFolder     Code = "reason.other_folder"      // the new folder is another one now
	OtherMessage    Code = "reason.other_message"     // another message is in its place
	BetweenPlaces   Code = "reason.between_places"    // it was being moved within its folder
	InBothPlaces    Code = "reason.in_both_places"    // likewise, and is there twice
	OnlyInView      Code = "reason.only_in_view"      // it lies in no folder that is copied
	Unlisted        Code = "reason.unlisted"          // the server listed fewer messages than there are
	Counts          Code = "reason.counts"            // likewise, at the server that is named
	SomeLeft        Code = "reason.some_left"         // messages of the folder are not copied
	AllCopied       Code = "reason.all_copied"        // all of the folder's mail had been copied
	LeftOld         Code = "reason.left_old"          // the folder went from the old server too soon
	LeftOut         Code = "reason.left_out"          // messages are deliberately not copied
	Omitted         Code = "reason.omitted"           // there are too many folders
	ListBreaks      Code = "reason.list_breaks"       // the old server's list ends in the middle
	ListUnread      Code = "reason.list_unread"       // the old server's list can't be read
	DeletedThere    Code = "reason.deleted_there"     // the folder was deleted on the new server
	FolderUnread    Code = "reason.folder_unread"     // the old server doesn't let the folder be read
	Finished        Code = "reason.finished"          // the account is finished
	OldEmptied      Code = "reason.old_emptied"       // the old mailbox is empty and not the one any more that was copied from
	NotActive       Code = "reason.not_active"        // the account is in a state in which nothing is copied
	NoDomain        Code = "reason.no_domain"         // the account's domain is not in the configuration any more
	BackNoUIDs      Code = "reason.back_no_uids"      // the old server doesn't tell where messages are put, so nothing goes back to it
	BackNoUIDsNew   Code = "reason.back_no_uids_new"  // the new server's UIDs don't last, so nothing goes back from it
	BackFull        Code = "reason.back_full"         // the old mailbox has no room for what would go back
	BackRefusing    Code = "reason.back_refusing"     // the old server refuses what would go back
	BackAllMail     Code = "reason.back_all_mail"     // the old mailbox has a folder that shows all mail, so nothing goes back
	Octets          Code = "reason.octets"            // so large it is
	Messages        Code = "reason.messages"          // so many there are
)

// What was done to a message that was refused.
const (
	NULReplaced   Code = "repair.nul"
	BareLFMade    Code = "repair.bare_lf"
	EndCompleted  Code = "repair.end_completed"
	EndAdded      Code = "repair.end_added"
	HeaderAdded   Code = "repair.empty_header"
	MboxRemoved   Code = "repair.mbox"
	BlanksRemoved Code = "repair.blanks"
	LinesJoined   Code = "repair.joined"
	LinesFolded   Code = "repair.folded"
	FlagsLeft     Code = "repair.flags"
	KeywordsLeft  Code = "repair.keywords"
	DateReplaced  Code = "repair.date"
)

// Why a folder of the old server is left alone.
const (
	LeftByConfig Code = "folder_left.configuration" // the domain's folders.skip has it
	LeftShared   Code = "folder_left.shared"        // it is somebody else's, or everybody's
	LeftView     Code = "folder_left.view"          // its mail lies in other folders
	LeftLong     Code = "folder_left.long"          // its name is too long
	LeftDeep     Code = "folder_left.deep"          // its name has too many parts
	LeftOmitted  Code = "folder_left.omitted"       // there are too many folders
)

// NotMapped is why a folder that is copied isn't called as the configuration wants it.
const NotMapped Code = "folder_called.not_mapped"

// What people should know of an account's folders.
const (
	NoteCalled       Code = "note.called"        // it gets another name
	NoteCalledMapped Code = "note.called_mapped" // the configuration has another name for it
	NoteNotMapped    Code = "note.not_mapped"    // it can't get that one
	NoteSpecialUse   Code = "note.special_use"   // it goes to the new server's folder of the same use
	NoteRenamed      Code = "note.renamed"       // people renamed it on the new server
	NoteLeft         Code = "note.left"          // it is not copied
	NoteLeftView     Code = "note.left_view"     // it is a view and not copied
	NoteAllMail      Code = "note.all_mail"      // of it that is copied which lies in no other
	NoteLeftLater    Code = "note.left_later"    // it was copied, but is not any more
	NoteShared       Code = "note.shared"        // a namespace is left alone
	NoteOmitted      Code = "note.omitted"       // it and others are more than are made for an account
	NoteGone         Code = "note.gone"          // it is not on the new server any more
	NoteFound        Code = "note.found"         // it is there again
	NoteMadeAgain    Code = "note.made_again"    // it was deleted on the new server and one of its name made there
	NoteNoInbox      Code = "note.no_inbox"      // what the new server lists is not complete
	NoteCase         Code = "note.case"          // its name differs from another's in case only
	NoteUnreadable   Code = "note.unreadable"    // the old server doesn't let it be read
	NotePOP3         Code = "note.pop3"          // what POP3 can't bring
)
