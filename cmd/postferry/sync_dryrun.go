package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// errMisfit ends a dry run whose output has said what won't work.
var errMisfit = fmt.Errorf("%w: not everything would fit", errIncomplete)

// planSync is sync --dry-run.
func planSync(ctx context.Context, stdout io.Writer, path string, logins []string) (err error) {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, cfg, "sync", nil)
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
	p := newPlanPrinter(stdout, cfg.Directory)
	if err := b.Plan(ctx, logins, p.take); err != nil {
		return err
	}
	if !p.end() {
		return errMisfit
	}
	return nil
}
