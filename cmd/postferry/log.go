package main

import (
	"io"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/console"
)

// newLogger logs to w as the configuration says: text for people, JSON for programs.
func newLogger(c config.Log, w io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil || c.Level == "" {
		level = zerolog.InfoLevel
	}
	out := zerolog.SyncWriter(w)
	if c.Format == "text" || (c.Format == "auto" && console.IsTerminal(w)) {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime, NoColor: !console.IsTerminal(w)}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}
