package mailcore

// #include "init.h"
import "C"

import (
	"encoding/json"
	"time"
)

// dispositions are what is done with messages, by number.
var dispositions = []string{"none", "quarantine", "reject", "pass"}

func disposition(number C.uint32_t) string {
	return dispositions[min(int(number), len(dispositions)-1)]
}

// DmarcReport is what one receiver saw of a domain's mail in some time.
type DmarcReport struct {
	ID       uint64
	Reporter string
	Domain   string
	Begin    time.Time
	End      time.Time
	Messages int
	Failed   int    // neither DKIM nor SPF was aligned
	Policy   string // as published: none, quarantine or reject
	ReportID string
	Email    string
	Detail   map[string]any // what else was told: "p", "sp", "adkim", ...
}

// DmarcRecord is messages of a report that went the same way.
type DmarcRecord struct {
	Place       uint64
	Source      string
	HeaderFrom  string
	Messages    int
	Disposition string // what was done: none, quarantine or reject; pass where that is told apart from none
	DKIMAligned bool
	SPFAligned  bool
	Detail      map[string]any // "envelope_from", "envelope_to", "reasons", "dkim", "spf"
}

// DmarcReports lists the DMARC aggregate reports that came to dmarc.report_address, with ids above after.
func (e *Engine) DmarcReports(after uint64) ([]DmarcReport, error) {
	var all []DmarcReport
	err := list(C.mailcore_handle(e.handle()), C.MAILCORE_LIST_DMARC_REPORTS, after, func(r *C.mailcore_row) {
		detail := object(C.GoString(r.detail))
		report := DmarcReport{
			ID: uint64(r.id), Reporter: C.GoString(r.name), Domain: C.GoString(r.text), Begin: moment(r.time_ms),
			End: moment(r.due_ms), Messages: int(r.total), Failed: int(r.unseen), Policy: disposition(r.state), Detail: detail,
		}
		report.ReportID, _ = detail["report_id"].(string)
		report.Email, _ = detail["email"].(string)
		all = append(all, report)
	})
	return all, err
}

// DmarcRecords lists what was seen, by a report's id.
func (e *Engine) DmarcRecords(report uint64) ([]DmarcRecord, error) {
	var all []DmarcRecord
	kind := C.uint32_t(C.MAILCORE_LIST_DMARC_RECORDS)
	err := listOf(C.mailcore_handle(e.handle()), kind, report, 0, func(r *C.mailcore_row) {
		all = append(all, DmarcRecord{
			Place: uint64(r.id), Source: C.GoString(r.name), HeaderFrom: C.GoString(r.text), Messages: int(r.total),
			Disposition: disposition(r.state), DKIMAligned: r.flags&1 != 0, SPFAligned: r.flags&2 != 0,
			Detail: object(C.GoString(r.detail)),
		})
	})
	return all, err
}

// object reads JSON that the library wrote.
func object(text string) map[string]any {
	var object map[string]any
	_ = json.Unmarshal([]byte(text), &object)
	return object
}
