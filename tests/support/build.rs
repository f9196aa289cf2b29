//! Build script: hands on where the build of the library wrote the C header, and the same as JSON.

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "this is how cargo and a build script speak")]
fn main() {
    for name in ["HEADER", "ABI_JSON"] {
        let path = std::env::var(format!("DEP_MAILCORE_{name}")).expect("the library's build script names it");
        println!("cargo::rustc-env=MAILCORE_{name}={path}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
