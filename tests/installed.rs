//! `bindings/c/install` into a scratch folder, and programs that find there what they need: by pkg-config, by CMake, with
//! the shared library and with the archive, in C and in Go. Also the wheel's tag, and what its maker refuses.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "a test runs programs and reads files")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::abi as support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use support::{folder, functions, header, library, root, run, tool};

const FILED: &str = "Bob has the mail\n";
const LIBDIR: &str = "lib/some-triplet";

/// The prefix that the library of this build was installed to.
fn prefix() -> Option<&'static Path> {
    static PREFIX: OnceLock<Option<PathBuf>> = OnceLock::new();
    PREFIX.get_or_init(install).as_deref()
}

fn install() -> Option<PathBuf> {
    let what = "the installed library";
    tool("cc", what)?;
    tool("ld", what)?;
    tool("objcopy", what)?;
    tool("readelf", what)?;
    tool("pkg-config", what)?;
    tool("python3", what)?;
    let build = folder("installed-build");
    for file in ["libmailcore.so", "libmailcore.a"] {
        symlink(library().with_file_name(file), build.join(file)).expect("link");
    }
    let prefix = folder("installed");
    let mut install = Command::new(root().join("bindings/c/install"));
    install.arg("--build").arg(build).arg("--prefix").arg(&prefix).args(["--libdir", LIBDIR]);
    run(&mut install);
    Some(prefix)
}

/// What pkg-config says of an installed package.
fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    let said = run(command.env("PKG_CONFIG_PATH", prefix.join(LIBDIR).join("pkgconfig")).args(arguments));
    said.split_whitespace().map(str::to_owned).collect()
}

/// Runs a program that files its first mail; with the installed shared library or without any.
fn files_a_mail(program: &Path, libraries: Option<&Path>) {
    let store = program.with_extension("store");
    let _ = fs::remove_dir_all(&store);
    let mut command = Command::new(program);
    command.arg(store).env_remove("LD_LIBRARY_PATH");
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    assert_eq!(run(&mut command), FILED);
}

/// Whether the dynamic linker must find libmailcore for a program.
fn needs_the_library(program: &Path) -> bool {
    run(Command::new("readelf").arg("-d").arg(program)).contains("[libmailcore.so.0]")
}

#[test]
fn names_and_links_are_the_usual() {
    let Some(prefix) = prefix() else { return };
    let lib = prefix.join(LIBDIR);
    let version = env!("CARGO_PKG_VERSION");
    let leads = |name: &str| fs::read_link(lib.join(name)).expect(name).display().to_string();
    assert_eq!(leads("libmailcore.so"), "libmailcore.so.0");
    assert_eq!(leads("libmailcore.so.0"), format!("libmailcore.so.{version}"));
    for file in ["include/mailcore.h", "share/mailcore/abi.json", "bin/mailserver"] {
        assert!(prefix.join(file).is_file(), "{file}");
    }
    assert_eq!(pkg_config(prefix, &["--modversion", "mailcore"]), [version]);
    let checkout = fs::read_to_string(root().join("bindings/c/checkout/mailcore.pc")).expect("mailcore.pc");
    assert!(checkout.contains(&format!("\nVersion: {version}\n")), "bindings/c/checkout/mailcore.pc");
}

#[test]
fn archive_has_no_other_global_names() {
    let Some(prefix) = prefix() else { return };
    let archive = prefix.join(LIBDIR).join("libmailcore.a");
    let Some(nm) = tool("nm", "the archive's names") else { return };
    let names = run(Command::new(nm).args(["-g", "--defined-only"]).arg(archive));
    let globals = names.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned);
    let globals: BTreeSet<String> = globals.collect();
    let declared: BTreeSet<String> = functions(&header()).into_iter().map(|function| function.name).collect();
    assert_eq!(globals, declared);
}

#[test]
fn pkg_config_is_enough_for_c() {
    let Some(prefix) = prefix() else { return };
    let folder = folder("installed-pkg-config");
    for (package, shared) in [("mailcore", true), ("mailcore-static", false)] {
        let program = folder.join(package);
        let mut cc = Command::new("cc");
        cc.args(["-Wall", "-Wextra", "-Werror"]).arg(root().join("tests/installed/first.c"));
        cc.args(pkg_config(prefix, &["--cflags", "--libs", package])).arg("-o").arg(&program);
        run(&mut cc);
        assert_eq!(needs_the_library(&program), shared, "{package}");
        files_a_mail(&program, shared.then(|| prefix.join(LIBDIR)).as_deref());
    }
}

