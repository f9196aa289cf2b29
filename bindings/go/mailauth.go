package mailcore

// #include "init.h"
import "C"

import (
	"context"
	"encoding/json"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// ResolverOptions say where names are looked up.
type ResolverOptions struct {
	// Server is the DNS server to ask, "127.0.0.1:5353" or "[::1]:53"; empty is the system's, or none where there is
	// a zone.
	Server string
	// Zone holds records, a line "name type data" each. It stands in front of the server; without one it is all there
	// is, and checks are reproducible.
	Zone string
	// Timeout is how long all questions of one call may take together; 0 is 20 seconds.
	Timeout time.Duration
}

// Resolver looks names up for checks that need no engine. Any number of goroutines may use it.
type Resolver struct {
	token   *atomic.Uint64
	cleanup runtime.Cleanup
}

// NewResolver makes a resolver. Close ends it.
func NewResolver(options ResolverOptions) (*Resolver, error) {
	cs, free, err := texts(options.Server, options.Zone)
	if err != nil {
		return nil, err
	}
	defer free()
	how := (*C.mailcore_resolver_options)(C.malloc(C.sizeof_mailcore_resolver_options))
	defer C.free(unsafe.Pointer(how))
	*how = C.resolver_options_init()
	if options.Server != "" {
		how.server = cs[0]
	}
	if options.Zone != "" {
		how.zone = cs[1]
	}
	how.timeout_ms = C.uint32_t(min(options.Timeout.Milliseconds(), 1<<32-1))
	cerr := C.error_init()
	var handle C.mailcore_resolver
	if err := check(C.mailcore_resolver_open(how, &handle, &cerr), &cerr); err != nil {
		return nil, err
	}
	r := &Resolver{token: new(atomic.Uint64)}
	r.token.Store(uint64(handle))
	r.cleanup = runtime.AddCleanup(r, closeToken, r.token)
	return r, nil
}

func closeToken(token *atomic.Uint64) {
	if handle := token.Swap(0); handle != 0 {
		C.mailcore_close(C.mailcore_handle(handle))
	}
}

// Close ends the resolver; a second call does nothing.
func (r *Resolver) Close() error {
	r.cleanup.Stop()
	closeToken(r.token)
	return nil
}

// Origin is where a message came from.
type Origin struct {
	IP       string    // address of the client; empty where it is not known, and then only DKIM and ARC are checked
	Helo     string    // the name in EHLO or HELO
	MailFrom string    // MAIL FROM; empty or "<>" is the null reverse-path
	Receiver string    // our own name, for explanations of SPF and Verdicts.Results; may be empty
	Time     time.Time // of the check; the zero time is now
	BIMI     bool      // whether Verify also looks up which picture the author's domain wants shown; needs IP
}

// SPFVerdict is what SPF says: none, neutral, pass, fail, softfail, temperror or permerror.
type SPFVerdict struct {
	Result      string `json:"result"`
	Domain      string `json:"domain"`      // whose record was asked
	Explanation string `json:"explanation"` // after a fail, what the domain has to say about it
	Why         string `json:"why"`
}

// DKIMVerdict is what became of one signature: pass, fail, neutral, temperror or permerror.
type DKIMVerdict struct {
	Result          string `json:"result"`
	Domain          string `json:"domain"`
	Selector        string `json:"selector"`
	Algorithm       string `json:"algorithm"`        // rsa-sha256 or ed25519-sha256
	SignatureBegins string `json:"signature_begins"` // by which signatures are told apart
	Testing         bool   `json:"testing"`          // the domain says that it is only testing
	Why             string `json:"why"`              // what failed
}

// DMARCVerdict is what DMARC says (none, pass, fail, temperror or permerror), and what is to be done.
type DMARCVerdict struct {
	Result  string `json:"result"`
	Policy  string `json:"policy"`  // none, quarantine or reject
	Percent int    `json:"percent"` // of the failing messages, those the policy is for
	Domain  string `json:"domain"`  // where the policy was found
	Why     string `json:"why"`

	SPFAligned  bool `json:"spf_aligned"`  // SPF passed for a domain that belongs to the author's
	DKIMAligned bool `json:"dkim_aligned"` // a signature passed whose domain belongs to the author's
}

// ARCSet is one link of a chain that passed.
type ARCSet struct {
	Instance int    `json:"instance"`
	Domain   string `json:"domain"`
	Selector string `json:"selector"`
	Results  string `json:"results"` // what the sealer found, as Authentication-Results has it
}

// ARCVerdict is what became of the chain of those who handled the message: none, pass or fail.
type ARCVerdict struct {
	Result     string   `json:"result"`
	Instances  int      `json:"instances"`
	Sets       []ARCSet `json:"sets"`        // of a chain that passed, newest first
	OldestPass *int     `json:"oldest_pass"` // the oldest link since which the message is unchanged; 0 where all fit
	Why        string   `json:"why"`
}

// IprevVerdict says whether the client's address has a name that leads back to it: pass, fail, temperror or permerror.
type IprevVerdict struct {
	Result string `json:"result"`
	Name   string `json:"name"` // that name
	Why    string `json:"why"`
}

// BIMIVerdict is which picture the author's domain wants shown: found, none, declined, skipped, fail or temperror. It is
// only data: the picture was not fetched, nor is it proved to be the domain's.
type BIMIVerdict struct {
	Result        string `json:"result"`
	Domain        string `json:"domain"`         // where the record was found
	Selector      string `json:"selector"`       // the record's name
	Indicator     string `json:"indicator"`      // where the picture is, an https: URI
	Evidence      string `json:"evidence"`       // where the evidence is that it is the domain's
	PrefersPerson bool   `json:"prefers_person"` // the domain would rather see a picture of the person
	Why           string `json:"why"`            // what stood in the way
}

// Verdicts are all verdicts on a message; nil for what was not checked.
type Verdicts struct {
	SPF        *SPFVerdict   `json:"spf,omitempty"`
	SPFHelo    *SPFVerdict   `json:"spf_helo,omitempty"`
	DKIM       []DKIMVerdict `json:"dkim,omitempty"` // one for each signature
	DMARC      *DMARCVerdict `json:"dmarc,omitempty"`
	ARC        *ARCVerdict   `json:"arc,omitempty"`
	Iprev      *IprevVerdict `json:"iprev,omitempty"`
	BIMI       *BIMIVerdict  `json:"bimi,omitempty"`
	FromDomain string        `json:"from_domain"` // domain of the author

	// Results are the verdicts, BIMI apart, as the value of an Authentication-Results field in the name of
	// Origin.Receiver, folded with CRLF; empty without that name, and with a Request.
	Results string `json:"results,omitempty"`
}

// call calls f, and interrupts it when ctx ends. An interrupt wakes every call on the resolver: those whose ctx goes on
// call again.
func (r *Resolver) call(ctx context.Context, f func(*C.mailcore_error) C.int32_t) (C.int32_t, error) {
	interrupt := func() { C.mailcore_interrupt(C.mailcore_handle(r.token.Load())) }
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		cerr := C.error_init()
		result := interruptible(ctx, interrupt, func() C.int32_t { return f(&cerr) })
		if result >= 0 {
			return result, nil
		}
		if Code(result) != CodeInterrupted || r.token.Load() == 0 {
			return result, check(result, &cerr)
		}
	}
}

