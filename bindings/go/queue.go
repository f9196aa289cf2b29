package mailcore

// #include "init.h"
import "C"

import (
	"context"
	"strings"
	"time"
	"unsafe"
)

// State is how a queued message fares.
type State uint32

// The states.
const (
	Waiting   State = C.MAILCORE_DELIVERY_WAITING
	Delivered State = C.MAILCORE_DELIVERY_DELIVERED
	Deferred  State = C.MAILCORE_DELIVERY_DEFERRED
	Failed    State = C.MAILCORE_DELIVERY_FAILED
	Expired   State = C.MAILCORE_DELIVERY_EXPIRED
)

// Delivery is how a queued message fares; of several recipients, the one that fares worst.
type Delivery struct {
	State    State
	Attempts int
	SMTPCode int
	Enhanced string
	Host     string
	Reply    string
	Next     time.Time
}

func delivery(c *C.mailcore_delivery) Delivery {
	return Delivery{
		State:    State(c.state),
		Attempts: int(c.attempts),
		SMTPCode: int(c.smtp_code),
		Enhanced: C.GoString(&c.enhanced[0]),
		Host:     C.GoString(&c.host[0]),
		Reply:    C.GoString(&c.reply[0]),
		Next:     moment(c.next_ms),
	}
}

// Wait waits until a queued message is finished, or ctx ends.
func (e *Engine) Wait(ctx context.Context, id uint64) (Delivery, error) {
	c := C.delivery_init()
	_, err := e.wait(ctx, func(timeoutMs C.int32_t, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_queue_wait(e.handle(), C.uint64_t(id), timeoutMs, &c, cerr)
	})
	return delivery(&c), err
}

// Delivery tells how a queued message fares now.
func (e *Engine) Delivery(id uint64) (Delivery, error) {
	c := C.delivery_init()
	cerr := C.error_init()
	err := check(C.mailcore_queue_wait(e.handle(), C.uint64_t(id), 0, &c, &cerr), &cerr)
	if cerr.code == C.MAILCORE_E_TIMEOUT {
		err = nil
	}
	return delivery(&c), err
}

// Action is what may be done to queued messages.
type Action uint32

// The actions.
const (
	Retry   Action = C.MAILCORE_QUEUE_RETRY
	Hold    Action = C.MAILCORE_QUEUE_HOLD
	Release Action = C.MAILCORE_QUEUE_RELEASE
	Bounce  Action = C.MAILCORE_QUEUE_BOUNCE
	Drop    Action = C.MAILCORE_QUEUE_DROP
)

// QueueControl does something to one queued message, or (0) to all.
func (e *Engine) QueueControl(id uint64, action Action) error {
	cerr := C.error_init()
	return check(C.mailcore_queue_control(e.handle(), C.uint64_t(id), C.uint32_t(action), &cerr), &cerr)
}

// Queued is a message in the outbound queue.
type Queued struct {
	ID       uint64
	From     string
	To       []string // recipients not finished
	Size     uint64
	Accepted time.Time
	Due      time.Time
	Attempts int
	SMTPCode int
	Reply    string
	Held     bool
	State    State
}

// Queue lists the queued messages.
func (e *Engine) Queue() ([]Queued, error) {
	var all []Queued
	err := list(C.mailcore_handle(e.handle()), C.MAILCORE_LIST_QUEUE, 0, func(r *C.mailcore_row) {
		all = append(all, Queued{
			ID: uint64(r.id), From: C.GoString(r.name), To: strings.Split(C.GoString(r.text), ","), Size: uint64(r.size),
			Accepted: moment(r.time_ms), Due: moment(r.due_ms), Attempts: int(r.attempts), SMTPCode: int(r.code),
			Reply: C.GoString(r.detail), Held: r.flags&1 != 0, State: State(r.state),
		})
	})
	return all, err
}

// QueuedMessage opens a queued message.
func (e *Engine) QueuedMessage(id uint64) (*Message, error) {
	return openMessage(C.mailcore_handle(e.handle()), id)
}

// list calls each for every row of a listing.
func list(from C.mailcore_handle, kind C.uint32_t, after uint64, each func(*C.mailcore_row)) error {
	return listOf(from, kind, 0, after, each)
}

// listOf calls each for every row of a listing of something inside from.
func listOf(from C.mailcore_handle, kind C.uint32_t, id, after uint64, each func(*C.mailcore_row)) error {
	return listUntil(from, kind, id, after, func(row *C.mailcore_row) error {
		each(row)
		return nil
	})
}

// listUntil is listOf, ended by the first error of each.
func listUntil(from C.mailcore_handle, kind C.uint32_t, id, after uint64, each func(*C.mailcore_row) error) error {
	cerr := C.error_init()
	query := C.query_init()
	query.id = C.uint64_t(id)
	query.after = C.uint64_t(after)
	var cursor C.mailcore_cursor
	if err := check(C.mailcore_list(from, kind, &query, &cursor, &cerr), &cerr); err != nil {
		return err
	}
	defer C.mailcore_close(C.mailcore_handle(cursor))
	// The library writes pointers into the row: it lies in C's memory.
	row := (*C.mailcore_row)(C.malloc(C.sizeof_mailcore_row))
	defer C.free(unsafe.Pointer(row))
	*row = C.row_init()
	for {
		result := C.mailcore_next(cursor, row, &cerr)
		if err := check(result, &cerr); err != nil || result == 0 {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}
