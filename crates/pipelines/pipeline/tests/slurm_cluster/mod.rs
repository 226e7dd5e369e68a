//! A Slurm cluster on this machine: munged, a controller and several nodes on the loopback, in one temporary
//! folder, all of it killed when it is dropped.
//!
//! - Debian's slurmd runs many times on one machine when each has a name (`-N`) and a port
//! - no cgroups, no accounting, any user
//! - source: slurm.conf(5) of Slurm 22.05

#![allow(dead_code)] // Each test uses the parts that it needs.

use elqui_pipeline::cluster::{Commands, Shell};
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One cluster at a time: two cores are enough for one.
static ONE: Mutex<()> = Mutex::new(());

pub struct SlurmCluster {
    dir: tempfile::TempDir,
    munged: Vec<Child>,
    controller: Vec<Child>,
    pub nodes: Vec<Child>,
    pub shell: Shell,
    _one: MutexGuard<'static, ()>,
}

/// A program that may be in a folder for administrators.
fn find(program: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin"];
    let found = folders.iter().map(|f| Path::new(f).join(program)).find(|p| p.is_file());
    found.unwrap_or_else(|| {
        panic!("missing: {program} - install it with: apt-get install slurm-wlm munge")
    })
}

fn said(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&out.stdout).trim().to_string()
}

