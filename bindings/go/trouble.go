package mailcore

// #include "init.h"
import "C"

import (
	"time"
	"unsafe"
)

// Stage is where scripted trouble applies.
type Stage uint32

// The stages.
const (
	AtConnect  Stage = C.MAILCORE_STAGE_CONNECT  // before the greeting, of any protocol; the address is the peer's IP address
	AtHello    Stage = C.MAILCORE_STAGE_HELLO    // EHLO; the address is the name given
	AtLogin    Stage = C.MAILCORE_STAGE_LOGIN    // of any protocol; the address is the user name
	AtMail     Stage = C.MAILCORE_STAGE_MAIL     // the address is the sender
	AtRcpt     Stage = C.MAILCORE_STAGE_RCPT     // the address is the recipient
	AtData     Stage = C.MAILCORE_STAGE_DATA     // DATA, before the message
	AtMessage  Stage = C.MAILCORE_STAGE_MESSAGE  // the message is complete, not accepted
	AtAccepted Stage = C.MAILCORE_STAGE_ACCEPTED // the message is on disk, its reply is not sent
	AtDeliver  Stage = C.MAILCORE_STAGE_DELIVER  // in a sink: the delivery; the address is the recipient
)

// Trouble is what a test has the engine do at a stage in place of going on.
type Trouble struct {
	Stage    Stage
	Code     int           // of the reply, 400 to 599; 0 where it drops or only waits
	Text     string        // of the reply; empty is the usual one
	Address  string        // which addresses: * stands for any characters, ? for one; empty is all
	Protocol string        // "smtp", "lmtp", "imap", "pop3"; empty is all
	Wait     time.Duration // waits first, on the engine's clock
	Drop     bool          // ends the connection without a word
	Skip     int           // lets pass so many times before it applies
	Times    int           // applies so many times; 0 is always
}

// AddTrouble adds scripted trouble, at any time. The first that fits decides.
func (e *Engine) AddTrouble(trouble Trouble) error {
	cs, free, err := texts(trouble.Text, trouble.Address, trouble.Protocol)
	if err != nil {
		return err
	}
	defer free()
	c := (*C.mailcore_trouble)(C.malloc(C.sizeof_mailcore_trouble))
	defer C.free(unsafe.Pointer(c))
	*c = C.trouble_init()
	c.stage, c.smtp_code, c.text, c.address = C.uint32_t(trouble.Stage), C.int32_t(trouble.Code), cs[0], cs[1]
	if trouble.Protocol != "" {
		c.protocol = cs[2]
	}
	if trouble.Drop {
		c.flags = C.MAILCORE_TROUBLE_DROP
	}
	c.wait_ms = C.uint64_t(max(0, trouble.Wait.Milliseconds()))
	c.skip, c.times = C.uint32_t(max(0, trouble.Skip)), C.uint32_t(max(0, trouble.Times))
	cerr := C.error_init()
	return check(C.mailcore_trouble_add(e.handle(), c, &cerr), &cerr)
}

// ClearTrouble removes all scripted trouble.
func (e *Engine) ClearTrouble() error {
	cerr := C.error_init()
	return check(C.mailcore_trouble_add(e.handle(), nil, &cerr), &cerr)
}
