package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCommandsAreExplained: each command says how it exits and shows how it is used, and README's table has it.
func TestCommandsAreExplained(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "## Commands")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, c := range newRoot().Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" || c.Name() == "version" {
			continue
		}
		if !regexp.MustCompile("`(postferry )?" + regexp.QuoteMeta(c.Name()) + "\\b").MatchString(table) {
			t.Errorf("README's table does not have %s", c.Name())
		}
		explained(t, c)
	}
}

func explained(t *testing.T, c *cobra.Command) {
	for _, sub := range c.Commands() {
		explained(t, sub)
	}
	if !c.Runnable() || c.HasSubCommands() {
		return
	}
	if !strings.Contains(c.Long, "Exit status:\n") {
		t.Errorf("%s does not say how it exits", c.CommandPath())
	}
	if examples := c.Example + c.Parent().Example; !strings.Contains(examples, c.CommandPath()) {
		t.Errorf("%s has no example", c.CommandPath())
	}
}
