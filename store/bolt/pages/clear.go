package pages

import (
	"os"
	"slices"
)

// Clear overwrites the pages of a database file of that size that neither the last transaction nor
// the one before has in use.
func Clear(file *os.File, size int64) error {
	used, pageSize, err := usedPages(file, size)
	if err != nil {
		return err
	}
	for id := range uint64(size) / pageSize {
		if !used.has(id) {
			if err := clearPage(file, int64(id*pageSize), pageSize); err != nil {
				return err
			}
		}
	}
	return file.Sync()
}

// clearPage overwrites a page, unless it is empty: the file may have holes.
func clearPage(file *os.File, at int64, size uint64) error {
	page := make([]byte, size)
	if _, err := file.ReadAt(page, at); err != nil {
		return err
	}
	if !slices.ContainsFunc(page, func(b byte) bool { return b != 0 }) {
		return nil
	}
	clear(page)
	_, err := file.WriteAt(page, at)
	return err
}
