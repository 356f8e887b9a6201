//! `kraite fetch-data` from an archive on this machine, which breaks off, lies, and was changed meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

/// What an archive has, and how it answers.
#[derive(Default)]
struct Has {
    files: BTreeMap<String, Vec<u8>>,
    /// Each answer ends after so many bytes of its body.
    cut: Option<usize>,
    /// So many answers are 503 first.
    busy: u32,
    ranges: bool,
    asked: Vec<(String, Option<usize>)>,
}

#[derive(Clone)]
struct Archive {
    has: Arc<Mutex<Has>>,
    address: String,
}

fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Archive {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let has = Arc::new(Mutex::new(Has { ranges: true, ..Has::default() }));
        let archive = Self { address: format!("http://{}", listener.local_addr().unwrap()), has };
        let serving = archive.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serving.answer(stream.unwrap());
            }
        });
        archive
    }

    fn put(&self, path: &str, body: &[u8]) {
        let name = path.rsplit('/').next().unwrap();
        let mut has = self.has.lock().unwrap();
        has.files.insert(format!("{path}.CHECKSUM"), format!("{}  {name}\n", hex(body)).into_bytes());
        has.files.insert(path.to_owned(), body.to_vec());
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let Some(request) = lines.next() else { return };
        let path = request.split(' ').nth(1).unwrap().to_owned();
        let header = lines.take_while(|line| !line.is_empty()).find(|line| line.to_lowercase().starts_with("range:"));
        let from: Option<usize> =
            header.map(|line| line.split('=').nth(1).unwrap().trim_end_matches('-').parse().unwrap());
        let mut has = self.has.lock().unwrap();
        has.asked.push((path.clone(), from));
        if has.busy > 0 {
            has.busy -= 1;
            let _ =
                stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            return;
        }
        let Some(body) = has.files.get(&path) else {
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            return;
        };
        let from = from.filter(|_| has.ranges);
        let (status, rest) = match from {
            Some(from) if from >= body.len() => ("416 Range Not Satisfiable", &[][..]),
            Some(from) => ("206 Partial Content", &body[from..]),
            None => ("200 OK", &body[..]),
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rest.len());
        let sent = has.cut.filter(|_| !path.ends_with("CHECKSUM")).map_or(rest, |cut| &rest[..cut.min(rest.len())]);
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent));
    }

    /// How often a file was asked for, and from where on.
    fn asked(&self, name: &str) -> Vec<Option<usize>> {
        let has = self.has.lock().unwrap();
        has.asked.iter().filter(|(path, _)| path.ends_with(name)).map(|(_, from)| *from).collect()
    }
}

const MONTH: &str = "/data/futures/um/monthly/klines/SOLUSDT/1m/SOLUSDT-1m-2025-05.zip";

fn body(seed: u8) -> Vec<u8> {
    (0..200_000_u32).map(|n| (n * 7 + n / 256) as u8 ^ seed).collect()
}

