package mailcore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/smtp"
	"net/textproto"
	"path/filepath"
	"strings"
	"testing"

	mailcore "github.com/libmailcore/libmailcore/bindings/go"
)

// asking opens and starts an engine that asks about messages and recipients, and gives its MX side.
func asking(t *testing.T) (*mailcore.Engine, string) {
	t.Helper()
	settings := map[string]string{"dns.host_only": "1", "tls.self_signed": "0"}
	engine, err := mailcore.Open(filepath.Join(t.TempDir(), "store"), mailcore.Options{Hostname: "mx.example.org", Settings: settings})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	must(t, engine.Ask(mailcore.OnMessage, mailcore.OnRecipient))
	must(t, engine.PutDomain("example.org"))
	must(t, engine.PutAccount("bob@example.org", "builder"))
	must(t, engine.Start())
	listener, err := engine.Listen(mailcore.MX, "127.0.0.1:0")
	must(t, err)
	return engine, listener.Addr().String()
}

func deliver(at, subject, to string) string {
	text := "From: alice@far.example\r\nSubject: " + subject + "\r\n\r\nbody\r\n"
	err := smtp.SendMail(at, nil, "alice@far.example", []string{to}, []byte(text))
	var refusal *textproto.Error
	switch {
	case errors.As(err, &refusal):
		return fmt.Sprintf("%d %s", refusal.Code, refusal.Msg)
	case err != nil:
		return err.Error()
	}
	return "taken"
}

