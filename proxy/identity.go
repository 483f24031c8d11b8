package proxy

import (
	"net"
	"strconv"
	"strings"

	"postferry/wire"
)

// identity is what the new server is told of a client before its login: what the client says
// of itself, and where it comes from, as Dovecot takes it from proxies that it trusts
// (login_trusted_networks). Its logs, limits and penalties then are the client's, and not those
// of the one address that all clients seem to come from.
func (s *session) identity() []wire.Field {
	var fields []wire.Field
	for _, f := range s.id {
		if len(fields) < mostOwn && !strings.HasPrefix(f.Name, "x-") { // those are a proxy's to tell
			fields = append(fields, f)
		}
	}
	conn := s.guest.Conn
	fields = appendAddress(fields, "x-originating-ip", "x-originating-port", conn.RemoteAddr())
	fields = appendAddress(fields, "x-connected-ip", "x-connected-port", conn.LocalAddr())
	return append(fields, wire.Field{Name: "x-session-id", Value: s.number})
}

// mostOwn is how many of a client's own fields are passed on: 30 in all are allowed (RFC 2971
// section 3.3).
const mostOwn = 25

// appendAddress adds an address and its port.
func appendAddress(fields []wire.Field, ip, port string, addr net.Addr) []wire.Field {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return fields
	}
	return append(fields, wire.Field{Name: ip, Value: tcp.AddrPort().Addr().Unmap().WithZone("").String()}, wire.Field{Name: port, Value: strconv.Itoa(tcp.Port)})
}