// verdicts calls f, which fills a struct that lies in C's memory.
func (r *Resolver) verdicts(ctx context.Context, f func(*C.mailcore_verdicts, *C.mailcore_error) C.int32_t) (*Verdicts, error) {
	raw := (*C.mailcore_verdicts)(C.malloc(C.sizeof_mailcore_verdicts))
	defer C.free(unsafe.Pointer(raw))
	*raw = C.verdicts_init()
	defer C.mailcore_verdicts_clear(raw)
	if _, err := r.call(ctx, func(cerr *C.mailcore_error) C.int32_t { return f(raw, cerr) }); err != nil {
		return nil, err
	}
	verdicts := new(Verdicts)
	return verdicts, json.Unmarshal([]byte(C.GoString(raw.json)), verdicts)
}

func (r *Resolver) verify(ctx context.Context, message []byte, origin Origin, checks C.uint32_t) (*Verdicts, error) {
	cs, free, err := texts(origin.IP, origin.Helo, origin.MailFrom, origin.Receiver)
	if err != nil {
		return nil, err
	}
	defer free()
	c := (*C.mailcore_origin)(C.malloc(C.sizeof_mailcore_origin))
	defer C.free(unsafe.Pointer(c))
	*c = C.origin_init()
	c.checks = checks
	if origin.IP != "" {
		c.ip = cs[0]
	}
	c.helo, c.mail_from, c.receiver = cs[1], cs[2], cs[3]
	if !origin.Time.IsZero() {
		c.time_ms = C.int64_t(origin.Time.UnixMilli())
	}
	return r.verdicts(ctx, func(raw *C.mailcore_verdicts, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_verify(C.mailcore_resolver(r.token.Load()), c, octets(message), C.size_t(len(message)), raw, cerr)
	})
}

