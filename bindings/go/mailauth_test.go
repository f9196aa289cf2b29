package mailcore_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	mailcore "github.com/libmailcore/libmailcore/bindings/go"
)

const zone = `
# The Ed25519 key of RFC 8463.
s1._domainkey.example.org TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
example.org TXT v=spf1 ip4:192.0.2.1 exp=why.example.org -all
why.example.org TXT %{i} may not send at %{t}
_dmarc.example.org TXT v=DMARC1; p=quarantine
default._bimi.example.org TXT v=BIMI1; l=https://example.org/i.svg
`

const seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="

func resolver(t *testing.T, options mailcore.ResolverOptions) *mailcore.Resolver {
	t.Helper()
	names, err := mailcore.NewResolver(options)
	must(t, err)
	t.Cleanup(func() { must(t, names.Close()) })
	return names
}

func TestVerdicts(t *testing.T) {
	names := resolver(t, mailcore.ResolverOptions{Zone: zone})
	at := time.Unix(1704067200, 0)
	signer := mailcore.Signer{Domain: "example.org", Selector: "s1", Key: []byte(seed), Time: at}
	field, err := mailcore.DKIMSign([]byte(message), signer)
	must(t, err)
	signed := append(field, message...)
	origin := mailcore.Origin{IP: "192.0.2.1", Helo: "mx.example.org", MailFrom: "alice@example.org", Time: at}
	found, err := names.Verify(ctx(t), signed, origin)
	must(t, err)
	if len(found.DKIM) != 1 || found.DKIM[0].Result != "pass" || found.DKIM[0].Algorithm != "ed25519-sha256" {
		t.Errorf("%+v", found.DKIM)
	}
	if found.SPF.Result != "pass" || found.DMARC.Result != "pass" || found.ARC.Result != "none" || found.Iprev.Result != "permerror" {
		t.Errorf("%+v %+v %+v %+v", found.SPF, found.DMARC, found.ARC, found.Iprev)
	}
	if found.FromDomain != "example.org" || !found.DMARC.SPFAligned || !found.DMARC.DKIMAligned {
		t.Errorf("%+v", found)
	}
	origin.IP, origin.MailFrom = "192.0.2.9", "<>"
	origin.Helo = "example.org"
	spf, err := names.SPF(ctx(t), origin)
	if err != nil || spf.Result != "fail" || spf.Explanation != "192.0.2.9 may not send at 1704067200" {
		t.Errorf("%+v %v", spf, err)
	}
	found, err = names.Verify(ctx(t), bytes.ReplaceAll(signed, []byte("\r\n"), []byte("\n")), mailcore.Origin{})
	if err != nil || found.SPF != nil || found.DMARC != nil || found.DKIM[0].Result != "pass" {
		t.Errorf("%+v %v", found, err)
	}
	if _, err := names.SPF(ctx(t), mailcore.Origin{}); !errors.Is(err, mailcore.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestIndicator(t *testing.T) {
	names := resolver(t, mailcore.ResolverOptions{Zone: zone})
	origin := mailcore.Origin{IP: "192.0.2.1", Helo: "mx.example.org", MailFrom: "alice@example.org", BIMI: true}
	found, err := names.Verify(ctx(t), []byte(message), origin)
	must(t, err)
	want := mailcore.BIMIVerdict{
		Result: "found", Domain: "example.org", Selector: "default", Indicator: "https://example.org/i.svg",
	}
	if found.BIMI == nil || *found.BIMI != want || found.SPF.Result != "pass" || found.ARC.Result != "none" {
		t.Errorf("%+v", found.BIMI)
	}
	origin.IP = "192.0.2.2"
	found, err = names.Verify(ctx(t), []byte(message), origin)
	if err != nil || found.BIMI.Result != "skipped" || found.BIMI.Why != "dmarc fail" {
		t.Errorf("%+v %v", found.BIMI, err)
	}
	origin.BIMI = false
	found, err = names.Verify(ctx(t), []byte(message), origin)
	if err != nil || found.BIMI != nil {
		t.Errorf("%+v %v", found.BIMI, err)
	}
	if _, err = names.Verify(ctx(t), []byte(message), mailcore.Origin{BIMI: true}); !errors.Is(err, mailcore.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestSealedMail(t *testing.T) {
	names := resolver(t, mailcore.ResolverOptions{Zone: zone})
	signer := mailcore.Signer{Domain: "example.org", Selector: "s1", Key: []byte(seed), AuthservID: "mx.example.org"}
	sealed := []byte("Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=a@example.net\r\n" + message)
	for instance := 1; instance <= 2; instance++ {
		set, err := names.ARCSeal(ctx(t), sealed, signer)
		must(t, err)
		sealed = append(set, sealed...)
		found, err := names.Verify(ctx(t), sealed, mailcore.Origin{})
		if err != nil || found.ARC.Result != "pass" || len(found.ARC.Sets) != instance || found.ARC.Sets[0].Instance != instance {
			t.Errorf("%+v %v", found.ARC, err)
		}
	}
	if !bytes.Contains(sealed, []byte("i=2; mx.example.org;")) {
		t.Errorf("%s", sealed)
	}
	// A list checks first, then changes, then seals what it found.
	found, err := names.Verify(ctx(t), sealed, mailcore.Origin{Receiver: "list.example.org"})
	must(t, err)
	changed := append(bytes.Clone(sealed), "-- the list\r\n"...)
	signer.AuthservID, signer.Chain, signer.Results = "", found.ARC.Result, found.Results
	set, err := names.ARCSeal(ctx(t), changed, signer)
	if err != nil || !bytes.Contains(set, []byte("i=3; list.example.org;\r\n\tdkim=none")) || !bytes.Contains(set, []byte("cv=pass")) {
		t.Errorf("%s %v", set, err)
	}
	signer.Chain = ""
	if set, err = names.ARCSeal(ctx(t), changed, signer); err != nil || !bytes.Contains(set, []byte("cv=fail")) {
		t.Errorf("%s %v", set, err)
	}
	signer.Chain = "perhaps"
	if _, err := names.ARCSeal(ctx(t), changed, signer); !errors.Is(err, mailcore.ErrInvalid) {
		t.Errorf("%v", err)
	}
	signer.Algorithm = "rsa-sha256"
	if _, err := mailcore.DKIMSign(sealed, signer); !errors.Is(err, mailcore.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestDMARCOfKnownResults(t *testing.T) {
	names := resolver(t, mailcore.ResolverOptions{Zone: zone})
	for _, one := range []struct{ spf, dkim, said string }{
		{"fail", "fail", "fail quarantine"}, {"pass", "fail", "pass none"}, {"", "pass", "pass none"},
	} {
		said, err := names.DMARC(ctx(t), mailcore.Evidence{
			FromDomain: "mail.example.org",
			SPF:        mailcore.SPFVerdict{Result: one.spf, Domain: "example.org"},
			DKIM:       []mailcore.DKIMVerdict{{Result: one.dkim, Domain: "sub.example.org"}, {Result: "neutral"}},
		})
		if err != nil || said.Result+" "+said.Policy != one.said {
			t.Errorf("%+v: %+v %v", one, said, err)
		}
	}
	if _, err := names.DMARC(ctx(t), mailcore.Evidence{FromDomain: "example.org", SPF: mailcore.SPFVerdict{Result: "perhaps"}}); !errors.Is(err, mailcore.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestSilentServer(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	origin := mailcore.Origin{IP: "192.0.2.1", MailFrom: "example.org"}
	patient := resolver(t, mailcore.ResolverOptions{Server: silent.LocalAddr().String(), Timeout: 100 * time.Millisecond})
	if said, err := patient.SPF(ctx(t), origin); err != nil || said.Result != "temperror" || !strings.Contains(said.Why, "example.org") {
		t.Errorf("%+v %v", said, err)
	}
	// The end of a context ends the wait, long before the server's time is over.
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	slow := resolver(t, mailcore.ResolverOptions{Server: silent.LocalAddr().String(), Timeout: time.Minute})
	if _, err := slow.SPF(short, origin); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	must(t, slow.Close())
	must(t, slow.Close())
	if _, err := slow.SPF(ctx(t), origin); !errors.Is(err, mailcore.ErrClosed) {
		t.Errorf("%v", err)
	}
}
