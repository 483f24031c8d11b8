package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchmarkRelay relays answers of a server that sends the same messages
// again and again, and reports the processor time per message. Without a relay
// in between it is that of the test itself, to be subtracted.
func benchmarkRelay(b *testing.B, relayed bool, message string) {
	const batch = 200
	block := []byte(strings.Repeat(crlf(message), batch))
	var from, to net.Conn
	if relayed {
		g := newRig(b, nil)
		from, to = g.server.Conn, g.client.Conn
	} else {
		from, to = pipe(b)
	}
	buf := make([]byte, 64<<10)
	start := cpu(b)
	sent := make(chan struct{})
	n := 0
	for b.Loop() {
		n += batch
		go func() {
			from.Write(block)
			sent <- struct{}{}
		}()
		for left := len(block); left > 0; {
			k, err := to.Read(buf[:min(left, len(buf))])
			if left -= k; err != nil {
				b.Fatal(err)
			}
		}
		<-sent
	}
	b.SetBytes(int64(len(block)))
	b.ReportMetric(float64(cpu(b)-start)/float64(n), "cpu-ns/msg")
}

func BenchmarkRelay(b *testing.B) {
	messages := map[string]string{
		"flags": "* 12345 FETCH (UID 123456 FLAGS (\\Seen) RFC822.SIZE 8192)\n",
		"8KB":   "* 12345 FETCH (UID 123456 BODY[] {8192}\n" + strings.Repeat("x", 8192) + ")\n",
	}
	for name, message := range messages {
		for _, relayed := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/relayed=%v", name, relayed), func(b *testing.B) { benchmarkRelay(b, relayed, message) })
		}
	}
}

// BenchmarkIdleConnection reports what an idle relayed client costs in memory,
// the peers of the test included in neither.
func BenchmarkIdleConnection(b *testing.B) {
	const n = 500
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		rigs := make([]*rig, n)
		for i := range rigs {
			rigs[i] = newRig(b, nil)
			fmt.Fprint(rigs[i].server.Conn, "* OK x\r\n")
			fmt.Fprint(rigs[i].client.Conn, "a IDLE\r\n")
			io.ReadFull(rigs[i].client.Conn, make([]byte, 8))
			io.ReadFull(rigs[i].server.Conn, make([]byte, 8))
			rigs[i].client.r, rigs[i].server.r = nil, nil
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/n, "B/conn")
		for _, g := range rigs {
			g.stop()
			g.kill()
			<-g.ended
		}
	}
}

// BenchmarkUpload passes a long UID set on.
func BenchmarkUpload(b *testing.B) {
	g := newRig(b, nil)
	line := []byte("a UID FETCH " + strings.Repeat("123456789,", 100_000) + "1 (FLAGS)\r\n")
	answer := []byte("a OK x\r\n")
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		go g.client.Write(line)
		io.CopyN(io.Discard, g.server.r, int64(len(line)))
		g.server.Write(answer)
		got := make([]byte, len(answer))
		io.ReadFull(g.client.r, got)
		if !bytes.Equal(got, answer) {
			b.Fatalf("%q", got)
		}
	}
}

// BenchmarkRoundTrip is a small command and its answer.
func BenchmarkRoundTrip(b *testing.B) {
	g := newRig(b, nil)
	command, answer := []byte("a NOOP\r\n"), []byte("a OK done\r\n")
	got := make([]byte, 64)
	start := cpu(b)
	b.ReportAllocs()
	for b.Loop() {
		g.client.Write(command)
		io.ReadFull(g.server.Conn, got[:len(command)])
		g.server.Write(answer)
		io.ReadFull(g.client.Conn, got[:len(answer)])
	}
	b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
}
