package layers

import (
	"fmt"
	"slices"
	"strings"
)

const module = "postferry"

// lab is for tests and benchmarks only, with what is below it.
const lab = "internal/lab"

// loopback is what servers of the lab listen with.
const loopback = lab + "/loopback"

// inMemory is what they are reached by in tests without a network.
const inMemory = lab + "/inmemory"

// light is a server of it for very many clients.
const light = lab + "/light"

// inLab says whether a package is a part of the lab.
func inLab(there string) bool { return there == lab || strings.HasPrefix(there, lab+"/") }

// throttle is what both doors to the outside have against guessing.
const throttle = "internal/throttle"

// spreadsheet is through what all tables go that a spreadsheet program may open.
const spreadsheet = "internal/spreadsheet"

// control is the socket over which commands reach the daemon: it says what they may ask of the
// state, and what they are told.
const control = "internal/control"

// backend does what commands ask for, on the state that a process holds.
const backend = "internal/backend"

// console is what commands show.
const console = "internal/console"

// stateDir is the directory that the database is in.
const stateDir = "store/bolt/statedir"

// secret is the type of what nobody may see.
const secret = "internal/secret"

// private is for files that nobody else may write.
const private = "internal/private"

// bolt is the database. Whoever needs a store is given one; only what puts the program
// together, and tests, may know which.
const bolt = "store/bolt"

// boltPages are the pages of its file.
const boltPages = "store/bolt/pages"

// boltRows are its keys and rows, octet for octet.
const boltRows = "store/bolt/rows"

// boltSegments are the ledger's entries, in its pages.
const boltSegments = "store/bolt/segments"

// boltRebuild replaces a database of an earlier version.
const boltRebuild = "store/bolt/rebuild"

// demo is the tour, and demoServers what it moves mail between.
const (
	demo        = "internal/demo"
	demoServers = "internal/demo/servers"
	demoClouds  = "internal/demo/clouds" // and who hands out tokens for it
)

// reasons are why things are as they are, and what was done: by a code and values.
const reasons = "report/reason"

// reports are what the engine tells, and what everybody shows of it.
const reports = "report"

// ferryTest stands in for the engine in tests of what administrators do.
const ferryTest = "admin/ferrytest"

// asciifold compares text without the case of ASCII letters.
const asciifold = "internal/asciifold"

// pauses are waits that end with their context.
const pauses = "internal/pause"

// humanize writes numbers for people.
const humanize = "internal/humanize"

// tables writes what commands list.
const tables = "internal/table"

// transcripts plays conversations with mail servers that were written down; for tests.
const transcripts = "upstream/transcript"

// publicnet says what may be connected to for whom.
const publicnet = "internal/publicnet"