#[test]
fn cmake_finds_both_libraries() {
    let Some(prefix) = prefix() else { return };
    let Some(cmake) = tool("cmake", "the CMake package") else { return };
    let build = folder("installed-cmake");
    let mut configure = Command::new(&cmake);
    configure.arg("-S").arg(root().join("tests/installed")).arg("-B").arg(&build);
    run(configure.arg(format!("-Dmailcore_DIR={}", prefix.join(LIBDIR).join("cmake/mailcore").display())));
    run(Command::new(&cmake).arg("--build").arg(&build));
    for (program, shared) in [("first-shared", true), ("first-static", false)] {
        let program = build.join(program);
        assert_eq!(needs_the_library(&program), shared, "{}", program.display());
        files_a_mail(&program, None);
    }
    let wanted = fs::read_to_string(root().join("tests/installed/CMakeLists.txt")).expect("CMakeLists.txt");
    let later = folder("installed-cmake-later");
    fs::write(later.join("CMakeLists.txt"), wanted.replace("mailcore 0.1 ", "mailcore 0.2 ")).expect("file");
    let mut refused = Command::new(cmake);
    refused.arg("-S").arg(&later).arg("-B").arg(later.join("build"));
    refused.arg(format!("-Dmailcore_DIR={}", prefix.join(LIBDIR).join("cmake/mailcore").display()));
    assert!(!refused.output().expect("cmake").status.success(), "0.1 stands in for 0.2");
}

#[test]
fn manual_follows_header_and_help() {
    let Some(prefix) = prefix() else { return };
    let page = |file: &str| fs::read_to_string(prefix.join("share/man").join(file)).expect(file).replace("\\-", "-");
    let library = page("man3/libmailcore.3");
    for function in functions(&header()) {
        assert!(library.contains(&format!("{}(", function.name)), "{}", function.name);
    }
    let mut server = Command::new(prefix.join("bin/mailserver"));
    let help = run(server.arg("--help").env("LD_LIBRARY_PATH", prefix.join(LIBDIR)));
    let server = page("man1/mailserver.1");
    for option in help.split_whitespace().filter(|word| word.starts_with("--")) {
        assert!(server.contains(option.trim_end_matches([',', ']'])), "{option}");
    }
}

/// `go get` from a folder that is laid out as a module proxy, then the library by pkg-config: shared, then the archive.
#[test]
fn go_get_is_enough_for_go() {
    let Some(prefix) = prefix() else { return };
    let Some(go) = tool("go", "the installed library in Go") else { return };
    let place = folder("installed-go");
    run(Command::new("python3").arg(root().join("bindings/go_proxy.py")).arg(place.join("proxy")));
    let module = place.join("module");
    fs::create_dir(&module).expect("folder");
    fs::copy(root().join("tests/installed/first.go"), module.join("main.go")).expect("copy");
    let proxy = format!("file://{}", place.join("proxy").display());
    let go = |arguments: &[&str]| {
        let mut command = Command::new(&go);
        command.args(arguments).current_dir(&module).env("GOPROXY", &proxy).env("GONOSUMDB", "*");
        command.env("GONOSUMCHECK", "1").env("GOFLAGS", "-modcacherw").env("GOSUMDB", "off").env("GOWORK", "off");
        // Go's index of a module is kept by its path, and the version is the same after each change of the sources.
        command.env("GODEBUG", "goindex=0").env("GOMODCACHE", place.join("modules"));
        command.env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "1");
        run(command.env("PKG_CONFIG_PATH", prefix.join(LIBDIR).join("pkgconfig")))
    };
    go(&["mod", "init", "first"]);
    go(&["get", &format!("github.com/libmailcore/libmailcore/bindings/go@v{}", env!("CARGO_PKG_VERSION"))]);
    go(&["build", "-o", "shared", "."]);
    files_a_mail(&module.join("shared"), Some(&prefix.join(LIBDIR)));
    go(&["build", "-tags", "mailcore_static", "-o", "static", "."]);
    assert!(!needs_the_library(&module.join("static")));
    files_a_mail(&module.join("static"), None);
}

// -- the wheel ---------------------------------------------------------------------------------------------------

