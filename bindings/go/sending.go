package mailcore

// #include "init.h"
import "C"

import (
	"strings"
	"time"
	"unsafe"
)

// TLSReport is how sessions of one sender with our hosts went in some time (RFC 8460).
type TLSReport struct {
	ID       uint64
	Reporter string
	Domains  []string // whose mail it is about
	Begin    time.Time
	End      time.Time
	Sessions int
	Failed   int // without the TLS that was demanded
	ReportID string
	Report   map[string]any // the whole report, as in the standard
}

// TLSReports lists the TLS reports that came to tlsrpt.report_address, with ids above after.
func (e *Engine) TLSReports(after uint64) ([]TLSReport, error) {
	var all []TLSReport
	err := list(C.mailcore_handle(e.handle()), C.MAILCORE_LIST_TLS_REPORTS, after, func(r *C.mailcore_row) {
		detail := object(C.GoString(r.detail))
		report := TLSReport{
			ID: uint64(r.id), Reporter: C.GoString(r.name), Begin: moment(r.time_ms), End: moment(r.due_ms),
			Sessions: int(r.total), Failed: int(r.unseen),
		}
		if domains := C.GoString(r.text); domains != "" {
			report.Domains = strings.Split(domains, ",")
		}
		report.ReportID, _ = detail["report_id"].(string)
		report.Report, _ = detail["report"].(map[string]any)
		all = append(all, report)
	})
	return all, err
}

// Suppressed is an address that gets no mail.
type Suppressed struct {
	Address string // or @ and a domain: all of its addresses
	Reason  string // one word
	Detail  string
	Since   time.Time
	Until   time.Time // zero: for good
	Account uint64    // id of the account whose mail is meant; 0: everybody's
}

// Suppress lets an address get no mail, until a time or, with a zero one, for good.
func (e *Engine) Suppress(address, reason, detail string, until time.Time) error {
	return suppress(C.mailcore_handle(e.handle()), address, reason, detail, until)
}

// Unsuppress ends that.
func (e *Engine) Unsuppress(address string) error {
	return unsuppress(C.mailcore_handle(e.handle()), address)
}

// Suppress lets an address get no mail of this account.
func (a *Account) Suppress(address, reason, detail string, until time.Time) error {
	return suppress(C.mailcore_handle(a.token.Load()), address, reason, detail, until)
}

// Unsuppress ends that.
func (a *Account) Unsuppress(address string) error {
	return unsuppress(C.mailcore_handle(a.token.Load()), address)
}

func suppress(of C.mailcore_handle, address, reason, detail string, until time.Time) error {
	cs, free, err := texts(address, reason, detail)
	if err != nil {
		return err
	}
	defer free()
	var ends C.int64_t
	if !until.IsZero() {
		ends = C.int64_t(until.UnixMilli())
	}
	cerr := C.error_init()
	return check(C.mailcore_suppress(of, cs[0], cs[1], cs[2], ends, &cerr), &cerr)
}

func unsuppress(of C.mailcore_handle, address string) error {
	cs, free, err := texts(address)
	if err != nil {
		return err
	}
	defer free()
	cerr := C.error_init()
	return check(C.mailcore_unsuppress(of, cs[0], &cerr), &cerr)
}

// SuppressedAddresses lists the addresses that get no mail.
func (e *Engine) SuppressedAddresses() ([]Suppressed, error) {
	var all []Suppressed
	err := list(C.mailcore_handle(e.handle()), C.MAILCORE_LIST_SUPPRESSED, 0, func(r *C.mailcore_row) {
		row := Suppressed{
			Address: C.GoString(r.name), Reason: C.GoString(r.text), Detail: C.GoString(r.detail),
			Since: moment(r.time_ms), Account: uint64(r.id),
		}
		if r.due_ms != 0 {
			row.Until = moment(r.due_ms)
		}
		all = append(all, row)
	})
	return all, err
}

// Advice tells what to publish in DNS for a domain, each record compared with what is there, as JSON (docs/reports.md).
func (e *Engine) Advice(domain string) ([]byte, error) {
	cs, free, err := texts(domain)
	if err != nil {
		return nil, err
	}
	defer free()
	cerr := C.error_init()
	var buf C.mailcore_buf
	if err := check(C.mailcore_dns_advice(e.handle(), cs[0], &buf, &cerr), &cerr); err != nil {
		return nil, err
	}
	defer C.mailcore_buf_free(&buf)
	return C.GoBytes(unsafe.Pointer(buf.data), C.int(buf.len)), nil
}
