package powercut

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	gosync "sync"
	"testing"
	"time"
)

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		t.Fatalf("%s=%q is not a number above 0", name, text)
	}
	return n
}

// TestPowerCut records a desk that is started for the first time, takes mail by
// SMTP and IMAP, answers it, is stopped and started again, and looks at IMAGES
// disks (4,200) that a power cut could have left. SEED says which. Then it looks
// whether the same would be found right if a kind of sync did nothing: it must
// not be.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	images, seed := setting(t, "IMAGES", 4200), setting(t, "SEED", 1)
	r := newRecorder(t)
	for half := range 2 {
		u := r.start("")
		r.traffic(int64(2*seed+half), 3, 9)
		u.stop()
	}
	h := r.history(seed)
	t.Logf("recorded: %d messages, %d mails sent, %d promises, %d calls", len(h.last.Messages), len(h.last.Sent), len(h.promises), len(h.events)/2)

	whole := h.replay(t, images, nil)
	whole.print(t)
	for _, f := range whole.failures {
		t.Errorf("%s", f)
	}
	for _, window := range []string{
		"folder: changed, not synced",
		"first state: made, not synced", "first state: pages written, not synced", "first state: meta page written, not synced",
		"first segment: made, not synced", "first segment: pages written, not synced", "first segment: meta page written, not synced",
		"state: renamed, folder not synced", "segment: renamed, folder not synced",
		"state: grown, not synced", "segment: grown, not synced",
		"state: pages written, not synced", "segment: pages written, not synced",
		"state: pages synced, meta page not written", "segment: pages synced, meta page not written",
		"state: meta page written, not synced", "segment: meta page written, not synced",
		"archive synced, not applied", "applied, not acknowledged",
	} {
		if whole.windows[window] == 0 {
			t.Errorf("no image is of the window %q", window)
		}
	}

	controls := map[string]func(Sync) bool{
		"no sync":                   func(Sync) bool { return true },
		"none of the state's pages": func(s Sync) bool { return s == Sync{State, false} },
		"none of its meta page":     func(s Sync) bool { return s == Sync{State, true} },
		"none of segments' pages":   func(s Sync) bool { return s == Sync{Segment, false} },
		"none of their meta pages":  func(s Sync) bool { return s == Sync{Segment, true} },
		"none of folders":           func(s Sync) bool { return s.Kind == Folder },
	}
	for _, name := range slices.Sorted(maps.Keys(controls)) {
		c := h.replay(t, max(200, images/20), controls[name])
		t.Logf("control, %s is heeded: %d of %d images are damaged, of which %d have lost what was acknowledged", name, c.bad, c.images, c.lost)
		if c.bad == 0 {
			t.Errorf("with a disk of which %s is heeded, nothing is found wrong: this test proves nothing", name)
		}
		if name == "no sync" && c.lost == 0 {
			t.Error("with a disk that heeds no sync, nothing acknowledged is lost: this test proves nothing")
		}
	}
}

// TestPowerCutAfterKill records a desk that is killed at one sync after the
// other, first while it makes its files and then while it takes mail. The next
// start finds what was not synced yet, as the page cache keeps it, and builds on
// it; a power cut still takes it away, unless the start makes it durable first.
func TestPowerCutAfterKill(t *testing.T) {
	t.Parallel()
	images, seed := setting(t, "IMAGES", 4200)/4, setting(t, "SEED", 1)
	r := newRecorder(t)
	kills := 0
	// At the folder above, the data folder, the archive, the growing of the state's
	// file, its renaming.
	for _, when := range []int{1, 1, 1, 1, 2} {
		u := r.start(fmt.Sprintf("fsync:signal=KILL:when=%d", when))
		if u.terminate() {
			kills++
		}
	}
	if kills < 3 {
		t.Errorf("only %d kills at the first start", kills)
	}
	s := r.stream(int64(seed), "soporte@desk.test")
	m := next(s, false)
	kills = 0
	for run := range 16 {
		// The first at the renaming of the segment, then at the sync of pages or of
		// a meta page of either file.
		inject := "fsync:signal=KILL:when=2"
		if run > 0 {
			inject = fmt.Sprintf("fdatasync:signal=KILL:when=%d", 1+run%5)
		}
		u := r.start(inject)
		// What got no 250 is sent again in the next run.
		for range 12 {
			if err := r.send(m.From, m.To, m.Raw); err != nil {
				break
			}
			m = next(s, false)
		}
		if u.terminate() {
			kills++
		}
	}
	if kills < 8 {
		t.Errorf("only %d kills while mail came", kills)
	}
	u := r.start("")
	for range 3 {
		if err := r.send(m.From, m.To, m.Raw); err != nil {
			t.Error(err)
		}
		m = next(s, false)
	}
	u.stop()
	h := r.history(seed)
	t.Logf("recorded: %d runs, %d kills while mail came, %d messages, %d promises, %d calls", r.runs, kills, len(h.last.Messages), len(h.promises), len(h.events)/2)
	found := h.replay(t, images, nil)
	found.print(t)
	for _, f := range found.failures {
		t.Errorf("%s", f)
	}
}

// history is a recording with what it is measured by.
type history struct {
	seed     int
	root     string
	data     string // below the root
	events   []event
	promises []Promise
	last     *Book
}

// history ends the recording.
func (r *recorder) history(seed int) *history {
	r.tb.Helper()
	r.complete()
	last := r.book()
	data, err := filepath.Rel(r.root, r.data())
	if err != nil {
		r.tb.Fatal(err)
	}
	h := &history{seed: seed, root: r.root, data: data, events: r.log.events, promises: r.promises, last: last}
	// What was acknowledged must be there without any power cut.
	if err := last.compare(time.Now(), h.promises, last); err != nil {
		r.tb.Fatal(err)
	}
	return h
}

