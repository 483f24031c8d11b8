package link

import (
	"net"
	"time"

	"github.com/pires/go-proxyproto"

	"postferry/config"
)

// whereWait bounds the first few octets of a connection.
const whereWait = 10 * time.Second

// sayWhere begins a connection with a header of the PROXY protocol, if the server wants it:
// it tells the client's address, or ours.
func sayWhere(nc net.Conn, server config.Server, opt Options) error {
	if server.ProxyProtocol == 0 {
		return nil
	}
	source := opt.Client
	if _, ok := source.(*net.TCPAddr); !ok {
		source = nc.LocalAddr()
	}
	header := proxyproto.HeaderProxyFromAddrs(byte(server.ProxyProtocol), source, nc.RemoteAddr())
	if err := nc.SetWriteDeadline(time.Now().Add(whereWait)); err != nil {
		return err
	}
	if _, err := header.WriteTo(nc); err != nil {
		return err
	}
	return nc.SetWriteDeadline(time.Time{})
}
