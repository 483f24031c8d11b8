package main

import (
	"crypto/tls"

	"postferry/admin/finishing"
	"postferry/admin/server"
	"postferry/discover"
	"postferry/proxy/certificate"
)

// openPage opens the import page of a daemon. It asks resolvers for old servers,
// or the system's if there are none.
func openPage(d *daemon, resolvers []string) (*server.Server, error) {
	certificate, err := pageCertificate(d)
	if err != nil {
		return nil, err
	}
	finder := discover.ForConfig(d.cfg)
	finder.Resolvers = resolvers
	return server.New(server.Options{
		Config: d.cfg, Store: d.store, Ferry: d.backend.Ferry(), Finder: finder, Log: d.log,
		Version: versionString(), Certificate: certificate, Endings: finishing.Endings{Guide: d.backend.Guide, Engine: d.backend.Ending()},
		Tokens:  d.backend.Keeper,
		Poster:  d.teller,
		Metrics: append(d.proxy.Metrics(), d.engine.Metrics()...),
	})
}

// pageCertificate is the page's own certificate, or that of the proxy; nil for
// none, where only this machine reaches the page.
func pageCertificate(d *daemon) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	switch a := d.cfg.Admin; {
	case a.Cert != "":
		return certificate.Pair(a.Cert, a.Key, d.log)
	case a.Loopback():
		return nil, nil
	}
	return d.proxy.Certificate, nil
}
