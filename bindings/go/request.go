package mailcore

// #include "init.h"
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"sync"
	"unsafe"
)

// Hook is a point at which the host decides.
type Hook uint32

// The hooks.
const (
	OnMessage   Hook = C.MAILCORE_HOOK_DATA // a message is complete, the peer waits for its reply
	OnRecipient Hook = C.MAILCORE_HOOK_RCPT // a recipient that the engine's own policy takes

	OnConnect          Hook = C.MAILCORE_HOOK_CONNECT      // a connection of any protocol, before the greeting
	OnHello            Hook = C.MAILCORE_HOOK_HELLO        // a name in EHLO
	OnLogin            Hook = C.MAILCORE_HOOK_LOGIN        // a login with a password, of any protocol
	OnSCRAM            Hook = C.MAILCORE_HOOK_SCRAM        // a login by SCRAM, of any protocol
	OnSender           Hook = C.MAILCORE_HOOK_MAIL         // a sender that the engine's own policy takes
	OnRefusedRecipient Hook = C.MAILCORE_HOOK_RCPT_REFUSED // a recipient that the engine's own policy refuses
)

// Decision is what becomes of a recipient or a message.
type Decision uint32

// The decisions. Junk is for messages only, Redirect for messages and recipients.
const (
	ByPolicy Decision = C.MAILCORE_DECISION_POLICY   // as the engine's own policy says
	Accept   Decision = C.MAILCORE_DECISION_ACCEPT   // whatever that policy says
	Junk     Decision = C.MAILCORE_DECISION_JUNK     // accepted, into the recipients' Junk mailbox
	Reject   Decision = C.MAILCORE_DECISION_REJECT   // refused for good
	Defer    Decision = C.MAILCORE_DECISION_DEFER    // refused for now: the peer tries again
	Redirect Decision = C.MAILCORE_DECISION_REDIRECT // accepted for another address in place of all recipients
)

// Verdict is the answer to a request. The zero Verdict leaves it to the engine's own policy.
type Verdict struct {
	Action   Decision
	SMTPCode int    // of a refusal: 5yz to reject, 4yz to defer; 0 is the usual one
	Enhanced string // its enhanced status code; empty is the usual one
	Text     string // its text, which may have lines; empty is the usual one
	To       string // the address to redirect to; of a login the account, empty is that of the user's name
	Secret   string // the user's password, with OnSCRAM
}

// Request is a question of the engine's: answer it once by Reply while the peer waits (property hook.timeout_ms).
type Request struct {
	ID       uint64
	Hook     Hook
	Service  string   // "mx", "submission", "submissions" or "lmtp"
	Policy   Decision // what ByPolicy comes to: Accept, Junk or Reject
	Peer     string   // IP address
	Helo     string   // the name the peer gave itself
	TLS      string   // "TLSv1.3"; empty in the clear
	Account  string   // who logged in; empty for nobody
	From     string   // the reverse-path; empty is the null one
	To       []string // the recipients; with OnRecipient the one in question
	Size     int64    // octets, or what the peer announced
	Verdicts *Verdicts
	User     string          // who logs in, with OnLogin and OnSCRAM
	Password string          // with which password, with OnLogin
	Detail   json.RawMessage // all of this and more
	Message  *Message        // as the peer sent it; nil with OnRecipient
	engine   *Engine
}

// Ask says, before Start, about what the host decides. Answer what NextRequest gives, or have Answer do it.
func (e *Engine) Ask(hooks ...Hook) error {
	c := (*C.mailcore_hooks)(C.malloc(C.sizeof_mailcore_hooks))
	defer C.free(unsafe.Pointer(c))
	*c = C.hooks_init()
	for _, hook := range hooks {
		c.as_events |= C.uint32_t(hook)
	}
	cerr := C.error_init()
	return check(C.mailcore_engine_set_hooks(e.handle(), c, &cerr), &cerr)
}

// NextRequest waits for the next request, past the events in front of it. It fails with ErrState once the engine
// has stopped and there will be none. Close the request when done with its message.
func (e *Engine) NextRequest(ctx context.Context) (*Request, error) {
	c := (*C.mailcore_event)(C.malloc(C.sizeof_mailcore_event))
	defer C.free(unsafe.Pointer(c))
	*c = C.event_init()
	defer C.mailcore_event_clear(c)
	for {
		result, err := e.wait(ctx, func(timeoutMs C.int32_t, cerr *C.mailcore_error) C.int32_t {
			return C.mailcore_requests_next(e.handle(), timeoutMs, c, cerr)
		})
		if err != nil {
			return nil, err
		}
		if result != 1 {
			continue
		}
		event, err := event(c)
		if err != nil {
			return nil, err
		}
		request, err := e.Request(event)
		if errors.Is(err, ErrState) {
			continue // nobody waits for it any more
		}
		return request, err
	}
}

