// Package mailcoretest is a mail server for tests: it takes mail for anybody, sends none, and shows what came.
//
//	func TestWelcome(t *testing.T) {
//		server := mailcoretest.New(t)
//		signUp("ann@example.org", server.Addr())
//		mail := server.WaitFor(mailcoretest.Wanted{To: "ann@example.org"})
//		if mail.Header.Get("Subject") != "Welcome" { t.Error(mail.Header) }
//	}
//
// The whole engine is behind it: mail can be read by IMAP and POP3 with any user name and password, the clock and the
// DNS are the test's own.
package mailcoretest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	mailcore "github.com/libmailcore/libmailcore/bindings/go"
)

// Timeout is how long waits last.
const Timeout = 10 * time.Second

// Mail is a mail that the server took.
type Mail struct {
	From     string            // of the envelope
	To       []string          // of the envelope
	Verdicts map[string]string // what SPF, DKIM and DMARC came to: "spf": "pass"
	Header   mail.Header       // of what was sent
	Body     []byte            // behind it
	Raw      []byte            // all that was sent
	Trace    []byte            // the fields that the server put on top
}

// Codes are one-time codes: numbers of 4 to 8 digits that stand alone in the body.
func (m *Mail) Codes() []string {
	return code.FindAllString(link.ReplaceAllString(string(m.Body), " "), -1)
}

// Links are the links in the body.
func (m *Mail) Links() []string {
	found := link.FindAllString(string(m.Body), -1)
	for i := range found {
		found[i] = strings.TrimRight(found[i], ".,;:!?)>]\"'")
	}
	return found
}

var (
	link = regexp.MustCompile(`https?://[^\s<>"']+`)
	code = regexp.MustCompile(`\b[0-9]{4,8}\b`)
)

// Server is a mail server of one test.
type Server struct {
	// Engine is the engine behind it, a sink.
	Engine *mailcore.Engine

	t         testing.TB
	lock      sync.Mutex
	listeners map[mailcore.Service]*mailcore.Listener
	mails     []*Mail
	traces    map[string]bool
}

// New starts a server that ends with the test. Trouble of its own fails the test.
func New(t testing.TB) *Server { return NewWith(t, nil) }

// NewWith is New with settings, by their names in the C header.
func NewWith(t testing.TB, settings map[string]string) *Server {
	t.Helper()
	all := map[string]string{
		"sink": "each", "login.argon2_kib": "8", "login.argon2_passes": "1", "login.failure_pause_seconds": "0",
		"tls.self_signed": "0", "outbound.retry_jitter_percent": "0", "events.capacity": "1000000",
		"sessions.per_peer_max": "10000", "sessions.per_account_max": "10000", "store.readers": "1",
		"login.failures_per_peer_max": "0", "login.failures_per_network_max": "0", "login.failures_per_account_max": "0",
	}
	for key, value := range settings {
		all[key] = value
	}
	folder := t.TempDir()
	// A disk in memory, where there is one: each mail is synced.
	if shm, err := os.MkdirTemp("/dev/shm", "mailcoretest-"); err == nil {
		folder = shm
		t.Cleanup(func() { os.RemoveAll(shm) })
	}
	engine, err := mailcore.Open(filepath.Join(folder, "store"), mailcore.Options{Hostname: "mail.test", Settings: all})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	listeners := make(map[mailcore.Service]*mailcore.Listener)
	return &Server{Engine: engine, t: t, listeners: listeners, traces: make(map[string]bool)}
}

// Addr is where SMTP is: anybody may send to anybody, with any login or none.
func (s *Server) Addr() string { return s.Listen(mailcore.MX) }

// IMAPAddr is where IMAP is: any user name and password log in, but for accounts that have a password.
func (s *Server) IMAPAddr() string { return s.Listen(mailcore.IMAP) }

// POP3Addr is where POP3 is.
func (s *Server) POP3Addr() string { return s.Listen(mailcore.POP3) }

