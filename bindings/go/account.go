package mailcore

// #include "init.h"
import "C"

import (
	"io"
	"sync/atomic"
	"time"
	"unsafe"
)

// PutAccount makes an account, or gives one a new password.
func (e *Engine) PutAccount(address, password string) error {
	return e.two(address, password, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_account_put(e.handle(), a, b, cerr)
	})
}

// DeleteAccount deletes an account with all its mail.
func (e *Engine) DeleteAccount(address string) error {
	return e.two(address, "", func(a, _ *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_account_delete(e.handle(), a, cerr)
	})
}

// CheckPassword checks a password as a login would; ErrLogin.
func (e *Engine) CheckPassword(address, password string) error {
	return e.two(address, password, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_account_check(e.handle(), a, b, cerr)
	})
}

// PutAlias adds a target to an alias, "sales@example.org" or "@example.org".
func (e *Engine) PutAlias(pattern, target string) error {
	return e.two(pattern, target, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_alias_put(e.handle(), a, b, cerr)
	})
}

// DeleteAlias removes an alias with all its targets.
func (e *Engine) DeleteAlias(pattern string) error {
	return e.two(pattern, "", func(a, _ *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_alias_put(e.handle(), a, nil, cerr)
	})
}

// PutDomain makes a domain local.
func (e *Engine) PutDomain(domain string) error {
	return e.two(domain, "", func(a, _ *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_domain_put(e.handle(), a, cerr)
	})
}

// DeleteDomain makes a domain foreign again.
func (e *Engine) DeleteDomain(domain string) error {
	return e.two(domain, "", func(a, _ *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_domain_delete(e.handle(), a, cerr)
	})
}

func (e *Engine) two(a, b string, f func(a, b *C.char, cerr *C.mailcore_error) C.int32_t) error {
	cs, free, err := texts(a, b)
	if err != nil {
		return err
	}
	defer free()
	cerr := C.error_init()
	return check(f(cs[0], cs[1], &cerr), &cerr)
}

// Accounts lists the addresses of all accounts.
func (e *Engine) Accounts() ([]string, error) { return e.names(C.MAILCORE_LIST_ACCOUNTS) }

// Domains lists the local domains.
func (e *Engine) Domains() ([]string, error) { return e.names(C.MAILCORE_LIST_DOMAINS) }

func (e *Engine) names(kind C.uint32_t) ([]string, error) {
	var all []string
	err := list(C.mailcore_handle(e.handle()), kind, 0, func(r *C.mailcore_row) { all = append(all, C.GoString(r.name)) })
	return all, err
}

// Account is an account of an engine.
type Account struct {
	engine *Engine
	token  atomic.Uint64
}

// Account opens an account, for its mailboxes.
func (e *Engine) Account(address string) (*Account, error) {
	c, err := text(address)
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(c))
	cerr := C.error_init()
	var handle C.mailcore_account
	if err := check(C.mailcore_account_open(e.handle(), c, &handle, &cerr), &cerr); err != nil {
		return nil, err
	}
	a := &Account{engine: e}
	a.token.Store(uint64(handle))
	return a, nil
}

// Close lets the handle go; the account stays.
func (a *Account) Close() error {
	if handle := a.token.Swap(0); handle != 0 {
		C.mailcore_close(C.mailcore_handle(handle))
	}
	return nil
}

// MailboxInfo is a mailbox and its counts.
type MailboxInfo struct {
	Name, SpecialUse       string
	Total, Unseen          int
	Octets                 uint64
	Subscribed, Selectable bool
}

// Mailboxes lists its mailboxes, by name.
func (a *Account) Mailboxes() ([]MailboxInfo, error) {
	var all []MailboxInfo
	err := list(C.mailcore_handle(a.token.Load()), C.MAILCORE_LIST_MAILBOXES, 0, func(r *C.mailcore_row) {
		all = append(all, MailboxInfo{
			Name: C.GoString(r.name), SpecialUse: C.GoString(r.text), Total: int(r.total), Unseen: int(r.unseen),
			Octets: uint64(r.size), Subscribed: r.flags&1 != 0, Selectable: r.flags&2 != 0,
		})
	})
	return all, err
}

// CreateMailbox makes a mailbox and the levels above it.
func (a *Account) CreateMailbox(name string) error {
	return a.control(C.MAILCORE_CONTROL_CREATE, name, "")
}

// DeleteMailbox deletes a mailbox with its messages.
func (a *Account) DeleteMailbox(name string) error {
	return a.control(C.MAILCORE_CONTROL_DELETE, name, "")
}

// RenameMailbox renames a mailbox and those below it.
func (a *Account) RenameMailbox(name, to string) error {
	return a.control(C.MAILCORE_CONTROL_RENAME, name, to)
}

