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
	Expire  Action = C.MAILCORE_QUEUE_EXPIRE // for QueueSelect only
	Reroute Action = C.MAILCORE_QUEUE_REROUTE
)

// QueueControl does something to one queued message, or (0) to all.
func (e *Engine) QueueControl(id uint64, action Action) error {
	cerr := C.error_init()
	return check(C.mailcore_queue_control(e.handle(), C.uint64_t(id), C.uint32_t(action), &cerr), &cerr)
}

// Filter says which queued messages are meant: those that all of it fits.
type Filter struct {
	ID     uint64 // 0 for all
	From   string // reverse-path; empty for all
	To     string // a recipient that waits; empty for all
	Domain string // domain of such a recipient; empty for all
	Held   *bool  // nil for held ones and others
}

// QueueSelect does something to all queued messages that a filter fits, and tells how many there were. For Expire, at is
// when.
func (e *Engine) QueueSelect(filter Filter, action Action, at time.Time) (uint64, error) {
	cs, free, err := texts(filter.From, filter.To, filter.Domain)
	if err != nil {
		return 0, err
	}
	defer free()
	c := (*C.mailcore_queue_filter)(C.malloc(C.sizeof_mailcore_queue_filter))
	defer C.free(unsafe.Pointer(c))
	*c = C.queue_filter_init()
	c.id = C.uint64_t(filter.ID)
	if filter.From != "" {
		c.from = cs[0]
	}
	if filter.To != "" {
		c.to = cs[1]
	}
	if filter.Domain != "" {
		c.domain = cs[2]
	}
	if filter.Held != nil {
		c.held = 2
		if *filter.Held {
			c.held = 1
		}
	}
	var ms C.int64_t
	if !at.IsZero() {
		ms = C.int64_t(at.UnixMilli())
	}
	cerr := C.error_init()
	var count C.uint64_t
	err = check(C.mailcore_queue_select(e.handle(), c, C.uint32_t(action), ms, &count, &cerr), &cerr)
	return uint64(count), err
}

// Explain tells why a queued message is where it is, as a JSON document (docs/queue.md).
func (e *Engine) Explain(id uint64) ([]byte, error) {
	cerr := C.error_init()
	var buf C.mailcore_buf
	if err := check(C.mailcore_queue_explain(e.handle(), C.uint64_t(id), &buf, &cerr), &cerr); err != nil {
		return nil, err
	}
	defer C.mailcore_buf_free(&buf)
	return C.GoBytes(unsafe.Pointer(buf.data), C.int(buf.len)), nil
}

// STSPolicy writes the MTA-STS policy to serve for a domain of ours, and its TXT record (RFC 8461). Without hosts the
// engine's hostname takes the mail.
func (e *Engine) STSPolicy(mode string, hosts []string, maxAge time.Duration) (policy, record string, err error) {
	cs, free, err := texts(mode, strings.Join(hosts, ","))
	if err != nil {
		return "", "", err
	}
	defer free()
	cerr := C.error_init()
	var p, r C.mailcore_buf
	result := C.mailcore_sts_policy(e.handle(), cs[0], cs[1], C.uint32_t(maxAge/time.Second), &p, &r, &cerr)
	if err := check(result, &cerr); err != nil {
		return "", "", err
	}
	defer C.mailcore_buf_free(&p)
	defer C.mailcore_buf_free(&r)
	text := func(b *C.mailcore_buf) string { return string(C.GoBytes(unsafe.Pointer(b.data), C.int(b.len))) }
	return text(&p), text(&r), nil
}

// PauseDestination lets a domain, or host:port of the smart host, get no mail until ResumeDestination.
func (e *Engine) PauseDestination(destination, reason string) error {
	cs, free, err := texts(destination, reason)
	if err != nil {
		return err
	}
	defer free()
	cerr := C.error_init()
	return check(C.mailcore_destination_pause(e.handle(), cs[0], cs[1], &cerr), &cerr)
}

// ResumeDestination lets a destination get mail again.
func (e *Engine) ResumeDestination(destination string) error {
	cs, free, err := texts(destination)
	if err != nil {
		return err
	}
	defer free()
	cerr := C.error_init()
	return check(C.mailcore_destination_resume(e.handle(), cs[0], &cerr), &cerr)
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
