package foldertree

import (
	"maps"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/text/unicode/norm"

	"postferry/upstream"
)

// The table is searched for what strings.ToLower makes of a name in NFC, and a
// name can only have one use.
func TestUseNames(t *testing.T) {
	seen := map[string]imap.MailboxAttr{}
	for use, names := range useNames {
		for _, name := range names {
			if norm.NFC.String(strings.ToLower(name)) != name {
				t.Errorf("%q would never be found", name)
			}
			if other, ok := seen[name]; ok {
				t.Errorf("%q is there twice, for %s and %s", name, use, other)
			}
			seen[name] = use
		}
	}
}

// listOf makes a server's list: each line is a raw name, then its attributes; a
// "+" stands for a subscription.
func listOf(prefix string, delim byte, others []string, lines ...string) Tree {
	side := Tree{Namespace: upstream.Namespace{Prefix: prefix, Delim: delim, Others: others}}
	for _, line := range lines {
		name, attrs, _ := strings.Cut(line, "\t")
		m := upstream.Mailbox{Name: name, Delim: delim}
		for _, a := range strings.Fields(attrs) {
			if a == "+" {
				m.Subscribed = true
			} else {
				m.Attrs = append(m.Attrs, imap.MailboxAttr(a))
			}
		}
		side.Mailboxes = append(side.Mailboxes, m)
	}
	return side
}

