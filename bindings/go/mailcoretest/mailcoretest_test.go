package mailcoretest_test

import (
	"errors"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"time"

	mailcore "github.com/libmailcore/libmailcore/bindings/go"
	"github.com/libmailcore/libmailcore/bindings/go/mailcoretest"
)

func send(t *testing.T, server *mailcoretest.Server, subject string, to ...string) error {
	t.Helper()
	text := "Subject: " + subject + "\r\n\r\nYour code is 482913, or see https://app.example/t=1.\r\n"
	return smtp.SendMail(server.Addr(), nil, "app@example.com", to, []byte(text))
}

func TestWhatCameIsShown(t *testing.T) {
	server := mailcoretest.New(t)
	server.DNS("example.com", "TXT", "v=spf1 ip4:127.0.0.1 -all")
	if err := send(t, server, "Welcome", "ann@example.org", "hidden@example.org"); err != nil {
		t.Fatal(err)
	}
	mail := server.WaitFor(mailcoretest.Wanted{To: "Hidden@example.org", Subject: "Wel"})
	if len(server.Messages()) != 1 || mail.From != "app@example.com" || len(mail.To) != 2 || mail.Verdicts["spf"] != "pass" {
		t.Errorf("%+v", mail)
	}
	if !strings.HasPrefix(string(mail.Raw), "Subject: Welcome\r\n") {
		t.Errorf("%s", mail.Raw)
	}
	if codes, links := mail.Codes(), mail.Links(); len(codes) != 1 || codes[0] != "482913" || links[0] != "https://app.example/t=1" {
		t.Error(codes, links)
	}
}

func TestTroubleIsMade(t *testing.T) {
	server := mailcoretest.New(t)
	server.FailNext(mailcore.AtRcpt, 451)
	var refused *textproto.Error
	if err := send(t, server, "Never", "ann@example.org"); !errors.As(err, &refused) || refused.Code != 451 {
		t.Error(err)
	}
	server.Bounces("gone@example.org", 550)
	if err := send(t, server, "Lost", "gone@example.org"); err != nil {
		t.Error(err)
	}
	report := server.WaitFor(mailcoretest.Wanted{To: "app@example.com"})
	if !strings.HasPrefix(report.Header.Get("Content-Type"), "multipart/report") {
		t.Error(report.Header)
	}
	server.Trouble(mailcore.Trouble{Stage: mailcore.AtDeliver, Code: 451, Address: "slow@*", Times: 1})
	if err := send(t, server, "Late", "slow@example.org"); err != nil {
		t.Error(err)
	}
	server.Advance(2 * time.Hour)
	server.WaitFor(mailcoretest.Wanted{Subject: "Late"})
	server.Reset()
	if err := send(t, server, "Again", "gone@example.org"); err != nil || len(server.Wait(1)) != 1 {
		t.Error(err)
	}
}
