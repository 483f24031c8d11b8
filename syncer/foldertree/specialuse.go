package foldertree

import (
	"cmp"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/asciifold"
	"postferry/upstream"
)

// specialUses are the uses that are carried over (RFC 6154), in the order in
// which they are looked for.
var specialUses = []imap.MailboxAttr{
	imap.MailboxAttrSent, imap.MailboxAttrDrafts, imap.MailboxAttrTrash,
	imap.MailboxAttrJunk, imap.MailboxAttrArchive,
}

// views are folders that only show what lies in others; copying them would
// double the mail (RFC 6154 section 2, RFC 8457).
var views = []imap.MailboxAttr{imap.MailboxAttrAll, imap.MailboxAttrFlagged, imap.MailboxAttrImportant}

// useNames is what clients and servers call the special folders where the
// server doesn't say, in lower case and NFC. Of two that are there, the one
// that comes first has the use: the names of servers and widespread clients,
// then the languages.
var useNames = map[imap.MailboxAttr][]string{
	imap.MailboxAttrSent: {
		"sent", "sent items", "sent messages", "sent mail", "sent-mail", "sent_mail", "sentmail", "sent email", "sent objects",
		"gesendet", "gesendete elemente", "gesendete objekte", "gesendete nachrichten", "gesendete e-mails",
		"envoyés", "éléments envoyés", "messages envoyés", "envoyes", "elements envoyes", "courrier envoyé", "objets envoyés",
		"enviados", "elementos enviados", "mensajes enviados", "correo enviado", "itens enviados", "mensagens enviadas", "enviadas", "e-mails enviados", "elements enviats", "enviats",
		"inviata", "posta inviata", "inviati", "elementi inviati", "messaggi inviati",
		"отправленные", "надіслані", "відправлені", "адпраўленыя", "изпратени", "послато", "послате",
		"verzonden", "verzonden items", "verzonden berichten", "verstuurd",
		"skickat", "skickade", "skickade objekt", "skickade meddelanden", "sendt", "sendte elementer", "sendt post", "sendt e-mail",
		"lähetetyt", "lähetetyt viestit", "saadetud", "saadetud kirjad", "saadetud üksused", "nosūtītie", "nosūtītie vienumi", "išsiųsta", "išsiųsti laiškai", "išsiųsti",
		"wysłane", "elementy wysłane", "wysłane wiadomości", "odeslané", "odeslaná pošta", "odoslané", "odoslaná pošta", "poslano", "poslani elementi", "poslane stavke", "poslana pošta", "poslata pošta",
		"elküldött", "elküldött elemek", "elküldött üzenetek", "trimise", "elemente trimise", "mesaje trimise", "gönderilmiş", "gönderilmiş öğeler", "gönderilen", "gönderilenler", "gönderilmiş postalar",
		"απεσταλμένα", "σταλμένα", "נשלח", "פריטים שנשלחו", "المرسلة", "البريد المرسل", "العناصر المرسلة", "رسائل مرسلة", "ارسال شده",
		"已发送", "已发送邮件", "已发邮件", "已傳送", "寄件備份", "已寄出", "已傳送的郵件", "送信済み", "送信済みアイテム", "送信済みメール", "送信済メール", "보낸 편지함", "보낸편지함", "보낸메일함", "보낸 메일함",
		"đã gửi", "thư đã gửi", "รายการที่ส่ง", "ส่งแล้ว", "terkirim", "item terkirim", "pesan terkirim", "dihantar",
		"sent-messages", "sent folder", "gesendete mails", "versendet", "gesendete post", "gesendete e-mail", "courriers envoyés", "mails envoyés", "éléments expédiés", "objets expédiés", "enviado",
		"correos enviados", "correio enviado", "elementi spediti", "spedita", "отправлено", "отосланные", "відіслані", "надіслано", "изпратена поща", "изпратени елементи", "изпратени писма",
		"послати", "испратени", "poslana sporočila", "poslane poruke", "poslaná pošta", "odoslané položky", "odeslané položky", "odeslané zprávy", "odoslané správy", "poczta wysłana", "wysłana",
		"elküldött levelek", "elküldve", "trimis", "mesaje expediate", "expediate", "gönderilmiş iletiler", "gönderilen postalar", "gönderilmiş e-postalar", "gönderilen kutusu", "lähetetty",
		"lähetetyt kohteet", "lähetetyt sähköpostit", "nosūtītās vēstules", "nosūtītie ziņojumi", "išsiųsti elementai", "išsiųstieji", "sendte", "sendte objekter", "sendte beskeder",
		"sendte meldinger", "skickad", "skickad e-post", "skickade mejl", "sent póstur", "sendir hlutir", "sendur póstur", "απεσταλμένα στοιχεία", "απεσταλμένα μηνύματα", "missatges enviats",
		"bidalitakoak", "mensaxes enviadas", "anfonwyd", "seolta", "míreanna seolta", "נשלחו", "הודעות שנשלחו", "الرسائل المرسلة", "العناصر المُرسلة", "موارد ارسال شده", "فرستاده شده", "भेजे गए",
		"भेजा गया", "भेजे गए आइटम", "প্রেরিত", "அனுப்பியவை", "已發送", "已发送的邮件", "已发送邮件箱", "已傳送郵件", "寄件備份匣", "已寄送", "寄件夾", "送信済みトレイ", "送信箱", "送信済みフォルダ", "送信済", "보낸 메일", "보낸메일", "보낸 항목", "보낸 사서함",
		"mục đã gửi", "hộp thư đã gửi", "จดหมายที่ส่งแล้ว", "kotak terkirim", "surat terkirim", "item dihantar", "დაგზავნილი", "გაგზავნილი", "ուղարկված", "göndərilənlər", "göndərilmiş",
		"jo'natilgan", "жіберілген", "жіберілгендер",
	},
	imap.MailboxAttrDrafts: {
		"drafts", "draft", "draft messages", "draft mail",
		"entwürfe", "entwurf", "entwuerfe",
		"brouillons", "brouillon", "borradores", "borrador", "rascunhos", "rascunho", "esborranys", "bozze", "bozza",
		"черновики", "чернетки", "чарнавікі", "чернови", "нацрти",
		"concepten", "utkast", "kladder", "kladde", "luonnokset", "mustandid", "melnraksti", "juodraščiai",
		"kopie robocze", "wersje robocze", "szkice", "robocze", "koncepty", "rozepsané", "rozpísané", "nacrti", "skice", "osnutki",
		"piszkozatok", "piszkozat", "ciorne", "schițe", "taslaklar", "taslak", "πρόχειρα", "טיוטות", "المسودات", "مسودات", "پیش نویس ها", "پیش\u200cنویس\u200cها",
		"草稿", "草稿箱", "草稿夾", "下書き", "임시 보관함", "임시보관함", "thư nháp", "bản nháp", "nháp", "แบบร่าง", "ร่าง", "draf", "konsep",
		"draft items", "draft folder", "entwürfe-ordner", "entwurfsordner", "brouillons de messages", "borradores de correo", "rascunho de mensagens", "bozze di messaggi", "черновик", "чернетка",
		"чернови писма", "нацрт", "conceptberichten", "utkastmapp", "utkaster", "kladdar", "luonnos", "melnraksts", "juodraštis", "kopia robocza",
		"rozepsané zprávy", "rozpísané správy", "piszkozatok mappa", "ciornă", "taslak iletiler", "taslak postalar", "taslak kutusu", "πρόχειρα μηνύματα",
		"esborrany", "zirriborroak", "zirriborro", "borranchos", "drög", "dréachtaí", "drafftiau", "טיוטה", "טיוטת", "مسودة", "المسوّدات", "پیش\u200cنویس", "ड्राफ़्ट",
		"ड्राफ्ट", "খসড়া", "草稿匣", "草稿文件夹", "下書きトレイ", "下書きフォルダ", "임시 보관", "임시저장", "임시 저장함", "초안", "hộp thư nháp", "ฉบับร่าง", "draf surat", "konsep surat", "მონახაზები", "սևագրեր", "qaralamalar",
		"qoralamalar",
	},
	imap.MailboxAttrTrash: {
		"trash", "deleted items", "deleted messages", "deleted", "deleted mail", "bin", "wastebasket", "recycle bin",
		"papierkorb", "gelöschte elemente", "gelöschte objekte", "gelöschte nachrichten", "gelöscht",
		"corbeille", "éléments supprimés", "messages supprimés", "supprimés", "poubelle",
		"papelera", "papelera de reciclaje", "elementos eliminados", "mensajes eliminados", "eliminados", "lixeira", "itens excluídos", "itens eliminados", "excluídos", "lixo", "paperera", "elements suprimits",
		"cestino", "posta eliminata", "elementi eliminati", "eliminati", "eliminata",
		"корзина", "удаленные", "удалённые", "кошик", "видалені", "сметніца", "кошче", "изтрити", "смеће",
		"prullenbak", "prullenmand", "verwijderde items", "verwijderde berichten", "verwijderd",
		"papperskorg", "papperskorgen", "borttaget", "borttagna objekt", "papirkurv", "papirkurven", "slettet post", "slettede elementer", "slettet",
		"roskakori", "poistetut", "poistetut viestit", "prügikast", "kustutatud üksused", "kustutatud", "miskaste", "atkritne", "dzēstie vienumi", "dzēstie", "šiukšliadėžė", "šiukšlinė", "ištrinti laiškai",
		"kosz", "elementy usunięte", "usunięte", "koš", "odstraněná pošta", "odstraněné", "kôš", "odstránená pošta", "odstránené", "smeće", "izbrisane stavke", "izbrisano", "otpad", "izbrisani elementi",
		"kuka", "lomtár", "törölt elemek", "törölt üzenetek", "coș de gunoi", "coş de gunoi", "gunoi", "elemente șterse", "çöp", "çöp kutusu", "silinmiş öğeler", "silinmiş", "silinenler",
		"κάδος απορριμμάτων", "κάδος", "απορρίμματα", "διαγραμμένα", "אשפה", "פריטים שנמחקו", "سلة المهملات", "المهملات", "العناصر المحذوفة", "المحذوفة", "زباله دان", "سطل زباله",
		"已删除", "已删除邮件", "废件箱", "回收站", "已刪除的郵件", "刪除的郵件", "垃圾桶", "ゴミ箱", "ごみ箱", "削除済みアイテム", "削除済み", "휴지통", "지운 편지함", "지운편지함",
		"thùng rác", "đã xóa", "ถังขยะ", "รายการที่ถูกลบ", "sampah", "tong sampah", "item terhapus",
		"deleted-items", "deleted-messages", "deleted objects", "deleted email", "trash can", "trash bin", "trashcan", "rubbish bin", "mülleimer", "gelöschte mails", "gelöschte e-mails",
		"gelöschte post", "mülltonne", "corbeille à papier", "objets supprimés", "éléments effacés", "courriers supprimés", "mails supprimés", "supprimé", "papelera de correo", "correo eliminado",
		"correos eliminados", "elementos borrados", "borrados", "mensajes borrados", "itens apagados", "mensagens eliminadas", "mensagens excluídas", "correio eliminado", "caixote do lixo",
		"elementi cancellati", "posta cancellata", "messaggi eliminati", "cancellati", "удалено", "удалённые элементы", "удаленные элементы", "удалённые письма", "удаленные письма", "мусор",
		"видалено", "видалені елементи", "смітник", "изтрити елементи", "изтрити съобщения", "корпа", "обрисане ставке", "обрисано", "verwijderde e-mail", "borttagna meddelanden", "borttagna",
		"raderade objekt", "raderat", "slettede beskeder", "slettede meldinger", "slettede", "søppelkasse", "poistetut kohteet", "kustutatud kirjad", "dzēstās vēstules", "dzēstie ziņojumi",
		"ištrinti elementai", "ištrinti", "pašalinti", "usunięte wiadomości", "usunięte elementy", "odstraněné položky", "odstraněné zprávy", "smazané", "smazaná pošta", "odstránené položky",
		"odstránené správy", "zmazané", "vymazané", "kanta za smeće", "obrisane stavke", "obrisano", "izbrisana pošta", "izbrisana sporočila", "koš za smeti", "törölt levelek", "törölt",
		"kuka mappa", "mesaje șterse", "elemente sterse", "șterse", "coșul de gunoi", "silinmiş iletiler", "silinmiş postalar", "silinen postalar", "silinen öğeler", "geri dönüşüm kutusu",
		"διαγραμμένα στοιχεία", "διαγραμμένα μηνύματα", "καλάθι", "paperera de reciclatge", "elements esborrats", "missatges suprimits", "zakarrontzia", "ezabatutakoak", "ruslafata", "eytt",
		"eyddir hlutir", "sbwriel", "דואר שנמחק", "נמחקו", "سلّة المهملات", "الرسائل المحذوفة", "سلة المحذوفات", "زباله\u200cدان", "حذف شده", "موارد حذف شده", "ट्रैश", "हटाए गए आइटम",
		"கூளக்கூடை", "ট্র্যাশ", "已删除的邮件", "已删除邮件箱", "已刪除", "已刪除郵件", "删除的邮件", "垃圾箱", "垃圾筒", "回收筒", "資源回收筒", "废纸篓", "刪除郵件", "削除済みメール", "削除済みトレイ", "ごみばこ", "ゴミ箱フォルダ", "削除アイテム", "휴지통함", "지운 메일", "삭제된 항목",
		"삭제된 편지함", "지운메일함", "삭제한 메일함", "삭제됨", "mục đã xóa", "thư đã xóa", "hộp thư đã xóa", "รายการที่ลบ", "จดหมายที่ลบ", "kotak sampah", "surat dihapus", "item dihapus", "item dipadam", "ნაგავი",
		"წაშლილი", "ջնջված", "zibil qutusu", "silinənlər", "savat", "себет", "қоқыс",
	},
	imap.MailboxAttrJunk: {
		"junk", "spam", "junk e-mail", "junk email", "junk mail", "bulk mail", "bulk", "junkmail", "spam mail", "spambox", "probably spam",
		"spamverdacht", "unerwünscht", "junk-e-mail",
		"indésirables", "courrier indésirable", "pourriel", "pourriels", "indésirable", "messages indésirables",
		"correo no deseado", "correo basura", "no deseado", "lixo eletrônico", "lixo electrónico", "lixo eletrónico", "correu brossa", "posta indesiderata", "indesiderata",
		"спам", "нежелательная почта", "сомнительные", "небажана пошта", "нежелана поща", "непожељно",
		"ongewenst", "ongewenste e-mail", "skräppost", "skräp", "søppelpost", "søppel-e-post", "uønsket mail", "uønsket e-mail", "uønsket post",
		"roskaposti", "rämpspost", "surogātpasts", "mēstules", "brukalas", "šlamštas", "nepageidaujami laiškai",
		"wiadomości-śmieci", "wiadomości śmieci", "śmieci", "niechciane", "nevyžádaná pošta", "nevyžádané", "nevyžiadaná pošta", "neželjena pošta", "neželena pošta", "neželena e-pošta", "bezvrijedna pošta",
		"levélszemét", "kéretlen levelek", "e-mail nedorit", "mesaje nedorite", "nedorite", "istenmeyen", "istenmeyen e-posta", "önemsiz", "önemsiz e-posta", "gereksiz",
		"ανεπιθύμητα", "ανεπιθύμητη αλληλογραφία", "ספאם", "דואר זבל", "זבל", "البريد العشوائي", "بريد مزعج", "البريد غير الهام", "هرزنامه",
		"垃圾邮件", "广告邮件", "垃圾郵件", "迷惑メール", "スパム", "스팸", "스팸메일함", "스팸 메일함", "정크 메일", "thư rác", "อีเมลขยะ", "จดหมายขยะ", "surat sampah", "e-mel remeh",
		"junk-mail", "junk mails", "junk folder", "spam folder", "spam e-mail", "spam messages", "suspected spam", "spam-verdacht", "spamverdächtig", "unerwünschte werbung", "junk-e-mails",
		"courriel indésirable", "courriers indésirables", "indesirables", "courrier indesirable", "éléments indésirables", "mensajes no deseados", "no deseados", "correo spam", "lixo eletronico",
		"e-mail de lixo", "posta spazzatura", "спам и рассылки", "нежелательные", "нежелательная", "підозрілі", "спам-листи", "небажані", "небажані листи", "нежелани", "спам поща", "нежељена пошта",
		"непожељна пошта", "несакана пошта", "ongewenste mail", "ongewenste berichten", "skräppostmapp", "oönskad e-post", "oönskat", "uønsket", "roskapostit", "soovimatud", "rämpskiri",
		"rämpspostkaust", "nevēlamais e-pasts", "surogātpasta vēstules", "nepageidaujamas paštas", "nepageidaujami", "niechciana poczta", "wiadomości niechciane", "nevyžádaná", "nevyžádané zprávy",
		"nevyžiadané", "nevyžiadané správy", "neželjeno", "neželjene poruke", "bezvrijedno", "neželena sporočila", "kéretlen", "levélszemét mappa", "mesaje spam", "corespondență nedorită",
		"gereksiz e-posta", "gereksiz posta", "istenmeyen postalar", "istenmeyen posta", "önemsiz posta", "ανεπιθύμητη", "ανεπιθύμητο", "ανεπιθύμητα μηνύματα", "correu no desitjat", "zabor-posta",
		"correo lixo", "ruslpóstur", "dramhphost", "sothach", "דואר לא רצוי", "البريد غير المرغوب فيه", "البريد غير المرغوب", "بريد غير مرغوب فيه", "بريد عشوائي",
		"الرسائل غير المرغوب فيها", "رسائل غير مرغوب فيها", "هرز", "جفنگ", "स्पैम", "जंक ई-मेल", "जंक", "ஸ்பேம்", "স্প্যাম", "垃圾邮件箱", "垃圾信件", "垃圾信件匣", "垃圾郵件匣", "广告邮件箱", "迷惑メールフォルダ", "迷惑メールトレイ", "迷惑",
		"スパムメール", "스팸 편지함", "스팸편지함", "스팸 메일", "정크 이메일", "정크메일", "hộp thư rác", "email rác", "สแปม", "email sampah", "surel sampah", "e-mel sarap", "სპამი", "սպամ", "arzuolunmaz", "keraksiz xatlar",
		"қажетсіз",
	},
	imap.MailboxAttrArchive: {
		"archive", "archives", "archived", "archiv", "archivierte nachrichten", "archivés", "archivo", "archivados", "arquivo", "arquivos", "arquivados", "arquivo morto", "arxiu",
		"archivio", "archiviati", "архив", "архів", "архіў", "архива", "archief", "gearchiveerd", "arkiv", "arkiverat", "arkivert", "arkisto", "arkistoidut", "arhiiv", "arhīvs", "archyvas",
		"archiwum", "zarchiwizowane", "archivované", "archív", "arhiva", "arhiv", "archívum", "arhivă", "arşiv", "αρχείο", "αρχειοθέτηση", "ארכיון", "الأرشيف", "أرشيف", "بایگانی",
		"存档", "归档", "封存", "封存郵件", "アーカイブ", "보관함", "보관", "lưu trữ", "เก็บถาวร", "arsip", "arkib",
		"archive mail", "archived mail", "archived messages", "mail archive", "archiv-ordner", "archivierte", "archiviert", "archivierte mails", "archivage", "archivé", "messages archivés",
		"correo archivado", "elementos archivados", "arquivado", "mensagens arquivadas", "arquivadas", "archiviata", "messaggi archiviati", "posta archiviata", "архивы", "в архиве", "архивированные",
		"архівовані", "в архіві", "архивирани", "архивиране", "архивирано", "архивирани пораки", "gearchiveerde berichten", "arkiver", "arkivmapp", "arkiverade", "arkiverade objekt", "arkiverede",
		"arkivert e-post", "arkistot", "arkistoitu", "arhiivid", "arhīvi", "arhivētie", "archyvai", "archyvuoti", "zarchiwizowane wiadomości", "archivy", "archivováno",
		"archivovaná pošta", "archívy", "arhivirano", "arhivirani", "archiválás", "archivált", "archivált elemek", "arhive mesaje", "arhivate", "arşivlenmiş", "arşivlenenler",
		"arşiv klasörü", "αρχειοθετημένα", "αρχειοθήκη", "arxivats", "arxius", "artxiboa", "artxibatuak", "safnskrá", "cartlann", "archif", "בארכיון", "ארכיב", "المؤرشفة", "الأرشيفات",
		"المحفوظات", "بایگانی\u200cشده", "संग्रहित", "காப்பகம்", "আর্কাইভ", "存檔", "歸檔", "归档邮件", "存档邮件", "邮件归档", "已存档", "已归档", "封存匣", "アーカイブ済み", "アーカイブメール", "보관됨", "보관 편지함", "아카이브",
		"메일 보관함", "kho lưu trữ", "mục lưu trữ", "ที่เก็บถาวร", "ที่จัดเก็บ", "kotak arsip", "არქივი", "արխիվ", "arxiv", "мұрағат",
	},
}

