package mailcore

// #include "init.h"
import "C"

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// Options say how an engine is opened.
type Options struct {
	// Hostname is the name in greetings and reports; empty is "localhost".
	Hostname string
	// Store is a store on a server, "postgres://user@host/db?schema=name"; Open's folder is empty then.
	Store string
	// Settings are properties by name, such as "outbound.port"; Properties tells which there are.
	Settings map[string]string
}

// Engine is a mail engine on a store.
type Engine struct {
	token   *atomic.Uint64
	cleanup runtime.Cleanup
}

// Open opens the store in folder, which is made where missing, or, where folder is empty, that of options.Store.
func Open(folder string, options Options) (*Engine, error) {
	var lines strings.Builder
	names := make([]string, 0, len(options.Settings))
	for name := range options.Settings {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if strings.ContainsAny(name+options.Settings[name], "\n") {
			return nil, &Error{Code: CodeInvalid, Message: fmt.Sprintf("setting %q: a value has one line", name)}
		}
		fmt.Fprintf(&lines, "%s=%s\n", name, options.Settings[name])
	}
	cs, free, err := texts(folder, options.Hostname, lines.String(), options.Store)
	if err != nil {
		return nil, err
	}
	defer free()
	// The struct holds C pointers only and lives in C's memory: nothing of Go's is kept there.
	how := (*C.mailcore_open)(C.malloc(C.sizeof_mailcore_open))
	defer C.free(unsafe.Pointer(how))
	*how = C.open_init()
	if folder != "" || options.Store == "" {
		how.folder = cs[0]
	}
	if options.Hostname != "" {
		how.hostname = cs[1]
	}
	how.settings = cs[2]
	if options.Store != "" {
		how.store = cs[3]
	}
	cerr := C.error_init()
	var handle C.mailcore_engine
	if err := check(C.mailcore_engine_open(how, &handle, &cerr), &cerr); err != nil {
		return nil, err
	}
	engine := &Engine{token: new(atomic.Uint64)}
	engine.token.Store(uint64(handle))
	engine.cleanup = runtime.AddCleanup(engine, func(token *atomic.Uint64) {
		if handle := token.Swap(0); handle != 0 {
			C.mailcore_close(C.mailcore_handle(handle))
		}
	}, engine.token)
	return engine, nil
}

func (e *Engine) handle() C.mailcore_engine { return C.mailcore_engine(e.token.Load()) }

// Start starts the engine: the queue is delivered, and listeners may be opened.
func (e *Engine) Start() error {
	cerr := C.error_init()
	return check(C.mailcore_engine_start(e.handle(), &cerr), &cerr)
}

// Stop lets sessions and deliveries end until ctx ends, then drops them.
func (e *Engine) Stop(ctx context.Context) error {
	timeout := C.int32_t(-1)
	if deadline, ok := ctx.Deadline(); ok {
		timeout = C.int32_t(max(0, time.Until(deadline).Milliseconds()))
	}
	cerr := C.error_init()
	result := e.interruptible(ctx, func() C.int32_t { return C.mailcore_engine_stop(e.handle(), timeout, &cerr) })
	return check(result, &cerr)
}

// Close stops the engine at once and closes the store. A second call does nothing.
func (e *Engine) Close() error {
	handle := e.token.Swap(0)
	if handle == 0 {
		return nil
	}
	e.cleanup.Stop()
	if result := C.mailcore_close(C.mailcore_handle(handle)); result < 0 {
		return &Error{Code: Code(result), Message: C.GoString(C.mailcore_strerror(result))}
	}
	return nil
}

// Interrupt ends the waits of other goroutines on this engine.
func (e *Engine) Interrupt() { C.mailcore_interrupt(C.mailcore_handle(e.handle())) }

// Get reads a property as text.
func (e *Engine) Get(key string) (string, error) { return get(C.mailcore_handle(e.handle()), key) }

// Set sets a property, before the start.
func (e *Engine) Set(key, value string) error {
	cs, free, err := texts(key, value)
	if err != nil {
		return err
	}
	defer free()
	cerr := C.error_init()
	return check(C.mailcore_set_str(C.mailcore_handle(e.handle()), cs[0], cs[1], &cerr), &cerr)
}

func get(handle C.mailcore_handle, key string) (string, error) {
	c, err := text(key)
	if err != nil {
		return "", err
	}
	defer C.free(unsafe.Pointer(c))
	cerr := C.error_init()
	var buf C.mailcore_buf
	if err := check(C.mailcore_get_str(handle, c, &buf, &cerr), &cerr); err != nil {
		return "", err
	}
	return string(take(&buf)), nil
}

func getNumber(handle C.mailcore_handle, key string) (int64, error) {
	value, err := get(handle, key)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(value, 10, 64)
}

// TLSSet sets the certificate chain and key (PEM) for clients that ask for serverName; empty is everybody.
func (e *Engine) TLSSet(serverName string, certificate, key []byte) error {
	cs, free, err := texts(serverName, string(certificate), string(key))
	if err != nil {
		return err
	}
	defer free()
	name := cs[0]
	if serverName == "" {
		name = nil
	}
	cerr := C.error_init()
	return check(C.mailcore_tls_set(e.handle(), name, cs[1], cs[2], &cerr), &cerr)
}

