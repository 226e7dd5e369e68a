//! PostgreSQL keeps the contract. The server is the test's own: started on a free port of the
//! loopback in a temporary folder, and stopped at the end.
#![cfg(feature = "postgres")]

mod suite;

use elqui_registry::{Location, Registry};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A server that stops when it is dropped.
struct Server {
    bin: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// `None` when PostgreSQL is not installed.
    #[allow(clippy::disallowed_methods)] // Bound to learn a free port, and let go.
    fn start() -> Option<Self> {
        let bin = bin_folder()?;
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { bin, dir, port };
        if is_root() {
            // PostgreSQL refuses to run as root.
            let owned = Command::new("chown").arg("postgres").arg(server.dir.path()).status();
            assert!(owned.is_ok_and(|s| s.success()), "cannot give the folder to user postgres");
        }
        let data = server.data();
        server.run(
            "initdb",
            &["-D", &data, "-U", "elqui", "-A", "trust", "-N", "--locale=C", "-E", "UTF8"],
        );
        let log = server.dir.path().join("log").display().to_string();
        let options = format!("-h 127.0.0.1 -p {port} -k '' -c max_connections=64");
        server.run("pg_ctl", &["-D", &data, "-l", &log, "-w", "-o", &options, "start"]);
        Some(server)
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

    fn at(&self, schema: &str) -> Location {
        Location::Postgres {
            url: format!("host=127.0.0.1 port={} user=elqui dbname=postgres", self.port),
            schema: schema.to_string(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        self.run("pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"]);
    }
}

fn is_root() -> bool {
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

#[test]
fn postgresql_keeps_the_contract() {
    let Some(server) = Server::start() else {
        eprintln!("skipped: PostgreSQL is not installed (Debian: apt install postgresql)");
        return;
    };
    suite::contract(&mut |name| Registry::create(&server.at(&format!("t_{name}"))).unwrap());

    let at = server.at("t_writers");
    suite::fill(&mut Registry::create(&at).unwrap());
    suite::writers(&|| Registry::open(&at).unwrap(), 16);

    let twice = Registry::create(&at).err().unwrap().to_string();
    assert!(twice.contains("there is a registry already"), "{twice}");
    let none = Registry::open(&server.at("t_none")).err().unwrap().to_string();
    assert!(none.contains("elqui repo init"), "{none}");
    let odd = Registry::open(&server.at("x; DROP")).err().unwrap().to_string();
    assert!(odd.contains("small letters"), "{odd}");
    let mut gone = server.at("t");
    if let Location::Postgres { url, .. } = &mut gone {
        *url = "host=127.0.0.1 port=1 user=elqui password=secret".into();
    }
    let text = Registry::open(&gone).err().unwrap().to_string();
    assert!(text.contains("is the server running") && !text.contains("secret"), "{text}");
}
