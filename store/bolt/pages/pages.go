package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

const (
	pageHeader    = 16 // id, flags, count, overflow
	pageElement   = 16
	bucketHeader  = 16 // root page, sequence
	metaEnd       = 64 // octets of a meta, with its checksum
	metaMagic     = 0xED0CDAED
	metaVersion   = 2
	minPageSize   = 1 << 10
	maxPageSize   = 1 << 24
	branchFlag    = 0x01
	leafFlag      = 0x02
	freelistFlag  = 0x10
	elementBucket = 0x01
	noFreelist    = ^uint64(0)
	firstPage     = 2 // behind the two metas

	// maxDepth is more than any tree has that fits on a disk; loops end there.
	maxDepth = 64
)

var errMeta = errors.New("neither of its two first pages can be read")

// meta is where a transaction has left the trees.
type meta struct {
	pageSize uint64
	root     uint64 // page
	freelist uint64 // page, or noFreelist
	pages    uint64 // those from here on are not in use
	txid     uint64
}

// pageChecker reads pages and remembers which are in use.
type pageChecker struct {
	file    io.ReaderAt
	meta    meta
	used    bitmap
	buffers [maxDepth][]byte // for one page each, by depth
}

// Check looks at a database file of that size. fellBack says that the newer
// of its two metas is damaged, so that the transaction before the last one counts:
// so it is after a power cut in the middle of a commit.
func Check(file io.ReaderAt, size int64) (fellBack bool, err error) {
	m, fellBack, err := readMeta(file, size)
	if err != nil {
		return false, err
	}
	c, err := newPageChecker(file, size, m)
	if err != nil {
		return false, err
	}
	if err := c.tree(m.root, keyRange{}, 0); err != nil {
		return false, err
	}
	return fellBack, c.freelist()
}

// usedPages are those that the last transaction or the one before has in use.
func usedPages(file io.ReaderAt, size int64) (used bitmap, pageSize uint64, err error) {
	newest, _, err := readMeta(file, size)
	if err != nil {
		return nil, 0, err
	}
	used = newBitmap(uint64(size) / newest.pageSize)
	for id := range uint64(firstPage) {
		m, err := metaAt(file, int64(id*newest.pageSize))
		if err != nil {
			return nil, 0, err
		}
		c, err := newPageChecker(file, size, m)
		if err != nil {
			return nil, 0, err
		}
		if err := errors.Join(c.tree(m.root, keyRange{}, 0), c.markFreelist()); err != nil {
			return nil, 0, err
		}
		used.join(c.used)
		used.add(id)
	}
	return used, newest.pageSize, nil
}

func newPageChecker(file io.ReaderAt, size int64, m meta) (*pageChecker, error) {
	if whole := uint64(size) / m.pageSize; m.pages > whole {
		return nil, fmt.Errorf("it has lost its end: of %d pages there are %d", m.pages, whole)
	}
	return &pageChecker{file: file, meta: m, used: newBitmap(m.pages)}, nil
}

// readMeta finds the newer meta. Where the second one is depends on the size of
// the pages, which the first may not be able to tell any more.
func readMeta(file io.ReaderAt, size int64) (m meta, fellBack bool, err error) {
	first, firstErr := metaAt(file, 0)
	second, secondErr := meta{}, errMeta
	if firstErr == nil {
		second, secondErr = metaAt(file, int64(first.pageSize))
	}
	for at := int64(minPageSize); firstErr != nil && secondErr != nil && at <= maxPageSize && at < size; at *= 2 {
		second, secondErr = metaAt(file, at)
	}
	switch {
	case firstErr != nil && secondErr != nil:
		return meta{}, false, errMeta
	case firstErr != nil:
		return second, true, nil
	case secondErr != nil:
		return first, true, nil
	case first.txid > second.txid:
		return first, false, nil
	}
	return second, false, nil
}