// Listen is where another service is, which is opened when it is first asked for.
func (s *Server) Listen(service mailcore.Service) string {
	s.t.Helper()
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.listeners[service] == nil {
		listener, err := s.Engine.Listen(service, "127.0.0.1:0")
		if err != nil {
			s.t.Fatal(err)
		}
		s.listeners[service] = listener
	}
	return s.listeners[service].Addr().String()
}

// Messages are what came so far, in order. A mail to several recipients is there once.
func (s *Server) Messages() []*Mail {
	s.t.Helper()
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.look(time.Nanosecond)
}

// Wait waits until n mails have come, and gives all there are; the test fails where they do not come in time.
func (s *Server) Wait(n int) []*Mail {
	s.t.Helper()
	var found []*Mail
	s.until(func(mails []*Mail) bool { found = mails; return len(mails) >= n }, "not enough mails")
	return found
}

// Wanted is what a mail must be like. Empty fields fit all.
type Wanted struct {
	To, From string // of the envelope
	Subject  string // a part of it
}

// WaitFor waits for a mail; the test fails where none comes in time.
func (s *Server) WaitFor(wanted Wanted) *Mail {
	s.t.Helper()
	var found *Mail
	fits := func(mails []*Mail) bool {
		for _, mail := range mails {
			to := wanted.To == ""
			for _, one := range mail.To {
				to = to || strings.EqualFold(one, wanted.To)
			}
			if to && (wanted.From == "" || strings.EqualFold(mail.From, wanted.From)) &&
				strings.Contains(mail.Header.Get("Subject"), wanted.Subject) {
				found = mail
				return true
			}
		}
		return false
	}
	s.until(fits, "no such mail")
	return found
}

func (s *Server) until(is func([]*Mail) bool, what string) {
	s.t.Helper()
	s.lock.Lock()
	defer s.lock.Unlock()
	for end := time.Now().Add(Timeout); !is(s.look(20 * time.Millisecond)); {
		if time.Now().After(end) {
			s.t.Fatalf("%s within %v; %d came", what, Timeout, len(s.mails))
		}
	}
}

// look takes events until none comes for a while.
func (s *Server) look(wait time.Duration) []*Mail {
	s.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		event, err := s.Engine.NextEvent(ctx)
		cancel()
		if err != nil {
			return append([]*Mail(nil), s.mails...)
		}
		if event.Name == "filed" {
			s.note(event)
		}
	}
}

func (s *Server) note(event mailcore.Event) {
	s.t.Helper()
	var filed struct {
		Address, From, Verdicts, Trace string
		Mailbox                        string `json:"mailbox_name"`
		UID                            uint64
	}
	if err := json.Unmarshal(event.Detail, &filed); err != nil {
		s.t.Fatal(err)
	}
	if filed.Mailbox != "INBOX" || filed.Trace != "" && s.traces[filed.Trace] {
		return
	}
	s.traces[filed.Trace] = true
	octets, err := s.octets(filed.Address, filed.UID)
	if err != nil {
		s.t.Fatal(err)
	}
	m := &Mail{From: filed.From, To: []string{filed.Address}, Verdicts: make(map[string]string)}
	for _, part := range strings.Split(filed.Verdicts, ";") {
		if name, result, ok := strings.Cut(strings.TrimSpace(part), "="); ok && m.Verdicts[name] == "" {
			m.Verdicts[name], _, _ = strings.Cut(result, " ")
		}
	}
	m.Trace, m.Raw = split(octets)
	if to := envelopeTo.FindSubmatch(m.Trace); to != nil {
		m.To = nil
		for _, one := range strings.Split(string(to[1]), ",\r\n") {
			m.To = append(m.To, strings.Trim(strings.TrimSpace(one), "<>"))
		}
	}
	if parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw)); err == nil {
		m.Header = parsed.Header
		m.Body, _ = io.ReadAll(parsed.Body)
	}
	s.mails = append(s.mails, m)
}

