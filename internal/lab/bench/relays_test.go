package bench

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/internal/lab/light"
)

// bareEnv makes the test binary a bare relay, see startBare.
const bareEnv = "BENCH_BARE_RELAY"

func TestMain(m *testing.M) {
	if target := os.Getenv(bareEnv); target != "" {
		bare(target)
		return
	}
	os.Exit(m.Run())
}

// relayed is something between clients and the new server, with TLS towards the clients.
type relayed struct {
	name string
	addr string
	pids []int // of its processes; none for none
	note string
}

// relayServers are what a relay stands in front of, and what it shows its clients.
type relayServers struct {
	tls, plain *light.Server
	pem        string // certificate and key in one file
	cert, key  string
}

func startRelayServers(b *testing.B) *relayServers {
	b.Helper()
	ca, dir := lab.NewCA(b), b.TempDir()
	s := &relayServers{
		tls: light.Start(b, light.Options{CA: ca}), plain: light.Start(b, light.Options{}),
		pem: filepath.Join(dir, "both.pem"), cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
	}
	lab.WritePair(b, ca.Issue(b), s.cert, s.key)
	var both []byte
	for _, file := range []string{s.cert, s.key} {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		both = append(both, text...)
	}
	if err := os.WriteFile(s.pem, both, 0o600); err != nil {
		b.Fatal(err)
	}
	return s
}

// address is a free one.
func freeAddress(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// begin starts a relay's process, which ends with the benchmark, and waits until it listens.
func begin(b *testing.B, r *relayed, cmd *exec.Cmd) *relayed {
	b.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		_ = cmd.Wait()
	})
	for range 200 {
		if conn, err := net.Dial("tcp", r.addr); err == nil {
			conn.Close()
			r.pids = append(lab.ChildrenOf(cmd.Process.Pid), cmd.Process.Pid)
			return r
		}
		<-time.After(50 * time.Millisecond)
	}
	b.Fatalf("%s does not listen\n%s", r.name, out.String())
	return nil
}

// withoutTLS says of a relay that it speaks TLS with the clients only.
const withoutTLS = "no TLS to the server"

// postferry relays with TLS on both sides, or as nginx does.
func (s *relayServers) postferry(b *testing.B, plain bool) *relayed {
	r := &relayed{name: "postferry", addr: freeAddress(b)}
	to := s.tls.Server()
	servers := fmt.Sprintf("old = \"imap+insecure://127.0.0.1:1\"\nnew = %q\nnew_ca = %q\n", to.String(), to.CA)
	if plain {
		r.note = withoutTLS
		servers = fmt.Sprintf("old = \"imap+insecure://127.0.0.1:1\"\nnew = %q\n", s.plain.Server().String())
	}
	f := newFerryBetween(b, buildPostferry(b), servers, []string{"nobody@example.com pw"}, `interval = "24h"`,
		"[proxy]", fmt.Sprintf("imaps = %q", r.addr), `imap = ""`, fmt.Sprintf("cert = %q\nkey = %q", s.cert, s.key), "max_connections = 100000", "[admin]", `listen = ""`)
	return begin(b, r, exec.CommandContext(b.Context(), f.binary, "serve", "-c", f.config))
}

// haproxy relays the octets, with TLS on both sides; nil if it is not there.
func (s *relayServers) haproxy(b *testing.B) *relayed {
	server, ok := lab.FindUnpacked(b, "haproxy", "usr/sbin/haproxy")
	if !ok {
		return nil
	}
	r := &relayed{name: "haproxy", addr: freeAddress(b), note: "knows nothing of IMAP"}
	config := filepath.Join(b.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf(`global
  maxconn 9500
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend f
  bind %s ssl crt %s
  default_backend b
backend b
  server s %s ssl verify required ca-file %s verifyhost localhost
`, r.addr, s.pem, net.JoinHostPort("127.0.0.1", fmt.Sprint(s.tls.Server().Port)), s.tls.Server().CA)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return begin(b, r, server.Command("usr/sbin/haproxy", "-db", "-f", config))
}

// nginx logs people in as the relay does. It can't speak TLS with a server; nil if it is not there.
func (s *relayServers) nginx(b *testing.B) *relayed {
	server, ok := lab.FindUnpacked(b, "nginx", "usr/sbin/nginx")
	if !ok {
		return nil
	}
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Auth-Status", "OK")
		w.Header().Set("Auth-Server", "127.0.0.1")
		w.Header().Set("Auth-Port", fmt.Sprint(s.plain.Server().Port))
	}))
	b.Cleanup(auth.Close)
	r := &relayed{name: "nginx mail", addr: freeAddress(b), note: withoutTLS}
	dir := b.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off;
user root;
worker_processes 2;
pid %[1]s/pid;
error_log %[1]s/log;
load_module %[2]s;
events { worker_connections 19000; }
mail {
  auth_http %[3]s/;
  ssl_certificate %[4]s;
  ssl_certificate_key %[5]s;
  timeout 3600s;
  server { listen %[6]s ssl; protocol imap; }
}
`, dir, server.Path("usr/lib/nginx/modules/ngx_mail_module.so"), strings.TrimPrefix(auth.URL, "http://"), s.cert, s.key, r.addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return begin(b, r, server.Command("usr/sbin/nginx", "-c", config, "-p", dir))
}

// startBare is what Go's io.Copy comes to, with TLS on both sides and nothing else.
func (s *relayServers) bare(b *testing.B) *relayed {
	r := &relayed{name: "io.Copy", addr: freeAddress(b), note: "knows nothing of IMAP"}
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), exe)
	target := strings.Join([]string{r.addr, s.cert, s.key, net.JoinHostPort("127.0.0.1", fmt.Sprint(s.tls.Server().Port))}, " ")
	cmd.Env = append(os.Environ(), bareEnv+"="+target)
	return begin(b, r, cmd)
}

// bare is the bare relay's process.
func bare(target string) {
	words := strings.Fields(target)
	cert, err := tls.LoadX509KeyPair(words[1], words[2])
	if err != nil {
		panic(err)
	}
	l, err := tls.Listen("tcp", words[0], &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		panic(err)
	}
	for {
		client, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			defer client.Close()
			server, err := tls.Dial("tcp", words[3], &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				return
			}
			defer server.Close()
			go func() {
				io.Copy(server, client)
				server.CloseWrite()
			}()
			io.Copy(client, server)
		}()
	}
}

// figures are what was measured of one relay.
type figures struct {
	logins, memory, throughput, cpu, round, roundCPU string
}

func (f figures) row(r *relayed) string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s |", r.name, cmp.Or(f.logins, "-"), cmp.Or(f.memory, "-"), f.throughput, cmp.Or(f.cpu, "-"), f.round, cmp.Or(f.roundCPU, "-"), r.note)
}
