package mailcore_test

import (
	"strings"
	"testing"
	"time"
)

func TestSuppressedAddressesAndAdvice(t *testing.T) {
	engine := open(t, "sending", nil)
	if err := engine.Suppress("bob@example.net", "complaint", "pressed a button", time.Time{}); err != nil {
		t.Fatal(err)
	}
	rows, err := engine.SuppressedAddresses()
	if err != nil || len(rows) != 1 || rows[0].Address != "bob@example.net" || !rows[0].Until.IsZero() {
		t.Fatal(rows, err)
	}
	if err := engine.Unsuppress("bob@example.net"); err != nil {
		t.Fatal(err)
	}
	advice, err := engine.Advice("example.org")
	if err != nil || !strings.Contains(string(advice), `"what":"mx"`) {
		t.Fatal(string(advice), err)
	}
	if reports, err := engine.TLSReports(0); err != nil || len(reports) != 0 {
		t.Fatal(reports, err)
	}
}
