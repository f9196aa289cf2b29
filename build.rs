//! Build script: names the shared library's soname and (see `ffi`) writes the C header to OUT_DIR.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libmailcore.so.0");
}
