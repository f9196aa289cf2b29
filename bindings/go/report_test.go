package mailcore_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"
	"testing"

	mailcore "github.com/libmailcore/libmailcore/bindings/go"
)

const feedback = `<feedback><report_metadata><org_name>receiver.example</org_name><email>d@receiver.example</email>
<report_id>r1</report_id><date_range><begin>86400</begin><end>172799</end></date_range></report_metadata>
<policy_published><domain>example.org</domain><p>quarantine</p></policy_published><record><row>
<source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>reject</disposition>
<dkim>fail</dkim><spf>pass</spf></policy_evaluated></row><identifiers><header_from>a.example.org</header_from>
</identifiers><auth_results><spf><domain>example.org</domain><result>pass</result></spf></auth_results></record></feedback>`

func TestReportsThatCameAreListed(t *testing.T) {
	engine := open(t, "reports", map[string]string{"dmarc.report_address": "dmarc@example.org"})
	must(t, engine.PutAccount("dmarc@example.org", "secret"))
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := writer.Write([]byte(feedback))
	must(t, err)
	must(t, writer.Close())
	letter := "From: d@receiver.example\r\nTo: dmarc@example.org\r\nSubject: Report Domain: example.org\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(packed.Bytes()) + "\r\n"
	_, err = engine.Submit(ctx(t), mailcore.Envelope{From: "d@receiver.example", To: []string{"dmarc@example.org"}}, strings.NewReader(letter))
	must(t, err)
	var id uint64
	for event, err := range engine.Events(ctx(t)) {
		must(t, err)
		if event.Name == "dmarc_report" {
			id = event.Subject
			break
		}
	}
	reports, err := engine.DmarcReports(0)
	must(t, err)
	if len(reports) != 1 || reports[0].ID != id {
		t.Fatalf("the event was of %d: %+v", id, reports)
	}
	r := reports[0]
	if r.Reporter != "receiver.example" || r.ReportID != "r1" || r.Policy != "quarantine" || r.Messages != 7 || r.Failed != 0 {
		t.Fatalf("%+v", r)
	}
	records, err := engine.DmarcRecords(r.ID)
	must(t, err)
	if len(records) != 1 || records[0].Source != "192.0.2.1" || records[0].Disposition != "reject" || !records[0].SPFAligned {
		t.Fatalf("%+v", records)
	}
}
