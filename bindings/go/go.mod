module github.com/libmailcore/libmailcore/bindings/go

go 1.24
