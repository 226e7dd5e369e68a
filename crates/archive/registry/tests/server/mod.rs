//! A PostgreSQL server of the test's own: started on a free port of the loopback in a temporary folder, and
//! stopped at the end.
#![cfg(feature = "postgres")]
#![allow(dead_code)] // Each test's file uses the parts that it needs.

use elqui_registry::Location;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FAST: &str = "fsync = off\nfull_page_writes = off\n";

/// A server that stops when it is dropped.
pub struct Server {
    bin: PathBuf,
    pub dir: tempfile::TempDir,
    pub port: u16,
}

impl Server {
    /// It does not wait for the disk, unless the settings say so.
    /// - `settings`: further lines of `postgresql.conf`; the last word on a setting counts
    #[allow(clippy::disallowed_methods)] // Bound to learn a free port, and let go.
    pub fn start(settings: &str) -> Self {
        let bin = bin_folder().expect("PostgreSQL is needed: apt-get install postgresql");
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { bin, dir, port };
        server.hand_over(server.dir.path());
        let data = server.data();
        server.run(
            "initdb",
            &["-D", &data, "-U", "elqui", "-A", "trust", "-N", "--locale=C", "-E", "UTF8"],
        );
        std::io::Write::write_all(
            &mut std::fs::OpenOptions::new()
                .append(true)
                .open(server.dir.path().join("data/postgresql.conf"))
                .unwrap(),
            format!("{FAST}{settings}").as_bytes(),
        )
        .unwrap();
        server.up();
        server
    }

    /// PostgreSQL refuses to run as root.
    pub fn hand_over(&self, path: &Path) {
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(path).status();
            assert!(
                owned.is_ok_and(|s| s.success()),
                "cannot give {} to user postgres",
                path.display()
            );
        }
    }

    pub fn up(&self) {
        let log = self.dir.path().join("log").display().to_string();
        let options = format!("-h 127.0.0.1 -p {} -k '' -c max_connections=64", self.port);
        self.run("pg_ctl", &["-D", &self.data(), "-l", &log, "-w", "-o", &options, "start"]);
    }

    /// As when its machine loses power.
    pub fn down(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, args: &[&str]) {
        let path = self.bin.join(program);
        let mut command = if is_root() {
            let mut c = Command::new("runuser");
            c.args(["-u", "postgres", "--"]).arg(path);
            c
        } else {
            Command::new(path)
        };
        command.args(args).current_dir("/tmp").stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().unwrap();
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        assert!(status.success(), "{program} failed: {log}");
    }

    fn client(&self, program: &str, args: &[&str], input: &str) -> Option<String> {
        let port = self.port.to_string();
        let mut child = Command::new(self.bin.join(program))
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "elqui"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_string())
    }

    /// Run statements.
    pub fn psql(&self, sql: &str) {
        let args = ["-q", "-v", "ON_ERROR_STOP=1", "postgres"];
        assert!(self.client("psql", &args, sql).is_some(), "psql failed");
    }

    /// The first value that statements give.
    pub fn value(&self, sql: &str) -> Option<String> {
        self.client("psql", &["-qAt", "-v", "ON_ERROR_STOP=1", "postgres"], sql)
    }

    /// A schema as statements.
    pub fn dump(&self, schema: &str) -> String {
        self.client("pg_dump", &["-n", schema, "--inserts", "--no-owner", "postgres"], "").unwrap()
    }

    pub fn at(&self, schema: &str) -> Location {
        Location::Postgres {
            url: format!("host=127.0.0.1 port={} user=elqui dbname=postgres", self.port),
            schema: schema.to_string(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.dir.path().join("data/postmaster.pid").exists() {
            self.down();
        }
    }
}

pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    tempfile::tempdir().unwrap().path().metadata().unwrap().uid() == 0
}

fn bin_folder() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").ok();
    let mut found: Vec<PathBuf> =
        installed.into_iter().flatten().flatten().map(|e| e.path().join("bin")).collect();
    found.sort();
    found.into_iter().rev().find(|b| b.join("initdb").is_file())
}