// Trust adds authorities (PEM) to those trusted for outgoing connections.
func (e *Engine) Trust(authorities []byte) error {
	c, err := text(string(authorities))
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(c))
	cerr := C.error_init()
	return check(C.mailcore_tls_trust(e.handle(), c, &cerr), &cerr)
}

// DNSSet sets a DNS record in place of what the DNS says: DNSSet("example.net", "MX", "10 mx.example.net", ttl).
func (e *Engine) DNSSet(name, kind, rdata string, ttl time.Duration) error {
	cs, free, err := texts(name, kind, rdata)
	if err != nil {
		return err
	}
	defer free()
	cerr := C.error_init()
	return check(C.mailcore_dns_set(e.handle(), cs[0], cs[1], cs[2], C.uint32_t(ttl.Seconds()), &cerr), &cerr)
}

// DNSClear forgets all records that were set.
func (e *Engine) DNSClear() error {
	cerr := C.error_init()
	return check(C.mailcore_dns_set(e.handle(), nil, nil, nil, 0, &cerr), &cerr)
}

// ClockSet sets the engine's clock.
func (e *Engine) ClockSet(at time.Time) error {
	cerr := C.error_init()
	return check(C.mailcore_clock_set(e.handle(), C.int64_t(at.UnixMilli()), &cerr), &cerr)
}

// ClockAdvance moves the engine's clock forward.
func (e *Engine) ClockAdvance(by time.Duration) error {
	cerr := C.error_init()
	return check(C.mailcore_clock_advance(e.handle(), C.int64_t(by.Milliseconds()), &cerr), &cerr)
}

// Service is what a listener serves.
type Service uint32

// The services.
const (
	MX          Service = C.MAILCORE_SERVICE_MX
	Submission  Service = C.MAILCORE_SERVICE_SUBMISSION
	Submissions Service = C.MAILCORE_SERVICE_SUBMISSIONS
	LMTP        Service = C.MAILCORE_SERVICE_LMTP
	IMAP        Service = C.MAILCORE_SERVICE_IMAP
	IMAPS       Service = C.MAILCORE_SERVICE_IMAPS
	POP3        Service = C.MAILCORE_SERVICE_POP3
	POP3S       Service = C.MAILCORE_SERVICE_POP3S
	ManageSieve Service = C.MAILCORE_SERVICE_MANAGESIEVE
)

// Listener is a listening socket of an engine.
type Listener struct {
	token atomic.Uint64
	addr  net.Addr
}

// Listen listens at address ("127.0.0.1:0"; port 0 takes a free one). The engine must have started.
func (e *Engine) Listen(service Service, address string) (*Listener, error) {
	return e.listen(service, address, 0)
}

// ListenTraced is Listen, where what both sides say becomes events named "dialog", secrets as stars.
func (e *Engine) ListenTraced(service Service, address string) (*Listener, error) {
	return e.listen(service, address, C.MAILCORE_LISTEN_TRACE)
}

func (e *Engine) listen(service Service, address string, flags C.uint32_t) (*Listener, error) {
	host, service_, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service_, 10, 16)
	if err != nil {
		return nil, err
	}
	c, err := text(host)
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(c))
	how := (*C.mailcore_listen_options)(C.malloc(C.sizeof_mailcore_listen_options))
	defer C.free(unsafe.Pointer(how))
	*how = C.listen_options_init()
	how.service, how.address, how.port, how.flags = C.uint32_t(service), c, C.uint32_t(port), flags
	cerr := C.error_init()
	var handle C.mailcore_listener
	if err := check(C.mailcore_listen(e.handle(), how, &handle, &cerr), &cerr); err != nil {
		return nil, err
	}
	listener := new(Listener)
	listener.token.Store(uint64(handle))
	where, err := get(C.mailcore_handle(handle), "listener.address")
	if err == nil {
		listener.addr, err = net.ResolveTCPAddr("tcp", where)
	}
	if err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return l.addr }

// Port is the port it listens on.
func (l *Listener) Port() int { return l.addr.(*net.TCPAddr).Port }

// Close ends it; its sessions go on.
func (l *Listener) Close() error {
	if handle := l.token.Swap(0); handle != 0 {
		if result := C.mailcore_close(C.mailcore_handle(handle)); result < 0 {
			return &Error{Code: Code(result), Message: C.GoString(C.mailcore_strerror(result))}
		}
	}
	return nil
}

// Property is something that can be set, or read, by name.
type Property struct {
	Name, Doc, Initial string
	Min, Max           int64
	Writable           bool
}

// Properties tells everything that can be set, or read, by name.
func Properties() []Property {
	row := (*C.mailcore_property)(C.malloc(C.sizeof_mailcore_property))
	defer C.free(unsafe.Pointer(row))
	*row = C.property_init()
	var all []Property
	for index := C.uint32_t(0); C.mailcore_property_info(index, row) == 1; index++ {
		all = append(all, Property{
			Name: C.GoString(row.name), Doc: C.GoString(row.doc), Initial: C.GoString(row.initial),
			Min: int64(row.min), Max: int64(row.max), Writable: row.writable != 0,
		})
	}
	return all
}
