//! A bad day: twelve positions over three accounts on both venues, a crash of the market, streams that break, bans, lost
//! replies, other hands, and five SIGKILLs. In the end every position is protected, closed or cancelled, and nothing was
//! there twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "processes are waited for on the wall's clock")]

mod stage;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kraite_core::exchange::Purpose;
use kraite_core::id::{AccountTag, Role, Symbol};
use kraite_core::number::{Percent, Price};
use kraite_core::rounding::floor_price;
use kraite_core::time::VenueMillis;
use kraite_sim::data::{Gaps, KlineReader};
use kraite_sim::emulator::{Emulator, FaultRules, Protocol, Rule};
use rustix::process::Signal;
use serde_json::{Value, json};
use stage::{PATIENCE, Running, SPEED, Stage, VENUE_ACCOUNT, kraite};

const CONTRACTS: [&str; 4] = ["ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT"];
/// A position may be without a stop for as long as it takes to start the process again and to look, on the venue's clock.
const NAKED_MS: u32 = 120_000;

/// What happens after a bar, by its share of the day in hundredths.
enum Blow {
    Kill,
    CutStreams(usize),
    Faults(usize, FaultRules, u32),
    /// The user cancels our order of this role.
    Cancel(usize, &'static str, Role),
    /// The user takes a position off.
    Sell(usize, &'static str),
}

fn blows() -> Vec<(usize, Blow)> {
    let named = |name: &str, protocol| FaultRules::named(name, protocol).unwrap();
    let ban: Rule = serde_json::from_value(json!({ "fault": { "kind": "ban", "ms": 8_000 }, "times": 1 })).unwrap();
    let later = |hundredths, blow| (hundredths, blow);
    vec![
        later(5, Blow::CutStreams(0)),
        later(10, Blow::Kill),
        later(15, Blow::Cancel(1, "ETHUSDT", Role::Rung(4))),
        later(20, Blow::Faults(2, FaultRules(vec![ban.clone()]), 1)),
        later(27, Blow::Kill),
        later(33, Blow::Faults(0, named("chaos", Protocol::Binance), 15)),
        later(42, Blow::Kill),
        later(47, Blow::Sell(0, "XRPUSDT")),
        later(50, Blow::CutStreams(1)),
        later(53, Blow::Cancel(1, "XRPUSDT", Role::Stop)),
        later(58, Blow::Kill),
        later(63, Blow::Faults(1, named("lost-replies", Protocol::BitgetClassic), 8)),
        later(70, Blow::Faults(0, FaultRules(vec![ban]), 1)),
        later(77, Blow::Kill),
        later(85, Blow::CutStreams(2)),
    ]
}

/// A market that falls by a tenth and comes back by half of that, in minutes: prices as percents off the first.
fn made_up(minutes: usize) -> Vec<[Percent; 4]> {
    let share = |minute: usize, quarter: usize| {
        let at = i64::try_from(minute * 4 + quarter).unwrap() * 1_000 / i64::try_from(minutes * 4).unwrap();
        let fall = if at < 500 { at * 2 } else { 1_000 - (at - 500) };
        let shiver = [0, 9, -7, 4][quarter];
        Percent::from_units(shiver - fall, 2).unwrap()
    };
    (0..minutes).map(|minute| [0, 1, 2, 3].map(|quarter| share(minute, quarter))).collect()
}

/// The first minutes of a file of bars.
fn recorded(path: &Path, minutes: usize) -> Vec<[Percent; 4]> {
    let mut reader = KlineReader::new(vec![path.to_owned()], Gaps::Refuse);
    let bars: Vec<_> = std::iter::from_fn(|| reader.next_wanted().unwrap()).take(minutes).collect();
    assert_eq!(bars.len(), minutes);
    let first = bars[0].open;
    let number = |price: Price| price.to_string().parse::<f64>().unwrap();
    #[allow(clippy::cast_possible_truncation, reason = "hundredths of a percent")]
    let share = |price| Percent::from_units(((number(price) / number(first) - 1.0) * 10_000.0) as i64, 2).unwrap();
    bars.iter().map(|bar| [bar.open, bar.low, bar.high, bar.close].map(share)).collect()
}

/// The day as it is lived.
struct Day {
    stage: Stage,
    run: Option<Running>,
    opening: BTreeMap<&'static str, Price>,
    kills: usize,
}

impl Day {
    fn begins() -> Self {
        let stage = Stage::new();
        let plan = "margin = \"100\"\nrungs = 4\ngap = \"2.5\"\nprofit = \"4\"\nstop = \"2.5\"\nsizing = \"bounded\"\n";
        let text = stage.text().replace("margin = \"100\"\n", plan);
        std::fs::write(stage.config(), text).unwrap();
        let opening = stage.emulator("apart").with_venue(|venue| {
            CONTRACTS.map(|name| (name, venue.last(&Symbol::new(name)).unwrap())).into_iter().collect()
        });
        let run = Some(stage.run());
        Self { stage, run, opening, kills: 0 }
    }

    fn emulator(&self, place: usize) -> &Emulator {
        &self.stage.emulators[place].1
    }

    /// Every position is asked for under the same ids as before.
    fn asks_for_all(&mut self) -> usize {
        let run = self.run.as_mut().unwrap();
        let (mut id, mut repeated) = (0, 0);
        for (name, _) in &self.stage.emulators {
            for (n, contract) in CONTRACTS.into_iter().enumerate() {
                id += 1;
                let direction = if n % 2 == 0 { "long" } else { "short" };
                let line = json!({ "id": id, "account": name, "open": contract, "direction": direction, "plan": "p" });
                let began = Instant::now();
                loop {
                    run.says(&line);
                    let answer = run.answers();
                    if answer["position"].is_u64() || answer["repeated"] == true {
                        repeated += usize::from(answer["repeated"] == true);
                        break;
                    }
                    let again = answer["error"].as_str().is_some_and(|error| error.contains("may be given again"));
                    assert!(again && began.elapsed() < PATIENCE, "{line}: {answer}");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        repeated
    }

    fn statuses(&self) -> Vec<(String, Value)> {
        let args = ["status", "--journal", "j", "--json", "--all"];
        let output = kraite(self.stage.folder.path(), &args).stdin(Stdio::null()).output().unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let positions = shown["accounts"].as_array().into_iter().flatten().flat_map(|account| {
            account["positions"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|position| (format!("{} {}", account["account"], position["symbol"]), position.clone()))
        });
        positions.collect()
    }

    /// Waits until every position is as it may be for good.
    fn comes_to_rest(&self, what: &str, fine: &[&str]) -> Vec<(String, Value)> {
        let began = Instant::now();
        loop {
            let all = self.statuses();
            let is_fine = |position: &Value| {
                fine.contains(&position["status"].as_str().unwrap_or_default())
                    && position["unprotected_since_ms"].is_null()
            };
            if all.len() == 12 && all.iter().all(|(_, position)| is_fine(position)) {
                return all;
            }
            if began.elapsed() > PATIENCE {
                let stuck: Vec<_> = all.iter().filter(|(_, position)| !is_fine(position)).collect();
                panic!("{what}: {} positions, of which these are not {fine:?}: {stuck:#?}", all.len());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn price(&self, share: Percent) {
        for (_, emulator) in &self.stage.emulators {
            let now = VenueMillis(emulator.clock().now().0);
            emulator.with_venue(|venue| {
                for (name, opening) in &self.opening {
                    let symbol = Symbol::new(name);
                    let tick = venue.market(&symbol).unwrap().instrument.tick;
                    let price = floor_price(opening.shifted_by(share).unwrap(), tick).unwrap();
                    venue.price(&symbol, price, price, now);
                }
            });
        }
    }

    fn suffers(&mut self, blow: Blow) {
        let account = AccountTag::new(VENUE_ACCOUNT).unwrap();
        match blow {
            Blow::Kill => {
                assert_eq!(self.run.take().unwrap().kill(Signal::KILL).0, None);
                self.kills += 1;
                self.run = Some(self.stage.run());
            }
            Blow::CutStreams(place) => {
                self.emulator(place).cut_streams();
            }
            Blow::Faults(place, rules, times) => {
                for rule in rules.0 {
                    assert!(self.emulator(place).add_fault(Rule { times: Some(times), ..rule }));
                }
            }
            Blow::Cancel(place, contract, role) => self.emulator(place).with_venue(|venue| {
                let ours = venue.open(account).find(|order| {
                    order.symbol.as_str() == contract
                        && order.client_id().is_some_and(|id| id.key().logical.role == role)
                });
                if let Some(order) = ours.map(|order| order.id.venue_id()) {
                    let _ = venue.user_cancel(&order, venue.now());
                }
            }),
            Blow::Sell(place, contract) => self.emulator(place).with_venue(|venue| {
                let held = venue.exposures(account).find(|(symbol, ..)| symbol.as_str() == contract);
                if let Some((symbol, direction, qty)) = held {
                    let _ = venue.user_market(account, &symbol, direction, Purpose::Close, qty, venue.now());
                }
            }),
        }
    }

    /// The verdict from the venue's own book.
    fn audit(&self, place: usize) -> Value {
        let address = self.emulator(place).http();
        let mut stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).unwrap();
        let path = format!("/_kraite/v1/audit?naked_ms={NAKED_MS}");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    fn lives(mut self, bars: &[[Percent; 4]]) {
        assert_eq!(self.asks_for_all(), 0);
        self.comes_to_rest("opened", &["active"]);
        let mut blows = blows().into_iter().peekable();
        for (n, bar) in bars.iter().enumerate() {
            for share in bar {
                self.price(*share);
                std::thread::sleep(Duration::from_millis(u64::from(15_000 / SPEED)));
            }
            while let Some((_, blow)) = blows.next_if(|(hundredths, _)| n * 100 >= hundredths * bars.len()) {
                self.suffers(blow);
            }
        }
        assert_eq!((self.kills, blows.count()), (5, 0));
        let all = self.comes_to_rest("after the day", &["active", "closed", "cancelled"]);
        assert_eq!(self.asks_for_all(), 12, "nothing is opened by what was asked for before");
        let mut ends = BTreeMap::<String, usize>::new();
        for (_, position) in &all {
            *ends.entry(position["status"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let (mut orders, mut met, mut longest) = (0, 0, 0);
        for place in 0..self.stage.emulators.len() {
            let verdict = self.audit(place);
            assert_eq!((&verdict["ok"], &verdict["naked_now"]), (&json!(true), &json!([])), "{verdict:#}");
            assert_eq!(verdict["orphans_now"], json!([]), "{verdict:#}");
            orders += verdict["orders"].as_u64().unwrap();
            longest = longest.max(verdict["longest_naked_ms"].as_u64().unwrap());
            met += self.emulator(place).faults_met();
        }
        println!(
            "bad day: {} minutes, 5 kills, {met} faults met, {orders} orders, {ends:?}, {longest} ms without a stop at most",
            bars.len()
        );
        assert!(met > 10, "{met}");
        let (code, told) = self.run.take().unwrap().kill(Signal::INT);
        assert_eq!(code, Some(0), "{told}");
    }
}

#[test]
fn s04_s12_twelve_positions_survive_a_bad_day() {
    Day::begins().lives(&made_up(10));
}

#[test]
#[ignore = "needs the market data that KRAITE_DATA names"]
fn s04_s12_twelve_positions_survive_half_an_hour_of_the_crash_of_2025_10_10() {
    let folder = std::env::var("KRAITE_DATA").expect("KRAITE_DATA names the data folder");
    let path = Path::new(&folder).join("binance-um/klines/1m/BTCUSDT-1m-2025-10-10T2105-2159.csv.gz");
    Day::begins().lives(&recorded(&path, 30));
}
