//! A PostgreSQL server of this test program's own: in a folder that goes with it, reached by a Unix socket only.
//!
//! A shell watches over it: it ends the server and removes the folder when this program ends, however it ends, since its
//! standard input is closed then. It is no child of this program, has a process group of its own and ignores the signals
//! that end programs, so that nothing that ends this program ends the shell with it. The server refuses to run as root:
//! there it runs as the user `postgres`.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::tools;

/// A server that runs until its owner goes.
pub struct Cluster {
    folder: PathBuf,
    /// What the watcher waits for the end of.
    line: Option<ChildStdin>,
    /// What the watcher says; it ends with the watcher.
    said: ChildStdout,
}

/// Starts the watcher, which is `$1` with the arguments behind it, and ends at once: the watcher is then no child of this
/// program, whose children the watchdog kills.
const BEGIN: &str = r#"exec 3<&0; sh -c "$@" <&3 3<&- &"#;

/// What the watcher does: makes the cluster, runs the server, says so, and obeys words until its input ends. `$1` is the
/// folder, `$2` the program in front of each other one, which may be empty.
const WATCH: &str = r#"
set -u
trap '' HUP INT TERM PIPE
folder=$1 as=$2
bin=$(for each in /usr/lib/postgresql/*/bin; do [ -x "$each/initdb" ] && echo "$each/"; done | tail -n 1)
end() { [ -n "${server:-}" ] && kill -INT "$server" 2>/dev/null && wait "$server" 2>/dev/null; rm -rf "$folder"; }
trap end EXIT
mkdir -m 700 "$folder" && { [ -z "$as" ] || chown postgres "$folder"; } || exit 1
# A relative program has to find itself.
cd "$folder" || exit 1
$as "${bin}initdb" -D "$folder/data" -U mailcore -A trust -E UTF8 --locale=C --no-sync >/dev/null 2>"$folder/log" ||
  { cat "$folder/log" >&2; exit 1; }
start() {
  $as "${bin}postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c full_page_writes=off \
    -c max_connections=400 -c shared_buffers=64MB -c max_wal_size=256MB -c autovacuum_naptime=10min \
    >>"$folder/log" 2>&1 </dev/null &
  server=$!
  for _ in $(seq 600); do
    "${bin}pg_isready" -q -h "$folder" -U mailcore -d postgres && return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.05
  done
  cat "$folder/log" >&2
  return 1
}
start || exit 1
echo ready
while read -r word; do
  case $word in
    stop) kill -INT "$server"; wait "$server" 2>/dev/null; server= ;;
    kill) kill -QUIT "$server"; wait "$server" 2>/dev/null; server= ;;
    start) start || exit 1 ;;
  esac
  echo "$word"
done
"#;

impl Cluster {
    /// Starts one; `None` where the programs are missing, which is said (and fails with CI=true).
    pub fn start(what: &str) -> Option<Cluster> {
        tools::tool("postgres", what)?;
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("mailcore-pg-{}-{number}", std::process::id()));
        let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
        let as_user = if root { "setpriv --reuid=postgres --regid=postgres --clear-groups" } else { "" };
        let mut shell = Command::new("sh")
            .args(["-c", BEGIN, "begin", WATCH, "postgres"])
            .arg(&folder)
            .arg(as_user)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let (line, said) = (shell.stdin.take(), shell.stdout.take().expect("piped"));
        shell.wait().expect("the shell ends");
        let mut cluster = Cluster { folder, line, said };
        assert_eq!(cluster.said(), "ready", "the server did not start");
        Some(cluster)
    }

    /// One for the whole program.
    pub fn shared(what: &str) -> Option<&'static Cluster> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(|| Cluster::start(what)).as_ref()
    }

    /// The address of a store in a schema of its own.
    pub fn url(&self, schema: &str) -> String {
        let folder = self.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://mailcore@{folder}/postgres?schema={schema}")
    }

    /// Ends the server; it can be started again.
    pub fn stop(&mut self) {
        self.tell("stop");
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.tell("kill");
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        self.tell("start");
    }

    /// Runs SQL as the superuser; gives what psql prints.
    pub fn sql(&self, sql: &str) -> String {
        let out = Command::new("psql")
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", "mailcore", "-d", "postgres", "-c", sql])
            .arg("-h")
            .arg(&self.folder)
            .output()
            .expect("psql");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    fn tell(&mut self, word: &str) {
        use std::io::Write;
        let line = self.line.as_mut().expect("a watcher");
        writeln!(line, "{word}").and_then(|()| line.flush()).expect("a watcher");
        assert_eq!(self.said(), word);
    }

    fn said(&mut self) -> String {
        let mut line = String::new();
        // One line is said at a time, after one question.
        BufReader::with_capacity(1, &mut self.said).read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.line = None;
        // Until the server has ended and the folder is gone.
        let _ = self.said.read_to_end(&mut Vec::new());
    }
}
