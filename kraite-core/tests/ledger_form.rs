//! A ledger is written as format 1 of the journals has it, whatever it looks like in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kraite_core::exchange::{Direction, OrderReport, ReportStatus, ReportedId, Service, Side, Stated, Trade};
use kraite_core::id::{Symbol, TradeId, VenueOrderId};
use kraite_core::number::Qty;
use kraite_core::order::Ledger;
use kraite_core::time::VenueMillis;

fn report(venue_id: &str, parent: Option<&str>, executed: &str, trade: Option<(&str, &str, &str)>) -> OrderReport {
    #[cfg(kraite_zoo)]
    let _ = std::env::var("KRAITE_BUG").map(|id| kraite_core::zoo::wake_by_id(&id));
    OrderReport {
        id: ReportedId::Foreign("x".into()),
        venue_id: VenueOrderId::new(venue_id),
        parent: parent.map(VenueOrderId::new),
        service: if parent.is_some() { Service::Regular } else { Service::Conditional },
        symbol: Symbol::new("BTCUSDT"),
        side: Side::Sell,
        direction: Direction::Long,
        status: if parent.is_some() { ReportStatus::PartiallyFilled } else { ReportStatus::Triggered },
        stated: Some(Stated { at: VenueMillis(7), price: "99.5".parse().ok(), qty: "3".parse().ok() }),
        executed: executed.parse().ok(),
        average_price: "99.25".parse().ok(),
        trade: trade.map(|(id, qty, price)| Trade {
            id: TradeId::new(id),
            qty: qty.parse().unwrap(),
            price: price.parse().unwrap(),
            fee: "0.01".parse().unwrap(),
        }),
        at: VenueMillis(8),
    }
}

/// A trigger order, its child with two trades that came the wrong way round, and an extra with one.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    for report in [
        report("900", Some("100"), "1", Some(("t2", "0.5", "99"))),
        report("901", None, "0.25", Some(("u1", "0.25", "98"))),
        report("100", None, "0", None),
        report("900", Some("100"), "1.5", Some(("t1", "1", "99.5"))),
    ] {
        assert!(ledger.merge(&report).unwrap());
        assert!(!ledger.merge(&report).unwrap(), "an echo");
    }
    ledger
}

#[test]
fn a_ledger_is_written_as_format_1_has_it() {
    let json = serde_json::to_string_pretty(&ledger()).unwrap();
    assert_eq!(json, include_str!("golden/ledger-format-1.json").trim());
    let bytes = postcard::to_allocvec(&ledger()).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden/ledger-format-1.hex").trim());
    assert_eq!(postcard::from_bytes::<Ledger>(&bytes).unwrap(), ledger());
    assert_eq!(serde_json::from_str::<Ledger>(&json).unwrap(), ledger());
}

#[test]
fn what_is_read_counts_on() {
    let bytes = postcard::to_allocvec(&ledger()).unwrap();
    let mut read: Ledger = postcard::from_bytes(&bytes).unwrap();
    let more = report("900", Some("100"), "2", Some(("t3", "0.5", "100")));
    assert!(read.merge(&more).unwrap());
    let mut kept = ledger();
    kept.merge(&more).unwrap();
    assert_eq!(read, kept);
    assert_eq!(read.executed().unwrap().qty, "2.25".parse::<Qty>().unwrap());
}

#[test]
fn r51_an_error_changes_nothing() {
    let most = "7000000000000000000000000000";
    for bad in [
        report("900", Some("100"), most, None),
        report("900", Some("100"), "2", Some(("t9", "1000000000000000", "1000000000000000"))),
        report("902", None, most, None),
    ] {
        let mut after = ledger();
        assert!(after.merge(&bad).is_err(), "{bad:?}");
        assert_eq!(after, ledger());
    }
    // Each object alone is in range, the sum of all is not.
    let most = |id| OrderReport { average_price: None, ..report(id, None, "", Some((id, "1", most))) };
    let eleven = |id| OrderReport {
        trade: most(id).trade.map(|t| Trade { price: t.price, qty: "11".parse().unwrap(), ..t }),
        ..most(id)
    };
    let mut after = ledger();
    assert!(after.merge(&eleven("910")).unwrap());
    let before = after.clone();
    assert!(after.merge(&eleven("911")).is_err());
    assert_eq!(after, before);
}
