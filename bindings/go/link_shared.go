//go:build !mailcore_static

package mailcore

// In a file of its own: Go's build cache tells files apart, and not the flags that pkg-config gives.

// #cgo pkg-config: mailcore
import "C"
