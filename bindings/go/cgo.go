package mailcore

// #include "init.h"
import "C"

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unsafe"
)

func init() {
	if have := uint32(C.mailcore_version()); have < C.MAILCORE_VERSION_NUMBER {
		panic(fmt.Sprintf("libmailcore is version %d, older than %d, which this package was built for", have, C.MAILCORE_VERSION_NUMBER))
	}
}

// Version is that of the library at run time: major*1000000 + minor*1000 + patch.
func Version() uint32 { return uint32(C.mailcore_version()) }

// BuildInfo says with what the library was built, for bug reports.
func BuildInfo() string { return C.GoString(C.mailcore_build_info()) }

// text is a C string that the caller frees; it refuses NUL.
func text(s string) (*C.char, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return nil, &Error{Code: CodeInvalid, Message: "a text for libmailcore cannot hold a NUL character"}
	}
	return C.CString(s), nil
}

// texts makes C strings of several Go strings; free frees them. With an error there is nothing to free.
func texts(list ...string) (cs []*C.char, free func(), err error) {
	free = func() {
		for _, c := range cs {
			C.free(unsafe.Pointer(c))
		}
	}
	for _, s := range list {
		c, err := text(s)
		if err != nil {
			free()
			return nil, func() {}, err
		}
		cs = append(cs, c)
	}
	return cs, free, nil
}

// check turns a result and its error struct into an error.
func check(result C.int32_t, err *C.mailcore_error) error {
	if result >= 0 {
		return nil
	}
	return &Error{
		Code:     Code(result),
		Message:  C.GoString(&err.message[0]),
		SMTPCode: int(err.smtp_code),
		Enhanced: C.GoString(&err.enhanced[0]),
		Errno:    int(err.sys_errno),
	}
}

// take copies a buffer and frees it.
func take(buf *C.mailcore_buf) []byte {
	defer C.mailcore_buf_free(buf)
	return C.GoBytes(unsafe.Pointer(buf.data), C.int(buf.len))
}

// moment is a time of the C interface; the zero time for 0.
func moment(ms C.int64_t) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

// interruptible calls f, and interrupts it when ctx ends.
func (e *Engine) interruptible(ctx context.Context, f func() C.int32_t) C.int32_t {
	return interruptible(ctx, e.Interrupt, f)
}

// interruptible calls f, and interrupt when ctx ends, again and again until f has returned: it may not have begun
// to wait when ctx ended.
func interruptible(ctx context.Context, interrupt func(), f func() C.int32_t) C.int32_t {
	done := make(chan struct{})
	defer close(done)
	stop := context.AfterFunc(ctx, func() {
		for {
			interrupt()
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	defer stop()
	return f()
}

// wait calls f, which may block for ever, and interrupts it when ctx ends. An interrupt wakes every call that
// waits on the engine: those whose ctx goes on call again.
func (e *Engine) wait(ctx context.Context, f func(timeoutMs C.int32_t, err *C.mailcore_error) C.int32_t) (C.int32_t, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		cerr := C.error_init()
		result := e.interruptible(ctx, func() C.int32_t { return f(-1, &cerr) })
		if result >= 0 {
			return result, nil
		}
		if Code(result) == CodeInterrupted && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if Code(result) != CodeInterrupted || e.handle() == 0 {
			return result, check(result, &cerr)
		}
	}
}
