//! Build script: names the shared library's soname and (see `ffi`) writes the C header to OUT_DIR.

#[allow(clippy::disallowed_macros, reason = "this is how a build script speaks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libmailcore.so.0");
}
