// The first mail of a program that was linked with the installed library: filed for Bob, and read again.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	mailcore "github.com/libmailcore/libmailcore/bindings/go"
)

func main() {
	engine, err := mailcore.Open(os.Args[1], mailcore.Options{Hostname: "mx.example.org"})
	must(err)
	defer engine.Close()
	must(engine.Set(mailcore.KeyDNSHostOnly, "1"))
	must(engine.PutAccount("bob@example.org", "builder"))
	must(engine.Start())
	letter := strings.NewReader("From: alice@example.com\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello Bob.\r\n")
	envelope := mailcore.Envelope{From: "alice@example.com", To: []string{"bob@example.org"}}
	_, err = engine.Submit(context.Background(), envelope, letter)
	must(err)
	fmt.Println("Bob has the mail")
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
