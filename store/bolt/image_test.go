package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"

	"postferry/store/bolt/statedir"
)

// What bbolt's file looks like, as far as the tests damage it.
const (
	pageHeader    = 16 // number, kind at 8, count at 10, overflow at 12
	pageElement   = 16
	metaEnd       = 64 // octets of a meta behind its page's header, with its checksum
	branchFlag    = 0x01
	leafFlag      = 0x02
	elementBucket = 0x01
)

// image is a database's file in memory, to be damaged. The numbers are those of the meta in use.
type image struct {
	data                            []byte
	pageSize, root, freelist, pages uint64
	txid                            uint64
}

func readImage(t *testing.T, dir string) *image {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, statedir.DatabaseFile))
	if err != nil {
		t.Fatal(err)
	}
	im := &image{data: data}
	im.pageSize = uint64(im.get32(pageHeader + 8))
	for meta := uint64(pageHeader); meta < 2*im.pageSize; meta += im.pageSize {
		if txid := im.get64(meta + 48); txid >= im.txid {
			im.root, im.freelist, im.pages, im.txid = im.get64(meta+16), im.get64(meta+32), im.get64(meta+40), txid
		}
	}
	return im
}

func (im *image) clone() *image {
	other := *im
	other.data = bytes.Clone(im.data)
	return &other
}

// page is the memory of a page.
func (im *image) page(id uint64) []byte { return im.data[id*im.pageSize:][:im.pageSize] }

func (im *image) get16(at uint64) uint16 { return binary.NativeEndian.Uint16(im.data[at:]) }
func (im *image) get32(at uint64) uint32 { return binary.NativeEndian.Uint32(im.data[at:]) }
func (im *image) get64(at uint64) uint64 { return binary.NativeEndian.Uint64(im.data[at:]) }

func (im *image) put16(at uint64, v uint16) { binary.NativeEndian.PutUint16(im.data[at:], v) }
func (im *image) put32(at uint64, v uint32) { binary.NativeEndian.PutUint32(im.data[at:], v) }
func (im *image) put64(at uint64, v uint64) { binary.NativeEndian.PutUint64(im.data[at:], v) }

// at is the offset of an octet of a page.
func (im *image) at(page uint64, offset int) uint64 { return page*im.pageSize + uint64(offset) }

// current is the page of the meta in use.
func (im *image) current() uint64 { return im.txid % 2 }

// setMeta changes a number of the meta in use, whose checksum stays right.
func (im *image) setMeta(offset int, v uint64) {
	page := im.page(im.current())
	binary.NativeEndian.PutUint64(page[pageHeader+offset:], v)
	sum := fnv.New64a()
	sum.Write(page[pageHeader : pageHeader+metaEnd-8])
	binary.NativeEndian.PutUint64(page[pageHeader+metaEnd-8:], sum.Sum64())
}

// find looks for a page in use below one: a branch, or a leaf with rows.
func (im *image) find(t *testing.T, root uint64, flags uint16) uint64 {
	t.Helper()
	kind := im.get16(im.at(root, 8))
	switch {
	case kind == flags && im.get16(im.at(root, 10)) > 1:
		return root
	case kind != branchFlag:
		t.Fatalf("no page of kind %d below", flags)
	}
	return im.find(t, im.get64(im.at(root, pageHeader+8)), flags)
}

// bucket is the root page of a bucket that has one of its own.
func (im *image) bucket(t *testing.T, name ...string) uint64 {
	t.Helper()
	root := im.root
	for _, n := range name {
		root = im.rootOf(root, n)
		if root == 0 {
			t.Fatalf("no pages of bucket %s", n)
		}
	}
	return root
}

// rootOf is the page that a bucket in a leaf begins in; 0 for none.
func (im *image) rootOf(leaf uint64, name string) uint64 {
	for i := range int(im.get16(im.at(leaf, 10))) {
		element := im.at(leaf, pageHeader+pageElement*i)
		key := element + uint64(im.get32(element+4))
		value := key + uint64(im.get32(element+8))
		if string(im.data[key:value]) == name {
			return im.get64(value)
		}
	}
	return 0
}
