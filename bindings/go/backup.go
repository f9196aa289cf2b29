package mailcore

// #include "init.h"
import "C"

import (
	"context"
	"unsafe"
)

// Backup copies the store into a folder, beside all other work, and checks the copy: then the folder is a store. It calls
// progress, unless nil, after each step: done of total bytes are copied or read back. The end of ctx gives it up.
// ErrExists where the folder has a store.
func (e *Engine) Backup(ctx context.Context, folder string, progress func(done, total uint64)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := text(folder)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(c))
	cerr := C.error_init()
	var cursor C.mailcore_cursor
	if err := check(C.mailcore_backup(e.handle(), c, &cursor, &cerr), &cerr); err != nil {
		return err
	}
	defer C.mailcore_close(C.mailcore_handle(cursor))
	row := (*C.mailcore_row)(C.malloc(C.sizeof_mailcore_row))
	defer C.free(unsafe.Pointer(row))
	*row = C.row_init()
	for {
		result := C.mailcore_next(cursor, row, &cerr)
		if result != 1 {
			return check(result, &cerr)
		}
		if progress != nil {
			progress(uint64(row.id), uint64(row.size))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