// disk returns the disk before anything was done to it.
func (h *history) disk(ignored func(Sync) bool) *Disk {
	d := NewDisk(h.root)
	d.Ignored = ignored
	return d
}

// result is what a replay found.
type result struct {
	images, bad, lost int
	windows           map[string]int
	failures          []string // the first few
	took              time.Duration
}

func (r *result) print(t *testing.T) {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.windows)) {
		fmt.Fprintf(&b, "\n%7d  %s", r.windows[name], name)
	}
	t.Logf("%d images in %s, %d bad. They fall into these windows, some into several:%s", r.images, r.took.Round(time.Second/10), r.bad, b.String())
}

var metaWindows = []string{"state: meta page written, not synced", "segment: meta page written, not synced"}

// cuts chooses the moments, as indexes of events before which the power is cut:
// four of ten from all, the others evenly from the windows, few of which last long.
func (h *history) cuts(t *testing.T, n int, ignored func(Sync) bool) []int {
	t.Helper()
	d := h.disk(ignored)
	byWindow := map[string][]int{}
	for i, e := range h.events {
		if err := d.step(e); err != nil {
			t.Fatal(err)
		}
		if e.call == nil || i+1 == len(h.events) {
			continue
		}
		for _, w := range d.Windows() {
			byWindow[w] = append(byWindow[w], i+1)
		}
	}
	windows := slices.Sorted(maps.Keys(byWindow))
	random := rand.New(rand.NewPCG(uint64(h.seed), 1))
	cuts := make([]int, n)
	for i := range cuts {
		if i%10 < 4 && ignored == nil {
			cuts[i] = random.IntN(len(h.events))
			continue
		}
		list := byWindow[windows[i%len(windows)]]
		if ignored != nil && i%2 == 0 { // where a sync that did nothing shows most
			list = byWindow[metaWindows[i%4/2]]
		}
		cuts[i] = list[random.IntN(len(list))]
	}
	slices.Sort(cuts)
	return cuts
}

// replay makes and checks n images.
func (h *history) replay(t *testing.T, n int, ignored func(Sync) bool) *result {
	t.Helper()
	start := time.Now()
	cuts := h.cuts(t, n, ignored)
	workers := runtime.GOMAXPROCS(0)
	found := make([]*result, workers)
	var working gosync.WaitGroup
	for w := range workers {
		from, to := w*n/workers, (w+1)*n/workers
		working.Go(func() { found[w] = h.work(t, cuts, from, to, ignored) })
	}
	working.Wait()
	sum := &result{windows: map[string]int{}}
	for _, r := range found {
		sum.images, sum.bad, sum.lost = sum.images+r.images, sum.bad+r.bad, sum.lost+r.lost
		sum.failures = append(sum.failures, r.failures...)
		for w, n := range r.windows {
			sum.windows[w] += n
		}
	}
	sum.took = time.Since(start)
	return sum
}

// memory is a folder in memory, where there is one: syncing costs nothing there.
func memory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}

// work makes and checks the images of a part of the cuts.
func (h *history) work(t *testing.T, cuts []int, from, to int, ignored func(Sync) bool) *result {
	r := &result{windows: map[string]int{}}
	base, err := os.MkdirTemp(memory(), "buzon-powercut-")
	if err != nil {
		t.Error(err)
		return r
	}
	defer os.RemoveAll(base)
	d := h.disk(ignored)
	at := 0
	for i := from; i < to; i++ {
		for ; at < cuts[i]; at++ {
			if err := d.step(h.events[at]); err != nil {
				t.Error(err)
				return r
			}
		}
		luck := luckOf(h.seed, i)
		dir := filepath.Join(base, strconv.Itoa(i))
		if err := d.Cut(luck).WriteTo(dir); err != nil {
			t.Error(err)
			return r
		}
		// The event that comes next has not happened, and it is not later than
		// its time says: what was known before that was known at the cut.
		cut := time.Unix(0, h.events[at].at)
		applied, err := Check(filepath.Join(dir, h.data), cut, h.promises, h.last, ignored != nil)
		windows := d.Windows()
		if applied > h.acknowledged(cut) {
			windows = append(windows, "applied, not acknowledged")
		}
		for _, w := range windows {
			r.windows[w]++
		}
		r.images++
		if err != nil {
			r.bad++
			if strings.Contains(err.Error(), "LOST") {
				r.lost++
			}
			if len(r.failures) < 5 {
				r.failures = append(r.failures, fmt.Sprintf("image %d, before event %d of %d (%s): %v", i, at, len(h.events), strings.Join(windows, "; "), err))
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
			return r
		}
	}
	return r
}

// acknowledged is how many different messages were acknowledged before a moment.
func (h *history) acknowledged(cut time.Time) int {
	known := map[Digest]bool{}
	for _, p := range h.promises {
		if p.At.Before(cut) && p.Message != (Digest{}) {
			known[p.Message] = true
		}
	}
	return len(known)
}

// luckOf is an image's luck: nothing, all, or more or less of what was not synced.
func luckOf(seed, image int) Luck {
	random := rand.New(rand.NewPCG(uint64(seed), 1000+uint64(image)))
	switch random.IntN(10) {
	case 0:
		return Luck{}
	case 1:
		return Luck{All: true}
	}
	shares := []float64{0.1, 0.5, 0.5, 0.9, 0.97}
	return Luck{Random: random, Share: shares[random.IntN(len(shares))], Torn: 0.6 * random.Float64()}
}