#[allow(clippy::disallowed_methods)] // Bound to learn free ports, and let go.
fn ports(count: usize) -> Vec<u16> {
    let open: Vec<_> =
        (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    open.iter().map(|l| l.local_addr().unwrap().port()).collect()
}

impl SlurmCluster {
    /// - `cpus`: of each node
    pub fn start(nodes: usize, cpus: usize) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::Builder::new().prefix("elqui-slurm-").tempdir().unwrap();
        // munged wants a way to its socket that all may go.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["state", "log"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let key = said("od", &["-An", "-tx1", "-N64", "/dev/urandom"]);
        elqui_codec::atomic_write_bytes(&at("munge.key"), key.as_bytes()).unwrap();
        let secret = std::fs::Permissions::from_mode(0o400);
        std::fs::set_permissions(at("munge.key"), secret).unwrap();
        let conf = at("slurm.conf");
        let text = configuration(dir.path(), nodes, cpus);
        elqui_codec::atomic_write_bytes(&conf, text.as_bytes()).unwrap();
        let environment = vec![("SLURM_CONF".to_string(), conf.display().to_string())];
        let shell = Shell { limit: Duration::from_secs(30), environment };
        let mut cluster = Self {
            dir,
            munged: Vec::new(),
            controller: Vec::new(),
            nodes: Vec::new(),
            shell,
            _one: one,
        };
        let word = |name: &str, file: &str| format!("--{name}={}", cluster.path(file).display());
        let words = [
            "-F".to_string(),
            "-f".to_string(),
            "--num-threads=4".to_string(),
            word("socket", "munge.socket"),
            word("key-file", "munge.key"),
            word("pid-file", "munge.pid"),
            word("log-file", "munge.log"),
            word("seed-file", "munge.seed"),
        ];
        cluster.munged.push(cluster.daemon("munged", &words));
        cluster.wait("munged opens its socket", 10, |c| c.path("munge.socket").exists());
        cluster.start_controller();
        for node in 0..nodes {
            cluster.start_node(node);
        }
        cluster.wait("all nodes are idle", 30, |c| {
            let states = c.said(&["sinfo", "--noheader", "--Node", "--format=%T"]);
            states.lines().filter(|s| *s == "idle").count() == nodes
        });
        cluster
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn start_controller(&mut self) {
        let words = ["-D".to_string(), "-f".into(), self.path("slurm.conf").display().to_string()];
        let child = self.daemon("slurmctld", &words);
        self.controller = vec![child];
    }

    pub fn stop_controller(&mut self) {
        for mut child in self.controller.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn start_node(&mut self, node: usize) {
        let conf = self.path("slurm.conf").display().to_string();
        std::fs::create_dir_all(self.path(&format!("spool/n{node}"))).unwrap();
        let words = ["-D".to_string(), "-N".into(), format!("n{node}"), "-f".into(), conf];
        let child = self.daemon("slurmd", &words);
        self.nodes.push(child);
    }

    /// A daemon in the foreground, that dies with this thread if nobody else ends it.
    fn daemon(&self, program: &str, words: &[String]) -> Child {
        let out = self.path(&format!("{program}.out"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(out).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(find(program)).args(words);
        command.env("SLURM_CONF", self.path("slurm.conf")).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap_or_else(|e| panic!("setpriv {program}: {e}"))
    }

    /// A machine that breaks: the node's daemon, and all jobs that it has, at one blow.
    pub fn break_node(&mut self, node: usize) {
        self.nodes[node].kill().unwrap();
        self.nodes[node].wait().unwrap();
        let name = format!("SLURMD_NODENAME=n{node} ");
        let jobs: Vec<u32> = self
            .processes()
            .into_iter()
            .filter(|(_, environment, _)| environment.contains(&name))
            .map(|(pid, ..)| pid)
            .collect();
        // Their keepers first, or they would tell the controller how the jobs ended.
        kill(&jobs.iter().filter_map(|pid| parent(*pid)).collect::<Vec<_>>());
        kill(&jobs);
    }

    /// Only the node's daemon dies: its jobs go on, and nobody knows.
    pub fn cut_node(&mut self, node: usize) {
        self.nodes[node].kill().unwrap();
        self.nodes[node].wait().unwrap();
    }

    /// What the cluster finds out by itself after a while.
    pub fn declare_down(&self, node: usize) {
        let name = format!("nodename=n{node}");
        self.said(&["scontrol", "update", &name, "state=down", "reason=test"]);
    }

    /// Let jobs start that Slurm queued again, and makes wait for two minutes.
    pub fn release(&self) -> usize {
        let words = ["squeue", "--noheader", "--array", "--states=pending", "--format=%i|%r"];
        let waiting = self.said(&words);
        let again = waiting.lines().filter_map(|l| l.strip_suffix("|BeginTime"));
        again
            .map(|id| self.said(&["scontrol", "update", &format!("jobid={id}"), "starttime=now"]))
            .count()
    }

    pub fn said(&self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|w| w.to_string()).collect();
        self.shell.run(&words).map(|s| s.out).unwrap_or_default()
    }

    /// Names of all jobs that the controller remembers, a line a job.
    pub fn job_names(&self) -> Vec<String> {
        let out = self.said(&["squeue", "--noheader", "--states=all", "--format=%F %j"]);
        let mut all: Vec<String> = out.lines().map(|l| l.trim().to_string()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Until something is so.
    pub fn wait(&self, what: &str, seconds: u64, mut so: impl FnMut(&Self) -> bool) {
        let begin = Instant::now();
        while !so(self) {
            if begin.elapsed() > Duration::from_secs(seconds) {
                let log = |name: &str| {
                    let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
                    text.lines().rev().take(15).collect::<Vec<_>>().join("\n")
                };
                let queue = self.said(&[
                    "squeue",
                    "--array",
                    "--states=all",
                    "--Format=JobArrayID,State,Reason,StartTime,NodeList",
                ]);
                panic!(
                    "not in {seconds} s: {what}\n{queue}\n{}\n{}\n{}",
                    self.said(&["sinfo", "--Node"]),
                    log("slurmctld.out"),
                    log("slurmd.out")
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Processes that this cluster started: number, environment, command line.
    fn processes(&self) -> Vec<(u32, String, String)> {
        let mine = self.dir.path().display().to_string();
        let mut all = Vec::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
                continue;
            };
            let read = |name: &str| {
                let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let (environment, words) = (read("environ"), read("cmdline"));
            let named = environment.contains(&mine) || words.contains(&mine);
            if named && pid != std::process::id() {
                all.push((pid, environment, words));
            }
        }
        all
    }
}

/// The keeper of a job's process, if it is one of Slurm's.
fn parent(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("PPid:"))?;
    let parent: u32 = line.trim().parse().ok()?;
    let words = std::fs::read_to_string(format!("/proc/{parent}/cmdline")).ok()?;
    words.starts_with("slurmstepd").then_some(parent)
}

fn kill(pids: &[u32]) {
    if !pids.is_empty() {
        let pids = pids.iter().map(u32::to_string);
        let _ = Command::new("kill").arg("-KILL").args(pids).stderr(Stdio::null()).status();
    }
}

impl Drop for SlurmCluster {
    fn drop(&mut self) {
        let all = self.munged.iter_mut().chain(&mut self.controller).chain(&mut self.nodes);
        for child in all {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Jobs and their daemons, which carry the folder's name; some start others until they are killed.
        for _ in 0..5 {
            let left: Vec<u32> = self.processes().into_iter().map(|(pid, ..)| pid).collect();
            if left.is_empty() {
                break;
            }
            kill(&left);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn configuration(dir: &Path, nodes: usize, cpus: usize) -> String {
    let at = |name: &str| dir.join(name).display().to_string();
    let (host, user) = (said("hostname", &["-s"]), said("id", &["-un"]));
    let ports = ports(nodes + 1);
    let mut text = format!(
        "ClusterName=elqui\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\n\
         AuthType=auth/munge\nAuthInfo=socket={},cred_expire=3\nCredType=cred/munge\n\
         SlurmUser={user}\nSlurmdUser={user}\n\
         StateSaveLocation={}\nSlurmdSpoolDir={}/%n\nSlurmctldPidFile={}\nSlurmdPidFile={}/slurmd-%n.pid\n\
         SlurmctldLogFile={}\nSlurmdLogFile={}/slurmd-%n.log\n",
        ports[0],
        at("munge.socket"),
        at("state"),
        at("spool"),
        at("slurmctld.pid"),
        at("log"),
        at("log/slurmctld.log"),
        at("log"),
    );
    // No cgroups, no accounting; quick to see that a node is gone and that jobs may start.
    text += "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n\
             AccountingStorageType=accounting_storage/none\nJobCompType=jobcomp/none\nMpiDefault=none\n\
             SwitchType=switch/none\nMailProg=/bin/true\nSlurmdParameters=config_overrides\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core_Memory\nReturnToService=2\n\
             EnforcePartLimits=ALL\nSlurmctldTimeout=10\nSlurmdTimeout=6\nKillWait=1\nMinJobAge=300\nSchedulerType=sched/builtin\n\
             SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=10000\n";
    for (node, port) in ports[1..].iter().enumerate() {
        let _ = writeln!(
            text,
            "NodeName=n{node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=8000 State=UNKNOWN"
        );
    }
    text + "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
}
