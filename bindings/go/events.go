package mailcore

// #include "init.h"
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"
	"unsafe"
)

// Event is something that happened. Name says what ("filed", "delivered", "bounced", ...), Detail has the rest as
// a JSON object.
type Event struct {
	Name    string
	Seq     uint64
	Time    time.Time
	Subject uint64 // queue id or UID, by the name
	Code    int
	Count   int
	Detail  json.RawMessage
}

// NextEvent waits for the next event. It fails with ErrState once the engine has stopped and there will be none.
func (e *Engine) NextEvent(ctx context.Context) (Event, error) {
	// The library writes a pointer into the struct: it lies in C's memory.
	c := (*C.mailcore_event)(C.malloc(C.sizeof_mailcore_event))
	defer C.free(unsafe.Pointer(c))
	*c = C.event_init()
	defer C.mailcore_event_clear(c)
	for {
		result, err := e.wait(ctx, func(timeoutMs C.int32_t, cerr *C.mailcore_error) C.int32_t {
			return C.mailcore_events_next(e.handle(), timeoutMs, c, cerr)
		})
		if err != nil {
			return Event{}, err
		}
		if result == 1 {
			return event(c)
		}
	}
}

func event(c *C.mailcore_event) (Event, error) {
	detail := C.GoBytes(unsafe.Pointer(c.detail.data), C.int(c.detail.len))
	var named struct {
		Event string `json:"event"`
	}
	err := json.Unmarshal(detail, &named)
	return Event{
		Name: named.Event, Seq: uint64(c.seq), Time: moment(c.time_ms), Subject: uint64(c.subject), Code: int(c.code),
		Count: int(c.count), Detail: detail,
	}, err
}

// Events gives events as they come, until ctx ends, the engine has stopped, or the loop is left. The end of ctx
// and trouble come as an error; a stopped engine does not.
func (e *Engine) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := e.NextEvent(ctx)
			if errors.Is(err, ErrState) || errors.Is(err, ErrClosed) {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// EventsFD is a descriptor that is readable exactly while there is an event. Never read from it.
func (e *Engine) EventsFD() (uintptr, error) {
	cerr := C.error_init()
	var fd C.int32_t
	err := check(C.mailcore_events_fd(e.handle(), &fd, &cerr), &cerr)
	return uintptr(fd), err
}
