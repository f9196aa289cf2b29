"""DMARC reports others sent: read from mail, listed."""

import gzip
import json
from email.message import EmailMessage

import mailcore
from test_main_job import Case

FEEDBACK = b"""<feedback><report_metadata><org_name>receiver.example</org_name><email>d@receiver.example</email>
<report_id>r1</report_id><date_range><begin>86400</begin><end>172799</end></date_range></report_metadata>
<policy_published><domain>example.org</domain><p>quarantine</p></policy_published><record><row>
<source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>reject</disposition>
<dkim>fail</dkim><spf>pass</spf></policy_evaluated></row><identifiers><header_from>a.example.org</header_from>
</identifiers><auth_results><spf><domain>example.org</domain><result>pass</result></spf></auth_results></record></feedback>"""


class Reports(Case):
    def test_reports_that_came_are_listed(self):
        with self.engine(**{"dmarc.report_address": "dmarc@example.org"}) as engine:
            engine.put_account("dmarc@example.org", "secret")
            m = EmailMessage()
            m["From"], m["To"], m["Subject"] = "d@receiver.example", "dmarc@example.org", "Report Domain: example.org"
            m.set_content("A report.")
            m.add_attachment(gzip.compress(FEEDBACK), maintype="application", subtype="gzip", filename="r.xml.gz")
            engine.submit(m)
            event = next(event for event in engine.events(60) if event.name == "dmarc_report")
            self.assertEqual(event.detail["domain"], "example.org")
            self.assertEqual(event.detail["reporter"], "receiver.example")
            (report,) = engine.dmarc_reports()
            self.assertEqual(event.subject, report.id)
            self.assertEqual((report.reporter, report.domain, report.policy), ("receiver.example", "example.org", "quarantine"))
            self.assertEqual((report.begin.timestamp(), report.end.timestamp()), (86400, 172799))
            self.assertEqual((report.messages, report.failed, report.report_id), (7, 0, "r1"))
            self.assertEqual((report.detail["p"], report.detail["sp"], report.detail["adkim"]), ("quarantine", None, "r"))
            (record,) = report.records()
            self.assertEqual((record.place, record.source, record.header_from), (1, "192.0.2.1", "a.example.org"))
            self.assertEqual((record.messages, record.disposition), (7, "reject"))
            self.assertEqual((record.dkim_aligned, record.spf_aligned), (False, True))
            self.assertEqual(record.detail["spf"], [{"domain": "example.org", "scope": "", "result": "pass"}])
            self.assertEqual(list(engine.dmarc_reports(after=report.id)), [])
            self.assertIsInstance(report, mailcore.DmarcReport)

    def test_tls_reports_that_came_are_listed(self):
        told = {"organization-name": "sender.example", "report-id": "t1", "contact-info": "t@sender.example",
                "date-range": {"start-datetime": "2026-11-22T00:00:00Z", "end-datetime": "2026-11-22T23:59:59Z"},
                "policies": [{"policy": {"policy-type": "sts", "policy-domain": "example.org"},
                              "summary": {"total-successful-session-count": 5, "total-failure-session-count": 2}}]}  # fmt: skip
        with self.engine(**{"tlsrpt.report_address": "tls@example.org"}) as engine:
            engine.put_account("tls@example.org", "secret")
            m = EmailMessage()
            m["From"], m["To"], m["Subject"] = "t@sender.example", "tls@example.org", "Report Domain: example.org"
            m.set_content("A report.")
            m.add_attachment(gzip.compress(json.dumps(told).encode()), maintype="application", subtype="tlsrpt+gzip")
            engine.submit(m)
            event = next(event for event in engine.events(60) if event.name == "tls_report")
            (report,) = engine.tls_reports()
            self.assertEqual((event.subject, event.detail["reporter"]), (report.id, "sender.example"))
            self.assertEqual((report.domains, report.sessions, report.failed), (["example.org"], 7, 2))
            self.assertEqual((report.report_id, report.report["organization-name"]), ("t1", "sender.example"))
            self.assertEqual((report.begin.year, report.end.hour), (2026, 23))
            self.assertEqual(list(engine.tls_reports(after=report.id)), [])

    def test_suppressed_addresses_and_advice(self):
        with self.engine() as engine:
            engine.put_account("alice@example.org", "secret")
            engine.suppress("bob@example.net", "complaint", "pressed a button")
            engine.suppress("@example.com", account="alice@example.org")
            first, second = engine.suppressed()
            self.assertEqual((first.address, first.reason, first.detail), ("bob@example.net", "complaint", "pressed a button"))
            self.assertEqual((first.account, first.until, second.address), (None, None, "@example.com"))
            self.assertIsNotNone(second.account)
            m = EmailMessage()
            m["From"], m["To"] = "alice@example.org", "bob@example.net"
            m.set_content("hello")
            with self.assertRaises(mailcore.PolicyError):
                engine.submit(m)
            engine.unsuppress("@example.com", account="alice@example.org")
            with self.assertRaises(mailcore.NotFound):
                engine.unsuppress("@example.com")
            advice = engine.advice("example.org")
            self.assertEqual((advice["domain"], advice["ok"]), ("example.org", False))
            self.assertEqual(advice["records"][0]["what"], "mx")
