//! Any prefix of a journal restores to the state it had, through bytes and through a snapshot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use kraite::core::engine::{Command, CommandId, Config, Effect, Engine, Event, Input, InputKind, OpenRequest, State};
use kraite::core::exchange::{Direction, MarginMode, Mark, PositionMode, TriggerBy};
use kraite::core::id::{AccountTag, Epoch};
use kraite::core::journal::{Loaded, Record, Snapshot};
use kraite::core::number::{Factor, Price};
use kraite::core::plan::{Sequence, TargetStyle};
use kraite::core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite::core::time::{LocalMillis, Millis, Moment, VenueMillis};
use kraite::journal::{decode, decode_state, encode, encode_state};
use kraite::sim::presets;
use kraite::sim::venue::{Venue, VenueProfile};
use proptest::prelude::*;

const START: i64 = 1_760_000_000_000;

fn account() -> AccountTag {
    AccountTag::new(3).unwrap()
}

fn moment(now: i64) -> Moment {
    Moment { local: LocalMillis(now), venue: VenueMillis(now), error: Millis(1) }
}

fn request(direction: Direction, style: TargetStyle, now: i64) -> OpenRequest {
    let instrument = presets::instrument();
    OpenRequest {
        spec: LadderSpec {
            direction,
            rungs: 3,
            gap: "2".parse().unwrap(),
            multipliers: vec![Factor::from_integer(2)],
            profit: "0.4".parse().unwrap(),
            stop: "1.5".parse().unwrap(),
            model: SizingModel::default_for(direction),
            basis: TargetBasis::AverageEntry,
            headroom: "0".parse().unwrap(),
        },
        budget: Budget { margin: "200".parse().unwrap(), leverage_cap: 20 },
        sequence: Sequence::LadderFirst,
        target_style: style,
        stop_by: TriggerBy::Mark,
        mode: PositionMode::OneWay,
        margin_mode: MarginMode::Cross,
        mark: Mark {
            symbol: instrument.symbol.clone(),
            price: Price::from_units(15_000, 2).unwrap(),
            at: VenueMillis(now),
        },
        instrument,
    }
}

/// The engine on a venue that answers at once, in an order that `shuffle` picks: every record, and the state
/// after it.
fn run(
    profile: VenueProfile,
    direction: Direction,
    style: TargetStyle,
    steps: &[i64],
    shuffle: &[u8],
) -> (Config, VenueProfile, Vec<(Record, State)>) {
    let instrument = presets::instrument();
    let symbol = instrument.symbol.clone();
    let mut venue = Venue::new(profile.clone(), VenueMillis(START));
    venue.list(instrument);
    venue.open_account(account(), PositionMode::OneWay, "5000".parse().unwrap());
    let mut cents = 15_000;
    let price = |cents: i64| Price::from_units(cents, 2).unwrap();
    venue.price(&symbol, price(cents), price(cents), VenueMillis(START));
    let config = Config::default();
    let epoch = Epoch::new(1).unwrap();
    let mut engine =
        Engine::restore(config.clone(), profile.capabilities.clone(), account(), epoch, Loaded::default()).unwrap();
    let open = InputKind::Command(CommandId(1), Command::Open(Box::new(request(direction, style, START))));
    let mut inbox = vec![InputKind::Started, open];
    let (mut log, mut now, mut turn) = (Vec::new(), START, 0usize);
    for step in steps {
        for _ in 0..60 {
            let kind = if inbox.is_empty() {
                InputKind::Deadline
            } else {
                inbox.remove(usize::from(shuffle[turn % shuffle.len()]) % inbox.len())
            };
            turn += 1;
            now += 50;
            let step = engine.step(Input { at: moment(now), kind });
            if let Some(record) = step.record() {
                log.push((record.clone(), engine.state().clone()));
            }
            for effect in step.preview().to_vec() {
                match effect {
                    Effect::Send { request, .. } => {
                        let at = VenueMillis(now);
                        inbox.extend(
                            venue
                                .request(account(), &request, at, at)
                                .into_iter()
                                .map(|(s, o)| InputKind::Outcome(s, o)),
                        );
                    }
                    Effect::Query(query) => {
                        inbox.push(InputKind::Answer(venue.query(account(), &query, VenueMillis(now))))
                    }
                    Effect::Notify(_) => {}
                }
            }
            inbox.extend(venue.drain().into_iter().map(|(_, event)| InputKind::Push(event)));
        }
        cents = (cents + step).clamp(8_000, 25_000);
        now += 2_000;
        venue.price(&symbol, price(cents), price(cents), VenueMillis(now));
    }
    (config, profile, log)
}

fn restore(config: &Config, profile: &VenueProfile, loaded: Loaded) -> State {
    let epoch = Epoch::new(1).unwrap();
    let engine = Engine::restore(config.clone(), profile.capabilities.clone(), account(), epoch, loaded).unwrap();
    engine.state().clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn i10_any_prefix_of_a_journal_restores_to_the_state_it_had(
        paired in any::<bool>(),
        short in any::<bool>(),
        limit in any::<bool>(),
        steps in proptest::collection::vec(-400i64..400, 2..14),
        shuffle in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let profile = if paired { presets::bitget() } else { presets::binance() };
        let direction = if short { Direction::Short } else { Direction::Long };
        let style = if limit { TargetStyle::Limit } else { TargetStyle::TriggerMarket };
        let (config, profile, log) = run(profile, direction, style, &steps, &shuffle);
        let opened = |(record, _): &(Record, State)| record.events.iter().any(|e| matches!(e, Event::Intended { .. }));
        prop_assert!(log.iter().any(opened), "{} records and no order", log.len());
        // Through the bytes of the journal.
        let records: Vec<Record> = log
            .iter()
            .map(|(record, _)| decode(account(), record.seq, &encode(account(), record).unwrap()).unwrap())
            .collect();
        for (place, (_, state)) in log.iter().enumerate() {
            let prefix = Loaded { snapshot: None, records: records[..=place].to_vec() };
            prop_assert_eq!(&restore(&config, &profile, prefix), state, "prefix of {} records", place + 1);
        }
        // And from a snapshot in the middle.
        let middle = log.len() / 2;
        let state = decode_state(account(), log[middle].1.seq, &encode_state(account(), &log[middle].1).unwrap()).unwrap();
        let snapshot = Snapshot { seq: state.seq, state };
        let loaded = Loaded { snapshot: Some(snapshot), records: records[middle + 1..].to_vec() };
        prop_assert_eq!(&restore(&config, &profile, loaded), &log.last().unwrap().1);
    }
}

/// The comparison can fail: without one of its records, the state is another.
#[test]
fn mutant_a_record_left_out_is_noticed() {
    let (config, profile, log) =
        run(presets::binance(), Direction::Long, TargetStyle::TriggerMarket, &[-100, -300, 200], &[0]);
    let mut noticed = 0;
    for place in 0..log.len() {
        let mut records: Vec<Record> = log.iter().map(|(record, _)| record.clone()).collect();
        records.remove(place);
        let epoch = Epoch::new(1).unwrap();
        let loaded = Loaded { snapshot: None, records };
        let restored = Engine::restore(config.clone(), profile.capabilities.clone(), account(), epoch, loaded);
        noticed += usize::from(restored.map_or(true, |engine| *engine.state() != log.last().unwrap().1));
    }
    assert_eq!(noticed, log.len());
}
