//! P23: an account at rest that follows fifty contracts, each with a mark price every second and a hundred changes of
//! the best bid and ask, from the bytes of the frames on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use kraite_binance::codec::Interpreter;
use kraite_binance::codec::frame::Frame;
use kraite_core::exchange::StreamEvent;
use kraite_core::journal::Journal;
use kraite_engine::Clock;
use kraite_journal::MemoryJournal;
use kraite_sim::venue::MarkFeed;

use crate::{OPENING, Seen, begin, symbol, template};

const CONTRACTS: u32 = 50;
/// Frames of the best bid and ask, per contract and second.
const BOOKS: u32 = 100;
/// Frames arrive in bursts this far apart.
const BURST: Duration = Duration::from_millis(10);
const SECONDS: u32 = 20;

fn book(n: u32, number: u64, at: i64) -> Vec<u8> {
    let symbol = symbol(n);
    let (bid, ask) = (OPENING - 1 - (number % 3) as i64, OPENING + 1 + (number % 3) as i64);
    format!(
        r#"{{"stream":"{}@bookTicker","data":{{"e":"bookTicker","u":{number},"E":{at},"T":{at},"s":"{symbol}","ps":"{symbol}","b":"{}.{:02}","B":"31.21","a":"{}.{:02}","A":"40.66","st":1}}}}"#,
        symbol.as_str().to_lowercase(),
        bid / 100,
        bid % 100,
        ask / 100,
        ask % 100,
    )
    .into_bytes()
}

fn mark(n: u32, second: u32, at: i64) -> Vec<u8> {
    let symbol = symbol(n);
    let price = OPENING + 1 + i64::from(second % 7);
    format!(
        r#"{{"stream":"{}@markPrice@1s","data":{{"e":"markPriceUpdate","E":{at},"s":"{symbol}","p":"{}.{:02}000000","ap":"150.24000000","P":"150.20000000","i":"150.23999999","r":"0.00010000","T":{at},"st":1}}}}"#,
        symbol.as_str().to_lowercase(),
        price / 100,
        price % 100,
    )
    .into_bytes()
}

/// Opens fifty positions, then follows them for some seconds while nothing fills.
pub(crate) async fn follow() {
    let clock = Clock::real();
    let (seen, template) = (Arc::new(Seen::default()), template());
    let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::default());
    let mut account = begin(1, CONTRACTS, &clock, &journal, &seen, false);
    account.venue.with(|venue, _| venue.set_mark_feed(MarkFeed::Pushed));
    for n in 0..CONTRACTS {
        account.open(&template, n).await;
    }
    let begun = Instant::now();
    while account.open_orders() < CONTRACTS as usize * 6 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(begun.elapsed() < Duration::from_secs(60), "not all positions opened: {}", seen.alerts());
    }
    // What is read right after an opening is not rest.
    tokio::time::sleep(Duration::from_secs(10)).await;

    let now = clock.now().0;
    let books: Vec<Vec<u8>> = (0..CONTRACTS).map(|n| book(n, 7_000_000_000, now)).collect();
    let mut interpreter = Interpreter::new();
    let (mut frames, mut marks, mut told) = (0_u64, 0_u64, Vec::new());
    let inputs = seen.inputs.load(Ordering::Relaxed);
    let (cpu, begun) = (ProcessTime::now(), Instant::now());
    let bursts = SECONDS * 1_000 / BURST.as_millis() as u32;
    let each_burst = BOOKS * BURST.as_millis() as u32 / 1_000;
    for burst in 0..bursts {
        for frame in &books {
            for _ in 0..each_burst {
                let read = Frame::read(std::hint::black_box(frame)).expect("a frame");
                assert!(interpreter.events(&read).events.is_empty());
                frames += 1;
            }
        }
        let a_second = 1_000 / BURST.as_millis() as u32;
        if burst % a_second == 0 {
            for n in 0..CONTRACTS {
                let read = Frame::read(&mark(n, burst / a_second, clock.now().0)).expect("a frame");
                for event in interpreter.events(&read).events {
                    let StreamEvent::Mark(mark) = event else { panic!("a mark: {event:?}") };
                    told.push(mark);
                }
                frames += 1;
            }
            marks += told.len() as u64;
            // The simulated exchange hands them to the reactor as its own pushes.
            account.venue.with(|venue, now| {
                for mark in told.drain(..) {
                    venue.set_mark(&mark.symbol, mark.price, now);
                }
            });
        }
        tokio::time::sleep((BURST * (burst + 1)).saturating_sub(begun.elapsed())).await;
    }
    let (elapsed, used) = (begun.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    let inputs = seen.inputs.load(Ordering::Relaxed) - inputs;
    assert!(inputs >= marks, "every mark reached the core: {inputs} of {marks}");
    println!("one account with {CONTRACTS} positions at rest, followed for {elapsed:.0} s:");
    println!("  frames                      {:.0} each second, {marks} marks among them", frames as f64 / elapsed);
    println!("  inputs to the core          {inputs}");
    println!("  processor time              {:.2} % of one core   at most 2 %, goal 0.5 %", 100.0 * used / elapsed);
}
