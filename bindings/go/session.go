package mailcore

// #include "init.h"
import "C"

import "time"

// Session is a client's connection to a listener of an engine.
type Session struct {
	ID      uint64
	Account string // address that has logged in; empty before
	Service string
	Peer    string // address and port
	Began   time.Time
}

// Sessions lists the connections that clients have, oldest first.
func (e *Engine) Sessions() ([]Session, error) {
	var all []Session
	err := list(C.mailcore_handle(e.handle()), C.MAILCORE_LIST_SESSIONS, 0, func(r *C.mailcore_row) {
		all = append(all, Session{
			ID: uint64(r.id), Account: C.GoString(r.name), Service: C.GoString(r.text), Peer: C.GoString(r.detail),
			Began: moment(r.time_ms),
		})
	})
	return all, err
}

// EndSession ends a session: its client is told so. ErrNotFound where it has ended.
func (e *Engine) EndSession(id uint64) error {
	cerr := C.error_init()
	return check(C.mailcore_session_end(e.handle(), C.uint64_t(id), &cerr), &cerr)
}
