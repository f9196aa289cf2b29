package mailcore_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	mailcore "github.com/libmailcore/libmailcore/bindings/go"
)

// plant changes a row of a closed store behind the engine's back.
const plant = `import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
with db: assert db.execute("UPDATE mailbox SET total = total + 1 WHERE name = 'INBOX'").rowcount == 1
db.close()`

func TestCheckOfASoundStoreShowsProgress(t *testing.T) {
	engine := open(t, "sound", nil)
	must(t, engine.PutAccount("bob@example.org", "builder"))
	var last, all uint64
	steps := 0
	found, err := engine.Check(ctx(t), func(done, total uint64) {
		if done < last || done > total {
			t.Errorf("%d after %d, of %d", done, last, total)
		}
		last, all = done, total
		steps++
		if _, err := engine.Check(ctx(t), nil); done < total && !errors.Is(err, mailcore.ErrBusy) {
			t.Errorf("a second check beside one: %v", err)
		}
	})
	must(t, err)
	if len(found) != 0 || last != all || steps < 3 {
		t.Errorf("%q, %d of %d after %d steps", found, last, all, steps)
	}
	short, cancel := context.WithCancel(ctx(t))
	if _, err := engine.Check(short, func(_, _ uint64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("a check whose context ended: %v", err)
	}
	_, err = engine.Check(ctx(t), nil)
	must(t, err)
}

func TestCheckFindsADisagreement(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3, which changes the store, is not here: with CI=true nothing may be left out")
		}
		t.Skip("python3, which changes the store, is not here")
	}
	folder := filepath.Join(t.TempDir(), "store")
	settings := map[string]string{"login.argon2_kib": "8", "login.argon2_passes": "1", "dns.host_only": "1"}
	options := mailcore.Options{Hostname: "mx.example.org", Settings: settings}
	engine, err := mailcore.Open(folder, options)
	must(t, err)
	must(t, engine.PutAccount("bob@example.org", "builder"))
	must(t, engine.Close())
	if out, err := exec.Command(python, "-c", plant, filepath.Join(folder, "mail.db")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	engine, err = mailcore.Open(folder, options)
	must(t, err)
	defer engine.Close()
	found, err := engine.Check(ctx(t), nil)
	must(t, err)
	if !strings.Contains(strings.Join(found, "\n"), "(INBOX): ") {
		t.Errorf("%q", found)
	}
}
