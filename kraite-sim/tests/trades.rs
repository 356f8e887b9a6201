//! A venue that trades drive, one by one, as a file of aggregate trades has them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::{Path, PathBuf};

use kraite_core::engine::{Command, CommandId};
use kraite_core::id::Role;
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::{Phase, Position, Why};
use kraite_core::time::{Millis, VenueMillis};
use kraite_sim::data::{Trade, TradeReader};
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::world::{Nemesis, World};

const HEADER: &str = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n";

fn file(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("trades.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn read(path: &Path) -> Result<Vec<Trade>, String> {
    let mut reader = TradeReader::open(path).map_err(|error| error.to_string())?;
    let mut trades = Vec::new();
    while let Some(trade) = reader.next_trade().map_err(|error| error.to_string())? {
        trades.push(trade);
    }
    Ok(trades)
}

fn position(world: &World) -> &Position {
    world.engine(script::account()).unwrap().state().positions.values().next().unwrap()
}

fn rungs_filled(world: &World) -> usize {
    let rungs = position(world).orders.values().filter(|order| matches!(order.role(), Role::Rung(_)));
    rungs.filter(|order| order.executed().qty.is_positive()).count()
}

/// From the opening price through the first rung at 137.46 and up to the re-priced target at 142.23.
fn path(start: i64) -> String {
    let prices = ["150.24", "148.10", "143.00", "138.50", "137.47", "137.45", "139.00", "141.90", "142.22", "142.30"];
    let rows = (0i64..).zip(prices).map(|(n, price)| {
        let at = start + 5_000 * n;
        format!("{},{price},100,{},{},{at},false\n", 71 + n, 171 + 2 * n, 172 + 2 * n)
    });
    rows.collect()
}

#[test]
fn s07_trades_alone_fill_the_rung_and_the_limit_target_and_a_mark_fills_neither() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = script::world(presets::binance(), Nemesis::scheduled(1, Default::default()), Timing::default());
    world.run_for(Millis(500));
    let script = Script::open_to_close().styled(TargetStyle::Limit, Sequence::LadderFirst);
    let request = script::request(&script, &world).unwrap();
    let symbol = request.instrument.symbol.clone();
    world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
    world.run_for(Millis::from_secs(5));
    let start = world.now().0 + 1;
    for text in [path(start), format!("{HEADER}{}", path(start))] {
        assert_eq!(read(&file(folder.path(), &text)).unwrap().len(), 10);
    }
    let mut rung_at = None;
    for trade in read(&folder.path().join("trades.csv")).unwrap() {
        world.run_until(VenueMillis(trade.at.0));
        let (filled, open) = (rungs_filled(&world), position(&world).exposure());
        world.by_hand(|venue, now| venue.set_mark(&symbol, trade.price, now));
        world.run_for(Millis(2_000));
        assert_eq!((rungs_filled(&world), position(&world).exposure()), (filled, open), "a mark fills nothing");
        world.by_hand(|venue, now| venue.trade(&symbol, trade.price, now));
        world.run_for(Millis(2_000));
        if rungs_filled(&world) == 1 && rung_at.is_none() {
            rung_at = Some(trade.price.to_string());
        }
    }
    assert_eq!(rung_at.as_deref(), Some("137.45"));
    world.run_for(Millis::from_secs(60));
    assert_eq!((position(&world).phase, position(&world).why), (Phase::Closed, Why::TargetFilled));
    let verdict = world.conclude();
    assert_eq!((verdict.violations, rungs_filled(&world)), (0, 1), "{:#?}", verdict.findings);
}

#[test]
fn trades_that_are_wrong_are_named_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let sound = path(1_000);
    assert_eq!(read(&file(folder.path(), sound.trim_end())).unwrap().len(), 10, "the last line needs no end");
    for (text, line, word) in [
        (sound.replacen("148.10", "up", 1), "line 2", "price"),
        (sound.replacen(",100,", ",0,", 1), "line 1", "no trade"),
        (sound.replacen("false", "maybe", 1), "line 1", "is_buyer_maker"),
        (sound[..sound.len() - 20].to_owned(), "line 10", "cut off"),
        (sound.replacen("\n73,", "\n71,", 1), "line 3", "out of order"),
        (HEADER.to_owned(), "trades.csv", "is empty"),
    ] {
        let error = read(&file(folder.path(), &text)).unwrap_err();
        assert!(error.contains("trades.csv") && error.contains(line) && error.contains(word), "{error}");
    }
}
