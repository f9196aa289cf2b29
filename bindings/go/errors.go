package mailcore

// #include "init.h"
import "C"

import "fmt"

// Code is a result code of the C interface.
type Code int32

// The codes.
const (
	CodeHandle      Code = C.MAILCORE_E_HANDLE
	CodeNull        Code = C.MAILCORE_E_NULL
	CodeUTF8        Code = C.MAILCORE_E_UTF8
	CodeVersion     Code = C.MAILCORE_E_VERSION
	CodeInvalid     Code = C.MAILCORE_E_INVALID
	CodeKey         Code = C.MAILCORE_E_KEY
	CodeType        Code = C.MAILCORE_E_TYPE
	CodeUnsupported Code = C.MAILCORE_E_UNSUPPORTED
	CodeState       Code = C.MAILCORE_E_STATE
	CodeNotFound    Code = C.MAILCORE_E_NOT_FOUND
	CodeExists      Code = C.MAILCORE_E_EXISTS
	CodeBusy        Code = C.MAILCORE_E_BUSY
	CodeLimit       Code = C.MAILCORE_E_LIMIT
	CodeQuota       Code = C.MAILCORE_E_QUOTA
	CodeStore       Code = C.MAILCORE_E_STORE
	CodeStoreDown   Code = C.MAILCORE_E_STORE_DOWN
	CodeDiskFull    Code = C.MAILCORE_E_DISK_FULL
	CodeCorruption  Code = C.MAILCORE_E_CORRUPTION
	CodeNetwork     Code = C.MAILCORE_E_NETWORK
	CodeDNS         Code = C.MAILCORE_E_DNS
	CodeTLS         Code = C.MAILCORE_E_TLS
	CodeProtocol    Code = C.MAILCORE_E_PROTOCOL
	CodeLogin       Code = C.MAILCORE_E_LOGIN
	CodePolicy      Code = C.MAILCORE_E_POLICY
	CodePanic       Code = C.MAILCORE_E_PANIC
	CodeNoMemory    Code = C.MAILCORE_E_NOMEM
	CodeForked      Code = C.MAILCORE_E_FORKED
	CodeInterrupted Code = C.MAILCORE_E_INTERRUPTED
	CodeTimeout     Code = C.MAILCORE_E_TIMEOUT
)

// For errors.Is: each stands for every *Error with its code.
var (
	ErrClosed      error = &Error{Code: CodeHandle, Message: "closed"}
	ErrInvalid     error = &Error{Code: CodeInvalid, Message: "invalid value"}
	ErrKey         error = &Error{Code: CodeKey, Message: "no such property"}
	ErrState       error = &Error{Code: CodeState, Message: "call does not fit the present state"}
	ErrNotFound    error = &Error{Code: CodeNotFound, Message: "not found"}
	ErrExists      error = &Error{Code: CodeExists, Message: "exists already"}
	ErrBusy        error = &Error{Code: CodeBusy, Message: "in use elsewhere"}
	ErrLimit       error = &Error{Code: CodeLimit, Message: "limit reached"}
	ErrQuota       error = &Error{Code: CodeQuota, Message: "quota used up"}
	ErrStore       error = &Error{Code: CodeStore, Message: "disk or database failed"}
	ErrDiskFull    error = &Error{Code: CodeDiskFull, Message: "no room on the disk"}
	ErrNetwork     error = &Error{Code: CodeNetwork, Message: "network failed"}
	ErrTLS         error = &Error{Code: CodeTLS, Message: "TLS failed"}
	ErrLogin       error = &Error{Code: CodeLogin, Message: "wrong address or password"}
	ErrPolicy      error = &Error{Code: CodePolicy, Message: "refused by policy"}
	ErrInterrupted error = &Error{Code: CodeInterrupted, Message: "interrupted"}
	ErrTimeout     error = &Error{Code: CodeTimeout, Message: "timed out"}
)

// Error is what a call failed with.
type Error struct {
	Code     Code
	Message  string // one sentence
	SMTPCode int    // reply code of a mail server, or 0
	Enhanced string // enhanced status code, or empty
	Errno    int    // errno of a system call, or 0
}

func (e *Error) Error() string { return "mailcore: " + e.Message }

// Is tells whether target is an *Error with the same code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// Timeout tells whether the time was over; with it, *Error is a net.Error in spirit.
func (e *Error) Timeout() bool { return e.Code == CodeTimeout }

// String is the sentence that belongs to the code.
func (c Code) String() string {
	return fmt.Sprintf("%s (%d)", C.GoString(C.mailcore_strerror(C.int32_t(c))), int32(c))
}
