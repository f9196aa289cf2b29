package mailcore

// #include "init.h"
import "C"

import (
	"time"
	"unsafe"
)

// DKIMKey is a key that mail is signed with, or was.
type DKIMKey struct {
	Domain   string
	Selector string
	// Algorithm is "rsa-sha256" or "ed25519-sha256".
	Algorithm string
	// State is "pending" until its record is seen in DNS, "active", "published" (it signs no more, its record must
	// stay) or "retired".
	State string
	// Since is when it came into its state.
	Since time.Time
	// Record is what TXT of selector._domainkey.domain must say; empty for a retired key.
	Record string
}

// DKIMSet signs mail of a domain with this key (PEM, or the base64 of an Ed25519 seed) from now on.
func (e *Engine) DKIMSet(domain, selector string, key []byte) error {
	c, err := text(string(key))
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(c))
	return e.two(domain, selector, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_dkim_set(e.handle(), a, b, c, cerr)
	})
}

// DKIMGenerate makes a key ("rsa-sha256" or "ed25519-sha256") and gives the TXT record to publish at
// selector._domainkey.domain. It signs once that is seen.
func (e *Engine) DKIMGenerate(domain, selector, algorithm string) (string, error) {
	number := algorithmNumber(algorithm)
	var record C.mailcore_buf
	err := e.two(domain, selector, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_dkim_generate(e.handle(), a, b, number, &record, cerr)
	})
	if err != nil {
		return "", err
	}
	return string(take(&record)), nil
}

// DKIMActivate signs with a key from now on, whether its record has been seen in DNS or not.
func (e *Engine) DKIMActivate(domain, selector string) error {
	return e.DKIMSet(domain, selector, nil)
}

// DKIMRemove forgets a key.
func (e *Engine) DKIMRemove(domain, selector string) error {
	return e.two(domain, selector, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_dkim_set(e.handle(), a, b, nil, cerr)
	})
}

// DKIMKeys lists all keys, by domain and selector.
func (e *Engine) DKIMKeys() ([]DKIMKey, error) {
	algorithms := map[C.uint32_t]string{
		C.MAILCORE_ALGORITHM_RSA_SHA256:     "rsa-sha256",
		C.MAILCORE_ALGORITHM_ED25519_SHA256: "ed25519-sha256",
	}
	states := map[C.uint32_t]string{
		C.MAILCORE_DKIM_PENDING:   "pending",
		C.MAILCORE_DKIM_ACTIVE:    "active",
		C.MAILCORE_DKIM_PUBLISHED: "published",
		C.MAILCORE_DKIM_RETIRED:   "retired",
	}
	var keys []DKIMKey
	err := list(C.mailcore_handle(e.handle()), C.MAILCORE_LIST_DKIM_KEYS, 0, func(row *C.mailcore_row) {
		keys = append(keys, DKIMKey{
			Domain:    C.GoString(row.name),
			Selector:  C.GoString(row.text),
			Algorithm: algorithms[row.code],
			State:     states[row.state],
			Since:     time.UnixMilli(int64(row.time_ms)),
			Record:    C.GoString(row.detail),
		})
	})
	return keys, err
}
