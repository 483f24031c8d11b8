package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/store"
)

// TestReasons: what the engine says of messages is said in the page's language.
func TestReasons(t *testing.T) {
	english, german := wordsIn(t, "en"), wordsIn(t, "de")
	tests := []struct{ reason, want string }{
		{"The new server refuses this message.", "Der neue Server lehnt diese Nachricht ab."},
		{"The new server refuses this message, also after a repair (bare LF made CRLF, flags left out: $a (b)).", "Der neue Server lehnt diese Nachricht ab, auch nach einer Reparatur (aus einzelnen LF CRLF gemacht, Markierungen weggelassen: $a (b))."},
		{"The new server refuses this message, also after a repair (NUL (2), {{.Size}}).", "Der neue Server lehnt diese Nachricht ab, auch nach einer Reparatur (NUL (2), {{.Size}})."},
		{"The message (12 MB) is larger than the new server takes (10 MB).", "Die Nachricht (12 MB) ist größer, als der neue Server annimmt (10 MB)."},
		{"never copied", "nie kopiert"},
		{"12 octets", "12 Bytes"},
		{"Something else.", "Something else."},
		{"", ""},
	}
	for _, tt := range tests {
		if got := german.Reason(tt.reason); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.reason, got, tt.want)
		}
		if got := english.Reason(tt.reason); got != tt.reason {
			t.Errorf("in English %q became %q", tt.reason, got)
		}
	}
}

// TestReasonsOfTheEngine: all that the engine says of messages, and of folders that it
// can't compare, is recognised, and all that would be recognised is said.
func TestReasonsOfTheEngine(t *testing.T) {
	w := wordsIn(t, "en")
	reasons, repairs := saidByTheEngine(t)
	for _, tt := range []struct {
		known []saying
		said  map[string]bool
	}{{w.all.reasons, reasons}, {w.all.repairs, repairs}} {
		found := map[string]bool{}
		for text := range tt.said {
			id, _ := recognise(tt.known, strings.NewReplacer("%s", "x", "%d", "7").Replace(text))
			if found[id] = true; id == "" {
				t.Errorf("the engine says %q, which has no text", text)
			}
		}
		for _, s := range tt.known {
			if !found[s.id] {
				t.Errorf("%s is never said", s.id)
			}
		}
	}
}

// saidByTheEngine reads in the source of the engine what it says of single messages, and
// what it does to them.
func saidByTheEngine(t *testing.T) (reasons, repairs map[string]bool) {
	t.Helper()
	files, err := filepath.Glob("../../syncer/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of the engine: %v", err)
	}
	reasons, repairs = map[string]bool{}, map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		verify := filepath.Base(filepath.Dir(name)) == "verify"
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				switch f := lastName(n.Fun); {
				case f == "newQuarantined" || f == "brokeAt":
					sentences(reasons, n.Args[1])
				case (f == "aboutFolder" || f == "leftAlone") && verify && len(n.Args) > 2:
					sentences(reasons, n.Args[2])
				case f == "Did":
					sentences(repairs, n.Args[0])
				}
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					switch what := lastName(to); {
					case what == "Reason", what == "reason", verify && (what == "Problem" || what == "Old" || what == "New"):
						sentences(reasons, n.Rhs[min(i, len(n.Rhs)-1)])
					case what == "what" && strings.HasSuffix(name, "repair.go"):
						sentences(repairs, n.Rhs[0])
					}
				}
			case *ast.FuncDecl: // what explains returns a reason
				if r := n.Type.Results; verify && r != nil && len(r.List[0].Names) > 0 && r.List[0].Names[0].Name == "reason" {
					ast.Inspect(n, func(n ast.Node) bool {
						if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) > 0 {
							sentences(reasons, r.Results[0])
						}
						return true
					})
				}
			case *ast.ValueSpec:
				if n.Names[0].Name == "errUnlisted" {
					sentences(reasons, n.Values[0])
				}
			}
			return true
		})
	}
	// Begins a sentence that has a kind of its own: the page goes by that.
	delete(reasons, "The configuration has no domain ")
	delete(reasons, " any more.")
	delete(reasons, "%d messages") // of a harmless finding, which the page only counts
	return reasons, repairs
}

// sentences are the texts in an expression that say something.
func sentences(into map[string]bool, e ast.Expr) {
	ast.Inspect(e, func(n ast.Node) bool {
		if sum, ok := n.(*ast.BinaryExpr); ok {
			if text, ok := literal(sum.X); ok && strings.HasSuffix(text, ": ") { // a list follows
				into[text+"x"] = true
				return false
			}
		}
		if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
			if s, ok := literal(text); ok && s != "" {
				into[s] = true
			}
		}
		return true
	})
}

// TestNotes: what a check tells is said in the page's language.
func TestNotes(t *testing.T) {
	tests := []struct {
		note admin.CheckedNote
		want string
	}{
		{admin.CheckedNote{Kind: "called", Folder: "a/b", Values: map[string]any{"Name": "a_b"}}, "„a/b“ heißt auf dem neuen Server „a_b“"},
		{admin.CheckedNote{Kind: "left", Folder: "Spam", Values: map[string]any{"Why": "skip has …"}, Left: admin.LeftFolder{Kind: "configuration", Of: "Sp*", Reason: "skip has …"}},
			"„Spam“ wird nicht kopiert: folders.skip in der Konfiguration nennt „Sp*“"},
		{admin.CheckedNote{Kind: "shared", Folder: "Public.", Values: map[string]any{"Count": 1200}}, "was im gemeinsamen Namensraum „Public.“ liegt, wird nicht kopiert (1.200 Ordner)"},
		{admin.CheckedNote{Kind: "new in the engine", Text: "as it says"}, "as it says"},
	}
	w := wordsIn(t, "de")
	for _, tt := range tests {
		if got := w.Note(tt.note); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	for want, p := range map[string]admin.PassView{"Ein Server weigert sich, den Ordner X zu öffnen.": {Error: "no", Problem: admin.ProblemView{Kind: store.FolderRefused, Folder: "X"}}, "as stored": {Error: "as stored"}} {
		if got := w.PassEnded(p); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for detail, want := range map[string]string{"6h0m0s → 2026-12-31T00:00:00Z": "6 Stunden → 31.12.2026, 00:00 UTC", "1m0s": "1 Minute", "?": "?"} {
		if got := w.AuditDetail(admin.AuditView{Action: "set_schedule", Detail: detail}); got != want {
			t.Errorf("%s: got %q, want %q", detail, got, want)
		}
	}
}

// TestAuditOfCredentials: which fields of how many accounts were changed.
func TestAuditOfCredentials(t *testing.T) {
	w := wordsIn(t, "de")
	for detail, want := range map[string]string{
		"":                           "",
		"3":                          "3 Konten",
		"old_password, new_login":    "Passwort am alten Server, Anmeldename am neuen Server",
		"2: new_password":            "2 Konten: Passwort am neuen Server",
		"1: what a later one writes": "1 Konto: what a later one writes",
	} {
		for _, action := range []string{"update_account", "update_accounts"} {
			if got := w.AuditDetail(admin.AuditView{Action: action, Detail: detail}); got != want {
				t.Errorf("%s %q: %q, want %q", action, detail, got, want)
			}
		}
	}
}
