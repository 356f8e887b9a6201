//! Days that markets had: two crashes, the hours in which an exchange stood still, and bars that do not open where the
//! one before closed.
//!
//! Each is played by prices, over every bar, by the reference, and through engine and exchange, which must come to the
//! same; and what must be true of that day is told from the bars themselves.

use kraite_core::exchange::{Direction, MarginMode, TriggerBy};
use kraite_core::number::{Factor, Notional, Price};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{Budget, LadderSpec, SizingModel};
use kraite_core::time::{Millis, VenueMillis};
use kraite_sim::backtest::{Deal, Part, Plan};
use kraite_sim::data::{Bar, Columns, Span};
use kraite_sim::presets;
use kraite_sim::world::Latency;

use crate::cases::{Case, Found};
use crate::real;

const BITCOIN_MINUTES: &str = "klines/1m/BTCUSDT-1m-2025-10-10T2105-2159.csv.gz";
const BITCOIN_HOURS: &str = "klines-ohlcv/1h/BTCUSDT-1h-2019-09-08--2026-05-17.csv.gz";
const BITCOIN_FIVE_MINUTES: &str = "klines-ohlcv/5m/BTCUSDT-5m-2023-01-01--2024-05-14.csv.gz";
const SOLANA_FIVE_MINUTES: &str = "klines-ohlcv/5m/SOLUSDT-5m-2025-04-07--2026-05-16.csv.gz";
const BITCOIN_DAY: &str = "klines/1h/BTCUSDT-1h-2024-10-28.csv.gz";
const FILECOIN_OCTOBER: &str = "klines/1m/FILUSDT-1m-2024-10.csv.gz";
const FILECOIN_FEBRUARY: &str = "klines/1m/FILUSDT-1m-2025-02.csv.gz";
const AVALANCHE_FEBRUARY: &str = "klines/1m/AVAXUSDT-1m-2025-02.csv.gz";

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Midnights, UTC.
const OCTOBER_10: i64 = 1_760_054_400_000;
const FEBRUARY_3: i64 = 1_738_540_800_000;
const OCTOBER_28: i64 = 1_730_073_600_000;
const SEPTEMBER_12: i64 = 1_694_476_800_000;
const SEPTEMBER_24: i64 = 1_569_283_200_000;
const AUGUST_29: i64 = 1_756_425_600_000;

