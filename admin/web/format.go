package web

import (
	"html/template"
	"math"
	"strconv"
	"time"

	"golang.org/x/text/number"
)

// Number is a whole number with its digits grouped as the language does.
func (w *words) Number(n any) string {
	return w.printer.Sprint(number.Decimal(n))
}

// Size is a number of octets in the unit that suits it: powers of ten, as
// providers and disks count.
func (w *words) Size(octets uint64) string {
	units := []string{"unit.bytes", "unit.kb", "unit.mb", "unit.gb", "unit.tb"}
	value, unit := float64(octets), 0
	for value >= 999.5 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	digits := 0
	if unit > 0 && value < 9.95 {
		digits = 1
	}
	text := w.printer.Sprint(number.Decimal(value, number.MaxFractionDigits(digits), number.MinFractionDigits(digits)))
	return w.T(units[unit], "Value", text)
}

// Rate is messages a second: whole numbers from ten on.
func (w *words) Rate(perSecond float64) string {
	digits := 1
	if perSecond >= 10 {
		digits = 0
	}
	return w.printer.Sprint(number.Decimal(perSecond, number.MaxFractionDigits(digits)))
}

// percent is a share in whole percent. It is 100 only when nothing is left,
// and 0 only when nothing is done.
func percent(done, total uint64) int64 {
	switch {
	case total == 0:
		return 0
	case done >= total:
		return 100
	case done == 0:
		return 0
	}
	return int64(min(max(math.Floor(float64(done)/float64(total)*100), 1), 99))
}

// Span is a length of time in words, in its largest unit: nobody needs the
// seconds of an estimate of hours.
func (w *words) Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return w.T("span.seconds", "Count", max(int64(math.Ceil(d.Seconds())), 1))
	case d < 90*time.Minute:
		return w.T("span.minutes", "Count", int64(math.Round(d.Minutes())))
	case d < 36*time.Hour:
		return w.T("span.hours", "Count", int64(math.Round(d.Hours())))
	}
	return w.T("span.days", "Count", int64(math.Round(d.Hours()/24)))
}

// Time is an instant. A script shows it in the reader's time zone, which
// the server does not know; without one it is UTC, and says so.
func (w *words) Time(t time.Time) template.HTML {
	if t.IsZero() {
		return template.HTML(template.HTMLEscapeString(w.T("time.never")))
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` +
		template.HTMLEscapeString(t.Format(w.T("time.layout"))+" UTC") + `</time>`)
}

// plain is a number without grouping, for form fields.
func (w *words) plain(n int) string { return strconv.Itoa(n) }
