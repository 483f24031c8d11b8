package script

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// step is one line of a script.
type step struct {
	line   int // in the script, from 1
	verb   string
	text   string         // S and D: what to send, with its {{}}
	expect *regexp.Regexp // C, L and A
}

// block is a line the client must send and what follows until the next one.
type block struct {
	trigger step // verb C, A or, before the first of them, ""
	steps   []step
}

var scriptVerbs = []string{"STARTTLS", "HANG", "CLOSE", "RESET"}

func parseScript(text string) ([]block, error) {
	blocks := []block{{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(strings.TrimLeft(line, " \t"), "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		s.line = number
		if s.verb == "C" || s.verb == "A" {
			blocks = append(blocks, block{trigger: s})
		} else {
			last := &blocks[len(blocks)-1]
			last.steps = append(last.steps, s)
		}
	}
	return blocks, nil
}

func parseStep(line string) (step, error) {
	if slices.Contains(scriptVerbs, line) {
		return step{verb: line}, nil
	}
	verb, text, ok := strings.Cut(line, ":")
	text = strings.TrimPrefix(text, " ")
	s := step{verb: verb, text: text}
	var err error
	switch {
	case ok && verb == "S":
		s.text += "\r\n"
	case ok && verb == "D":
		s.text, err = strconv.Unquote(text)
	case ok && (verb == "C" || verb == "L" || verb == "A"):
		pattern := strings.ReplaceAll(text, "{{tag}}", `(?P<tag>[^ ]+)`)
		s.expect, err = regexp.Compile("^(?i:" + pattern + ")$")
	default:
		err = fmt.Errorf("%q is none of S:, D:, C:, L:, A:, %s", line, strings.Join(scriptVerbs, ", "))
	}
	return s, err
}