// Request is the request of an event named "request", for programs that pull all events in one place. It fails with
// ErrState where nobody waits any more.
func (e *Engine) Request(event Event) (*Request, error) {
	var read struct {
		Hook, Service, Policy, Peer, Helo, TLS, Account, From, User, Password string

		To       []string
		Size     int64
		Verdicts *Verdicts
	}
	if err := json.Unmarshal(event.Detail, &read); err != nil {
		return nil, err
	}
	r := &Request{
		ID: event.Subject, Hook: Hook(event.Code), Service: read.Service, Peer: read.Peer, Helo: read.Helo, TLS: read.TLS,
		Account: read.Account, From: read.From, To: read.To, Size: read.Size, Verdicts: read.Verdicts,
		User: read.User, Password: read.Password, Detail: event.Detail, engine: e,
	}
	r.Policy = map[string]Decision{"accept": Accept, "junk": Junk, "reject": Reject}[read.Policy]
	if r.Hook != OnMessage {
		return r, nil
	}
	cerr := C.error_init()
	var handle C.mailcore_message
	if err := check(C.mailcore_request_open(e.handle(), C.uint64_t(r.ID), &handle, &cerr), &cerr); err != nil {
		return nil, err
	}
	var err error
	r.Message, err = adopt(handle, r.ID)
	return r, err
}

// Reply answers. It fails with ErrState where nobody waits any more, and with ErrInvalid or ErrNotFound for an answer
// that cannot be; the request then still waits.
func (r *Request) Reply(verdict Verdict) error {
	cs, free, err := texts(verdict.Enhanced, verdict.Text, verdict.To, verdict.Secret)
	if err != nil {
		return err
	}
	defer free()
	c := (*C.mailcore_verdict)(C.malloc(C.sizeof_mailcore_verdict))
	defer C.free(unsafe.Pointer(c))
	*c = C.verdict_init()
	if len(verdict.Enhanced) >= len(c.enhanced) {
		return &Error{Code: CodeInvalid, Message: "enhanced is no status code"}
	}
	for i := range verdict.Enhanced {
		c.enhanced[i] = C.char(verdict.Enhanced[i])
	}
	c.action, c.smtp_code, c.text = C.uint32_t(verdict.Action), C.int32_t(verdict.SMTPCode), cs[1]
	if verdict.To != "" {
		c.redirect = cs[2]
	}
	if verdict.Secret != "" {
		c.secret = cs[3]
	}
	cerr := C.error_init()
	return check(C.mailcore_reply(r.engine.handle(), C.uint64_t(r.ID), c, &cerr), &cerr)
}

// Close closes the message, which can otherwise be read also after the answer.
func (r *Request) Close() error {
	if r.Message == nil {
		return nil
	}
	return r.Message.Close()
}

// Requests gives requests as they come, until ctx ends, the engine has stopped, or the loop is left. The end of ctx
// and trouble come as an error; a stopped engine does not.
func (e *Engine) Requests(ctx context.Context) iter.Seq2[*Request, error] {
	return func(yield func(*Request, error) bool) {
		for {
			request, err := e.NextRequest(ctx)
			// Interrupted is what a wait comes to that Close found on its way.
			if errors.Is(err, ErrState) || errors.Is(err, ErrClosed) || errors.Is(err, ErrInterrupted) {
				return
			}
			if !yield(request, err) || err != nil {
				return
			}
		}
	}
}

// Answer has decide answer all requests, each in a goroutine of its own, until ctx ends or the engine has stopped; it
// returns when they have. Where decide panics, or gives an answer that cannot be sent, trouble, which may be nil, is
// told why and may answer in its place; otherwise the peer is told to try again later.
func (e *Engine) Answer(ctx context.Context, decide func(*Request) Verdict, trouble func(*Request, error)) error {
	var group sync.WaitGroup
	defer group.Wait()
	for request, err := range e.Requests(ctx) {
		if err != nil {
			return err
		}
		group.Add(1)
		go func() {
			defer group.Done()
			defer request.Close()
			verdict, err := request.decided(decide)
			if err == nil {
				err = request.Reply(verdict)
			}
			if err == nil {
				return
			}
			if trouble != nil {
				trouble(request, err)
			}
			// Where trouble has answered, nobody waits any more.
			later := Verdict{Action: Defer, SMTPCode: 451, Enhanced: "4.3.0", Text: "Local trouble, try again later"}
			_ = request.Reply(later)
		}()
	}
	return nil
}

// decided is what decide gives; a panic is an error.
func (r *Request) decided(decide func(*Request) Verdict) (verdict Verdict, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("decide panicked: %v\n%s", panicked, debug.Stack())
		}
	}()
	return decide(r), nil
}
