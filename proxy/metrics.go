package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the relay's figures for Prometheus.
type metrics struct {
	all      []prometheus.Collector
	logins   *prometheus.CounterVec // by result
	took     prometheus.Histogram   // of accepted logins
	visits   *prometheus.CounterVec // by outcome
	waited   prometheus.Histogram   // of SELECTs
	held     *prometheus.GaugeVec   // by what holds them
	refused  prometheus.Counter     // connections
	received atomic.Int64           // octets of clients
	sent     atomic.Int64           // octets to clients
}

// How a login ended.
const (
	loginAccepted    = "accepted"
	loginRefused     = "refused"     // login or password is not right
	loginLimited     = "limited"     // too many failures from the address or for the account
	loginUnavailable = "unavailable" // it could not be tried
)

// How a SELECT went on that was held back.
const (
	visitShown = "shown" // the folder was worth showing
	visitBound = "bound" // the client had waited for visit_wait
	visitLeft  = "left"  // the client went away
)

var waitBuckets = []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 300}

func newMetrics(s *Server) *metrics {
	const prefix = "postferry_client_"
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, []string{label})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: waitBuckets})
	}
	m := &metrics{
		logins: vec("logins_total", "Logins of clients, by what came of them.", "result"),
		took:   histogram("login_seconds", "How long accepted logins of clients took."),
		visits: vec("visits_total", "Openings of folders that were to be filled first, by how that ended.", "outcome"),
		waited: histogram("visit_wait_seconds", "How long clients waited for a folder that they opened."),
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + "commands_held",
			Help: "Commands of clients that are held back now, by what for."}, []string{"by"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "connections_refused_total",
			Help: "Connections that were refused or closed before login, as there were too many."}),
	}
	for _, result := range []string{loginAccepted, loginRefused, loginLimited, loginUnavailable} {
		m.logins.WithLabelValues(result)
	}
	for _, outcome := range []string{visitShown, visitBound, visitLeft} {
		m.visits.WithLabelValues(outcome)
	}
	m.all = []prometheus.Collector{m.logins, m.took, m.visits, m.waited, m.held, m.refused,
		gauge(prefix+"connections", "Connections of clients, logged in or not.", func() float64 {
			open, _ := s.door.Counts()
			return float64(open)
		}),
		gauge("postferry_clients", "Clients that are logged in.", func() float64 { return float64(s.present.count()) }),
		gauge(prefix+"logins_waiting", "Logins of clients that wait for their turns at the new server.", func() float64 {
			_, waiting := s.logins.Counts()
			return float64(waiting)
		}),
		counter(prefix+"received_octets_total", "Octets that were passed on from clients.", &m.received),
		counter(prefix+"sent_octets_total", "Octets that were passed on to clients.", &m.sent),
	}
	return m
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

func counter(name, help string, value *atomic.Int64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value.Load()) })
}

// Metrics are the relay's figures.
func (s *Server) Metrics() []prometheus.Collector { return s.metrics.all }

// visited counts a SELECT that was held back.
func (m *metrics) visited(ctx context.Context, took time.Duration) {
	outcome := visitShown
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		outcome = visitBound
	case ctx.Err() != nil:
		outcome = visitLeft
	}
	m.visits.WithLabelValues(outcome).Inc()
	m.waited.Observe(took.Seconds())
}

// loggedIn counts a login.
func (m *metrics) loggedIn(err error, took time.Duration) {
	switch {
	case err == nil:
		m.logins.WithLabelValues(loginAccepted).Inc()
		m.took.Observe(took.Seconds())
	case errors.Is(err, errRefused):
		m.logins.WithLabelValues(loginRefused).Inc()
	default:
		m.logins.WithLabelValues(loginUnavailable).Inc()
	}
}

// count is how many are logged in.
func (p *present) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.relays)
}
