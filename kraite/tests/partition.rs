//! `kraite run` on hosts in network namespaces of their own, whose way to the database is cut without a word while the
//! exchange can still be reached: the worst a network can do, since such a host could still trade.
//!
//! `tests/postgres/run cargo test --workspace --test partition -- --ignored`, as root, where there is `ip`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "processes are waited for on the wall's clock")]

mod stage;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use kraite_core::id::Role;
use rustix::process::Signal;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use stage::hosts::{Hosts, LEASE_SECONDS, NAMES};
use stage::{Running, until};

fn ip(args: &str) {
    let output = Command::new("ip").args(args.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A host's network: a loopback of its own, and a cable to this machine.
struct Space {
    name: String,
    /// This machine's end of the cable.
    cable: String,
    /// What this machine is called at the other end.
    gateway: String,
}

impl Space {
    fn new(number: u32) -> Self {
        let me = std::process::id() % 10_000;
        let name = format!("kraite-{me}-{number}");
        let (cable, far) = (format!("kr{me}h{number}"), format!("kr{me}s{number}"));
        let (gateway, address) = (format!("10.197.{number}.1"), format!("10.197.{number}.2"));
        ip(&format!("netns add {name}"));
        ip(&format!("link add {cable} type veth peer name {far} netns {name}"));
        ip(&format!("addr add {gateway}/30 dev {cable}"));
        ip(&format!("link set {cable} up"));
        for args in
            [format!("addr add {address}/30 dev {far}"), format!("link set {far} up"), "link set lo up".to_owned()]
        {
            ip(&format!("-n {name} {args}"));
        }
        Self { name, cable, gateway }
    }

    /// What listens on this machine's loopback is on that of the space too.
    fn has(&self, port: u16) {
        let path = format!("/run/netns/{}", self.name);
        let (told, is_there) = channel();
        std::thread::spawn(move || {
            // Sockets stay in the network where they were made.
            move_to(&path);
            let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
            told.send(()).unwrap();
            let (taken, calls) = channel();
            answer_from_home(calls, port);
            for call in listener.incoming() {
                taken.send(call.unwrap()).unwrap();
            }
        });
        is_there.recv().unwrap();
    }

    /// What listens on this machine's loopback can be reached through the cable, at the same port.
    fn reaches(&self, port: u16) {
        let listener = TcpListener::bind((self.gateway.as_str(), port)).unwrap();
        std::thread::spawn(move || listener.incoming().for_each(|call| join(call.unwrap(), port)));
    }

    /// Nothing arrives any more at either end, and nobody is told.
    fn cut(&self) {
        ip(&format!("link set {} down", self.cable));
    }

    fn mend(&self) {
        ip(&format!("link set {} up", self.cable));
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Answers calls that were taken in another network. A thread is in the network of the one that made it; the process
/// itself is at home.
fn answer_from_home(calls: Receiver<TcpStream>, port: u16) {
    std::thread::spawn(move || {
        move_to(&format!("/proc/{}/ns/net", std::process::id()));
        calls.into_iter().for_each(|call| join(call, port));
    });
}

/// Moves this thread, and no other, into a network.
fn move_to(path: &str) {
    let space = std::fs::File::open(path).unwrap();
    move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// Carries everything between a caller and a port of the loopback until one of them ends.
fn join(call: TcpStream, port: u16) {
    let Ok(other) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let pump = |mut from: TcpStream, mut to: TcpStream| {
        std::thread::spawn(move || {
            let mut bytes = [0; 16_384];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    };
    pump(call.try_clone().unwrap(), other.try_clone().unwrap());
    pump(other, call);
}

fn port_of(address: &str) -> u16 {
    let authority = address.split_once("://").unwrap().1.split(['/', '?']).next().unwrap();
    authority.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A host in a space, on the database at the other end of its cable.
fn run(hosts: &Hosts, space: &Space, host: &str) -> Running {
    let port = port_of(&hosts.address);
    let address = hosts.address.replace(&format!("127.0.0.1:{port}"), &format!("{}:{port}", space.gateway));
    let inside = hosts.prepared(host, &["run", "--signals", "-"]);
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &space.name]).arg(inside.get_program()).args(inside.get_args());
    for (name, value) in inside.get_envs() {
        command.env(name, value.unwrap());
    }
    command.current_dir(inside.get_current_dir().unwrap()).env("KRAITE_DATABASE", format!("{address}&sslmode=disable"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::of(command)
}

#[test]
#[ignore = "needs PostgreSQL, root and network namespaces"]
fn i14_a_host_that_is_cut_off_sends_nothing_and_the_other_one_goes_on() {
    let cuts: u32 = std::env::var("KRAITE_CUTS").map_or(3, |cuts| cuts.parse().unwrap());
    let hosts = Hosts::new("partition");
    let spaces = [Space::new(1), Space::new(2)];
    for space in &spaces {
        space.reaches(port_of(&hosts.address));
        let mut ports: Vec<u16> =
            hosts.stage.emulators.iter().flat_map(|(_, e)| [port_of(&e.http()), port_of(&e.ws())]).collect();
        ports.sort_unstable();
        ports.dedup();
        ports.into_iter().for_each(|port| space.has(port));
    }
    let mut runs = [run(&hosts, &spaces[0], "h1"), run(&hosts, &spaces[1], "h2")];
    let targets = || hosts.stage.ids_ever("apart").iter().filter(|(role, _)| *role == Role::Target).count();
    for (id, name) in (1..).zip(NAMES) {
        let [first, second] = &mut runs;
        assert_eq!(hosts.opens(&mut [first, second], id, name)["repeated"], Value::Null);
    }
    until("protected", || hosts.all_are_protected());
    let prices = ["137", "124", "111"];
    for cut in 0..cuts {
        // The one that works on `apart`, whichever that is: its rungs fill while nobody hears of it.
        let owner = || hosts.owners()[0].clone();
        until("somebody's", || owner().is_some());
        let (name, before) = (owner().unwrap(), targets());
        let (cut_off, other) = if name == "h1" { (0, "h2") } else { (1, "h1") };
        let ever: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name).len()).collect();
        spaces[cut_off].cut();
        let began = Instant::now();
        let moved = prices.get(cut as usize);
        if let Some(price) = moved {
            hosts.stage.price("apart", price);
        }
        until("taken over", || {
            let all = hosts.all_are_on(other);
            // As long as nobody else has them, nothing at all is sent for them.
            let now: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name).len()).collect();
            assert!(all || now == ever || owner().as_deref() == Some(other), "{name} sends what it cannot record");
            all
        });
        println!("cut {cut}: {name}'s accounts are taken over after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(LEASE_SECONDS + 10), "{:?}", began.elapsed());
        let after = before + usize::from(moved.is_some());
        until("re-priced by the other one", || targets() == after);
        spaces[cut_off].mend();
        until("told", || runs[cut_off].times_told(&format!("the lease of host {name} has ended")) > 0);
        let shared = || hosts.owners().iter().flatten().collect::<std::collections::BTreeSet<_>>().len() == 2;
        until("shared again", shared);
        assert_eq!(targets(), after, "whoever was cut off places nothing when it is back");
        assert_eq!(hosts.entries(), [1, 1, 1]);
        // What it says of the next cut is told apart.
        runs[cut_off].told.lock().unwrap().clear();
    }
    until("flat", || {
        // Each host takes it for what it works on, and says of the rest where that is.
        for name in ["h1", "h2"] {
            hosts.said(name, &["flatten", "all"]);
        }
        NAMES.iter().all(|name| hosts.stage.open(name) == (0, 0))
    });
    assert_eq!(hosts.entries(), [1, 1, 1]);
    for run in runs {
        let (code, told) = run.kill(Signal::INT);
        assert_eq!(code, Some(0), "{told}");
    }
}
