package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"postferry/internal/control"
)

// outputWide and outputJSON are the words of --output besides "table", which is the usual.
const (
	outputTable = "table"
	outputWide  = "wide"
	outputJSON  = "json"
)

// output is how a command shows what it lists.
type output struct {
	form string
	json bool // as --json says
}

// flags adds the flags of a command that lists; withJSON adds those for JSON.
func (o *output) flags(cmd *cobra.Command, withJSON bool) {
	words := "table, or wide for lines of any length"
	if withJSON {
		words = "table, wide for lines of any length, or json"
		cmd.Flags().BoolVar(&o.json, "json", false, "print JSON for programs (the same as -o json)")
	}
	cmd.Flags().StringVarP(&o.form, "output", "o", outputTable, "how to show it: `FORM` is "+words)
	known := []string{outputTable, outputWide}
	if withJSON {
		known = append(known, outputJSON)
	}
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, k := range known {
			if o.form == k {
				o.json = o.json || k == outputJSON
				return run(cmd, args)
			}
		}
		return control.UsageError(fmt.Errorf("%q is no form of output; expected %s", o.form, words))
	}
	// The flag is registered above, so that this can't fail.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp))
}

func (o *output) wide() bool { return o.form == outputWide }