// Subscribe subscribes or unsubscribes a name.
func (a *Account) Subscribe(name string, on bool) error {
	if on {
		return a.control(C.MAILCORE_CONTROL_SUBSCRIBE, name, "")
	}
	return a.control(C.MAILCORE_CONTROL_UNSUBSCRIBE, name, "")
}

func (a *Account) control(action C.uint32_t, name, argument string) error {
	return a.engine.two(name, argument, func(n, arg *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_mailbox_control(C.mailcore_account(a.token.Load()), action, n, arg, cerr)
	})
}

// Mailbox is a mailbox of an account.
type Mailbox struct {
	account *Account
	token   atomic.Uint64
}

// Mailbox opens a mailbox: "INBOX", "Archive/2026".
func (a *Account) Mailbox(name string) (*Mailbox, error) {
	c, err := text(name)
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(c))
	cerr := C.error_init()
	var handle C.mailcore_mailbox
	result := C.mailcore_mailbox_open(C.mailcore_account(a.token.Load()), c, 0, &handle, &cerr)
	if err := check(result, &cerr); err != nil {
		return nil, err
	}
	m := &Mailbox{account: a}
	m.token.Store(uint64(handle))
	return m, nil
}

// Close lets the handle go; the mailbox stays.
func (m *Mailbox) Close() error {
	if handle := m.token.Swap(0); handle != 0 {
		C.mailcore_close(C.mailcore_handle(handle))
	}
	return nil
}

func (m *Mailbox) handle() C.mailcore_mailbox { return C.mailcore_mailbox(m.token.Load()) }

// Get reads a property, such as "mailbox.unseen".
func (m *Mailbox) Get(key string) (string, error) { return get(C.mailcore_handle(m.handle()), key) }

// MessageInfo is a message as a listing shows it.
type MessageInfo struct {
	UID                      uint64
	Size                     uint64
	Time                     time.Time
	Flags                    Flags
	ModSeq                   uint64
	From, Subject, MessageID string
}

// Messages lists the messages with UIDs above after, oldest first.
func (m *Mailbox) Messages(after uint64) ([]MessageInfo, error) {
	var all []MessageInfo
	err := list(C.mailcore_handle(m.handle()), C.MAILCORE_LIST_MESSAGES, after, func(r *C.mailcore_row) {
		all = append(all, MessageInfo{
			UID: uint64(r.id), Size: uint64(r.size), Time: moment(r.time_ms), Flags: Flags(r.flags), ModSeq: uint64(r.mod_seq),
			From: C.GoString(r.name), Subject: C.GoString(r.text), MessageID: C.GoString(r.detail),
		})
	})
	return all, err
}

// Open opens a message for reading.
func (m *Mailbox) Open(uid uint64) (*Message, error) {
	return openMessage(C.mailcore_handle(m.handle()), uid)
}

// Append adds a message and gives its UID; the zero time is now.
func (m *Mailbox) Append(message io.Reader, flags Flags, at time.Time) (uint64, error) {
	draft, err := m.account.engine.draft(message)
	if err != nil {
		return 0, err
	}
	defer C.mailcore_close(draft)
	var ms C.int64_t
	if !at.IsZero() {
		ms = C.int64_t(at.UnixMilli())
	}
	cerr := C.error_init()
	var uid C.uint64_t
	err = check(C.mailcore_mailbox_append(m.handle(), draft, C.uint32_t(flags), ms, &uid, &cerr), &cerr)
	return uint64(uid), err
}

// numbers is where UIDs begin, for C.
func numbers(uids []uint64) (*C.uint64_t, C.size_t) {
	return (*C.uint64_t)(unsafe.Pointer(unsafe.SliceData(uids))), C.size_t(len(uids))
}

// SetFlags sets and clears flags.
func (m *Mailbox) SetFlags(uids []uint64, add, remove Flags) error {
	cerr := C.error_init()
	first, count := numbers(uids)
	return check(C.mailcore_mailbox_flag(m.handle(), first, count, C.uint32_t(add), C.uint32_t(remove), &cerr), &cerr)
}

// Copy copies messages to another mailbox of the account, all or none.
func (m *Mailbox) Copy(uids []uint64, to *Mailbox) error { return m.copy(uids, to, 0) }

// Move moves messages to another mailbox of the account, all or none.
func (m *Mailbox) Move(uids []uint64, to *Mailbox) error { return m.copy(uids, to, 1) }

func (m *Mailbox) copy(uids []uint64, to *Mailbox, move C.uint32_t) error {
	cerr := C.error_init()
	first, count := numbers(uids)
	return check(C.mailcore_mailbox_copy(m.handle(), first, count, to.handle(), move, &cerr), &cerr)
}

// Expunge removes messages for good.
func (m *Mailbox) Expunge(uids []uint64) error {
	cerr := C.error_init()
	first, count := numbers(uids)
	return check(C.mailcore_mailbox_expunge(m.handle(), first, count, &cerr), &cerr)
}