// allowed says for each package what of ours it may import. What lies below a package is a
// package of its own: it inherits nothing.
func allowed() map[string][]string {
	bottom := []string{"wire", "store", "config"}
	middle := append([]string{"upstream", "upstream/link", "discover"}, bottom...)
	// useCases are what administrators do, for those who let them in.
	useCases := []string{"admin", "admin/access", "admin/board", "admin/jobs", "admin/selection", "admin/checks", "admin/transfers", "admin/finishing"}
	rules := map[string][]string{
		"cmd/postferry": append([]string{"credential", bolt, control, backend, console, stateDir, demo, humanize, tables, spreadsheet, "cause", "admin", "admin/access", "admin/board", "admin/finishing", "admin/server", "tenant", "directory", "stage", "lifecycle", "notify", "admin/web", "proxy", "proxy/certificate", "syncer", "syncer/verify", "syncer/dryrun",
			reasons, reports}, middle...), // for what they report; admin/web for its words
		"admin/access":    {throttle, asciifold, reports, "store", "config"},
		"admin/board":     {asciifold, reports, "cause", "store"},
		"admin/runs":      {reports, "store"},
		"admin/jobs":      {"admin/access", "store"},
		"admin/selection": {"admin/access", "admin/board", reports, "store", "config"},
		"admin/checks":    {"admin/access", "admin/board", "admin/jobs", "admin/selection", spreadsheet, reasons, reports, "discover", "store", "config"},
		"admin/transfers": {"admin/access", "admin/board", "admin/runs", "admin/selection", spreadsheet, reasons, reports, "store", "config"},
		"admin/finishing": {"admin/access", "admin/board", "admin/jobs", "admin/selection", "stage", "lifecycle", "store", "config"},
		"admin":           append([]string{"admin/runs", "admin/access", "admin/board", "admin/jobs", "admin/selection", "admin/checks", "admin/transfers", "admin/finishing", throttle, publicnet, spreadsheet, asciifold, reasons, reports, "tenant", "directory", "cause", "stage", "lifecycle"}, middle...),
		console:           {control, humanize, tables, spreadsheet, reports, reasons, "cause", "discover", "store", "config"},
		backend: append([]string{control, "credential", "admin", "admin/access", "cause", reports, reasons, "tenant", "directory", "stage", "lifecycle", "proxy", "syncer", "syncer/verify",
			"syncer/dryrun"}, middle...), // it is asked over the control socket, and asks all that do something
		ferryTest:            {reports, "store"},
		"admin/request":      {"admin", "admin/access", "admin/board", "store"},
		"admin/api":          append([]string{reports, "admin/request", "stage", "store", "config"}, useCases...),
		"admin/web":          append([]string{reasons, reports, "admin/request", "cause", "stage", "lifecycle", "tenant", "directory", "discover", "store", "config"}, useCases...),
		"admin/server":       append([]string{reasons, reports, "admin/request", "admin/api", "admin/web", "cause", "stage", "lifecycle", throttle, "discover", "store", "config"}, useCases...),
		"proxy":              append([]string{"proxy/admission", "proxy/certificate", pauses}, middle...),
		"proxy/admission":    {throttle, pauses},
		"proxy/certificate":  {private, "config"},
		"upstream":           append([]string{"upstream/link"}, bottom...),
		"upstream/pop3":      append([]string{"upstream/link"}, bottom...),
		transcripts:          {"upstream/link", "config"},
		"upstream/link":      append([]string{publicnet, reasons}, bottom...),
		"credential":         append([]string{"upstream/link", publicnet, pauses, secret, reasons}, bottom...),
		"discover":           append([]string{publicnet, "upstream", "upstream/pop3", "upstream/link"}, bottom...), // it asks what it finds as the engine would
		"cause":              {reasons, "store"},
		"stage":              {"discover", "store", reasons}, // for the facts, and what is told of them
		"lifecycle":          {"stage", "discover", "store", "config", spreadsheet},
		"notify":             {reports, "stage", "store", "config", publicnet, secret},
		"wire":               nil,
		reasons:              nil,
		reports:              {reasons, "wire", "store"},
		"store":              {secret, asciifold, reasons},
		"store/seal":         {"store", private},
		bolt:                 {"store", "store/seal", boltRows, boltSegments, boltPages, boltRebuild, stateDir, private, reasons},
		boltPages:            nil,
		boltSegments:         {"store", boltRows},
		boltRebuild:          {"store", boltRows, boltSegments, stateDir, private},
		stateDir:             {"store/seal", private},
		boltRows:             {"store", "store/seal", reasons},
		"store/storetest":    {"store", reasons},
		"config":             {secret, asciifold},
		lab:                  {loopback, inMemory, "config"}, // it must stay an independent witness
		"internal/lab/bench": {lab},
		lab + "/browser":     {lab},
		light:                {lab, "config"},
		lab + "/nameserver":  {loopback},
		lab + "/powercut":    nil,
		lab + "/script":      {lab, loopback, "config"},
		loopback:             nil,
		inMemory:             nil,
		throttle:             nil,
		asciifold:            nil,
		secret:               nil,
		spreadsheet:          nil,
		publicnet:            nil,
		control:              {reasons, reports, "tenant", "directory", "cause", "stage", "lifecycle", "syncer", "store", "config"}, // for what they report
		private:              nil,
		demo:                 {demoServers, demoClouds, control, humanize, reports, "lifecycle", "store"},
		demoServers:          nil,
		demoClouds:           nil,
		"directory":          {pauses, secret},
		pauses:               nil,
		"tenant":             {secret, "credential", "directory", "upstream", "upstream/pop3", "upstream/link", "store", "config"},
		humanize:             nil,
		tables:               nil,
		"internal/layers":    nil,
		"internal/codes":     nil,
	}
	for name, imports := range engine() {
		rules[name] = imports
	}
	return rules
}

