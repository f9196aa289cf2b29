//go:build !unix

package mailcore

import (
	"errors"
	"os"
)

func copyOf(*os.File) (int, error) {
	return -1, errors.New("sockets of the program are not served on this system")
}

func closeFD(int) {}
