package mailcore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mailcore "github.com/libmailcore/libmailcore/bindings/go"
)

func TestTheHostSees(t *testing.T) {
	settings := map[string]string{"dns.host_only": "1", "tls.self_signed": "0"}
	engine, err := mailcore.Open(filepath.Join(t.TempDir(), "store"), mailcore.Options{Hostname: "mx.example.org", Settings: settings})
	must(t, err)
	defer engine.Close()
	must(t, engine.PutAccount("bob@example.org", "builder"))
	must(t, engine.Start())
	listener, err := engine.ListenTraced(mailcore.MX, "127.0.0.1:0")
	must(t, err)
	must(t, smtp.SendMail(listener.Addr().String(), nil, "a@far.example", []string{"bob@example.org"}, []byte("From: a@far.example\r\nSubject: hidden\r\n\r\nx\r\n")))
	stats, err := engine.Stats()
	must(t, err)
	if stats.Sessions.SMTP != 1 || stats.Filed != 1 || stats.Accounts != 1 {
		t.Errorf("%+v", stats)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	said := ""
	for event, err := range engine.Events(ctx) {
		must(t, err)
		var line struct{ Side, Text string }
		if event.Name == "dialog" {
			must(t, json.Unmarshal(event.Detail, &line))
			said += line.Side + " " + line.Text + "\n"
		}
		if strings.HasPrefix(line.Text, "221") {
			break
		}
	}
	if !strings.Contains(said, "C RCPT TO:<bob@example.org>\n") || strings.Contains(said, "hidden") {
		t.Error(said)
	}
}

func TestSocketsAreServed(t *testing.T) {
	settings := map[string]string{"dns.host_only": "1", "tls.self_signed": "0"}
	engine, err := mailcore.Open(filepath.Join(t.TempDir(), "store"), mailcore.Options{Settings: settings})
	must(t, err)
	defer engine.Close()
	must(t, engine.Start())
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	ours := os.NewFile(uintptr(ends[0]), "ours")
	defer ours.Close()
	must(t, engine.Serve(mailcore.MX, os.NewFile(uintptr(ends[1]), "theirs")))
	fmt.Fprint(ours, "QUIT\r\n")
	lines := bufio.NewScanner(ours)
	for _, code := range []string{"220 ", "221 "} {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), code) {
			t.Errorf("%q", lines.Text())
		}
	}
}

func TestABackupIsAStore(t *testing.T) {
	settings := map[string]string{"dns.host_only": "1", "tls.self_signed": "0"}
	engine, err := mailcore.Open(filepath.Join(t.TempDir(), "store"), mailcore.Options{Settings: settings})
	must(t, err)
	defer engine.Close()
	must(t, engine.PutAccount("bob@example.org", "builder"))
	to, last := filepath.Join(t.TempDir(), "copy"), uint64(0)
	must(t, engine.Backup(context.Background(), to, func(done, total uint64) { last = total - done }))
	if last != 0 {
		t.Error(last)
	}
	copied, err := mailcore.Open(to, mailcore.Options{Settings: settings})
	must(t, err)
	defer copied.Close()
	must(t, copied.CheckPassword("bob@example.org", "builder"))
}
