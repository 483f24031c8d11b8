package codes

import (
	"fmt"
	"io/fs"
	"strings"
)

// code is one code and what it means.
type code struct{ name, meaning string }

// section is a table of the page.
type section struct {
	title, text string
	codes       func(root fs.FS) ([]code, error)
}

// sections are all tables of the page, in their order.
func sections() []section {
	return []section{
		{"Problems", "What keeps an account from being copied: `problem.kind` in the API, and the label `kind` of the metric `postferry_account_problems`.",
			constants("store", "ProblemKind")},
		{"What problems say", "The sentence in `summary` of a problem. The API, `status` and the socket tell it in English; the page says those that tell more than the kind does in its languages, under these names.",
			under("trouble.", constants("report/reason", "Code"))},
		{"Advice", "What helps against a problem: its `advice`.", constants("store", "Advice")},
		{"States of accounts", "What may be done with an account. The import page and the API tell `active` accounts apart by what goes on: `queued`, `running`, `retrying`, `failed`, `complete`.",
			constants("store", "State")},
		{"States of folders", "What is known of a folder on the new server.", constants("store", "FolderState")},
		{"Runs", "Why there is a run: its `kind`.", constants("store", "RunKind")},
		{"States of runs", "How far a run is: its `state`.", constants("store", "RunState")},
		{"Outcomes", "How far an account is within a run: its `outcome`.", constants("store", "Outcome")},
		{"Findings", "What `verify` found: `kind` in its JSON and CSV and in the API.", constants("report", "FindingKind")},
		{"Severities", "What a finding means for the move: its `severity`.", constants("report", "Severity")},
		{"Notes", "What to know of an account's folders before they are copied. `sync --dry-run` and the API tell the sentences; the page has them in its languages under these names.",
			under("note.", constants("report/reason", "Code"))},
		{"Folders that are left alone", "Why a folder of the old server is not copied. `reason` of a folder is the sentence; the page has it in its languages under this name.", under("folder_left.", constants("report/reason", "Code"))},
		{"Planned for folders", "What a pass would do with a folder: `action` of `sync --dry-run --json` and of a check.", constants("report", "FolderAction")},
		{"Reasons", "Why a message is in quarantine, missing or not compared, and why nothing goes back to the old server. `status`, `quarantine`, reports and the API tell the sentence; the page has it in its languages under this name.",
			texts("reason")},
		{"Repairs", "What was done to a message that the new server refused as it was. They are told like reasons.", texts("repair")},
		{"Stages of a move", "How far a domain is: `stage` of `advise --json`.", constants("stage", "Stage")},
		{"Conditions", "What has to be so before the old server may be switched off: `conditions[].name`.", constants("stage", "ConditionName")},
		{"States of conditions", "What is known of them: their `state`.", constants("stage", "State")},
		{"What is said of a move", "Verdict, conditions and next step of `advise --json`, and what lowers a grade in the report of `finish`: their `code`. `args` are put in; `text` is the sentence in English, which names commands where the page has buttons.", texts("ending")},
		{"Grades", "How an account has come over: `grade` in the report of `finish`.", constants("stage", "Grade")},
		{"Lists of mailboxes", "Why the list of a tenant's mailboxes can't be read: `code` of the step `directory` in `auth test --json`. Its other steps have kinds of problems, and `mailbox_needed`.", constants("directory", "Reason")},
		{"Errors of the API", "`code` of an answer that is an error.", refusals},
		{"Mistakes", "What is wrong with a field, or with a line of a list: `mistakes[].code` of the error `invalid`, and of a list.", texts("mistake")},
		{"Discovery", "What came of looking for a domain's old server: `code` in the report of `discover --json` and of the API.", texts("discover")},
	}
}

const head = `# Codes

<!-- Made by "go generate ./internal/codes"; don't edit it. -->

All codes that Postferry tells programs, with what they mean. They are stable: programs and
translations may rely on them. New ones may join, so a program must bear one that it doesn't know. What stands
in braces is put in.
`

// page is docs/codes.md as the source has it. root is the module's folder.
func page(root fs.FS) (string, error) {
	var b strings.Builder
	b.WriteString(head)
	for _, s := range sections() {
		codes, err := s.codes(root)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.title, err)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| code | meaning |\n|---|---|\n", s.title, s.text)
		for _, c := range codes {
			if c.meaning == "" {
				return "", fmt.Errorf("%s: %s has no meaning; give it a comment", s.title, c.name)
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", c.name, strings.ReplaceAll(c.meaning, "|", `\|`))
		}
	}
	return b.String(), nil
}