/// Makes a wheel with this library, or without one.
fn wheel(python: &str, into: &Path, library: Option<&Path>) -> Output {
    let backend =
        "import sys; sys.path.insert(0, '.'); import wheel_backend; print(wheel_backend.build_wheel(sys.argv[1]))";
    let mut command = Command::new(python);
    command.args(["-c", backend]).arg(into).current_dir(root().join("bindings/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("MAILCORE_LIBRARY", library.unwrap_or(Path::new("/nowhere.so")));
    command.output().expect("python3")
}

/// A library of the right name, and with one function of a chosen version of glibc.
fn small_library(folder: &Path, soname: &str, flags: &[&str]) -> PathBuf {
    let source = folder.join("small.c");
    fs::write(&source, "unsigned mailcore_version(void) { return 1000; }\n").expect("source");
    let path = folder.join(format!("{soname}.built"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC"]).arg(format!("-Wl,-soname,{soname}")).arg(source).args(flags).arg("-o").arg(&path);
    run(&mut cc);
    path
}

#[test]
fn wheel_is_of_one_platform_and_holds_the_library() {
    let Some(python) = tool("python3", "the wheel") else { return };
    if tool("cc", "the wheel").is_none() || !has_tomllib(&python) {
        return;
    }
    let folder = folder("wheel");
    let made = wheel(&python, &folder, Some(&small_library(&folder, "libmailcore.so.0", &[])));
    let name = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    assert!(made.status.success(), "{made:?}");
    assert!(name.contains("-py3-none-manylinux_2_") && name.ends_with(&format!("_{}.whl", arch())), "{name}");
    let listing = run(Command::new(&python).args(["-m", "zipfile", "-l"]).arg(folder.join(&name)));
    for file in ["mailcore/_lib/libmailcore.so.0", "mailcore/py.typed", "licenses/LICENSE-MIT", "entry_points.txt"] {
        assert!(listing.contains(file), "{file}: {listing}");
    }
}

#[test]
fn wheel_without_the_right_library_is_refused_in_one_sentence() {
    let Some(python) = tool("python3", "the wheel") else { return };
    if tool("cc", "the wheel").is_none() || !has_tomllib(&python) {
        return;
    }
    let folder = folder("wheel-refused");
    let text = folder.join("text.so");
    fs::write(&text, "not a library").expect("file");
    let other = small_library(&folder, "libother.so.1", &[]);
    let needing = small_library(&folder, "libmailcore.so.0", &["-Wl,--no-as-needed", "-lssl"]);
    for (library, sentence) in [
        (None, "MAILCORE_LIBRARY: there is no file /nowhere.so"),
        (Some(text.as_path()), "this is no shared library of Linux (ELF)"),
        (Some(other.as_path()), "its soname is libother.so.1, not libmailcore.so.0"),
        (Some(needing.as_path()), "needs libssl.so.3, which a wheel cannot rely on: build it with cargo features"),
    ] {
        let refused = wheel(&python, &folder, library);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(sentence), "{sentence}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let wheels = fs::read_dir(&folder).expect("folder").filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "whl"))
    });
    assert_eq!(wheels.count(), 0);
}

/// Wheels are made by Python 3.11 or later.
fn has_tomllib(python: &str) -> bool {
    Command::new(python).args(["-c", "import tomllib"]).status().is_ok_and(|status| status.success())
}

fn arch() -> &'static str {
    if cfg!(target_arch = "arm") { "armv7l" } else { std::env::consts::ARCH }
}

/// The package says at import what is wrong with the library it finds.
#[test]
fn wrong_library_is_an_import_error() {
    let Some(python) = tool("python3", "a wrong library") else { return };
    if tool("cc", "a wrong library").is_none() {
        return;
    }
    let place = folder("wrong-library");
    let old = place.join("old.c");
    fs::write(&old, "unsigned mailcore_version(void) { return 999; }\n").expect("source");
    let new = place.join("new.c");
    fs::write(&new, "unsigned mailcore_version(void) { return 2000000; }\n").expect("source");
    let other = place.join("other.c");
    fs::write(&other, "int other;\n").expect("source");
    for (source, sentence) in [
        (old, "is libmailcore 0.0.999, and this package needs"),
        (new, "is libmailcore 2.0.0, but not the one of this package"),
        (other, "is not libmailcore: it has no function mailcore_version"),
    ] {
        let library = source.with_extension("so");
        run(Command::new("cc").args(["-shared", "-fPIC"]).arg(&source).arg("-o").arg(&library));
        let mut import = Command::new(&python);
        import.args(["-c", "import mailcore"]).env("MAILCORE_LIBRARY", &library).env("PYTHONDONTWRITEBYTECODE", "1");
        let out = import.env("PYTHONPATH", root().join("bindings/python/src")).output().expect("python3");
        let said = String::from_utf8_lossy(&out.stderr);
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("ImportError: ") && last.contains(sentence), "{said}");
    }
}
