//go:build unix

package mailcore

import (
	"os"
	"syscall"
)

// copyOf gives a descriptor of its own for a file.
func copyOf(file *os.File) (int, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, failed := -1, error(nil)
	err = raw.Control(func(own uintptr) {
		fd, failed = syscall.Dup(int(own))
		if failed == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err == nil {
		err = failed
	}
	return fd, err
}

func closeFD(fd int) { syscall.Close(fd) }
