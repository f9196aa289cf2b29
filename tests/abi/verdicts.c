/* Checks without an engine: a message, a zone and a time. */
#include "check.h"

static const char message[] =
    "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=gone; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;"
    " b=AAAA\nFrom: a@example.org\n\nHello\n";

int main(void)
{
    static const uint32_t results[] = {MAILCORE_RESULT_PASS};
    static const char *const domains[] = {"mail.example.org"};
    mailcore_error err = MAILCORE_ERROR_INIT;
    mailcore_resolver_options options = MAILCORE_RESOLVER_OPTIONS_INIT;
    mailcore_origin origin = MAILCORE_ORIGIN_INIT;
    mailcore_evidence evidence = MAILCORE_EVIDENCE_INIT;
    mailcore_verdicts verdicts = MAILCORE_VERDICTS_INIT;
    mailcore_resolver resolver = 0;
    const mailcore_check *check;

    options.zone = "# a zone\n"
                   "example.org TXT v=spf1 ip4:192.0.2.0/24 -all\n"
                   "_dmarc.example.org TXT v=DMARC1; p=quarantine\n";
    CHECK(mailcore_resolver_open(&options, &resolver, &err) == 0);
    origin.ip = "198.51.100.1";
    origin.helo = "example.org";
    origin.mail_from = "<a@example.org>";
    origin.time_ms = 1700000000000;
    CHECK(mailcore_verify(resolver, &origin, message, sizeof message - 1, &verdicts, &err) == 0);
    CHECK(verdicts.count == 5 && strcmp(verdicts.from_domain, "example.org") == 0);
    check = verdicts.checks[0];
    CHECK(check->method == MAILCORE_METHOD_SPF_HELO && check->result == MAILCORE_RESULT_FAIL);
    check = verdicts.checks[1];
    CHECK(check->method == MAILCORE_METHOD_SPF && strcmp(check->domain, "example.org") == 0);
    CHECK(strcmp(check->explanation, "") == 0 && strcmp(check->why, "-all of example.org matched") == 0);
    check = verdicts.checks[2];
    CHECK(check->method == MAILCORE_METHOD_DKIM && check->result == MAILCORE_RESULT_PERMERROR);
    CHECK(strcmp(check->selector, "gone") == 0 && check->struct_size == sizeof *check);
    check = verdicts.checks[3];
    CHECK(check->method == MAILCORE_METHOD_DMARC && check->result == MAILCORE_RESULT_FAIL);
    CHECK(check->policy == MAILCORE_POLICY_QUARANTINE && check->percent == 100);
    CHECK(strstr(verdicts.json, "\"policy\":\"quarantine\"") != NULL);

    /* The same struct again: what it held is freed. One check of all. */
    origin.checks = MAILCORE_CHECK_SPF;
    origin.ip = "192.0.2.7";
    CHECK(mailcore_verify(resolver, &origin, NULL, 0, &verdicts, &err) == 0);
    CHECK(verdicts.count == 1 && verdicts.checks[0]->result == MAILCORE_RESULT_PASS);
    origin.ip = NULL;
    CHECK(mailcore_verify(resolver, &origin, NULL, 0, &verdicts, &err) == MAILCORE_E_INVALID);
    CHECK(mailcore_verify(resolver, NULL, "A: b\n\nc", 7, &verdicts, &err) == 0 && verdicts.count == 1);
    CHECK(verdicts.checks[0]->method == MAILCORE_METHOD_ARC && verdicts.checks[0]->result == MAILCORE_RESULT_NONE);

    evidence.from_domain = "Example.ORG.";
    evidence.spf_result = MAILCORE_RESULT_FAIL;
    CHECK(mailcore_dmarc_evaluate(resolver, &evidence, &verdicts, &err) == 0);
    CHECK(verdicts.count == 1 && verdicts.checks[0]->policy == MAILCORE_POLICY_QUARANTINE);
    evidence.dkim_results = results;
    evidence.dkim_domains = domains;
    evidence.dkim_count = 1;
    CHECK(mailcore_dmarc_evaluate(resolver, &evidence, &verdicts, &err) == 0);
    CHECK(verdicts.checks[0]->result == MAILCORE_RESULT_PASS && verdicts.checks[0]->flags == MAILCORE_ALIGNED_DKIM);
    evidence.spf_result = 99;
    CHECK(mailcore_dmarc_evaluate(resolver, &evidence, &verdicts, &err) == MAILCORE_E_INVALID);

    mailcore_verdicts_clear(&verdicts);
    CHECK(verdicts.count == 0 && verdicts.memory.data == NULL && verdicts.struct_size == sizeof verdicts);
    mailcore_verdicts_clear(&verdicts);
    CHECK(mailcore_close(resolver) == 0 && mailcore_close(resolver) == MAILCORE_E_HANDLE);
    options.zone = "example.org NS ns.example.org\n";
    CHECK(mailcore_resolver_open(&options, &resolver, &err) == MAILCORE_E_INVALID && resolver == 0);
    return 0;
}
