package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/request"
	"postferry/report"
	"postferry/stage"
)

// metricsPatience bounds what reading the figures may take.
const metricsPatience = 10 * time.Second

// metrics are what /metrics shows, in a registry of their own.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	app      *admin.Service
	gate     *request.Gate

	accounts, problems                            *prometheus.Desc
	messages, copied, octets, quarantined, passes *prometheus.Desc
	lists                                         *prometheus.Desc
	late, newest, oldest, never                   *prometheus.Desc
	streams, stage, causes                        *prometheus.Desc
}

func newMetrics(a *admin.Service, g *request.Gate, version string, others []prometheus.Collector) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("postferry_"+name, help, labels, nil)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		app:      a,
		gate:     g,
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "postferry_http_request_seconds", Help: "How long requests to page and API took.",
			Buckets: []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30},
		}, []string{"method", "route", "status"}),
		accounts:    desc("accounts", "Accounts by domain and state.", "domain", "state"),
		problems:    desc("account_problems", "Accounts that something keeps from being copied, by what it is.", "domain", "kind", "server"),
		messages:    desc("old_messages", "Messages known on the old server.", "domain"),
		copied:      desc("copied_messages", "Messages that are on the new server.", "domain"),
		octets:      desc("copied_octets", "Octets of messages that are on the new server.", "domain"),
		quarantined: desc("quarantined_messages", "Messages that one of the servers refuses.", "domain"),
		passes:      desc("passes_total", "Passes over accounts that ended.", "domain"),
		late:        desc("late_messages_total", "Messages that reached the old server after the MX had moved.", "domain"),
		newest:      desc("last_complete_pass_timestamp_seconds", "When a pass over an account last left nothing behind.", "domain"),
		oldest:      desc("oldest_complete_pass_timestamp_seconds", "The same of the active account for which it is longest ago; 0 if there is none.", "domain"),
		never:       desc("accounts_never_complete", "Active accounts of which no pass has left nothing behind yet.", "domain"),
		streams:     desc("event_streams", "Pages and programs that watch live events right now."),
		stage:       desc("domain_stage", "How far a domain's move is: 1 for the stage that it is in.", "domain", "stage"),
		causes:      desc("needs_person_accounts", "Accounts that are not copied until a person has done something.", "domain"),
		lists:       desc("waiting_lists", "Uploaded lists that wait in memory for a decision."),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "postferry_info", Help: "Which Postferry this is.", ConstLabels: prometheus.Labels{"version": version}})
	info.Set(1)
	m.registry.MustRegister(others...)
	m.registry.MustRegister(m.requests, m, info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observe counts a request. Streams last as long as somebody looks, so they
// say nothing about how fast anything is: they have a figure of their own.
func (m *metrics) observe(pattern, method string, status int, took time.Duration) {
	if status == http.StatusOK && request.IsStream(pattern) {
		return
	}
	_, route, _ := strings.Cut(pattern, " ")
	if route == "" {
		route, method = "unknown", "unknown"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.accounts, m.problems, m.messages, m.copied, m.octets, m.quarantined, m.passes, m.late, m.newest, m.oldest, m.never, m.lists, m.streams, m.stage, m.causes} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), metricsPatience)
	defer cancel()
	ch <- prometheus.MustNewConstMetric(m.lists, prometheus.GaugeValue, float64(m.app.Lists.Waiting()))
	ch <- prometheus.MustNewConstMetric(m.streams, prometheus.GaugeValue, float64(m.gate.Streams()))
	for _, domain := range m.app.Scopes.Names() {
		b, err := m.app.Status.Board(ctx, domain)
		if err != nil {
			ch <- prometheus.NewInvalidMetric(m.accounts, err)
			return
		}
		m.collectDomain(ch, domain, b)
		m.collectStage(ctx, ch, domain, b)
	}
}

// collectStage tells which stage a domain is in. What DNS told last counts: nobody is asked for figures.
func (m *metrics) collectStage(ctx context.Context, ch chan<- prometheus.Metric, domain string, b *board.Board) {
	at, err := m.app.Finishing.Stage(ctx, domain, b)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.stage, err)
		return
	}
	for _, s := range stage.Stages() {
		is := 0.0
		if s == at {
			is = 1
		}
		ch <- prometheus.MustNewConstMetric(m.stage, prometheus.GaugeValue, is, domain, string(s))
	}
}

func (m *metrics) collectDomain(ch chan<- prometheus.Metric, domain string, b *board.Board) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{domain}, labels...)...)
	}
	t := b.Tally()
	for _, s := range report.AccountStates() {
		gauge(m.accounts, float64(t.States[s]), string(s))
	}
	for p, n := range t.Problems {
		gauge(m.problems, float64(n), string(p.Kind), string(p.Server))
	}
	gauge(m.messages, float64(b.Totals.Messages))
	gauge(m.copied, float64(b.Totals.Copied))
	gauge(m.octets, float64(b.Totals.Octets))
	gauge(m.quarantined, float64(b.Totals.Quarantined))
	needing := 0
	for _, c := range b.Causes {
		if c.NeedsPerson {
			needing += c.Accounts
		}
	}
	gauge(m.causes, float64(needing))
	gauge(m.newest, seconds(t.Completed))
	gauge(m.oldest, seconds(t.Oldest))
	gauge(m.never, float64(t.Never))
	ch <- prometheus.MustNewConstMetric(m.late, prometheus.CounterValue, float64(t.Late), domain)
	ch <- prometheus.MustNewConstMetric(m.passes, prometheus.CounterValue, float64(t.Passes), domain)
}

// seconds is a time as Prometheus has it; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// showMetrics answers GET /metrics. The figures are of all domains, so a token
// for all of them is needed (Prometheus: authorization, credentials_file).
func (s *API) showMetrics(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	if err := who.RequireAll(); err != nil {
		return err
	}
	promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
	return nil
}

// health answers GET /healthz: 200 as long as the database answers. It says
// nothing else, because it asks nobody who they are.
func (s *API) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), metricsPatience)
	defer cancel()
	status, text := http.StatusOK, "ok"
	if s.healthy(ctx) != nil {
		status, text = http.StatusServiceUnavailable, "unavailable"
	}
	request.WriteJSONAs(w, "application/json", status, map[string]string{"status": text})
}