// namedUse is a use and how strongly a name speaks for it; 0 is best.
type namedUse struct {
	use  imap.MailboxAttr
	rank int
}

// usesByName is useNames the other way round.
var usesByName = func() map[string]namedUse {
	m := make(map[string]namedUse)
	for use, names := range useNames {
		for rank, name := range names {
			m[name] = namedUse{use, rank}
		}
	}
	return m
}()

// unnamed ranks behind every name of useNames.
const unnamed = 1 << 20

// hasAttr ignores case, as attributes are flags.
func hasAttr(m upstream.Mailbox, attr imap.MailboxAttr) bool {
	return slices.ContainsFunc(m.Attrs, func(a imap.MailboxAttr) bool { return asciifold.Compare(string(a), string(attr)) == 0 })
}

// Selectable folders can hold mail.
func Selectable(m upstream.Mailbox) bool {
	return !hasAttr(m, imap.MailboxAttrNoSelect) && !hasAttr(m, imap.MailboxAttrNonExistent)
}

// AttrUse is the use that the server itself gives a folder, "" for none.
func AttrUse(m upstream.Mailbox) imap.MailboxAttr {
	for _, use := range specialUses {
		if hasAttr(m, use) {
			return use
		}
	}
	return ""
}

// ViewAttr is the attribute that makes a folder a view, "" if it is none. A
// folder that also has a use of its own holds mail of its own.
func ViewAttr(m upstream.Mailbox) imap.MailboxAttr {
	if AttrUse(m) != "" {
		return ""
	}
	for _, v := range views {
		if hasAttr(m, v) {
			return v
		}
	}
	return ""
}

