package mailcore

// #include "init.h"
import "C"

import (
	"encoding/json"
	"unsafe"
)

// SieveScript is a Sieve script as it is listed.
type SieveScript struct {
	Name string `json:"name"`
	// Active says whether it is run for mail of its account.
	Active bool `json:"active"`
	// Size is in bytes.
	Size int `json:"size"`
}

// SieveSet stores a script, in the place of one of its name. The owner is the address of an account, "@example.org"
// for a domain, or "@" for all domains. Of a domain's scripts "before" is run before the active script of each account
// and "after" behind it. The error for a script that is wrong begins with line and column.
func (e *Engine) SieveSet(owner, name string, script []byte) error {
	// NULL would remove it: an empty script is not NULL.
	room := append(append(make([]byte, 0, len(script)+1), script...), 0)
	return e.two(owner, name, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_sieve_set(e.handle(), a, b, unsafe.Pointer(&room[0]), C.size_t(len(script)), cerr)
	})
}

// SieveRemove removes a script that is not active.
func (e *Engine) SieveRemove(owner, name string) error {
	return e.two(owner, name, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_sieve_set(e.handle(), a, b, nil, 0, cerr)
	})
}

// SieveGet gives a script.
func (e *Engine) SieveGet(owner, name string) ([]byte, error) {
	var found C.mailcore_buf
	err := e.two(owner, name, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_sieve_get(e.handle(), a, b, &found, cerr)
	})
	if err != nil {
		return nil, err
	}
	return take(&found), nil
}

// SieveScripts lists the scripts of an owner, by name.
func (e *Engine) SieveScripts(owner string) ([]SieveScript, error) {
	var found C.mailcore_buf
	err := e.two(owner, "", func(a, _ *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_sieve_get(e.handle(), a, nil, &found, cerr)
	})
	if err != nil {
		return nil, err
	}
	var scripts []SieveScript
	return scripts, json.Unmarshal(take(&found), &scripts)
}

// SieveActivate makes a script of an account the one that is run for its mail; with an empty name none is.
func (e *Engine) SieveActivate(owner, name string) error {
	return e.two(owner, name, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		if name == "" {
			b = nil
		}
		return C.mailcore_sieve_activate(e.handle(), a, b, cerr)
	})
}

// SieveTest says what a script would do with a message, and why, as JSON; without a script (nil) those that are run
// for the account now. Nothing is done. mailcore_sieve_test() in mailcore.h describes the answer.
func (e *Engine) SieveTest(owner string, script, message []byte, from string) ([]byte, error) {
	var at, of unsafe.Pointer
	if script != nil {
		room := append(append(make([]byte, 0, len(script)+1), script...), 0)
		at = C.CBytes(room)
		defer C.free(at)
	}
	of = C.CBytes(append(append(make([]byte, 0, len(message)+1), message...), 0))
	defer C.free(of)
	var found C.mailcore_buf
	err := e.two(owner, from, func(a, b *C.char, cerr *C.mailcore_error) C.int32_t {
		return C.mailcore_sieve_test(e.handle(), a, at, C.size_t(len(script)), of, C.size_t(len(message)), b, nil,
			&found, cerr)
	})
	if err != nil {
		return nil, err
	}
	return take(&found), nil
}
