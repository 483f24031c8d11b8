package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"postferry/internal/console"
)

// errMisfit ends a dry run whose output has said what won't work.
var errMisfit = fmt.Errorf("%w: not everything would fit", errIncomplete)

// planSync is sync --dry-run.
func planSync(ctx context.Context, stdout io.Writer, path string, logins []string) (err error) {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, cfg, syncCommand, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	domains, err := b.Domains(ctx)
	if err != nil {
		return err
	}
	for _, d := range domains {
		if _, known := cfg.Directory.DomainNamed(d.Name); !known {
			cfg.Directory.Put(d)
		}
	}
	p := console.NewPlanPrinter(stdout, cfg.Directory)
	if err := b.Plan(ctx, logins, p.Take); err != nil {
		return err
	}
	if !p.End() {
		return errMisfit
	}
	return nil
}
