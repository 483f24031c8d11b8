package powercut

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A CallKind is what a system call does to a disk, or to who reads what the process writes.
type CallKind int

const (
	Opened    CallKind = iota // a file, which is made if there is none
	Wrote                     // into a file
	Truncated                 // a file, to a size
	Renamed
	Linked // a further name for a file
	Removed
	FileSynced // a file's content has reached the disk
	DirSynced  // the names in a folder have
	Sent       // to a peer: the process' standard output or a connection
)

// Call is a system call at the moment at which it begins or ends. What was Sent has no
// end: who reads it may have it as soon as it begins.
type Call struct {
	Kind    CallKind
	Began   bool // or has ended
	Path    string
	To      string // of Renamed and Linked
	File    int    // numbers the opened files
	Emptied bool   // by Opened
	At      int64  // of Wrote: where; of Truncated: the size
	Data    []byte // of Wrote and Sent
	Port    int    // of Sent: the peer's, 0 for the standard output
	Conn    int    // of Sent: numbers the connections
}

// recorded are the calls that are looked at. Those that Recording doesn't understand are
// among them, so that it can say so.
const recorded = "openat,close,dup,dup2,dup3,connect,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,fdatasync,fsync," +
	"sync_file_range,msync,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlinkat,copy_file_range,sendfile,splice"

// Recording is what a process did below a folder and told others, in the order in which
// the system saw it.
type Recording struct {
	Calls []Call
}

// Record runs a program to its end, which must be a good one, and records it. It must not have
// the folder open yet, nor start other programs: descriptors are those of one process.
func Record(tb testing.TB, cmd *exec.Cmd, dir string) *Recording {
	tb.Helper()
	trace := filepath.Join(tb.TempDir(), "trace")
	// Each argument whole, in hexadecimal digits; only these calls are slowed down.
	underStrace(tb, cmd, "-f", "--seccomp-bpf", "-xx", "-s", strconv.Itoa(64<<20), "-e", "signal=none", "-e", "trace="+recorded, "-o", trace)
	if err := cmd.Run(); err != nil {
		tb.Fatalf("the recorded process: %v", err)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		tb.Fatal(err)
	}
	p := newParser(dir)
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if err := p.line(line); err != nil {
			tb.Fatalf("line %d of the recording: %v: %.200s", n+1, err, line)
		}
	}
	return &Recording{p.calls}
}

// FullDisk lets a program, which is run afterwards, find the disk full when one of its threads writes to a file for the nth
// time, and whenever that does from then on.
func FullDisk(tb testing.TB, cmd *exec.Cmd, path string, n int) {
	tb.Helper()
	underStrace(tb, cmd, "-f", "-P", path, "-e", "signal=none", "-e", "trace=pwrite64", "-e", fmt.Sprintf("inject=pwrite64:error=ENOSPC:when=%d+", n), "-o", os.DevNull)
}

// underStrace has a program run by strace, with these arguments of it.
func underStrace(tb testing.TB, cmd *exec.Cmd, args ...string) {
	tb.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		tb.Fatalf("%v (scripts/test-deps.sh installs it)", err)
	}
	cmd.Args = slices.Concat([]string{strace}, args, []string{"--", cmd.Path}, cmd.Args[1:])
	cmd.Path = strace
}

// Without leaves calls out, as if the process hadn't made them.
func (r *Recording) Without(kinds ...CallKind) *Recording {
	left := &Recording{}
	for _, c := range r.Calls {
		keep := true
		for _, k := range kinds {
			keep = keep && c.Kind != k
		}
		if keep {
			left.Calls = append(left.Calls, c)
		}
	}
	return left
}

// openedFile is what a file descriptor stands for.
type openedFile struct {
	number int
	path   string
	dir    bool
	at     int64 // where write goes on
}

// peer is the other end of a connection.
type peer struct{ port, conn int }

// syscallParser reads what strace writes.
type syscallParser struct {
	dir    string
	begun  map[string]string   // by thread, the call that it is in
	files  map[int]*openedFile // by descriptor, those below dir
	peers  map[int]peer        // by descriptor
	opened int
	conns  int
	calls  []Call
}

func newParser(dir string) *syscallParser {
	return &syscallParser{dir: dir, begun: map[string]string{}, files: map[int]*openedFile{}, peers: map[int]peer{1: {}}}
}

var (
	resumedLine = regexp.MustCompile(`^<\.\.\. \w+ resumed>`)
	callLine    = regexp.MustCompile(`^(\w+)\((.*)\) += (-?\d+|\?)`)
	peerPort    = regexp.MustCompile(`sin6?_port=htons\((\d+)\)`)
)

// line reads a line: a call, its beginning, or its end.
func (p *syscallParser) line(line string) error {
	thread, text, ok := strings.Cut(line, " ")
	if !ok {
		return fmt.Errorf("no thread")
	}
	text = strings.TrimLeft(text, " ")
	if strings.HasPrefix(text, "+++") || strings.HasPrefix(text, "---") {
		return nil
	}
	if head, unfinished := strings.CutSuffix(text, " <unfinished ...>"); unfinished {
		p.begun[thread] = head
		return p.read(head+") = 0", true)
	}
	if resumed := resumedLine.FindString(text); resumed != "" {
		head := p.begun[thread]
		delete(p.begun, thread)
		return p.read(head+text[len(resumed):], false)
	}
	return p.read(text, true, false)
}

