package discover

import (
	"net"
	"net/url"
	"slices"

	"postferry/config"
)

// ForConfig is a Finder that leaves out the new servers of a configuration and
// of its directory, and what it says leads to this Postferry.
func ForConfig(cfg *config.Config) *Finder {
	return &Finder{
		New: func(domain string) []string { return newHosts(cfg, domain) },
		Own: ownHosts(cfg),

		Watched: cfg.Watch.Resolvers,
	}
}

// newHosts are the hosts a domain moves to: its own new server, or, if the
// domain is not known yet, all of them.
func newHosts(cfg *config.Config, domain string) []string {
	if d, ok := cfg.DomainNamed(domain); ok {
		return []string{d.New.Host}
	}
	var hosts []string
	for _, d := range cfg.AllDomains() {
		hosts = append(hosts, d.New.Host)
	}
	if s, err := config.ParseServer(cfg.Admin.New); err == nil {
		hosts = append(hosts, s.Host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// ownHosts are where the configuration says that we are. Listeners on all
// addresses add nothing: the addresses of this machine are left out anyway.
func ownHosts(cfg *config.Config) []string {
	hosts := slices.Clone(cfg.Watch.Here)
	for _, listen := range []string{cfg.Proxy.IMAPS, cfg.Proxy.IMAP} {
		host, _, err := net.SplitHostPort(listen)
		if ip := net.ParseIP(host); err == nil && host != "" && (ip == nil || !ip.IsUnspecified() && !ip.IsLoopback()) {
			hosts = append(hosts, host)
		}
	}
	if u, err := url.Parse(cfg.Admin.PublicURL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
