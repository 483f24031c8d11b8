package syncer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the engine's figures.
func (e *Engine) Metrics() []prometheus.Collector {
	m := e.shared.metrics
	return []prometheus.Collector{m.messages, m.octets, m.flags, m.ordered, newServersMetrics(e)}
}

// serversMetrics are figures of the servers that the engine knows.
type serversMetrics struct {
	engine              *Engine
	used, most, resting *prometheus.Desc
}

func newServersMetrics(e *Engine) *serversMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("postferry_server_"+name, help, []string{"side", "server"}, nil)
	}
	return &serversMetrics{
		engine:  e,
		used:    desc("connections", "Connections for copying that are in use."),
		most:    desc("connections_max", "Connections for copying that there may be now."),
		resting: desc("resting_seconds", "How long the server is left alone yet, as it was unwell."),
	}
}

// Describe implements prometheus.Collector.
func (m *serversMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.used, m.most, m.resting} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *serversMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, s := range m.engine.pools.servers() {
		used, most, rests := s.pool.Load(time.Now())
		for _, v := range []struct {
			desc  *prometheus.Desc
			value float64
		}{{m.used, float64(used)}, {m.most, float64(most)}, {m.resting, rests.Seconds()}} {
			ch <- prometheus.MustNewConstMetric(v.desc, prometheus.GaugeValue, v.value, s.side, s.address)
		}
	}
}