// read reads a call, of which began says for each moment that is told whether it begins or ends.
func (p *syscallParser) read(text string, began ...bool) error {
	rest, texts, err := cutTexts(text)
	if err != nil {
		return err
	}
	m := callLine.FindStringSubmatch(rest)
	if m == nil {
		return fmt.Errorf("not understood")
	}
	result, _ := strconv.ParseInt(m[3], 10, 64) //nolint:errcheck // "?" ended with the process
	for _, b := range began {
		if err := p.call(m[1], m[2], texts, result, b); err != nil {
			return err
		}
	}
	return nil
}

// cutTexts takes the texts out of a call and leaves "" in their places. They are megabytes, too many for
// expressions under the race detector.
func cutTexts(call string) (rest string, texts []string, err error) {
	pieces := strings.Split(call, `"`) // in hexadecimal digits there is none
	if len(pieces)%2 == 0 {
		return "", nil, fmt.Errorf("a text without an end")
	}
	for i := 1; i < len(pieces); i += 2 {
		if strings.HasPrefix(pieces[i+1], "...") {
			return "", nil, fmt.Errorf("cut off")
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(pieces[i], `\x`, ""))
		if err != nil {
			return "", nil, err
		}
		texts, pieces[i] = append(texts, string(raw)), ""
	}
	return strings.Join(pieces, `"`), texts, nil
}

// call takes the beginning or the end of a call.
func (p *syscallParser) call(name, args string, texts []string, result int64, began bool) error {
	if !began && result < 0 {
		if name == "connect" { // under way
			return nil
		}
		return p.failed(name, texts)
	}
	return p.known(name, args, texts, result, began)
}

// failed takes a call that failed: one that should have written is a trouble of the machine.
func (p *syscallParser) failed(name string, texts []string) error {
	switch name {
	case "openat", "unlinkat", "unlink", "write", "close", "connect":
		return nil
	}
	return fmt.Errorf("%s failed %q", name, texts)
}

func (p *syscallParser) known(name, args string, texts []string, result int64, began bool) error {
	fields := strings.Split(args, ", ")
	fd, _ := strconv.Atoi(fields[0]) //nolint:errcheck // or it has none
	switch name {
	case "openat":
		p.open(texts[0], fields[2], int(result), began)
	case "close":
		if began {
			delete(p.files, fd)
			delete(p.peers, fd)
		}
	case "connect":
		if port := peerPort.FindStringSubmatch(args); port != nil && began {
			number, _ := strconv.Atoi(port[1]) //nolint:errcheck // digits
			p.conns++
			p.peers[fd] = peer{number, p.conns}
		}
	case "write", "writev":
		p.write(fd, strings.Join(texts, ""), began)
	case "pwrite64":
		at, err := strconv.ParseInt(fields[3], 10, 64)
		p.file(fd, Call{Kind: Wrote, Data: []byte(texts[0]), At: at}, began)
		return err
	case "ftruncate":
		size, err := strconv.ParseInt(fields[1], 10, 64)
		p.file(fd, Call{Kind: Truncated, At: size}, began)
		return err
	case "fdatasync", "fsync":
		p.file(fd, Call{Kind: FileSynced}, began)
	case "rename", "renameat", "renameat2":
		p.name(Call{Kind: Renamed, Path: texts[0], To: texts[1]}, began)
	case "link", "linkat":
		p.name(Call{Kind: Linked, Path: texts[0], To: texts[1]}, began)
	case "unlink", "unlinkat":
		p.name(Call{Kind: Removed, Path: texts[0]}, began)
	default:
		return p.unknown(name, fd, texts)
	}
	return nil
}

// unknown is a call that changes files in a way that a Disk doesn't know.
func (p *syscallParser) unknown(name string, fd int, texts []string) error {
	touches := p.files[fd] != nil
	for _, t := range texts {
		touches = touches || p.below(t)
	}
	if touches {
		return fmt.Errorf("a Disk doesn't know %s", name)
	}
	return nil
}

func (p *syscallParser) below(path string) bool {
	return path == p.dir || strings.HasPrefix(path, p.dir+"/")
}

func (p *syscallParser) open(path, flags string, fd int, began bool) {
	if !p.below(path) || began && !strings.Contains(flags, "O_CREAT") {
		return
	}
	if !began {
		p.opened++
		p.files[fd] = &openedFile{number: p.opened, path: path, dir: path == p.dir || strings.Contains(flags, "O_DIRECTORY")}
	}
	if strings.Contains(flags, "O_CREAT") || !began && !p.files[fd].dir {
		p.add(Call{Kind: Opened, Path: path, File: p.opened, Emptied: strings.Contains(flags, "O_TRUNC")}, began)
	}
}

// write goes to a peer, or on in a file.
func (p *syscallParser) write(fd int, text string, began bool) {
	if to, ok := p.peers[fd]; ok {
		if began {
			p.add(Call{Kind: Sent, Data: []byte(text), Port: to.port, Conn: to.conn}, true)
		}
		return
	}
	f := p.files[fd]
	if f == nil {
		return
	}
	p.file(fd, Call{Kind: Wrote, Data: []byte(text), At: f.at}, began)
	if !began {
		f.at += int64(len(text))
	}
}

func (p *syscallParser) file(fd int, c Call, began bool) {
	f := p.files[fd]
	if f == nil {
		return
	}
	if f.dir {
		c.Kind = DirSynced
	}
	c.File, c.Path = f.number, f.path
	p.add(c, began)
}

func (p *syscallParser) name(c Call, began bool) {
	if p.below(c.Path) || p.below(c.To) {
		p.add(c, began)
	}
}

func (p *syscallParser) add(c Call, began bool) {
	c.Began = began
	p.calls = append(p.calls, c)
}
