//go:build !cgo

package mailcore

// Without cgo there is no library to call; better told when building than when running.
var _ = mailcore_needs_cgo__set_CGO_ENABLED_1_and_a_C_compiler
