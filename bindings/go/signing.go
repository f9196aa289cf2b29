package mailcore

// #include "init.h"
import "C"

import (
	"context"
	"strings"
	"time"
	"unsafe"
)

// Signer says who signs a message, and how.
type Signer struct {
	Domain    string // the signing domain
	Selector  string // the key's name in DNS
	Key       []byte // PEM (PKCS #1 or PKCS #8), or the base64 of an Ed25519 seed
	Algorithm string // what the key must be for, "rsa-sha256" or "ed25519-sha256"; empty for any

	Canonicalization string    // of header/body, "relaxed/relaxed" where empty; not for seals
	Headers          []string  // fields to sign; one named twice may not be added to later. nil for the usual ones
	Identity         string    // for whom it is signed (i=); not for seals
	AuthservID       string    // our name in Authentication-Results, for seals; the domain where empty
	Time             time.Time // of the signature; the zero time is now

	// Chain is what the check of the chain came to when the message came in, "none", "pass" or "fail": who changes a
	// message must have checked it before. Empty to check it now. For seals.
	Chain string
	// Results are what was found when the message came in, such as Verdicts.Results; empty for what the message's
	// Authentication-Results fields of AuthservID say. For seals.
	Results string
}

// in makes the struct of the C interface, which free frees.
func (s *Signer) in() (c *C.mailcore_signer, free func(), err error) {
	cs, freeTexts, err := texts(s.Domain, s.Selector, string(s.Key), s.Canonicalization, strings.Join(s.Headers, ":"), s.Identity, s.AuthservID, s.Results)
	if err != nil {
		return nil, nil, err
	}
	c = (*C.mailcore_signer)(C.malloc(C.sizeof_mailcore_signer))
	*c = C.signer_init()
	c.domain, c.selector, c.key = cs[0], cs[1], cs[2]
	if s.Canonicalization != "" {
		c.canonicalization = cs[3]
	}
	if s.Headers != nil {
		c.headers = cs[4]
	}
	if s.Identity != "" {
		c.identity = cs[5]
	}
	if s.AuthservID != "" {
		c.authserv_id = cs[6]
	}
	if s.Results != "" {
		c.results = cs[7]
	}
	c.chain = resultNumber(s.Chain)
	if s.Algorithm != "" {
		c.algorithm = algorithmNumber(s.Algorithm)
	}
	if !s.Time.IsZero() {
		c.time_ms = C.int64_t(s.Time.UnixMilli())
	}
	free = func() {
		C.free(unsafe.Pointer(c))
		freeTexts()
	}
	return c, free, nil
}

// DKIMSign gives the DKIM-Signature field (RFC 6376) to put in front of a message. It has the line ends that the
// message has; a message with LF is signed as it will travel, with CRLF.
func DKIMSign(message []byte, signer Signer) ([]byte, error) {
	c, free, err := signer.in()
	if err != nil {
		return nil, err
	}
	defer free()
	cerr := C.error_init()
	var field C.mailcore_buf
	result := C.mailcore_dkim_sign(c, octets(message), C.size_t(len(message)), &field, &cerr)
	if err := check(result, &cerr); err != nil {
		return nil, err
	}
	return take(&field), nil
}

// ARCSeal gives the three fields (RFC 8617) to put in front of a message that is passed on. The chain it has is checked,
// unless signer.Chain tells what that came to; signer.Results, or what the message's Authentication-Results fields of
// signer.AuthservID say, goes into them. They are empty where nothing may be added: the chain was found broken by one
// before us, or is as long as a chain may be.
func (r *Resolver) ARCSeal(ctx context.Context, message []byte, signer Signer) ([]byte, error) {
	c, free, err := signer.in()
	if err != nil {
		return nil, err
	}
	defer free()
	var fields C.mailcore_buf
	_, err = r.call(ctx, func(cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_arc_seal(C.mailcore_resolver(r.token.Load()), c, octets(message), C.size_t(len(message)), &fields, cerr)
	})
	if err != nil {
		return nil, err
	}
	return take(&fields), nil
}

// algorithmNumber is what the C interface calls an algorithm; for one it does not know, a number that it refuses.
func algorithmNumber(name string) C.uint32_t {
	switch name {
	case "rsa-sha256":
		return C.MAILCORE_ALGORITHM_RSA_SHA256
	case "ed25519-sha256":
		return C.MAILCORE_ALGORITHM_ED25519_SHA256
	default:
		return 1<<32 - 1
	}
}
