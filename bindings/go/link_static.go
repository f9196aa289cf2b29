//go:build mailcore_static

package mailcore

// #cgo pkg-config: mailcore-static
import "C"