// metaAt reads the meta in the page at an offset.
func metaAt(file io.ReaderAt, at int64) (meta, error) {
	var b [metaEnd]byte
	if _, err := file.ReadAt(b[:], at+pageHeader); err != nil {
		return meta{}, err
	}
	sum := fnv.New64a()
	sum.Write(b[:metaEnd-8])
	order := binary.NativeEndian
	m := meta{
		pageSize: uint64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]),
		freelist: order.Uint64(b[32:]),
		pages:    order.Uint64(b[40:]),
		txid:     order.Uint64(b[48:]),
	}
	if order.Uint32(b[0:]) != metaMagic || order.Uint32(b[4:]) != metaVersion || order.Uint64(b[56:]) != sum.Sum64() {
		return meta{}, errMeta
	}
	if m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0 {
		return meta{}, errMeta
	}
	return m, nil
}

// keyRange is where the keys of a subtree lie: from least up to, but without,
// end. nil is no bound.
type keyRange struct{ least, end []byte }

func (r keyRange) has(key []byte) bool {
	return bytes.Compare(key, r.least) >= 0 && (r.end == nil || bytes.Compare(key, r.end) < 0)
}

// tree looks at a page and all that hang on it, subtrees and buckets.
func (c *pageChecker) tree(id uint64, within keyRange, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("page %d lies too deep", id)
	}
	p, err := c.page(id, depth)
	if err != nil {
		return err
	}
	switch p.flags {
	case branchFlag:
		return c.branch(p, within, depth)
	case leafFlag:
		return c.leaf(p, within, depth)
	}
	return fmt.Errorf("page %d is neither a branch nor a leaf", id)
}

