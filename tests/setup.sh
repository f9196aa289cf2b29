#!/bin/sh
# Looks for what a build, the tests or .ci/run need, and installs what is missing.
#
#   sh tests/setup.sh [--yes] [build | test | ci]
#
# Prints the one install line of this system (apt, dnf, apk, pacman or brew). As root, or with --yes (through sudo),
# it runs that line; otherwise it prints the line and ends with status 1. Nothing missing: no output, status 0.
#
#   build   a C compiler, pkg-config, OpenSSL's headers, root certificates, Rust
#   test    the same, and a line on optional tools that are missing: tests that need one are left out
#   ci      everything .ci/run uses, the optional tools included
set -u
cd "$(dirname "$0")/.." || exit 1

yes=no need=build
for word in "$@"; do
  case $word in
    --yes) yes=yes ;;
    build | test | ci) need=$word ;;
    *) echo "usage: sh tests/setup.sh [--yes] [build | test | ci]" >&2; exit 2 ;;
  esac
done

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# -- this system -------------------------------------------------------------------------------------------

if [ "$(uname)" = Darwin ]; then system=brew install="brew install"
elif have apt-get; then system=apt install="apt-get install -y --no-install-recommends"
elif have dnf; then system=dnf install="dnf install -y"
elif have apk; then system=apk install="apk add"
elif have pacman; then system=pacman install="pacman -S --needed --noconfirm"
elif have brew; then system=brew install="brew install"
else system=none install="install these with the package manager of your system:"
fi

# The packages of one tool, by system: apt, dnf, apk, pacman, brew. The tool's own name stands for "as it is called".
packages() {
  case $system:$1 in
    apt:cc) echo gcc libc6-dev ;;
    apk:cc) echo gcc musl-dev ;;
    *:cc) echo gcc ;;
    apt:pkg-config) echo pkg-config ;;
    dnf:pkg-config) echo pkgconf-pkg-config ;;
    apk:pkg-config | pacman:pkg-config | brew:pkg-config) echo pkgconf ;;
    apt:openssl-headers) echo libssl-dev ;;
    dnf:openssl-headers) echo openssl-devel ;;
    apk:openssl-headers) echo openssl-dev ;;
    pacman:openssl-headers) echo openssl ;;
    brew:openssl-headers) echo openssl@3 ;;
    *:certificates) echo ca-certificates ;;
    dnf:c++) echo gcc-c++ ;;
    apt:c++ | apk:c++) echo g++ ;;
    *:c++) echo gcc ;;
    pacman:python3) echo python ;;
    apt:python3-venv) echo python3-venv ;;
    dnf:go) echo golang ;;
    apt:go) echo golang-go ;;
    apt:postgres | brew:postgres | pacman:postgres) echo postgresql ;;
    dnf:postgres) echo postgresql-server ;;
    apk:postgres) echo postgresql ;;
    *) echo "$1" ;;
  esac
}

# -- what is here ------------------------------------------------------------------------------------------

# $1 is version $2 or later (numbers with dots).
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

# A C or C++ program can be built: a compiler without the C library's headers is none.
compiles() {
  have "$1" || return 1
  folder=$(mktemp -d) || return 1
  printf '#include <stdio.h>\nint main(void) { return 0; }\n' >"$folder/a.$2"
  "$1" "$folder/a.$2" -o "$folder/a" >/dev/null 2>&1
  built=$?
  rm -rf "$folder"
  return $built
}

certificates() {
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    [ -e "$file" ] && return 0
  done
  return 1
}

openssl_headers() {
  if have brew && [ "$system" = brew ]; then
    [ -e "$(brew --prefix openssl@3 2>/dev/null)/include/openssl/ssl.h" ] && return 0
  fi
  pkg-config --exists openssl 2>/dev/null
}

# Debian keeps the server's programs outside of PATH.
postgres_server() {
  have postgres && return 0
  for program in /usr/lib/postgresql/*/bin/postgres; do [ -x "$program" ] && return 0; done
  return 1
}

go_wanted=$(sed -n 's/^go //p' bindings/go/go.mod)
# The version of the installed Go; empty without one. No other toolchain is fetched to answer.
go_version() { GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//'; }
good_go() { have go && at_least "$(go_version)" "$go_wanted"; }
good_python() { python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; }

rust_wanted=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml)
rust() {
  if ! have cargo; then
    say "Rust $rust_wanted or later is needed and there is no cargo: install it from https://rustup.rs"
    exit 1
  fi
  version=$(rustc --version | cut -d ' ' -f 2 | sed 's/-.*//')
  if ! at_least "$version" "$rust_wanted"; then
    say "Rust $rust_wanted or later is needed and this is $version: run rustup update, or install it from https://rustup.rs"
    exit 1
  fi
}

# -- what is missing ---------------------------------------------------------------------------------------

missing=
miss() { missing="$missing $(packages "$1")"; }

