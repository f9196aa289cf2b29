package mailcore

// #include "init.h"
import "C"

import "context"

// Check looks for disagreements between the parts of the store, step by step, beside all other work, and gives each as
// a sentence; none for a sound store. It calls progress, unless nil, after each step: done of total is looked at.
// The end of ctx ends it between two steps. One check runs at a time: ErrBusy. With an error, what was found until then
// is given too, and is not all.
func (e *Engine) Check(ctx context.Context, progress func(done, total uint64)) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []string
	err := listUntil(C.mailcore_handle(e.handle()), C.MAILCORE_LIST_CHECK, 0, 0, func(r *C.mailcore_row) error {
		if sentence := C.GoString(r.name); sentence != "" {
			found = append(found, sentence)
		}
		if progress != nil {
			progress(uint64(r.id), uint64(r.size))
		}
		return ctx.Err()
	})
	return found, err
}