// contender is a folder that may have a use.
type contender struct {
	name string // raw
	use  imap.MailboxAttr
	attr bool // the server says so
	rank int  // of its name among the use's names
	deep int  // parts of its name
}

// holders finds the folder that has each use on one server: by attribute, else
// by name. One without is missing from the result.
func holders(side Tree) map[imap.MailboxAttr]string {
	best := make(map[imap.MailboxAttr]contender)
	for _, m := range side.Mailboxes {
		c, ok := contend(m, side.Namespace)
		if !ok {
			continue
		}
		if b, taken := best[c.use]; !taken || compareContenders(c, b) < 0 {
			best[c.use] = c
		}
	}
	found := make(map[imap.MailboxAttr]string, len(best))
	for use, c := range best {
		found[use] = c.name
	}
	return found
}

// contend says for which use a folder comes into question.
func contend(m upstream.Mailbox, ns upstream.Namespace) (contender, bool) {
	c := contender{name: m.Name, use: AttrUse(m), rank: unnamed}
	named, ok := usesByName[strings.ToLower(DecodeName(lastPart(m, ns)))]
	if c.use == "" && !ok || !Selectable(m) || ViewAttr(m) != "" {
		return contender{}, false
	}
	p, _, personal := Locate(m.Name, m.Delim, ns)
	if !personal || p.inbox() {
		return contender{}, false
	}
	c.deep = len(p.parts)
	if c.use != "" {
		c.attr = true
		if ok && named.use == c.use {
			c.rank = named.rank
		}
		return c, true
	}
	if !ok || !nearTop(p) {
		return contender{}, false
	}
	c.use, c.rank = named.use, named.rank
	return c, true
}

// lastPart is the last part of a folder's name, raw. Most names have no use, which this
// is enough to see.
func lastPart(m upstream.Mailbox, ns upstream.Namespace) string {
	name := m.Name
	if hasPrefix(name, ns.Prefix) {
		name = name[len(ns.Prefix):]
	}
	if m.Delim == 0 {
		return name
	}
	delim := string(rune(m.Delim))
	if rest, ok := strings.CutSuffix(name, delim); ok && rest != "" {
		name = rest
	}
	return name[strings.LastIndex(name, delim)+len(delim):]
}

// nearTop: a folder has a use by its name only where clients make such
// folders, which is at the top, below INBOX where a server tells no prefix,
// or in Gmail's container.
func nearTop(p place) bool {
	return len(p.parts) == 1 || len(p.parts) == 2 && (p.raw[0] == InboxName || inGmail(p))
}

// inGmail reports whether a folder is one of Gmail's own, which it shows in a
// container of this name.
func inGmail(p place) bool {
	return len(p.parts) == 2 && (p.parts[0] == "[Gmail]" || p.parts[0] == "[Google Mail]")
}

func compareContenders(a, b contender) int {
	if a.attr != b.attr {
		if a.attr {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.deep, b.deep), strings.Compare(a.name, b.name))
}
