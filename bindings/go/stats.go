package mailcore

// #include "init.h"
import "C"

import (
	"os"
	"time"
	"unsafe"
)

// Sessions are counts by protocol.
type Sessions struct{ SMTP, LMTP, IMAP, POP3 uint64 }

// Stats are an engine's counters since it was opened, and how it stands.
type Stats struct {
	Uptime            time.Duration
	Sessions          Sessions // begun
	Open              Sessions // open now
	Logins            uint64
	LoginsFailed      uint64
	Refused           uint64
	ConnectionsBroken uint64
	Queued            uint64
	Filed             uint64
	FiledOctets       uint64
	Delivered         uint64
	Deferred          uint64
	Failed            uint64
	Expired           uint64
	Bounced           uint64
	EventsDropped     uint64
	EventsWaiting     uint64 // now
	Accounts          uint64 // now
	QueueMessages     uint64 // now
}

// Stats reads them.
func (e *Engine) Stats() (Stats, error) {
	c := (*C.mailcore_stats)(C.malloc(C.sizeof_mailcore_stats))
	defer C.free(unsafe.Pointer(c))
	*c = C.stats_init()
	cerr := C.error_init()
	if err := check(C.mailcore_engine_stats(e.handle(), c, &cerr), &cerr); err != nil {
		return Stats{}, err
	}
	n := func(n C.uint64_t) uint64 { return uint64(n) }
	return Stats{
		Uptime:   time.Duration(c.uptime_ms) * time.Millisecond,
		Sessions: Sessions{n(c.smtp_sessions), n(c.lmtp_sessions), n(c.imap_sessions), n(c.pop3_sessions)},
		Open:     Sessions{n(c.smtp_open), n(c.lmtp_open), n(c.imap_open), n(c.pop3_open)},
		Logins:   n(c.logins), LoginsFailed: n(c.logins_failed), Refused: n(c.refused),
		ConnectionsBroken: n(c.connections_broken), Queued: n(c.queued), Filed: n(c.filed), FiledOctets: n(c.filed_octets),
		Delivered: n(c.delivered), Deferred: n(c.deferred), Failed: n(c.failed), Expired: n(c.expired),
		Bounced: n(c.bounced), EventsDropped: n(c.events_dropped), EventsWaiting: n(c.events_waiting),
		Accounts: n(c.accounts), QueueMessages: n(c.queue_messages),
	}, nil
}

// Serve serves one connected stream socket in the background: one end of a socket pair, an inherited descriptor, what
// (*net.TCPConn).File gives. The engine works on a copy; the file is closed.
func (e *Engine) Serve(service Service, socket *os.File) error {
	defer socket.Close()
	fd, err := copyOf(socket)
	if err != nil {
		return err
	}
	cerr := C.error_init()
	err = check(C.mailcore_serve_fd(e.handle(), C.uint32_t(service), C.int32_t(fd), 0, &cerr), &cerr)
	if err != nil {
		closeFD(fd)
	}
	return err
}