func TestRequestsAreAnswered(t *testing.T) {
	engine, at := asking(t)
	ended := make(chan error)
	troubles := make(chan error, 1)
	decide := func(r *mailcore.Request) mailcore.Verdict {
		if r.Service != "mx" || r.Policy != mailcore.Accept || r.Peer != "127.0.0.1" || r.From != "alice@far.example" || len(r.To) != 1 {
			t.Errorf("%+v", r)
		}
		if r.Hook == mailcore.OnRecipient {
			if r.Message != nil || strings.HasPrefix(r.To[0], "bob+away@") {
				return mailcore.Verdict{Action: mailcore.Reject, Enhanced: "5.2.1", Text: "away"}
			}
			return mailcore.Verdict{}
		}
		octets, err := io.ReadAll(r.Message)
		if err != nil || int64(len(octets)) != r.Size {
			t.Errorf("%q %v", octets, err)
		}
		if r.Verdicts == nil || r.Verdicts.DMARC == nil || r.Verdicts.FromDomain != "far.example" {
			t.Errorf("%+v", r.Verdicts)
		}
		subject, _, err := r.Message.Header("Subject", 0)
		if err != nil {
			t.Error(err)
		}
		switch subject {
		case "junk":
			return mailcore.Verdict{Action: mailcore.Junk}
		case "reject":
			return mailcore.Verdict{Action: mailcore.Reject, SMTPCode: 554, Text: "no\nnever"}
		case "defer":
			return mailcore.Verdict{Action: mailcore.Defer}
		case "nobody":
			return mailcore.Verdict{Action: mailcore.Redirect, To: "nobody@example.org"}
		}
		return mailcore.Verdict{}
	}
	trouble := func(r *mailcore.Request, err error) {
		troubles <- err
		if err := r.Reply(mailcore.Verdict{Action: mailcore.Defer, Text: "second thoughts"}); err != nil {
			t.Error(err)
		}
	}
	go func() { ended <- engine.Answer(context.Background(), decide, trouble) }()
	for _, c := range [][2]string{
		{"hello", "taken"},
		{"junk", "taken"},
		{"reject", "554 5.7.1 no\n5.7.1 never"},
		{"defer", "451 4.7.1 Refused for now, try again later"},
		{"nobody", "451 4.7.1 second thoughts"},
	} {
		if heard := deliver(at, c[0], "bob@example.org"); heard != c[1] {
			t.Errorf("%s: %q", c[0], heard)
		}
	}
	if err := <-troubles; !errors.Is(err, mailcore.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if heard := deliver(at, "x", "bob+away@example.org"); heard != "550 5.2.1 away" {
		t.Errorf("%q", heard)
	}
	account, box := inbox(t, engine, "bob@example.org")
	junk, err := account.Mailbox("Junk")
	must(t, err)
	for box, subject := range map[*mailcore.Mailbox]string{box: "hello", junk: "junk"} {
		if all, err := box.Messages(0); err != nil || len(all) != 1 || all[0].Subject != subject {
			t.Errorf("%+v %v", all, err)
		}
	}
	must(t, engine.Stop(ctx(t)))
	must(t, engine.Close())
	if err := <-ended; err != nil {
		t.Errorf("%v", err)
	}
}

func TestRequestsArePulled(t *testing.T) {
	engine, at := asking(t)
	heard := make(chan string)
	go func() { heard <- deliver(at, "x", "bob@example.org") }()
	recipient, err := engine.NextRequest(ctx(t))
	must(t, err)
	if err := recipient.Reply(mailcore.Verdict{Action: mailcore.Junk}); !errors.Is(err, mailcore.ErrInvalid) {
		t.Errorf("%v", err)
	}
	must(t, recipient.Reply(mailcore.Verdict{Action: mailcore.Accept}))
	request, err := engine.NextRequest(ctx(t))
	must(t, err)
	for _, wrong := range []mailcore.Verdict{
		{Action: mailcore.Reject, Text: "a\tb"},
		{Action: mailcore.Reject, SMTPCode: 250},
		{Action: mailcore.Defer, Enhanced: "5.7.1"},
		{Action: mailcore.Defer, Enhanced: "5.7.1 and more"},
		{Action: mailcore.Redirect},
		{Action: 99},
	} {
		if err := request.Reply(wrong); !errors.Is(err, mailcore.ErrInvalid) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	must(t, request.Reply(mailcore.Verdict{Action: mailcore.Reject}))
	if err := request.Reply(mailcore.Verdict{}); !errors.Is(err, mailcore.ErrState) {
		t.Errorf("%v", err)
	}
	if got := <-heard; got != "550 5.7.1 Refused" {
		t.Errorf("%q", got)
	}
	must(t, request.Close())
	short, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := engine.NextRequest(short); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := engine.Ask(); !errors.Is(err, mailcore.ErrState) {
		t.Errorf("%v", err)
	}
}

// A mistake of the program's costs the peer a later attempt, at once, and nobody else anything.
func TestMistakesOfDecideAreAnsweredAtOnce(t *testing.T) {
	engine, at := asking(t)
	ended := make(chan error)
	troubles := make(chan error, 10)
	decide := func(r *mailcore.Request) mailcore.Verdict {
		if r.Hook == mailcore.OnRecipient {
			return mailcore.Verdict{}
		}
		switch subject, _, _ := r.Message.Header("Subject", 0); subject {
		case "panic":
			panic("a mistake")
		case "code":
			return mailcore.Verdict{Action: mailcore.Reject, SMTPCode: 250}
		case "nul":
			return mailcore.Verdict{Action: mailcore.Reject, Text: "n\x00o"}
		case "kind":
			return mailcore.Verdict{Action: 4711}
		case "nobody":
			return mailcore.Verdict{Action: mailcore.Redirect, To: "nobody@example.org"}
		}
		return mailcore.Verdict{}
	}
	go func() {
		ended <- engine.Answer(context.Background(), decide, func(_ *mailcore.Request, err error) { troubles <- err })
	}()
	for _, subject := range []string{"panic", "code", "nul", "kind", "nobody"} {
		if said := deliver(at, subject, "bob@example.org"); said != "451 4.3.0 Local trouble, try again later" {
			t.Errorf("%s: %s", subject, said)
		}
		if err := <-troubles; err == nil {
			t.Errorf("%s: no trouble was told", subject)
		}
		if said := deliver(at, "right", "bob@example.org"); said != "taken" {
			t.Errorf("after %s: %s", subject, said)
		}
	}
	must(t, engine.Stop(context.Background()))
	must(t, <-ended)
}