const fn time(midnight: i64, hours: i64, minutes: i64) -> VenueMillis {
    VenueMillis(midnight + hours * HOUR + minutes * MINUTE)
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// A stretch of a file, on the contract's own rules.
struct Day {
    symbol: &'static str,
    bars: Vec<Bar>,
}

impl Day {
    fn new(symbol: &'static str, file: &str, from: VenueMillis, to: VenueMillis) -> Self {
        Self { symbol, bars: real::bars(file, Span { from: Some(from), to: Some(to) }) }
    }

    fn bar(&self, at: VenueMillis) -> &Bar {
        self.bars.iter().find(|bar| bar.open_time == at).unwrap()
    }

    /// The bar before the one that opens at an instant.
    fn before(&self, at: VenueMillis) -> &Bar {
        self.bars.iter().rfind(|bar| bar.open_time < at).unwrap()
    }

    /// Four ways through it, which come to the same.
    fn play(&self, shape: &Shape, entries: &[VenueMillis]) -> Found {
        let case = self.case(shape, entries);
        let (fast, every_bar, reference) = (case.fast(), case.over_every_bar(), case.reference(None));
        assert_eq!(fast.differs_from(&reference), None, "by prices, and the reference");
        assert_eq!(every_bar.differs_from(&reference), None, "over every bar, and the reference");
        assert_eq!(case.long_way(&reference).differs_from(&reference), None, "the long way, and the reference");
        reference
    }

    fn case(&self, shape: &Shape, entries: &[VenueMillis]) -> Case {
        let spec = LadderSpec {
            rungs: shape.rungs,
            gap: shape.gap.parse().unwrap(),
            profit: shape.profit.parse().unwrap(),
            stop: shape.stop.parse().unwrap(),
            model: SizingModel::Bounded,
            ..LadderSpec::default_for(shape.direction)
        };
        let plan = Plan {
            instrument: real::contract(self.symbol),
            spec,
            budget: Budget { margin: shape.margin.parse().unwrap(), leverage_cap: shape.leverage },
            sequence: Sequence::LadderFirst,
            target_style: shape.target_style,
            stop_by: TriggerBy::Mark,
            margin_mode: shape.margin_mode,
            wallet: "20000".parse().unwrap(),
            profile: presets::binance(),
            latency: Latency::FAR,
            slippage: Factor::default(),
        };
        let unit = Columns::grid(plan.instrument.tick, self.bars[0].open);
        let entries = Some(entries.to_vec());
        Case { plan, bars: self.bars.clone(), marks: None, funding: Vec::new(), entries, unit }
    }
}

/// What a day is played with.
struct Shape {
    direction: Direction,
    rungs: u8,
    gap: &'static str,
    profit: &'static str,
    stop: &'static str,
    margin: &'static str,
    leverage: u32,
    margin_mode: MarginMode,
    target_style: TargetStyle,
}

const LONG: Shape = Shape {
    direction: Direction::Long,
    rungs: 0,
    gap: "1.5",
    profit: "5",
    stop: "2",
    margin: "1000",
    leverage: 10,
    margin_mode: MarginMode::Cross,
    target_style: TargetStyle::TriggerMarket,
};

/// What each deal was of, when, and at what price.
fn rows(found: &Found) -> Vec<(Part, VenueMillis, Price)> {
    found.deals.iter().map(|deal| (deal.of, deal.at, deal.price)).collect()
}

/// A stop is sure to be reached and not to be met: it trades at the worst of the bar that goes through it.
#[test]
#[ignore = "needs market data"]
fn s10_on_2025_10_10_a_long_is_taken_at_the_worst_of_the_bar_that_fell_through_it() {
    let at = |minutes| time(OCTOBER_10, 21, minutes);
    let day = Day::new("BTCUSDT", BITCOIN_MINUTES, at(5), at(60));
    assert_eq!(day.bars.len(), 55);
    let low = |minutes| day.bar(at(minutes)).low;

    let laddered = day.play(&Shape { rungs: 3, ..LONG }, &[at(5)]);
    let stop = price("107634.8");
    let rungs = [(12, "113281.7"), (13, "111556.6"), (13, "109831.5")];
    let mut expected = vec![(Part::Entry, at(5), price("115006.9"))];
    expected.extend((1..).zip(rungs).map(|(rung, (minutes, limit))| (Part::Rung(rung), at(minutes), price(limit))));
    expected.push((Part::Stop, at(17), low(17)));
    assert_eq!(rows(&laddered), expected);
    assert!((5..17).all(|minutes| low(minutes) > stop) && low(17) == price("105666.4"));

    // In the minute before the lowest: entered at 107,666.10, a stop at 105,512.70, and a bar down to 102,193.60.
    let alone = day.play(&LONG, &[at(18)]);
    let entry = day.bar(at(18)).open;
    assert_eq!(rows(&alone), [(Part::Entry, at(18), entry), (Part::Stop, at(19), low(19))]);
    assert!(low(18) > price("105512.7") && low(19) == price("102193.6"));

    // With fifty times its margin it is taken in that bar too, below zero; the exchange bears what its margin does not.
    let isolated = Shape { leverage: 50, stop: "20", margin_mode: MarginMode::Isolated, ..LONG };
    let taken = day.play(&isolated, &[at(18)]);
    assert_eq!(rows(&taken), [(Part::Entry, at(18), entry), (Part::Liquidation, at(19), low(19))]);
    let cost = entry.checked_mul(taken.deals[0].qty).unwrap();
    let margin_and_fee = cost.scaled_by(Factor::from_units(200 + 5, 4).unwrap()).unwrap();
    assert_eq!((taken.money.pnl, taken.deals[1].fee), (margin_and_fee.negated(), Notional::ZERO));

    // A short that the same minutes carry to its target gets what it asked for and not the lowest.
    let short = Shape { direction: Direction::Short, profit: "3", stop: "4", ..LONG };
    let won = day.play(&short, &[at(18)]);
    assert_eq!(rows(&won), [(Part::Entry, at(18), entry), (Part::Target, at(19), price("104436.1"))]);

    let five = Day::new("SOLUSDT", SOLANA_FIVE_MINUTES, time(OCTOBER_10, 0, 0), time(OCTOBER_10, 24, 0));
    let (before, crash) = (five.bar(at(10)), five.bar(at(15)));
    let stopped = five.play(&Shape { stop: "12", ..LONG }, &[at(10)]);
    assert_eq!(rows(&stopped), [(Part::Entry, at(10), before.open), (Part::Stop, at(15), crash.low)]);
    assert!(before.low > price("173.41") && crash.low == price("143"));
    // All of a wallet, and no more than that.
    let broke = five.play(&Shape { leverage: 50, margin: "20000", stop: "20", ..LONG }, &[at(10)]);
    assert_eq!(rows(&broke), [(Part::Entry, at(10), before.open), (Part::Liquidation, at(10), before.low)]);
    assert_eq!(broke.money.pnl, "-20000".parse().unwrap());
}

#[test]
#[ignore = "needs market data"]
fn s10_on_2025_02_03_rungs_fill_at_their_prices_and_the_stop_at_the_worst_of_its_bar() {
    let at = |minutes| time(FEBRUARY_3, 1, minutes);
    let shape = Shape { rungs: 2, gap: "5", stop: "2.5", ..LONG };
    let isolated = Shape { leverage: 25, stop: "30", margin_mode: MarginMode::Isolated, ..LONG };

    let filecoin = Day::new("FILUSDT", FILECOIN_FEBRUARY, time(FEBRUARY_3, 0, 0), time(FEBRUARY_3, 24, 0));
    let entry = (Part::Entry, at(45), price("3.387"));
    let found = filecoin.play(&shape, &[at(45)]);
    let (first, second) = ((Part::Rung(1), at(53), price("3.217")), (Part::Rung(2), at(54), price("3.048")));
    assert_eq!(rows(&found), [entry, first, second, (Part::Stop, at(55), filecoin.bar(at(55)).low)]);
    // Its trigger of 2.971 lies 4 % above what the bar traded at.
    assert!(filecoin.bar(at(54)).low > price("2.971") && filecoin.bar(at(55)).low == price("2.841"));
    let taken = filecoin.play(&isolated, &[at(45)]);
    assert_eq!(rows(&taken), [entry, (Part::Liquidation, at(49), filecoin.bar(at(49)).low)]);

    let avalanche = Day::new("AVAXUSDT", AVALANCHE_FEBRUARY, time(FEBRUARY_3, 0, 0), time(FEBRUARY_3, 24, 0));
    let entry = (Part::Entry, at(45), price("25.941"));
    let found = avalanche.play(&shape, &[at(45)]);
    // One bar reaches the last rung and goes through the stop behind it.
    let (first, second) = ((Part::Rung(1), at(49), price("24.643")), (Part::Rung(2), at(55), price("23.346")));
    assert_eq!(rows(&found), [entry, first, second, (Part::Stop, at(55), avalanche.bar(at(55)).low)]);
    assert_eq!(avalanche.bar(at(55)).low, price("22.451"));
    let taken = avalanche.play(&isolated, &[at(45)]);
    assert_eq!(rows(&taken), [entry, (Part::Liquidation, at(48), avalanche.bar(at(48)).low)]);
}

/// What a bar does not say, and what is made of it: from 3.214 filecoin went to 3.220 and to 3.002, in whichever order. It
/// is read as the best first, so that the target that the rung lowered to 3.200 is not reached by what may have been before
/// it; and for an hour nobody traded there again.
#[test]
#[ignore = "needs market data"]
fn s10_on_2025_02_03_a_rung_and_the_target_that_it_lowered_do_not_fill_in_one_bar() {
    let day = Day::new("FILUSDT", FILECOIN_FEBRUARY, time(FEBRUARY_3, 0, 0), time(FEBRUARY_3, 24, 0));
    let (from, fell) = (time(FEBRUARY_3, 1, 45), time(FEBRUARY_3, 1, 54));
    let shape = Shape { rungs: 4, gap: "8.5", profit: "0.36", stop: "2.5", ..LONG };
    let found = day.play(&shape, &[from]);
    let (bar, rung) = (day.bar(fell), (Part::Rung(1), fell, price("3.099")));
    assert_eq!((bar.open, bar.high, bar.low), (price("3.214"), price("3.22"), price("3.002")));
    let after = |minutes| fell.plus(Millis(minutes * MINUTE));
    let (deeper, target) = ((Part::Rung(2), after(13), price("2.811")), (Part::Target, after(45), price("2.972")));
    assert_eq!(rows(&found), [(Part::Entry, from, price("3.387")), rung, deeper, target]);
    let hour = day.bars.iter().filter(|bar| (fell.0 + 1..fell.0 + HOUR).contains(&bar.open_time.0));
    assert!(hour.map(|bar| bar.high).max().unwrap() < price("3.2"));
}

/// While an exchange stands still its bars repeat the last price. What rests is not reached by it; what is asked for then
/// is had at that price, because bars do not say that nobody trades.
#[test]
#[ignore = "needs market data"]
fn s10_in_the_frozen_hours_of_a_halt_nothing_that_rests_is_reached() {
    let halts = [
        ("FILUSDT", FILECOIN_OCTOBER, time(OCTOBER_28, 16, 21), 14),
        ("FILUSDT", FILECOIN_OCTOBER, time(OCTOBER_28, 20, 0), 74),
        ("SOLUSDT", SOLANA_FIVE_MINUTES, time(AUGUST_29, 6, 20), 3),
        ("BTCUSDT", BITCOIN_FIVE_MINUTES, time(SEPTEMBER_12, 8, 35), 3),
        ("BTCUSDT", BITCOIN_DAY, time(OCTOBER_28, 20, 0), 1),
    ];
    for (symbol, file, halt, count) in halts {
        let around = 6 * HOUR;
        let day = Day::new(symbol, file, halt.minus(Millis(around)), halt.plus(Millis(around)));
        let from = day.bars.iter().position(|bar| bar.open_time == halt).unwrap();
        let (before, frozen) = (day.bars[from - 1], &day.bars[from..from + count]);
        let moves = |bar: &Bar| [bar.open, bar.high, bar.low, bar.close].iter().any(|price| *price != before.close);
        assert!(frozen.iter().all(|bar| !moves(bar) && bar.volume.is_zero()), "{symbol} at {halt:?}");
        assert!(moves(&day.bars[from + count]));
        let resumed = day.bars[from + count].open_time;

        for direction in [Direction::Long, Direction::Short] {
            let shape = Shape { direction, rungs: 2, gap: "0.8", profit: "1.2", ..LONG };
            let found = day.play(&shape, &[before.open_time]);
            let within = |deal: &&Deal| deal.at >= halt && deal.at < resumed;
            assert_eq!(found.deals[0].of, Part::Entry);
            assert_eq!(found.deals.iter().filter(within).count(), 0, "{symbol} {direction:?}: {:?}", found.deals);
            assert!(found.deals.len() > 1, "{symbol} {direction:?}: nothing is met after the halt either");
            // One that is asked for within.
            let found = day.play(&shape, &[halt]);
            assert_eq!(rows(&found)[0], (Part::Entry, halt, before.close));
            assert_eq!(found.deals.iter().filter(within).count(), 1, "{symbol} {direction:?}: {:?}", found.deals);
        }
    }
}

/// A bar opens, at once, where it opens: what lies between the close before and that price is passed over.
#[test]
#[ignore = "needs market data"]
fn s10_a_bar_that_opens_away_from_the_close_before_it_is_met_at_its_open() {
    // After 74 minutes at 3.572.
    let day = Day::new("FILUSDT", FILECOIN_OCTOBER, time(OCTOBER_28, 12, 0), time(OCTOBER_28, 24, 0));
    let (asked, gap) = (time(OCTOBER_28, 19, 59), time(OCTOBER_28, 21, 14));
    let (close, open) = (day.before(gap).close, day.bar(gap).open);
    assert_eq!((close, open), (price("3.572"), price("3.591")));
    let entry = (Part::Entry, asked, price("3.568"));
    // A target at 3.580 that triggers gets the open, one that rests gets its own price.
    let trigger = Shape { profit: "0.36", ..LONG };
    assert_eq!(rows(&day.play(&trigger, &[asked])), [entry, (Part::Target, gap, open)]);
    let limit = Shape { target_style: TargetStyle::Limit, ..trigger };
    assert_eq!(rows(&day.play(&limit, &[asked])), [entry, (Part::Target, gap, price("3.58"))]);
    // A stop of a short at 3.578 gets the open, not its trigger, not the close before, not the worst of the bar.
    let short = Shape { direction: Direction::Short, stop: "0.3", ..LONG };
    assert_eq!(rows(&day.play(&short, &[asked, gap])), [entry, (Part::Stop, gap, open)]);
    assert_eq!(rows(&day.play(&trigger, &[gap]))[0], (Part::Entry, gap, open));

    // An hour that opens 3.3 % below the one before, below a rung and the stop behind it, and falls on.
    let day = Day::new("BTCUSDT", BITCOIN_HOURS, time(SEPTEMBER_24, 0, 0), time(SEPTEMBER_24, 24, 0));
    let (asked, gap) = (time(SEPTEMBER_24, 19, 0), time(SEPTEMBER_24, 20, 0));
    let (close, bar) = (day.before(gap).close, day.bar(gap));
    assert_eq!((close, bar.open, bar.low), (price("8645.61"), price("8358.01"), price("8137.09")));
    let shape = Shape { rungs: 1, stop: "1.5", ..LONG };
    let entry = (Part::Entry, asked, price("8683.2"));
    let found = day.play(&shape, &[asked]);
    assert_eq!(rows(&found), [entry, (Part::Rung(1), gap, price("8552.9")), (Part::Stop, gap, bar.open)]);
    assert_eq!(rows(&day.play(&shape, &[gap]))[0], (Part::Entry, gap, bar.open));
}
