package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"postferry/config"
)

const configHelp = `Check reads the configuration and says all that is wrong or unwise in it, each with
its line. Nothing is opened and nobody is asked: use it before a restart, or in what
rolls configurations out.

` + exitHelp

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Check the configuration",
		Long:    configHelp,
		Example: `  postferry config check -c /etc/postferry/config.toml`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck())
	return cmd
}

func newConfigCheck() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "check -c FILE",
		Short:   "Say all that is wrong or unwise in the configuration",
		Long:    configHelp,
		Example: `  postferry config check -c /etc/postferry/config.toml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, warnings, err := loadConfig(path)
			for _, w := range warnings {
				fmt.Fprintln(cmd.OutOrStdout(), asWarning(w))
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is in order: domains %d, warnings %d\n", path, len(cfg.Domains), len(warnings))
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// asWarning is a warning as a line that can't be taken for a mistake beside it.
func asWarning(w config.Finding) string {
	w.Key = strings.TrimSuffix("warning: "+w.Key, ": ")
	return w.String()
}
