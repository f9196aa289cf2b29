// Package mailcore is an embeddable mail engine: queue, delivery, SMTP, POP3 and IMAP in your process.
//
//	engine, err := mailcore.Open("mail", mailcore.Options{Hostname: "mx.example.org"})
//	if err != nil { ... }
//	defer engine.Close()
//	if err := engine.Start(); err != nil { ... }
//	id, err := engine.Submit(ctx, mailcore.Envelope{From: "a@example.org", To: []string{"b@example.net"}}, message)
//	delivery, err := engine.Wait(ctx, id)
//
// It calls the C library libmailcore through cgo. pkg-config finds the library (package mailcore); with the build tag
// mailcore_static the archive is linked into the program (package mailcore-static). All methods may be called from any
// goroutine.
// Errors are *Error; errors.Is knows the Err values of this package.
package mailcore
