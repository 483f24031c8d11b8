package main

import (
	"crypto/tls"

	"postferry/admin"
	"postferry/discover"
	"postferry/proxy"
)

// openPage opens the import page of a daemon.
func openPage(d *daemon) (*admin.Server, error) {
	certificate, err := pageCertificate(d)
	if err != nil {
		return nil, err
	}
	return admin.New(admin.Options{
		Config: d.cfg, Store: d.store, Ferry: adminFerry{d.backend}, Finder: discover.ForConfig(d.cfg), Log: d.log,
		Version: versionString(), Certificate: certificate,
	})
}

// pageCertificate is the page's own certificate, or that of the proxy; nil for
// none, where only this machine reaches the page.
func pageCertificate(d *daemon) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	switch a := d.cfg.Admin; {
	case a.Cert != "":
		return proxy.Certificate(a.Cert, a.Key, d.log)
	case a.Loopback():
		return nil, nil
	}
	return d.proxy.Certificate, nil
}
