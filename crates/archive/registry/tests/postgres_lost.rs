//! A PostgreSQL server that dies under readers and writers: what was told is there, nothing is there by half,
//! errors say what to do, and the same registry goes on when the server is back.
#![cfg(feature = "postgres")]

mod server;
mod suite;

use elqui_butler::CollectionKind;
use elqui_registry::{DatasetQuery, Part, Registry, RegistryError};
use server::Server;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const DEATHS: u32 = 2;
/// Runs that are filled in one transaction.
const AT_ONCE: usize = 12;
const WHOLE: usize = (suite::VISITS * suite::DETECTORS) as usize;

fn understood(e: &RegistryError) {
    let text = e.to_string();
    assert!(!text.contains('\n'), "{text}");
    let lost = text.contains("the connection to postgresql schema t_lost was lost")
        && (text.contains("try again") || text.contains("look whether it is there"));
    let down = text.contains("is the server running");
    assert!(lost || down, "{text}");
}

fn batch(r: &mut Registry, number: usize) -> Result<(), RegistryError> {
    let all: Vec<_> = (1..=suite::VISITS)
        .flat_map(|v| (0..suite::DETECTORS).map(move |d| suite::new(suite::visit_id(v, d))))
        .collect();
    let mut parts = Vec::new();
    for k in 0..AT_ONCE {
        let run = format!("b{number}/run{k}");
        r.register_collection(&run, CollectionKind::Run, "")?;
        parts.push(Part { run, dataset_type: "image".into(), quantum: None, new: all.clone() });
    }
    r.insert_batch(&[], &parts).map(|_| ())
}

/// Ends the others' work, also when this thread panics.
struct Ends<'a>(&'a AtomicBool);
impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Wait for what others do, however slow the machine is.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_server_dies_and_comes_back() {
    let server = Server::start("fsync = on\nfull_page_writes = on\n");
    let at = server.at("t_lost");
    let mut r = Registry::create(&at).unwrap();
    suite::fill(&mut r);
    suite::dataset_type(&mut r, "image", &["visit", "detector"]);
    let mut idle = Registry::open(&at).unwrap();
    assert!(idle.collections("*").unwrap().is_empty());
    let (enough, up) = (AtomicBool::new(false), AtomicBool::new(true));
    // How many batches were told of, how many failed, and how many reads found their answer.
    let counts = [0; 3].map(AtomicUsize::new);
    let more = |which: usize, by: usize| {
        let wanted = counts[which].load(Ordering::SeqCst) + by;
        until("nothing went on", || counts[which].load(Ordering::SeqCst) >= wanted);
    };
    let (told, doubtful) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut told, mut doubtful, mut number) = (Vec::new(), Vec::new(), 0);
            while !enough.load(Ordering::SeqCst) {
                number += 1;
                match batch(&mut r, number) {
                    Ok(()) => {
                        told.push(number);
                        counts[0].fetch_add(1, Ordering::SeqCst);
                    }
                    Err(e) => {
                        understood(&e);
                        doubtful.push(number);
                        counts[1].fetch_add(1, Ordering::SeqCst);
                        if !up.load(Ordering::SeqCst) {
                            std::thread::sleep(Duration::from_millis(30));
                        }
                    }
                }
            }
            (told, doubtful)
        });
        let reader = scope.spawn(|| {
            let mut r = Registry::open(&at).unwrap();
            let query = DatasetQuery::new("image", &["b1/run0"], "visit OVERLAPS BOX(20, 0, 9, 1)");
            let mut good = 0;
            while !enough.load(Ordering::SeqCst) {
                match r.datasets(&query) {
                    Ok(found) => {
                        assert!([0, 36, 40].contains(&found.len()), "{}", found.len());
                        good += 1;
                        counts[2].fetch_add(1, Ordering::SeqCst);
                    }
                    Err(RegistryError::Unknown { .. }) => {}
                    Err(e) => understood(&e),
                }
            }
            good
        });
        let ends = Ends(&enough);
        for death in 0..DEATHS {
            more(0, 2);
            more(2, 6);
            // In the middle of something.
            std::thread::sleep(Duration::from_millis(7 + u64::from(death) * 37));
            up.store(false, Ordering::SeqCst);
            server.down();
            more(1, 1);
            server.up();
            up.store(true, Ordering::SeqCst);
        }
        more(0, 2);
        more(2, 1);
        drop(ends);
        assert!(reader.join().unwrap() > 10);
        writer.join().unwrap()
    });
    assert!(!doubtful.is_empty() && told.len() > 3, "{} told, {doubtful:?}", told.len());
    // The writer went on after the last death, with the connection that it made itself.
    assert!(told.last() > doubtful.last(), "{told:?} {doubtful:?}");
    // One that slept all the time notices nothing.
    let runs = idle.collections("*").unwrap();
    for number in told.iter().chain(&doubtful) {
        let name = |k: usize| format!("b{number}/run{k}");
        let known = |k: &usize| runs.iter().any(|c| c.name == name(*k));
        let counts: Vec<usize> = (0..AT_ONCE)
            .map(|k| match known(&k) {
                true => idle.datasets(&DatasetQuery::new("image", &[&name(k)], "")).unwrap().len(),
                false => 0,
            })
            .collect();
        let n = counts[0];
        assert!(counts.iter().all(|c| *c == n) && (n == 0 || n == WHOLE), "{number}: {counts:?}");
        assert!(n == WHOLE || !told.contains(number), "batch {number} was told of and is lost");
    }
    // Gone for good: said at once, and not after minutes.
    server.down();
    let start = Instant::now();
    let reads = idle.collections("*").unwrap_err();
    let writes = idle.register_collection("late", CollectionKind::Run, "").unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5));
    understood(&reads);
    understood(&writes);
    server.up();
    assert!(idle.register_collection("late", CollectionKind::Run, "").unwrap());
}
