package mailcore

// #include "init.h"
import "C"

import "unsafe"

// DirectoryFlags say how a document changes the directory.
type DirectoryFlags uint32

const (
	// DirectoryDryRun only tells what would change.
	DirectoryDryRun DirectoryFlags = C.MAILCORE_DIRECTORY_DRY_RUN
	// DirectoryWhole removes domains, aliases and groups that the document does not name.
	DirectoryWhole DirectoryFlags = C.MAILCORE_DIRECTORY_WHOLE
)

// ExportDirectory gives domains with their settings, accounts, aliases and groups as one JSON document
// (docs/directory.md).
func (e *Engine) ExportDirectory() ([]byte, error) {
	cerr := C.error_init()
	var buf C.mailcore_buf
	if err := check(C.mailcore_directory_export(e.handle(), &buf, &cerr), &cerr); err != nil {
		return nil, err
	}
	defer C.mailcore_buf_free(&buf)
	return C.GoBytes(unsafe.Pointer(buf.data), C.int(buf.len)), nil
}

// ApplyDirectory changes the directory by a document, all of it or nothing, and gives what changes as JSON.
func (e *Engine) ApplyDirectory(document string, flags DirectoryFlags) ([]byte, error) {
	cs, free, err := texts(document)
	if err != nil {
		return nil, err
	}
	defer free()
	cerr := C.error_init()
	var buf C.mailcore_buf
	if err := check(C.mailcore_directory_apply(e.handle(), cs[0], C.uint32_t(flags), &buf, &cerr), &cerr); err != nil {
		return nil, err
	}
	defer C.mailcore_buf_free(&buf)
	return C.GoBytes(unsafe.Pointer(buf.data), C.int(buf.len)), nil
}