look_for_build() {
  missing=
  compiles cc c || miss cc
  have pkg-config || miss pkg-config
  openssl_headers || miss openssl-headers
  [ "$system" = brew ] || certificates || miss certificates
}

look_for_optional() {
  compiles c++ cc || miss c++
  [ "$(uname)" = Darwin ] || have valgrind || miss valgrind
  good_python || miss python3
  have curl || miss curl
  postgres_server || miss postgres
}

# Programs that only .ci/run calls; it needs Debian, or a system that has them under the same names.
look_for_ci() {
  look_for_build
  look_for_optional
  for program in openssl cmake swaks msmtp mutt mpop opendkim getmail node npm ip debootstrap chromium; do
    have "$program" && continue
    case $program in
      getmail) miss getmail6 ;;
      node) miss nodejs ;;
      ip) miss iproute2 ;;
      *) miss "$program" ;;
    esac
  done
  have mbsync || miss isync
  have dpkg-shlibdeps || miss dpkg-dev
  have opendkim-genkey || miss opendkim-tools
  python3 -c 'import ensurepip' 2>/dev/null || miss python3-venv
  have pytest || miss python3-pytest
  perl -MNet::SSLeay -e 1 2>/dev/null || miss libnet-ssleay-perl # swaks speaks TLS by it
}

run_as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Runs the install line, or ends with it.
install() {
  [ -n "$missing" ] || return 0
  line="$install$missing"
  shown=$line
  [ "$system" = brew ] || [ "$(id -u)" = 0 ] || shown="sudo $line"
  if [ "$system" = none ] || { [ "$(id -u)" != 0 ] && [ $yes = no ]; }; then
    say "something is missing; install it and try again:"
    printf '    %s\n' "$shown" >&2
    [ "$system" = none ] || say "(or let this do it: sh tests/setup.sh --yes $need)"
    exit 1
  fi
  say "$shown"
  # shellcheck disable=SC2086 # a line of words
  case $system in
    apt)
      run_as_root apt-get update -qq && run_as_root env DEBIAN_FRONTEND=noninteractive $line -qq >/dev/null ;;
    brew) $line >/dev/null ;;
    *) run_as_root $line >/dev/null ;;
  esac || { say "that did not work: $shown"; exit 1; }
}

# A minimal system may not know its own name for loopback, which mail programs are given.
know_localhost() {
  getent hosts localhost >/dev/null && return 0
  say "/etc/hosts does not name localhost: adding it"
  echo "127.0.0.1 localhost" | run_as_root tee -a /etc/hosts >/dev/null
}

# The Go of Debian 12 is older than go.mod asks for: the one of its backports can fetch a newer toolchain by itself.
install_go() {
  good_go && return 0
  if [ "$system" != apt ]; then
    missing=" $(packages go)"
    install
  elif ! have go || ! at_least "$(go_version)" 1.21; then
    [ "$(id -u)" = 0 ] || [ $yes = yes ] || { say "Go $go_wanted or later is needed: see go.dev/doc/install"; exit 1; }
    install_go_of_backports
  fi
  good_go && return 0
  fetch_go
  good_go || { say "Go $go_wanted or later is needed, this is $(go_version): see go.dev/doc/install"; exit 1; }
}

install_go_of_backports() {
  # shellcheck disable=SC1091 # of the system
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  archive=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -v '^#' | grep -o 'https\{0,1\}://[^ ]*/debian/\{0,1\}\( \|$\)' | head -n 1)
  [ -n "$archive" ] || { say "no Debian archive in /etc/apt/sources.list"; exit 1; }
  echo "deb $archive $codename-backports main" |
    run_as_root tee /etc/apt/sources.list.d/mailcore-backports.list >/dev/null
  install="apt-get install -y --no-install-recommends -t $codename-backports" missing=" golang-go"
  install
}

# A Go from 1.21 on runs the version its go.mod asks for, and fetches it where it is missing. The link makes it "go".
fetch_go() {
  at_least "$(go_version)" 1.21 || return 0
  fetched=$(cd bindings/go && GOTOOLCHAIN="go$go_wanted.0+auto" go env GOROOT) || return 0
  mkdir -p target/tools
  ln -sf "$fetched/bin/go" target/tools/go
  PATH="$PWD/target/tools:$PATH"
}

case $need in
  build | test)
    look_for_build
    install
    rust
    ;;
  ci)
    look_for_ci
    install
    install_go
    know_localhost
    rust
    ;;
esac
if [ "$need" = test ]; then
  missing=
  look_for_optional
  [ -z "$missing" ] || say "optional tools are missing, and the tests that need them are left out:$missing"
  good_go || say "no Go $go_wanted or later: the tests of the Go binding are left out"
  docs/build --version >/dev/null 2>&1 || say "the packages of the book are missing (docs/build gets them): its test is left out"
fi
exit 0
