package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"postferry/internal/lab"
)

// browserPatience bounds one thing a test does in the browser.
const browserPatience = 60 * time.Second

// Browser is a headless Chromium with an empty profile, and one tab of it. Its
// methods fail the test when something does not work.
type Browser struct {
	tb  testing.TB
	ctx context.Context

	mu         sync.Mutex // guards what follows
	complaints []string   // of the console
}

// Start starts Chromium; it ends with the test.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	binary := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			binary = path
			break
		}
	}
	if binary == "" {
		tb.Fatal("browser: no Chromium; install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(binary), chromedp.NoSandbox, chromedp.WSURLReadTimeout(browserPatience),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(tb.Logf))
	b := &Browser{tb: tb, ctx: ctx}
	tb.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits until Chromium has ended; how does not matter
		cancel()
		stop()
	})
	chromedp.ListenTarget(ctx, b.listen)
	if err := chromedp.Run(ctx, log.Enable()); err != nil { // starts it, for as long as ctx lives
		tb.Fatalf("browser: Chromium: %v", err)
	}
	b.Screen(1280, 900, false)
	return b
}

// Run does things in the tab, one after the other.
func (b *Browser) Run(actions ...chromedp.Action) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	for _, action := range actions {
		if err := once(ctx, action); err != nil {
			b.Shot("failure-" + strings.ReplaceAll(b.tb.Name(), "/", "-"))
			b.tb.Fatalf("browser: %v\nthe page says:\n%s", err, b.bounded())
		}
	}
}

// once does something in the tab. Where a live page has put another element in the place of the one that was found, or another
// page is loading in its place, before anything was done, it is begun anew.
func once(ctx context.Context, action chromedp.Action) error {
	for {
		err := chromedp.Run(ctx, action)
		if err == nil || ctx.Err() != nil || !replaced(err) {
			return err
		}
	}
}

// replaced is whether what Chromium was to do something with is not there any more.
func replaced(err error) bool {
	return strings.Contains(err.Error(), "Could not find node with given id") || strings.Contains(err.Error(), "Cannot find context with specified id")
}

// bounded is the page's text for a failure; whatever it is.
func (b *Browser) bounded() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	var text string
	_ = chromedp.Run(ctx, chromedp.Evaluate(`document.body ? document.body.innerText : ""`, &text))
	return text
}

// Open goes to an address and waits until the page is there.
func (b *Browser) Open(url string) {
	b.tb.Helper()
	b.Run(chromedp.Navigate("about:blank"), chromedp.Navigate(url)) // a page that loads itself anew could do so in between
}

// Text is what the page shows. Where another one is just loading in its place, it is that one's.
func (b *Browser) Text() string {
	b.tb.Helper()
	var text string
	b.Run(chromedp.Poll(`document.body && document.readyState !== "loading" && document.body.innerText`, &text, chromedp.WithPollingInterval(20*time.Millisecond)))
	return text
}

// Await waits until the page shows a text. The page may be another one by then.
func (b *Browser) Await(text string) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	shown := fmt.Sprintf(`!!document.body && document.body.innerText.includes(%q)`, text)
	for there := false; ; {
		if _ = chromedp.Run(ctx, chromedp.Evaluate(shown, &there)); there { // fails while another page is loading
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.Shot("failure-" + strings.ReplaceAll(b.tb.Name(), "/", "-"))
			b.tb.Fatalf("browser: waited for %q; the page says:\n%s", text, b.bounded())
		}
	}
}

// Fill puts a text into a field.
func (b *Browser) Fill(selector, text string) {
	b.tb.Helper()
	b.Run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).value = ""; true`, selector), nil), chromedp.SendKeys(selector, text, chromedp.ByQuery))
}

// Press clicks a button or link and waits for the page it leads to.
func (b *Browser) Press(selector string) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).click()`, selector), nil))
	if err != nil {
		b.Shot("failure-" + strings.ReplaceAll(b.tb.Name(), "/", "-"))
		b.tb.Fatalf("browser: pressing %s: %v\nthe page says:\n%s", selector, err, b.bounded())
	}
}

// Screen sets the size of the window and whether the person likes it dark.
func (b *Browser) Screen(width, height int64, dark bool) {
	b.tb.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.Run(emulation.SetDeviceMetricsOverride(width, height, 1, width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
}

// picturesVariable has pictures taken: of tall pages each takes a good part of a second.
const picturesVariable = "POSTFERRY_TEST_PICTURES"

// Shot takes a picture of the whole page and says where it is, if pictures are wanted.
func (b *Browser) Shot(name string) {
	b.tb.Helper()
	if os.Getenv(picturesVariable) == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	var picture []byte
	take := chromedp.ActionFunc(func(ctx context.Context) (err error) {
		picture, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).WithFormat(page.CaptureScreenshotFormatPng).Do(ctx)
		return err
	})
	err := chromedp.Run(ctx, take)
	if err != nil { // the page was just loading anew
		err = chromedp.Run(ctx, chromedp.WaitReady("body", chromedp.ByQuery), take)
	}
	if err != nil {
		b.tb.Logf("browser: no picture of %s: %v", name, err)
		return
	}
	dir := filepath.Join(lab.Root(b.tb), ".cache", "screenshots")
	file := filepath.Join(dir, name+".png")
	if err = os.MkdirAll(dir, 0o755); err == nil {
		err = os.WriteFile(file, picture, 0o644)
	}
	if err != nil {
		b.tb.Logf("browser: no picture of %s: %v", name, err)
		return
	}
	b.tb.Logf("screenshot: .cache/screenshots/%s.png", name)
}

// Accessible fails the test for everything that axe-core finds on the page.
func (b *Browser) Accessible(what string) {
	b.tb.Helper()
	script, err := os.ReadFile(filepath.Join(lab.Root(b.tb), ".cache", "npm", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		b.tb.Fatalf("browser: axe-core: %v; run scripts/test-deps.sh", err)
	}
	var loaded bool
	var found []string
	if b.Run(chromedp.Evaluate(`!!window.axe`, &loaded)); !loaded {
		b.Run(chromedp.Evaluate(string(script)+"; true", &loaded))
	}
	// What is in order is not described, which would take longer than to find it.
	b.Run(chromedp.Evaluate(`axe.run({resultTypes: ["violations"]}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + v.help + ": " + n.html)))`, &found,
		chromedp.EvalAsValue, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	for _, f := range found {
		b.tb.Errorf("%s is not accessible: %s", what, f)
	}
}

// Overflow is by how many pixels the page is wider than the screen.
func (b *Browser) Overflow() int {
	b.tb.Helper()
	var wide int
	b.Run(chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &wide))
	return wide
}

// Complaints are what the console got since the last call: errors of scripts,
// and what the content policy forbade.
func (b *Browser) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.complaints
	b.complaints = nil
	return all
}

// listen takes what the console gets.
func (b *Browser) listen(event any) {
	text := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Error()
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
			text = e.Entry.Text
		}
	}
	if text != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.complaints = append(b.complaints, text)
	}
}
