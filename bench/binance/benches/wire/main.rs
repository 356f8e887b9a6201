//! The wire in one process and one run: see `README.md`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench reads the wall clock and waits for it")]

mod decode;
mod latency;
mod place;
mod rounds;
mod server;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if asked.first().is_some_and(|word| word == server::WORD) {
        server::serve();
    }
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|word| name.contains(word.as_str()));
    println!("| what | kraite | beside it, same run | ratio | goal |");
    println!("| --- | ---: | ---: | ---: | --- |");
    if wanted("place") {
        place::run();
    }
    if wanted("decode") {
        decode::run();
    }
    if wanted("latency") {
        latency::run();
    }
}
