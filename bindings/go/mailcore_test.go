package mailcore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mailcore "github.com/libmailcore/libmailcore/bindings/go"
)

const message = "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello Bob.\r\n.dot\r\n"

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return c
}

// open opens and starts an engine; password hashing is made cheap.
func open(t *testing.T, name string, settings map[string]string) *mailcore.Engine {
	t.Helper()
	all := map[string]string{"login.argon2_kib": "8", "login.argon2_passes": "1", "dns.host_only": "1"}
	for key, value := range settings {
		all[key] = value
	}
	engine, err := mailcore.Open(filepath.Join(t.TempDir(), name), mailcore.Options{Hostname: name + ".example.org", Settings: all})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	must(t, engine.Start())
	return engine
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func inbox(t *testing.T, engine *mailcore.Engine, address string) (*mailcore.Account, *mailcore.Mailbox) {
	t.Helper()
	account, err := engine.Account(address)
	must(t, err)
	mailbox, err := account.Mailbox("INBOX")
	must(t, err)
	return account, mailbox
}

func TestSubmittedMailIsReadBack(t *testing.T) {
	engine := open(t, "one", nil)
	must(t, engine.PutAccount("bob@example.org", "builder"))
	id, err := engine.Submit(ctx(t), mailcore.Envelope{From: "alice@example.org", To: []string{"bob@example.org"}}, strings.NewReader(message))
	must(t, err)
	if id != 0 {
		t.Errorf("a recipient here was queued as %d", id)
	}
	_, box := inbox(t, engine, "bob@example.org")
	all, err := box.Messages(0)
	must(t, err)
	if len(all) != 1 || all[0].Subject != "hello" {
		t.Fatalf("%+v", all)
	}
	m, err := box.Open(all[0].UID)
	must(t, err)
	octets, err := io.ReadAll(m)
	must(t, err)
	if !bytes.HasSuffix(octets, []byte("\r\n\r\nHello Bob.\r\n.dot\r\n")) || int64(len(octets)) != m.Size() {
		t.Errorf("%q", octets)
	}
	subject, found, err := m.Header("subject", 0)
	if err != nil || !found || subject != "hello" {
		t.Errorf("%q %v %v", subject, found, err)
	}
	section, err := io.ReadAll(io.NewSectionReader(m, m.Size()-6, 6))
	if err != nil || string(section) != ".dot\r\n" {
		t.Errorf("%q %v", section, err)
	}
	must(t, m.Close())
	if _, err := m.ReadAt(make([]byte, 1), 0); !errors.Is(err, mailcore.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestMailIsSigned(t *testing.T) {
	engine := open(t, "one", nil)
	must(t, engine.PutAccount("bob@example.org", "builder"))
	record, err := engine.DKIMGenerate("example.org", "s1", "rsa-sha256")
	must(t, err)
	keys, err := engine.DKIMKeys()
	must(t, err)
	if len(keys) != 1 || keys[0].State != "pending" || keys[0].Record != record || keys[0].Algorithm != "rsa-sha256" {
		t.Errorf("%+v", keys)
	}
	must(t, engine.DKIMActivate("example.org", "s1"))
	must(t, engine.DKIMSet("example.org", "s2", []byte("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")))
	if err := engine.DKIMSet("example.org", "s2", []byte("\x00")); !errors.Is(err, mailcore.ErrInvalid) {
		t.Errorf("a key that is cut to nothing would stand for the one there is: %v", err)
	}
	_, err = engine.Submit(ctx(t), mailcore.Envelope{From: "alice@example.org", To: []string{"bob@example.org"}}, strings.NewReader(message))
	must(t, err)
	_, box := inbox(t, engine, "bob@example.org")
	all, err := box.Messages(0)
	must(t, err)
	m, err := box.Open(all[0].UID)
	must(t, err)
	defer m.Close()
	octets, err := io.ReadAll(m)
	must(t, err)
	if bytes.Count(octets, []byte("DKIM-Signature: ")) != 2 {
		t.Errorf("%s", octets)
	}
	must(t, engine.DKIMRemove("example.org", "s1"))
	if err := engine.DKIMRemove("example.org", "s1"); !errors.Is(err, mailcore.ErrNotFound) {
		t.Error(err)
	}
}

func TestMailboxes(t *testing.T) {
	engine := open(t, "one", nil)
	must(t, engine.PutAccount("bob@example.org", "builder"))
	account, box := inbox(t, engine, "bob@example.org")
	infos, err := account.Mailboxes()
	if err != nil || len(infos) != 6 {
		t.Fatalf("%+v %v", infos, err)
	}
	must(t, account.CreateMailbox("Work/2026"))
	work, err := account.Mailbox("Work/2026")
	must(t, err)
	var uids []uint64
	for range 4 {
		uid, err := box.Append(strings.NewReader(message), mailcore.Seen, time.Time{})
		must(t, err)
		uids = append(uids, uid)
	}
	must(t, box.SetFlags(uids[:1], mailcore.Flagged, mailcore.Seen))
	must(t, box.Copy(uids[:1], work))
	must(t, box.Move(uids[1:2], work))
	must(t, box.Expunge(uids[3:]))
	must(t, box.Expunge(nil))
	left, err := box.Messages(0)
	if err != nil || len(left) != 2 || left[0].Flags != mailcore.Flagged || left[1].Flags != mailcore.Seen {
		t.Errorf("%+v %v", left, err)
	}
	moved, err := work.Messages(0)
	if err != nil || len(moved) != 2 {
		t.Errorf("%+v %v", moved, err)
	}
	if _, err := account.Mailbox("Nowhere"); !errors.Is(err, mailcore.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestErrors(t *testing.T) {
	engine := open(t, "one", nil)
	must(t, engine.PutAccount("alice@example.org", "wonderland"))
	must(t, engine.CheckPassword("alice@example.org", "wonderland"))
	if err := engine.CheckPassword("alice@example.org", "looking-glass"); !errors.Is(err, mailcore.ErrLogin) {
		t.Errorf("%v", err)
	}
	var known *mailcore.Error
	if err := engine.PutAccount("no address", "x"); !errors.As(err, &known) || known.Code != mailcore.CodeInvalid {
		t.Errorf("%v", err)
	}
	if err := engine.PutAccount("nul\x00@example.org", "x"); !errors.Is(err, mailcore.ErrInvalid) {
		t.Errorf("%v", err)
	}
	if _, err := engine.Get("outbound.prot"); !errors.Is(err, mailcore.ErrKey) || !strings.Contains(err.Error(), "outbound.port") {
		t.Errorf("%v", err)
	}
	if err := engine.Set("outbound.port", "2525"); !errors.Is(err, mailcore.ErrState) {
		t.Errorf("%v", err)
	}
	_, err := engine.Submit(ctx(t), mailcore.Envelope{}, strings.NewReader(message))
	if !errors.Is(err, mailcore.ErrInvalid) {
		t.Errorf("%v", err)
	}
	_, err = engine.Submit(ctx(t), mailcore.Envelope{From: "alice@example.org", To: []string{"nobody@example.org"}}, strings.NewReader(message))
	if !errors.As(err, &known) || known.Code != mailcore.CodeNotFound || known.SMTPCode != 550 || known.Enhanced != "5.1.1" || known.Errno != 0 {
		t.Errorf("%+v", err)
	}
	_, err = mailcore.Open(filepath.Join(os.DevNull, "store"), mailcore.Options{})
	if !errors.As(err, &known) || known.Errno != int(syscall.ENOTDIR) {
		t.Errorf("%+v", err)
	}
	for folder, url := range map[string]string{"store": "postgres://mail@127.0.0.1/mail", "": "mysql://mail@127.0.0.1/mail"} {
		if _, err = mailcore.Open(folder, mailcore.Options{Store: url}); !errors.Is(err, mailcore.ErrInvalid) {
			t.Errorf("%+v", err)
		}
	}
	must(t, engine.Close())
	must(t, engine.Close())
	if _, err := engine.Accounts(); !errors.Is(err, mailcore.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestFromOneEngineToAnother(t *testing.T) {
	two := open(t, "two", nil)
	must(t, two.PutAccount("bob@example.net", "builder"))
	mx, err := two.Listen(mailcore.MX, "127.0.0.1:0")
	must(t, err)
	one := open(t, "one", map[string]string{"outbound.port": fmt.Sprint(mx.Port())})
	must(t, one.PutAccount("alice@example.org", "wonderland"))
	must(t, one.DNSSet("example.net", "MX", "10 mx.example.net", time.Minute))
	must(t, one.DNSSet("mx.example.net", "A", "127.0.0.1", time.Minute))
	id, err := one.Submit(ctx(t), mailcore.Envelope{From: "alice@example.org", To: []string{"bob@example.net"}}, strings.NewReader(message))
	must(t, err)
	delivery, err := one.Wait(ctx(t), id)
	if err != nil || delivery.State != mailcore.Delivered || delivery.SMTPCode != 250 {
		t.Fatalf("%+v %v", delivery, err)
	}
	_, box := inbox(t, two, "bob@example.net")
	if all, err := box.Messages(0); err != nil || len(all) != 1 {
		t.Errorf("%+v %v", all, err)
	}
	lost, err := one.Submit(ctx(t), mailcore.Envelope{From: "alice@example.org", To: []string{"nobody@example.net"}}, strings.NewReader(message))
	must(t, err)
	if delivery, err := one.Wait(ctx(t), lost); err != nil || delivery.State != mailcore.Failed {
		t.Errorf("%+v %v", delivery, err)
	}
	seen := map[string]bool{}
	for event, err := range one.Events(ctx(t)) {
		must(t, err)
		seen[event.Name] = true
		if event.Name == "bounced" {
			break
		}
	}
	for _, name := range []string{"started", "queued", "delivered", "failed"} {
		if !seen[name] {
			t.Errorf("no event %q in %v", name, seen)
		}
	}
	if queued, err := one.Queue(); err != nil || len(queued) != 0 {
		t.Errorf("%+v %v", queued, err)
	}
}

func TestContextEndsWaits(t *testing.T) {
	engine := open(t, "one", nil)
	_, err := engine.NextEvent(ctx(t))
	must(t, err)
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	long, end := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Add(1)
	var other error
	go func() {
		defer group.Done()
		_, other = engine.NextEvent(long)
	}()
	if _, err := engine.NextEvent(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	end()
	group.Wait()
	if !errors.Is(other, context.Canceled) {
		t.Errorf("%v", other)
	}
	must(t, engine.Stop(ctx(t)))
	names := ""
	for event, err := range engine.Events(ctx(t)) {
		must(t, err)
		names += event.Name
		if event.Name == "stopped" {
			break
		}
	}
	if names != "stopped" {
		t.Errorf("%q", names)
	}
}

func TestListenersClose(t *testing.T) {
	engine := open(t, "one", nil)
	listener, err := engine.Listen(mailcore.IMAP, "127.0.0.1:0")
	must(t, err)
	greeting := make([]byte, 4)
	connection, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	if _, err := io.ReadFull(connection, greeting); err != nil || string(greeting) != "* OK" {
		t.Errorf("%q %v", greeting, err)
	}
	connection.Close()
	must(t, listener.Close())
	must(t, listener.Close())
	if _, err := engine.Listen(mailcore.MX, "127.0.0.1"); err == nil {
		t.Error("an address without port was taken")
	}
}

func TestRefusalsAreTold(t *testing.T) {
	engine := open(t, "one", nil)
	listener, err := engine.Listen(mailcore.MX, "127.0.0.1:0")
	must(t, err)
	connection, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@far.example>\r\nQUIT\r\n")
	must(t, err)
	for event, err := range engine.Events(ctx(t)) {
		must(t, err)
		if event.Name != "refused" {
			continue
		}
		var refused struct {
			Peer, Stage, Enhanced, Reason, From string
			To                                  []string
		}
		must(t, json.Unmarshal(event.Detail, &refused))
		if event.Code != 550 || event.Count != 1 || refused.Stage != "rcpt" || refused.Enhanced != "5.7.1" ||
			refused.From != "a@b.example" || len(refused.To) != 1 || refused.To[0] != "x@far.example" ||
			refused.Reason == "" || refused.Peer != connection.LocalAddr().String() {
			t.Errorf("%d %+v", event.Code, refused)
		}
		return
	}
	t.Error("no refusal was told")
}

func TestEveryFunctionIsUsed(t *testing.T) {
	header, err := os.ReadFile("../../include/mailcore.h")
	must(t, err)
	code := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAll(header, nil)
	files, err := filepath.Glob("*.go")
	must(t, err)
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		all = append(all, text...)
	}
	// Here text is set as text and numbers are read as text; sending in one call is for C, and so is a key of the
	// host's, which is called on a thread that Go does not know.
	left := map[string]bool{
		"mailcore_send": true, "mailcore_get_i64": true, "mailcore_set_i64": true, "mailcore_dkim_set_hook": true,
	}
	for _, found := range regexp.MustCompile(`\b(mailcore_\w+)\(`).FindAllSubmatch(code, -1) {
		if name := string(found[1]); !left[name] && !bytes.Contains(all, append([]byte("C."), name...)) {
			t.Errorf("%s is not used", name)
		}
	}
	if len(mailcore.Properties()) < 30 || mailcore.Version() == 0 || mailcore.BuildInfo() == "" {
		t.Error("properties, version or build info are missing")
	}
}