fn fetch(archive: &Archive, folder: &Path, args: &str) -> (i32, Value, String) {
    let url = if args.contains("--base-url") { String::new() } else { format!("--base-url {}", archive.address) };
    let fixed = format!("fetch-data --symbol SOLUSDT --dir data --json {url}");
    let output = Command::cargo_bin("kraite")
        .unwrap()
        .current_dir(folder)
        .args(fixed.split_whitespace().chain(args.split_whitespace()))
        .output()
        .unwrap();
    let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), told, String::from_utf8(output.stderr).unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder.join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn months_and_days_are_fetched_once_and_checked() {
    let (archive, folder) = (Archive::start(), tempfile::tempdir().unwrap());
    archive.put(MONTH, &body(1));
    archive.put(&MONTH.replace("05.zip", "06.zip"), &body(2));
    archive.put("/data/futures/um/daily/aggTrades/SOLUSDT/SOLUSDT-aggTrades-2025-05-31.zip", &body(3));
    archive.put("/data/futures/um/monthly/fundingRate/SOLUSDT/SOLUSDT-fundingRate-2025-05.zip", &body(4));
    archive.has.lock().unwrap().busy = 2;
    let (code, told, stderr) = fetch(&archive, folder.path(), "--from 2025-05 --to 2025-06");
    assert_eq!(code, 0, "{stderr}");
    assert_eq!((&told["files"][0]["became"], told["files"].as_array().unwrap().len()), (&"fetched".into(), 2));
    assert_eq!(std::fs::read(folder.path().join("data/SOLUSDT-1m-2025-05.zip")).unwrap(), body(1));
    let (code, told, _) = fetch(&archive, folder.path(), "--from 2025-05 --to 2025-06");
    assert_eq!((code, &told["files"][1]["became"]), (0, &"was-there".into()));
    assert_eq!(archive.asked("SOLUSDT-1m-2025-05.zip").len(), 1);
    let days = "--kind agg-trades --from 2025-05-31 --to 2025-05-31";
    assert_eq!(fetch(&archive, folder.path(), days).0, 0);
    assert_eq!(fetch(&archive, folder.path(), "--kind funding-rate --from 2025-05 --to 2025-05").0, 0);
    assert!(names(folder.path()).iter().all(|name| name.ends_with(".zip") || name.ends_with(".CHECKSUM")));
    assert_eq!(names(folder.path()).len(), 8);
    // What the archive tells apart by folders alone has another name here, and takes nothing's place.
    archive.put(&MONTH.replace("klines", "markPriceKlines"), &body(5));
    let (code, told, _) = fetch(&archive, folder.path(), "--kind mark-price-klines --from 2025-05 --to 2025-05");
    assert_eq!((code, &told["files"][0]["file"]), (0, &"data/SOLUSDT-1m-mark-2025-05.zip".into()), "{told}");
    assert_eq!(std::fs::read(folder.path().join("data/SOLUSDT-1m-mark-2025-05.zip")).unwrap(), body(5));
    assert_eq!(std::fs::read(folder.path().join("data/SOLUSDT-1m-2025-05.zip")).unwrap(), body(1));
    let checksum = std::fs::read_to_string(folder.path().join("data/SOLUSDT-1m-mark-2025-05.zip.CHECKSUM")).unwrap();
    assert!(checksum.ends_with("  SOLUSDT-1m-mark-2025-05.zip\n"), "{checksum}");
}

#[test]
fn what_breaks_off_goes_on_where_it_was() {
    let (archive, folder) = (Archive::start(), tempfile::tempdir().unwrap());
    archive.put(MONTH, &body(1));
    archive.has.lock().unwrap().cut = Some(60_000);
    // Four tries of 60,000 bytes each are enough for 200,000.
    let (code, _, stderr) = fetch(&archive, folder.path(), "--from 2025-05 --to 2025-05");
    assert_eq!(code, 0, "{stderr}");
    let starts = archive.asked("2025-05.zip");
    assert_eq!(starts.len(), 4, "{starts:?}");
    assert!(starts.windows(2).all(|two| two[1] > two[0]), "{starts:?}");
    assert_eq!(std::fs::read(folder.path().join("data/SOLUSDT-1m-2025-05.zip")).unwrap(), body(1));

    // And across runs: the first gives up and leaves its part.
    let folder = tempfile::tempdir().unwrap();
    archive.has.lock().unwrap().cut = Some(30_000);
    let (code, _, stderr) = fetch(&archive, folder.path(), "--from 2025-05 --to 2025-05");
    assert!(code == 4 && stderr.contains("run it again to go on"), "{stderr}");
    assert_eq!(names(folder.path()), ["SOLUSDT-1m-2025-05.zip.part"]);
    archive.has.lock().unwrap().cut = None;
    assert_eq!(fetch(&archive, folder.path(), "--from 2025-05 --to 2025-05").0, 0);
    assert_eq!(std::fs::read(folder.path().join("data/SOLUSDT-1m-2025-05.zip")).unwrap(), body(1));
    // A part that is no part of it is begun anew.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/SOLUSDT-1m-2025-05.zip.part"), body(9)).unwrap();
    assert_eq!(fetch(&archive, folder.path(), "--from 2025-05 --to 2025-05").0, 0);
    // An archive that knows no ranges sends all of it.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/SOLUSDT-1m-2025-05.zip.part"), &body(1)[..500]).unwrap();
    archive.has.lock().unwrap().ranges = false;
    assert_eq!(fetch(&archive, folder.path(), "--from 2025-05 --to 2025-05").0, 0);
}

