/* Written by bindings/generate.py from include/abi.json: do not edit. */
#ifndef MAILCORE_GO_INIT_H
#define MAILCORE_GO_INIT_H

#include <mailcore.h>
#include <stdlib.h>

#if MAILCORE_VERSION_NUMBER < 1000
#error "this package needs libmailcore 0.1.0 or newer"
#endif

/* cgo sees no macros with braces: what the _INIT macros make, as functions. */
static inline mailcore_property property_init(void) { mailcore_property x = MAILCORE_PROPERTY_INIT; return x; }
static inline mailcore_error error_init(void) { mailcore_error x = MAILCORE_ERROR_INIT; return x; }
static inline mailcore_open open_init(void) { mailcore_open x = MAILCORE_OPEN_INIT; return x; }
static inline mailcore_query query_init(void) { mailcore_query x = MAILCORE_QUERY_INIT; return x; }
static inline mailcore_row row_init(void) { mailcore_row x = MAILCORE_ROW_INIT; return x; }
static inline mailcore_envelope envelope_init(void) { mailcore_envelope x = MAILCORE_ENVELOPE_INIT; return x; }
static inline mailcore_delivery delivery_init(void) { mailcore_delivery x = MAILCORE_DELIVERY_INIT; return x; }
static inline mailcore_queue_filter queue_filter_init(void) { mailcore_queue_filter x = MAILCORE_QUEUE_FILTER_INIT; return x; }
static inline mailcore_listen_options listen_options_init(void) { mailcore_listen_options x = MAILCORE_LISTEN_OPTIONS_INIT; return x; }
static inline mailcore_event event_init(void) { mailcore_event x = MAILCORE_EVENT_INIT; return x; }
static inline mailcore_check check_init(void) { mailcore_check x = MAILCORE_CHECK_INIT; return x; }
static inline mailcore_verdicts verdicts_init(void) { mailcore_verdicts x = MAILCORE_VERDICTS_INIT; return x; }
static inline mailcore_resolver_options resolver_options_init(void) { mailcore_resolver_options x = MAILCORE_RESOLVER_OPTIONS_INIT; return x; }
static inline mailcore_origin origin_init(void) { mailcore_origin x = MAILCORE_ORIGIN_INIT; return x; }
static inline mailcore_evidence evidence_init(void) { mailcore_evidence x = MAILCORE_EVIDENCE_INIT; return x; }
static inline mailcore_signer signer_init(void) { mailcore_signer x = MAILCORE_SIGNER_INIT; return x; }
static inline mailcore_question question_init(void) { mailcore_question x = MAILCORE_QUESTION_INIT; return x; }
static inline mailcore_verdict verdict_init(void) { mailcore_verdict x = MAILCORE_VERDICT_INIT; return x; }
static inline mailcore_hooks hooks_init(void) { mailcore_hooks x = MAILCORE_HOOKS_INIT; return x; }
static inline mailcore_trouble trouble_init(void) { mailcore_trouble x = MAILCORE_TROUBLE_INIT; return x; }
static inline mailcore_stats stats_init(void) { mailcore_stats x = MAILCORE_STATS_INIT; return x; }

#endif