func (c *pageChecker) branch(p page, within keyRange, depth int) error {
	if p.count == 0 {
		return fmt.Errorf("page %d is a branch without leaves", p.id)
	}
	for i := range p.count {
		key, child, err := p.branchElement(i)
		if err != nil {
			return err
		}
		below := keyRange{least: key, end: within.end}
		if i+1 < p.count {
			if below.end, _, err = p.branchElement(i + 1); err != nil {
				return err
			}
		}
		if !within.has(key) || below.end != nil && bytes.Compare(key, below.end) >= 0 {
			return p.disorder()
		}
		if err := c.tree(child, below, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *pageChecker) leaf(p page, within keyRange, depth int) error {
	var before []byte
	for i := range p.count {
		kind, key, value, err := p.leafElement(i)
		if err != nil {
			return err
		}
		if len(key) == 0 || !within.has(key) || i > 0 && bytes.Compare(before, key) >= 0 {
			return p.disorder()
		}
		before = key
		if kind&elementBucket != 0 {
			if err := c.bucket(p.id, value, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket looks at a bucket: what lies in a page of its own, or behind its header.
func (c *pageChecker) bucket(home uint64, value []byte, depth int) error {
	if len(value) < bucketHeader {
		return fmt.Errorf("page %d has a bucket without a header", home)
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return c.tree(root, keyRange{}, depth+1)
	}
	p, err := parsePage(home, value[bucketHeader:])
	if err != nil {
		return err
	}
	if p.flags != leafFlag {
		return fmt.Errorf("page %d has a bucket that is no leaf", home)
	}
	return c.leaf(p, keyRange{}, depth+1)
}

// page reads a page of a tree, with those it flows over into, and marks them as used.
func (c *pageChecker) page(id uint64, depth int) (page, error) {
	p, err := c.read(id, &c.buffers[depth])
	if err != nil {
		return page{}, err
	}
	for i := range p.span {
		if !c.used.add(id + i) {
			return page{}, fmt.Errorf("page %d is used twice", id+i)
		}
	}
	return p, nil
}

// read reads a page into a buffer, which it makes larger if need be.
func (c *pageChecker) read(id uint64, buffer *[]byte) (page, error) {
	if id < firstPage || id >= c.meta.pages {
		return page{}, fmt.Errorf("there is no page %d", id)
	}
	size := c.meta.pageSize
	if uint64(len(*buffer)) < size {
		*buffer = make([]byte, size)
	}
	at := int64(id * size)
	if _, err := c.file.ReadAt((*buffer)[:size], at); err != nil {
		return page{}, fmt.Errorf("page %d can't be read: %w", id, err)
	}
	span := 1 + uint64(binary.NativeEndian.Uint32((*buffer)[12:]))
	if span > c.meta.pages-id {
		return page{}, fmt.Errorf("page %d flows over the end", id)
	}
	if span > 1 {
		if uint64(len(*buffer)) < span*size {
			*buffer = make([]byte, span*size)
		}
		if _, err := c.file.ReadAt((*buffer)[:span*size], at); err != nil {
			return page{}, fmt.Errorf("page %d can't be read: %w", id, err)
		}
	}
	p, err := parsePage(id, (*buffer)[:span*size])
	if err == nil && binary.NativeEndian.Uint64(p.data) != id {
		err = fmt.Errorf("page %d holds something else", id)
	}
	p.span = span
	return p, err
}

// markFreelist marks the pages that the list of free pages is in.
func (c *pageChecker) markFreelist() error {
	if c.meta.freelist == noFreelist {
		return nil
	}
	_, err := c.page(c.meta.freelist, 0)
	return err
}

// freelist looks at the list of pages that may be written to: none of them may be in use.
func (c *pageChecker) freelist() error {
	if c.meta.freelist == noFreelist {
		return nil
	}
	p, err := c.page(c.meta.freelist, 0)
	if err != nil {
		return err
	}
	if p.flags != freelistFlag {
		return fmt.Errorf("page %d is no list of free pages", p.id)
	}
	ids := p.data[pageHeader:]
	count := uint64(p.count)
	if count == 0xFFFF { // the first element is how many there are
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return fmt.Errorf("page %d lists more free pages than it has room for", p.id)
	}
	for i := range count {
		if id := binary.NativeEndian.Uint64(ids[8*i:]); id < firstPage || id >= c.meta.pages || !c.used.add(id) {
			return fmt.Errorf("page %d is listed as free and is not", id)
		}
	}
	return nil
}

// page is one that is read, with those it flows over into, or one within a bucket's value.
type page struct {
	id    uint64
	span  uint64 // pages
	flags uint16
	count int
	data  []byte
}

func parsePage(id uint64, data []byte) (page, error) {
	if len(data) < pageHeader {
		return page{}, fmt.Errorf("page %d ends too early", id)
	}
	order := binary.NativeEndian
	return page{id: id, flags: order.Uint16(data[8:]), count: int(order.Uint16(data[10:])), data: data}, nil
}

// element returns the i-th element's own octets and, what its position counts from, those that follow.
func (p page) element(i int) ([]byte, error) {
	at := pageHeader + pageElement*i
	if at+pageElement > len(p.data) {
		return nil, p.overrun()
	}
	return p.data[at:], nil
}

func (p page) branchElement(i int) (key []byte, child uint64, err error) {
	e, err := p.element(i)
	if err != nil {
		return nil, 0, err
	}
	order := binary.NativeEndian
	at := uint64(order.Uint32(e))
	end := at + uint64(order.Uint32(e[4:]))
	if end > uint64(len(e)) {
		return nil, 0, p.overrun()
	}
	return e[at:end], order.Uint64(e[8:]), nil
}

func (p page) leafElement(i int) (kind uint32, key, value []byte, err error) {
	e, err := p.element(i)
	if err != nil {
		return 0, nil, nil, err
	}
	order := binary.NativeEndian
	at := uint64(order.Uint32(e[4:]))
	middle := at + uint64(order.Uint32(e[8:]))
	end := middle + uint64(order.Uint32(e[12:]))
	if end > uint64(len(e)) {
		return 0, nil, nil, p.overrun()
	}
	return order.Uint32(e), e[at:middle], e[middle:end], nil
}

func (p page) overrun() error { return fmt.Errorf("page %d has rows beyond its end", p.id) }

func (p page) disorder() error { return fmt.Errorf("page %d has keys that are out of order", p.id) }
