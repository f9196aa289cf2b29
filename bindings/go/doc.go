// Package mailcore is an embeddable mail engine: queue, delivery, SMTP, POP3 and IMAP in your process.
//
//	engine, err := mailcore.Open("mail", mailcore.Options{Hostname: "mx.example.org"})
//	if err != nil { ... }
//	defer engine.Close()
//	if err := engine.Start(); err != nil { ... }
//	id, err := engine.Submit(ctx, mailcore.Envelope{From: "a@example.org", To: []string{"b@example.net"}}, message)
//	delivery, err := engine.Wait(ctx, id)
//
// It calls the C library libmailcore through cgo. The library is found with
//
//	CGO_CFLAGS=-I/path/include CGO_LDFLAGS="-L/path/lib -lmailcore"
//
// or, with the build tag mailcore_pkgconfig, with pkg-config. All methods may be called from any goroutine.
// Errors are *Error; errors.Is knows the Err values of this package.
package mailcore