#[test]
fn a_file_that_is_not_what_was_published_never_has_its_name() {
    let (archive, folder) = (Archive::start(), tempfile::tempdir().unwrap());
    archive.put(MONTH, &body(1));
    let mut wrong = body(1);
    wrong[77] ^= 1;
    archive.has.lock().unwrap().files.insert(MONTH.to_owned(), wrong);
    let (code, _, stderr) = fetch(&archive, folder.path(), "--from 2025-05 --to 2025-05");
    assert!(code == 4 && stderr.contains("published SHA-256"), "{stderr}");
    assert!(names(folder.path()).is_empty());

    // Published anew: nothing is written over unless that is asked for.
    archive.put(MONTH, &body(1));
    assert_eq!(fetch(&archive, folder.path(), "--from 2025-05 --to 2025-05").0, 0);
    archive.put(MONTH, &body(2));
    let (code, _, stderr) = fetch(&archive, folder.path(), "--from 2025-05 --to 2025-05");
    assert!(code == 9 && stderr.contains("--renew"), "{stderr}");
    assert_eq!(std::fs::read(folder.path().join("data/SOLUSDT-1m-2025-05.zip")).unwrap(), body(1));
    assert_eq!(fetch(&archive, folder.path(), "--from 2025-05 --to 2025-05 --renew").0, 0);
    assert_eq!(std::fs::read(folder.path().join("data/SOLUSDT-1m-2025-05.zip")).unwrap(), body(2));

    // Two at once would write into one another's file.
    let part = folder.path().join("data/SOLUSDT-1m-2025-06.zip.part");
    archive.put(&MONTH.replace("05.zip", "06.zip"), &body(5));
    let held = std::fs::File::create(&part).unwrap();
    held.lock().unwrap();
    let (code, _, stderr) = fetch(&archive, folder.path(), "--from 2025-06 --to 2025-06");
    assert!(code == 1 && stderr.contains("another process fetches it"), "{stderr}");
    assert_eq!(part.metadata().unwrap().len(), 0);
    drop(held);
    assert_eq!(fetch(&archive, folder.path(), "--from 2025-06 --to 2025-06").0, 0);

    let checksum = format!("{MONTH}.CHECKSUM");
    archive.has.lock().unwrap().files.insert(checksum, b"<html>maintenance</html>".to_vec());
    for (args, code, words) in [
        ("--from 2025-05 --to 2025-05", 4, "does not hold the SHA-256"),
        ("--from 2031-05 --to 2031-05", 4, "is not in the archive"),
        ("--from 2025-05 --to 2025-04", 2, "is before"),
        ("--from 2025-05-01 --to 2025-05-02 --kind funding-rate", 2, "by months only"),
        ("--from 2025-05 --to 2025-05 --interval ../x", 2, "--interval"),
        ("--from 2025-05 --to 2025-05 --base-url ftp://127.0.0.1", 2, "begins with https://"),
        ("--from 2025-05 --to 2025-05 --base-url http://me:secret@127.0.0.1", 2, "no password"),
    ] {
        let (ended, _, stderr) = fetch(&archive, folder.path(), args);
        assert!(ended == code && stderr.contains(words) && stderr.lines().count() == 1, "{args}: {ended} {stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    }
    assert_eq!(names(folder.path()).len(), 4);
}