func TestHolders(t *testing.T) {
	const sent, drafts, trash, junk, archive = imap.MailboxAttrSent, imap.MailboxAttrDrafts, imap.MailboxAttrTrash, imap.MailboxAttrJunk, imap.MailboxAttrArchive
	tests := []struct {
		name string
		side Tree
		want map[imap.MailboxAttr]string
	}{
		{"none", listOf("", '/', nil, "INBOX", "Projects"), map[imap.MailboxAttr]string{}},
		{"attributes", listOf("", '/', nil, "INBOX", "A\t\\Sent", "B\t\\drafts", "C\t\\Trash \\HasNoChildren", "D\t\\Junk", "E\t\\Archive"),
			map[imap.MailboxAttr]string{sent: "A", drafts: "B", trash: "C", junk: "D", archive: "E"}},
		{"attribute before name", listOf("", '/', nil, "Sent", "Sent Items\t\\Sent"), map[imap.MailboxAttr]string{sent: "Sent Items"}},
		{"two attributes: the better name", listOf("", '/', nil, "Other\t\\Sent", "Sent Items\t\\Sent"), map[imap.MailboxAttr]string{sent: "Sent Items"}},
		{"two names: the order of the table", listOf("", '/', nil, "Sent Items", "Sent"), map[imap.MailboxAttr]string{sent: "Sent"}},
		{"a folder with a use has no other by name", listOf("", '/', nil, "Archive\t\\Junk"), map[imap.MailboxAttr]string{junk: "Archive"}},
		{"case", listOf("", '/', nil, "SENT ITEMS", "TRASH"), map[imap.MailboxAttr]string{sent: "SENT ITEMS", trash: "TRASH"}},
		{"Courier", listOf("INBOX.", '.', nil, "INBOX", "INBOX.Sent", "INBOX.Drafts", "INBOX.Trash"),
			map[imap.MailboxAttr]string{sent: "INBOX.Sent", drafts: "INBOX.Drafts", trash: "INBOX.Trash"}},
		{"below INBOX without a prefix", listOf("", '.', nil, "INBOX", "INBOX.Sent", "INBOX.spam"), map[imap.MailboxAttr]string{sent: "INBOX.Sent", junk: "INBOX.spam"}},
		{"the top comes first", listOf("", '/', nil, "INBOX/Sent", "Sent"), map[imap.MailboxAttr]string{sent: "Sent"}},
		{"not deep down", listOf("", '/', nil, "Projects/Sent", "a/b/Trash"), map[imap.MailboxAttr]string{}},
		{"German", listOf("", '/', nil, "Gesendete Elemente", "Entw&APw-rfe", "Gel&APY-schte Elemente", "Junk-E-Mail", "Archiv"),
			map[imap.MailboxAttr]string{sent: "Gesendete Elemente", drafts: "Entw&APw-rfe", trash: "Gel&APY-schte Elemente", junk: "Junk-E-Mail", archive: "Archiv"}},
		{"Russian", listOf("", '|', nil, enc("Отправленные"), enc("Черновики"), enc("Корзина"), enc("Спам"), enc("Архив")),
			map[imap.MailboxAttr]string{sent: enc("Отправленные"), drafts: enc("Черновики"), trash: enc("Корзина"), junk: enc("Спам"), archive: enc("Архив")}},
		{"Japanese", listOf("", '/', nil, enc("送信済みアイテム"), enc("下書き"), enc("ごみ箱"), enc("迷惑メール")),
			map[imap.MailboxAttr]string{sent: enc("送信済みアイテム"), drafts: enc("下書き"), trash: enc("ごみ箱"), junk: enc("迷惑メール")}},
		{"NFD", listOf("", '/', nil, enc("Entwu\u0308rfe")), map[imap.MailboxAttr]string{drafts: enc("Entwu\u0308rfe")}},
		{"directories and others' folders", listOf("", '/', []string{"shared/"}, "Sent\t\\Noselect", "Trash\t\\NonExistent", "shared/Junk\t\\Junk"), map[imap.MailboxAttr]string{}},
		{"Gmail", gmail, map[imap.MailboxAttr]string{sent: "[Gmail]/Sent Mail", drafts: "[Gmail]/Drafts", trash: "[Gmail]/Trash", junk: "[Gmail]/Spam"}},
		{"an archive that is also everything", listOf("", '/', nil, "All\t\\All \\Archive"), map[imap.MailboxAttr]string{archive: "All"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := holders(tt.side); !maps.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// What well-known providers and clients call their folders.
func TestUsesOfProviders(t *testing.T) {
	for use, names := range map[imap.MailboxAttr][]string{
		imap.MailboxAttrSent: {"Sent Items", "Sent Messages", "[Gmail]/Sent Mail", "[Gmail]/Gesendet", "Gesendete Objekte", "Gesendete Elemente",
			"Éléments envoyés", "Messages envoyés", "Elementos enviados", "Posta inviata", "Отправленные", "Wysłane", "Elementy wysłane",
			"Verzonden items", "Skickat", "Sendt", "Lähetetyt", "Odeslaná pošta", "Elküldött elemek", "Gönderilmiş Öğeler", "Απεσταλμένα",
			"已发送", "已傳送郵件", "送信済み", "送信済みアイテム", "보낸편지함", "פריטים שנשלחו", "العناصر المرسلة"},
		imap.MailboxAttrDrafts: {"Draft", "Entwürfe", "Brouillons", "Borradores", "Rascunhos", "Bozze", "Черновики", "Чернетки", "Wersje robocze", "Concepten",
			"Utkast", "Taslaklar", "草稿箱", "下書き", "임시보관함", "טיוטות", "المسودات"},
		imap.MailboxAttrTrash: {"Deleted Items", "Deleted Messages", "Papierkorb", "Gelöschte Elemente", "Corbeille", "Éléments supprimés", "Papelera", "Lixeira",
			"Cestino", "Posta eliminata", "Корзина", "Удаленные", "Кошик", "Kosz", "Prullenbak", "Papperskorgen", "Koš", "Çöp Kutusu", "已删除", "垃圾桶", "ゴミ箱",
			"휴지통", "אשפה", "سلة المهملات"},
		imap.MailboxAttrJunk: {"Junk E-mail", "Junk Email", "Bulk Mail", "Spamverdacht", "Courrier indésirable", "Indésirables", "Correo no deseado", "Lixo Eletrônico",
			"Posta indesiderata", "Спам", "Нежелательная почта", "Wiadomości-śmieci", "Ongewenste e-mail", "Skräppost", "Nevyžádaná pošta", "Levélszemét",
			"Gereksiz E-posta", "垃圾邮件", "迷惑メール", "스팸메일함", "דואר זבל", "البريد العشوائي"},
		imap.MailboxAttrArchive: {"Archive", "Archives", "Archiv", "Archivo", "Arquivo", "Archivio", "Архив", "Archiwum", "Archief", "Arkiv", "Arkisto", "Arşiv",
			"存档", "アーカイブ", "보관함", "ארכיון", "الأرشيف"},
	} {
		for _, name := range names {
			name, below, _ := strings.Cut(name, "/")
			raw := enc(name)
			if below != "" {
				raw += "/" + enc(below)
			}
			side := listOf("", '/', nil, "INBOX", raw)
			if got := holders(side)[use]; got != raw {
				t.Errorf("%q is not taken for %s", name+" "+below, use)
			}
		}
	}
}