func (s *Server) octets(address string, uid uint64) ([]byte, error) {
	account, err := s.Engine.Account(address)
	if err != nil {
		return nil, err
	}
	defer account.Close()
	inbox, err := account.Mailbox("INBOX")
	if err != nil {
		return nil, err
	}
	defer inbox.Close()
	message, err := inbox.Open(uid)
	if err != nil {
		return nil, err
	}
	defer message.Close()
	return io.ReadAll(message)
}

var (
	own        = regexp.MustCompile(`^(?:Return-Path|Envelope-To|Authentication-Results|Received):[^\n]*\n(?:[ \t][^\n]*\n)*`)
	envelopeTo = regexp.MustCompile(`(?m)^Envelope-To:([^\n]*\n(?:[ \t][^\n]*\n)*)`)
)

// split gives the fields that the server put on top, up to its Received, and what was sent.
func split(octets []byte) (trace, sent []byte) {
	at := 0
	for {
		field := own.Find(octets[at:])
		if field == nil {
			return octets[:at], octets[at:]
		}
		at += len(field)
		if bytes.HasPrefix(field, []byte("Received:")) {
			return octets[:at], octets[at:]
		}
	}
}

// FailNext refuses once: FailNext(mailcore.AtRcpt, 451).
func (s *Server) FailNext(stage mailcore.Stage, code int) {
	s.t.Helper()
	s.Trouble(mailcore.Trouble{Stage: stage, Code: code, Times: 1})
}

// Bounces has mail to an address taken, and then given up: a real report comes back to its sender. With a code below
// 500 it is tried again: Advance makes it due.
func (s *Server) Bounces(address string, code int) {
	s.t.Helper()
	s.Trouble(mailcore.Trouble{Stage: mailcore.AtDeliver, Code: code, Address: address})
}

// Trouble adds scripted trouble of any kind.
func (s *Server) Trouble(trouble mailcore.Trouble) {
	s.t.Helper()
	if err := s.Engine.AddTrouble(trouble); err != nil {
		s.t.Fatal(err)
	}
}

// Account makes an account that is logged in to with its password only.
func (s *Server) Account(address, password string) {
	s.t.Helper()
	if err := s.Engine.PutAccount(address, password); err != nil {
		s.t.Fatal(err)
	}
}

// DNS sets a record: DNS("example.org", "TXT", "v=spf1 -all"). No other names exist.
func (s *Server) DNS(name, kind, rdata string) {
	s.t.Helper()
	if err := s.Engine.DNSSet(name, kind, rdata, time.Hour); err != nil {
		s.t.Fatal(err)
	}
}

// Advance moves the server's clock; from then on only this moves it. First attempts that are under way are waited for,
// so that their next ones are counted from before the move.
func (s *Server) Advance(by time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(5 * time.Second); s.attempts() && time.Now().Before(end); {
		time.Sleep(2 * time.Millisecond)
	}
	if err := s.Engine.ClockAdvance(by); err != nil {
		s.t.Fatal(err)
	}
}

// attempts tells whether a first attempt is under way.
func (s *Server) attempts() bool {
	s.t.Helper()
	queue, err := s.Engine.Queue()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, queued := range queue {
		if queued.State == mailcore.Waiting {
			return true
		}
	}
	return false
}

// Reset forgets mail, accounts, the queue and trouble; the ports stay.
func (s *Server) Reset() {
	s.t.Helper()
	s.lock.Lock()
	defer s.lock.Unlock()
	err := s.Engine.ClearTrouble()
	if err == nil {
		err = s.Engine.QueueControl(0, mailcore.Drop)
	}
	s.look(time.Nanosecond)
	accounts, e := s.Engine.Accounts()
	if err == nil {
		err = e
	}
	for _, address := range accounts {
		if e := s.Engine.DeleteAccount(address); err == nil {
			err = e
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.mails, s.traces = nil, make(map[string]bool)
}
