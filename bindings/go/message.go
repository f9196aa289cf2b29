package mailcore

// #include "init.h"
import "C"

import (
	"context"
	"io"
	"sync/atomic"
	"time"
	"unsafe"
)

// Flags of a message.
type Flags uint32

// The system flags.
const (
	Seen     Flags = C.MAILCORE_FLAG_SEEN
	Answered Flags = C.MAILCORE_FLAG_ANSWERED
	Flagged  Flags = C.MAILCORE_FLAG_FLAGGED
	Deleted  Flags = C.MAILCORE_FLAG_DELETED
	Draft    Flags = C.MAILCORE_FLAG_DRAFT
)

// Envelope says from whom and for whom a message is.
type Envelope struct {
	From string // where failures go; empty is the null reverse-path
	To   []string
	ID   string // comes back in reports; may be empty

	// Key names the submission: a second one under the same key within a week is not taken and gets the first one's id.
	Key string
	// NotBefore is when the message may leave; the zero time is at once.
	NotBefore time.Time
}

// draft writes a message into the library; the caller closes it.
func (e *Engine) draft(message io.Reader) (C.mailcore_message, error) {
	cerr := C.error_init()
	var handle C.mailcore_message
	if err := check(C.mailcore_message_new(e.handle(), &handle, &cerr), &cerr); err != nil {
		return 0, err
	}
	piece := make([]byte, 64*1024)
	for {
		n, err := message.Read(piece)
		if n > 0 {
			result := C.mailcore_message_write(handle, unsafe.Pointer(&piece[0]), C.size_t(n), &cerr)
			if err := check(result, &cerr); err != nil {
				C.mailcore_close(handle)
				return 0, err
			}
		}
		if err == io.EOF {
			return handle, nil
		}
		if err != nil {
			C.mailcore_close(handle)
			return 0, err
		}
	}
}

// Submit takes a message: recipients here have it, the others are queued. When it returns, the message is on
// disk. It gives the queue id, 0 where every recipient is here. ctx is looked at before, not within, the commit.
func (e *Engine) Submit(ctx context.Context, envelope Envelope, message io.Reader) (uint64, error) {
	handle, err := e.draft(message)
	if err != nil {
		return 0, err
	}
	defer C.mailcore_close(handle)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	cs, free, err := texts(append([]string{envelope.From, envelope.ID, envelope.Key}, envelope.To...)...)
	if err != nil {
		return 0, err
	}
	defer free()
	c := (*C.mailcore_envelope)(C.malloc(C.sizeof_mailcore_envelope))
	defer C.free(unsafe.Pointer(c))
	*c = C.envelope_init()
	c.from = cs[0]
	if envelope.ID != "" {
		c.envelope_id = cs[1]
	}
	if envelope.Key != "" {
		c.submit_key = cs[2]
	}
	if !envelope.NotBefore.IsZero() {
		c.not_before_ms = C.int64_t(envelope.NotBefore.UnixMilli())
	}
	if len(envelope.To) > 0 {
		to := (**C.char)(C.malloc(C.size_t(len(envelope.To)) * C.size_t(unsafe.Sizeof(cs[0]))))
		defer C.free(unsafe.Pointer(to))
		copy(unsafe.Slice(to, len(envelope.To)), cs[3:])
		c.to, c.to_count = to, C.size_t(len(envelope.To))
	}
	cerr := C.error_init()
	var id C.uint64_t
	if err := check(C.mailcore_submit(handle, c, &id, &cerr), &cerr); err != nil {
		return 0, err
	}
	return uint64(id), nil
}

// Message is a message that is kept. It is an io.Reader, io.ReaderAt, io.Seeker and io.Closer.
type Message struct {
	token atomic.Uint64
	size  int64
	at    int64

	ID   uint64    // UID, or queue id
	Time time.Time // when it came
}

func openMessage(from C.mailcore_handle, id uint64) (*Message, error) {
	cerr := C.error_init()
	var handle C.mailcore_message
	if err := check(C.mailcore_message_open(from, C.uint64_t(id), &handle, &cerr), &cerr); err != nil {
		return nil, err
	}
	return adopt(handle, id)
}

// adopt makes a Message of a handle, which it closes on trouble.
func adopt(handle C.mailcore_message, id uint64) (*Message, error) {
	m := &Message{ID: id}
	m.token.Store(uint64(handle))
	size, err := getNumber(handle, "message.size")
	if err == nil {
		m.size = size
		var ms int64
		ms, err = getNumber(handle, "message.time_ms")
		m.Time = moment(C.int64_t(ms))
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Size is its length in bytes.
func (m *Message) Size() int64 { return m.size }

// ReadAt reads at an offset.
func (m *Message) ReadAt(p []byte, offset int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if offset < 0 {
		return 0, &Error{Code: CodeInvalid, Message: "offset is below 0"}
	}
	cerr := C.error_init()
	var n C.size_t
	result := C.mailcore_message_read(C.mailcore_message(m.token.Load()), C.uint64_t(offset), unsafe.Pointer(&p[0]), C.size_t(len(p)), &n, &cerr)
	if err := check(result, &cerr); err != nil {
		return 0, err
	}
	if int(n) < len(p) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Read reads on.
func (m *Message) Read(p []byte) (int, error) {
	n, err := m.ReadAt(p, m.at)
	m.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Seek sets where Read reads.
func (m *Message) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += m.at
	case io.SeekEnd:
		offset += m.size
	}
	if offset < 0 {
		return 0, &Error{Code: CodeInvalid, Message: "offset is below 0"}
	}
	m.at = offset
	return offset, nil
}

// Header gives a field on one line, decoded, and whether there is one. Index 0 is the first of its name.
func (m *Message) Header(name string, index int) (string, bool, error) {
	c, err := text(name)
	if err != nil {
		return "", false, err
	}
	defer C.free(unsafe.Pointer(c))
	cerr := C.error_init()
	var buf C.mailcore_buf
	result := C.mailcore_message_header(C.mailcore_message(m.token.Load()), c, C.uint32_t(index), &buf, &cerr)
	if err := check(result, &cerr); err != nil || result == 0 {
		return "", false, err
	}
	return string(take(&buf)), true, nil
}

// Close lets the handle go; the message stays.
func (m *Message) Close() error {
	if handle := m.token.Swap(0); handle != 0 {
		C.mailcore_close(C.mailcore_handle(handle))
	}
	return nil
}
