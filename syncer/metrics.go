package syncer

import (
	"github.com/prometheus/client_golang/prometheus"

	"postferry/syncer/transfer/job"
)

// metrics are the engine's figures for Prometheus that grow while it runs.
type metrics struct {
	messages, octets, flags *prometheus.CounterVec // by domain
	ordered                 *prometheus.CounterVec
}

func newMetrics() *metrics {
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postferry_" + name, Help: help}, []string{"domain"})
	}
	return &metrics{
		messages: vec("messages_copied_total", "Messages that were copied."),
		octets:   vec("octets_copied_total", "Octets of messages that were copied."),
		flags:    vec("flag_changes_total", "Changes of flags that were carried over."),
		ordered:  vec("folders_reordered_total", "Folders whose newest messages were put behind the others."),
	}
}

// pulled counts what a pull did.
func (m *metrics) pulled(domain string, s job.Stats) {
	m.messages.WithLabelValues(domain).Add(float64(s.Copied))
	m.octets.WithLabelValues(domain).Add(float64(s.Bytes))
	m.flags.WithLabelValues(domain).Add(float64(s.FlagChanges))
}
