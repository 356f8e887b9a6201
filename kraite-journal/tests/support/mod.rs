//! Records for the journal tests.
#![allow(dead_code, reason = "each test binary uses its part")]

#[cfg(feature = "postgres")]
pub(crate) mod cluster;
#[cfg(feature = "postgres")]
pub(crate) mod database;

use futures_util::FutureExt as _;
use kraite_core::engine::{Alert, Answer, Command, CommandId, CommandRefusal, Event, InputKind, Limit};
use kraite_core::id::{AccountTag, Epoch, PositionNo, Symbol};
use kraite_core::instrument::{Instrument, PriceBand};
use kraite_core::journal::Record;
use kraite_core::position::{PhaseEvent, Why};
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};

pub(crate) fn account(n: u32) -> AccountTag {
    AccountTag::new(n).unwrap()
}

/// A record whose content is different for every number.
pub(crate) fn record(seq: u64, epoch: Epoch) -> Record {
    let at = i64::try_from(seq).unwrap() * 7;
    let events = (0..seq % 4)
        .map(|n| Event::Alerted {
            position: PositionNo::new(u32::try_from(seq + n).unwrap()).unwrap(),
            alert: Alert::NeedsAttention,
        })
        .collect();
    Record {
        seq,
        epoch,
        at: Moment { local: LocalMillis(at), venue: VenueMillis(at + 3), error: Millis(1) },
        input: InputKind::Deadline,
        events,
    }
}

/// A record that holds the newest kinds of input and event.
pub(crate) fn rules_record(seq: u64, epoch: Epoch) -> Record {
    let rules = Instrument {
        symbol: Symbol::new("SOLUSDT"),
        quote: "USDT".into(),
        tick: "0.05".parse().unwrap(),
        lot: "0.01".parse().unwrap(),
        market_lot: "0.1".parse().unwrap(),
        min_qty: "0.01".parse().unwrap(),
        max_qty: "1000".parse().unwrap(),
        max_market_qty: "100".parse().unwrap(),
        min_price: "0.05".parse().unwrap(),
        max_price: Some("9999".parse().unwrap()),
        min_notional: "50".parse().unwrap(),
        band: PriceBand { buy_max: Some("1.05".parse().unwrap()), ..PriceBand::default() },
        max_orders: Some(200),
        brackets: Vec::new(),
        maker_fee: "0.0002".parse().unwrap(),
        taker_fee: "0.0005".parse().unwrap(),
    };
    let position = PositionNo::new(7).unwrap();
    Record {
        seq,
        epoch,
        at: Moment { local: LocalMillis(28), venue: VenueMillis(31), error: Millis(1) },
        input: InputKind::Answer(Answer::Rules(rules.symbol.clone(), Ok(Box::new(rules)))),
        events: vec![
            Event::RulesRead { position },
            Event::Moved { position, on: PhaseEvent::CloseBegan, why: Why::TargetRefused },
        ],
    }
}

/// A record that holds what limits and halts lead to; no engine writes all of it at once.
pub(crate) fn limits_record(seq: u64, epoch: Epoch) -> Record {
    let position = PositionNo::new(7).unwrap();
    let (most, found) = ("1000".parse().unwrap(), Some("1000.5".parse().unwrap()));
    let rate = Limit::ExposingOrdersPerMinute { most: 5, found: 6 };
    Record {
        seq,
        epoch,
        at: Moment { local: LocalMillis(35), venue: VenueMillis(38), error: Millis(1) },
        input: InputKind::Command(CommandId(9), Command::Halt),
        events: vec![
            Event::AccountHalted,
            Event::AccountResumed,
            Event::LimitReached { position, limit: Limit::WorstLoss { most, found } },
            Event::CommandRefused(CommandRefusal::Halted),
            Event::CommandRefused(CommandRefusal::Limit(rate)),
            Event::Moved { position, on: PhaseEvent::Abandoned, why: Why::Limited },
            Event::Alerted { position, alert: Alert::RungWithheld },
        ],
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    struct Park(std::thread::Thread);
    impl std::task::Wake for Park {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Park(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.poll_unpin(&mut context) {
            return value;
        }
        std::thread::park();
    }
}