// engine are the rules for the rooms of the engine, from the top to the bottom: each may import
// those below it that it is given.
func engine() map[string][]string {
	ground := []string{pauses, humanize, "store", "upstream", "upstream/link", asciifold, reasons, reports}
	pure := append([]string{"config", "wire", "syncer/message", "syncer/problem"}, ground...)
	sessions := append([]string{"syncer/foldertree"}, pure...)
	folder := append([]string{"syncer/session"}, sessions...)
	pull := append([]string{"syncer/transfer/job", "syncer/recovery", "syncer/measure"}, folder...)
	return map[string][]string{
		"syncer":                 append([]string{"syncer/folders", "syncer/jobs", "syncer/stragglers", "syncer/transfer/job", "syncer/schedule", "syncer/wayback", "syncer/treesync", "syncer/mailbox", "syncer/transfer", "syncer/reorder", "syncer/recovery", "syncer/quota", "syncer/measure", "syncer/compare", "syncer/leftout"}, folder...),
		"syncer/treesync":        append([]string{"syncer/mailbox", "syncer/recovery", "syncer/quota", "syncer/measure", "syncer/compare", "syncer/leftout"}, folder...),
		"syncer/verify":          append([]string{"syncer/compare", "syncer/leftout"}, folder...),
		"syncer/dryrun":          append([]string{"syncer/compare", "syncer/leftout"}, folder...),
		"syncer/mailbox":         folder,
		"syncer/compare":         folder,
		"syncer/leftout":         folder,
		"syncer/folders":         append([]string{"syncer/treesync", "syncer/leftout"}, pull...),
		"syncer/jobs":            folder,
		"syncer/stragglers":      append([]string{"syncer/schedule"}, folder...),
		"syncer/transfer":        append([]string{"syncer/transfer/reader", "syncer/transfer/writer", "syncer/transfer/adopt", "syncer/quota"}, pull...),
		"syncer/transfer/reader": append([]string{"syncer/transfer/adopt"}, pull...),
		"syncer/transfer/writer": append([]string{"syncer/transfer/adopt"}, pull...),
		"syncer/transfer/adopt":  pull,
		"syncer/transfer/job":    append([]string{"syncer/wayback", "syncer/recovery", "syncer/measure", "syncer/leftout"}, folder...),
		"syncer/recovery":        folder,
		"syncer/reorder":         folder,
		"syncer/wayback":         folder,
		"syncer/quota":           folder,
		"syncer/measure":         {"store", reports},
		"syncer/schedule":        {"store"},
		"syncer/session":         append([]string{"upstream/pop3"}, sessions...),
		"syncer/foldertree":      pure,
		"syncer/message":         ground,
		"syncer/problem":         ground,
	}
}

// offence says what is wrong with an import; "" if nothing is. from is the folder of
// the importing file, relative to the module's root; imported is the import's path.
func offence(from, imported string, test bool) string {
	rules := allowed()
	target, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		return offenceCSV(from, imported, test)
	}
	here, there := home(from, rules), home(target, rules)
	switch {
	case here == "":
		return fmt.Sprintf("package %s has no place among the layers yet; give it one in %s/internal/layers", from, module)
	case there == "":
		return fmt.Sprintf("package %s has no place among the layers yet; give it one in %s/internal/layers", target, module)
	case from == target, slices.Contains(rules[here], there):
		return ""
	case test && (inLab(there) || there == bolt || there == "store/storetest"):
		return ""
	case test && (there == transcripts || there == "upstream/pop3" || there == publicnet) && strings.HasPrefix(here, "upstream"):
		return "" // conversations that were written down, and what both protocols have
	case test && there == ferryTest && strings.HasPrefix(here, "admin"):
		return ""
	case test && there == reasons:
		return "" // problems that tests make up say why
	case test && there == demoClouds:
		return "" // as strict as the services that they stand in for
	case test && here == "admin/server" && there == spreadsheet:
		return "" // to see that nothing has gone past it
	case test && (here == "cmd/postferry" || here == "tenant" || here == "admin/server") && there == demoServers:
		return "" // small servers for what needs no real ones
	case test && here == "syncer" && (there == "syncer/verify" || there == "syncer/dryrun"):
		return "" // they see what the engine did
	case there == bolt && here != "store":
		return fmt.Sprintf("%s is for what puts the program together, and for tests: take an interface of package store, or one of your own", bolt)
	case inLab(there) && !inLab(here):
		return fmt.Sprintf("%s is for tests and benchmarks; only _test.go files may import it", there)
	case len(rules[here]) == 0:
		return fmt.Sprintf("%s may import none of our packages, so not %s", here, there)
	}
	return fmt.Sprintf("%s may import %s, but not %s: imports point one way", here, strings.Join(rules[here], ", "), there)
}

// offenceCSV lets nothing write CSV past the package that keeps formulas out of it.
// config reads some.
func offenceCSV(from, imported string, test bool) string {
	if imported != "encoding/csv" || test || from == spreadsheet || from == "config" {
		return ""
	}
	return "tables are written with " + spreadsheet + ", which keeps formulas out of them"
}

// home is the package of the rules that a folder is; "" if there are none for it.
func home(folder string, rules map[string][]string) string {
	if _, ok := rules[folder]; ok {
		return folder
	}
	return ""
}