// octets points to a slice for the time of one call.
func octets(slice []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(slice)) }

// Verify checks a message: SPF and DMARC where origin has the client's address, DKIM and ARC in any case. Line ends may be
// LF, as in files.
func (r *Resolver) Verify(ctx context.Context, message []byte, origin Origin) (*Verdicts, error) {
	if !origin.BIMI {
		return r.verify(ctx, message, origin, 0)
	}
	return r.verify(ctx, message, origin, all|C.MAILCORE_CHECK_BIMI)
}

// all are the checks that are made where nothing is said of them.
const all = C.MAILCORE_CHECK_SPF | C.MAILCORE_CHECK_SPF_HELO | C.MAILCORE_CHECK_DKIM | C.MAILCORE_CHECK_DMARC |
	C.MAILCORE_CHECK_ARC | C.MAILCORE_CHECK_IPREV

// SPF checks (RFC 7208) whether origin's address may send for its MailFrom.
func (r *Resolver) SPF(ctx context.Context, origin Origin) (SPFVerdict, error) {
	verdicts, err := r.verify(ctx, nil, origin, C.MAILCORE_CHECK_SPF)
	if err != nil {
		return SPFVerdict{}, err
	}
	return *verdicts.SPF, nil
}

// Evidence is what SPF and DKIM said, as far as DMARC wants to know.
type Evidence struct {
	FromDomain string // of the author
	SPF        SPFVerdict
	DKIM       []DKIMVerdict
}

// DMARC evaluates DMARC (RFC 7489, RFC 9989) by results that are known; only results and domains count.
func (r *Resolver) DMARC(ctx context.Context, evidence Evidence) (DMARCVerdict, error) {
	list := []string{evidence.FromDomain, evidence.SPF.Domain}
	for _, one := range evidence.DKIM {
		list = append(list, one.Domain)
	}
	cs, free, err := texts(list...)
	if err != nil {
		return DMARCVerdict{}, err
	}
	defer free()
	c := (*C.mailcore_evidence)(C.malloc(C.sizeof_mailcore_evidence))
	defer C.free(unsafe.Pointer(c))
	*c = C.evidence_init()
	c.from_domain, c.spf_domain, c.spf_result = cs[0], cs[1], resultNumber(evidence.SPF.Result)
	if n := len(evidence.DKIM); n > 0 {
		domains := (**C.char)(C.malloc(C.size_t(n) * C.size_t(unsafe.Sizeof(cs[0]))))
		defer C.free(unsafe.Pointer(domains))
		copy(unsafe.Slice(domains, n), cs[2:])
		results := (*C.uint32_t)(C.malloc(C.size_t(n) * C.sizeof_uint32_t))
		defer C.free(unsafe.Pointer(results))
		for i, one := range evidence.DKIM {
			unsafe.Slice(results, n)[i] = resultNumber(one.Result)
		}
		c.dkim_results, c.dkim_domains, c.dkim_count = results, domains, C.size_t(n)
	}
	verdicts, err := r.verdicts(ctx, func(raw *C.mailcore_verdicts, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_dmarc_evaluate(C.mailcore_resolver(r.token.Load()), c, raw, cerr)
	})
	if err != nil {
		return DMARCVerdict{}, err
	}
	return *verdicts.DMARC, nil
}

// resultNumber is a result's number; what is no result is refused by the library.
func resultNumber(word string) C.uint32_t {
	switch word {
	case "", "none":
		return C.MAILCORE_RESULT_NONE
	case "pass":
		return C.MAILCORE_RESULT_PASS
	case "fail":
		return C.MAILCORE_RESULT_FAIL
	case "softfail":
		return C.MAILCORE_RESULT_SOFTFAIL
	case "neutral":
		return C.MAILCORE_RESULT_NEUTRAL
	case "temperror":
		return C.MAILCORE_RESULT_TEMPERROR
	case "permerror":
		return C.MAILCORE_RESULT_PERMERROR
	}
	return 1<<32 - 1
}
