//! S10: what is pushed and what is polled feed the same transitions. Either alone, and both with doubled and reordered
//! messages, come to the same state.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::arithmetic_side_effects, reason = "small numbers of a test")]

use std::fmt::Write as _;

use kraite_core::exchange::Direction;
use kraite_core::id::{Role, Symbol};
use kraite_core::number::{Percent, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::Position;
use kraite_core::time::Millis;
use kraite_sim::presets;
use kraite_sim::script::{self, Beat, Change, Played, Script, Timing};
use kraite_sim::world::{Nemesis, Rates, Stream};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const RUNS: u64 = 1_000;
/// Longer than two polling periods: whoever only polls has seen and done everything by then.
const HOLD: Millis = Millis::from_secs(700);
/// Out of 10,000 messages so many are doubled, and as many come late enough to pass others.
const NOISE: Rates = Rates { double: 2_000, delay: 2_000, ..Rates::NONE };

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, most: u32) -> u32 {
        self.0.next_u32() % most
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(u32::try_from(all.len()).unwrap()) as usize].clone()
    }
}

/// A position and what becomes of it: prices that stay, other hands, and commands.
fn drawn(seed: u64) -> Script {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    let mut price = 15_024;
    let mut beats = vec![Beat::Wait(HOLD)];
    for _ in 0..4 + draw.below(7) {
        let beat = match draw.below(16) {
            0 => Beat::CancelByHand(draw.of(&[Role::Rung(1), Role::Rung(2), Role::Stop, Role::Target])),
            1 => Beat::SellByHand,
            2 => Beat::Close,
            3 => Beat::Adjust(Change::Rung(1 + u8::try_from(draw.below(4)).unwrap())),
            4 => Beat::Adjust(Change::Part(Qty::from_units(i64::from(1 + draw.below(50)), 2).unwrap())),
            5 => Beat::Adjust(Change::Target(Percent::from_units(i64::from(20 + draw.below(300)), 2).unwrap())),
            6 => Beat::Adjust(draw.of(&[Change::Hold, Change::Release])),
            7 => Beat::Adjust(Change::Stop(8_000 + i64::from(draw.below(1_500)))),
            _ => {
                price = (price + i64::from(draw.below(3_000)) - 1_700).clamp(7_500, 16_500);
                Beat::Price(price)
            }
        };
        beats.extend([beat, Beat::Wait(HOLD)]);
    }
    let life = Script { beats, name: "drawn", ..Script::open_to_close() };
    let style = draw.of(&[TargetStyle::TriggerMarket, TargetStyle::Limit]);
    let life = life.styled(style, draw.of(&[Sequence::LadderFirst, Sequence::ProtectFirst]));
    if draw.of(&[Direction::Long, Direction::Short]) == Direction::Short { life.short() } else { life }
}

fn lived(seed: u64, stream: Stream, rates: Rates) -> Played {
    let shapes = presets::shapes();
    let profile = shapes[usize::try_from(seed % 2).unwrap()].clone();
    let life = drawn(seed);
    let style = if profile.capabilities.protection == kraite_core::capabilities::Protection::Paired {
        TargetStyle::TriggerMarket
    } else {
        life.target_style
    };
    let sequence = life.sequence;
    let world = script::world(profile, Nemesis::random(seed, rates), Timing::default());
    script::play_in(&life.styled(style, sequence), world, stream)
}

/// Everything that a state says but for ids, instants, and how often something was tried.
fn told(position: &Position) -> String {
    let mut text = format!(
        "{:?} {:?}, {} open, stop {}, worst loss {:?}, left out {:?}, parts {}, profit {}, result {:?}\n",
        position.phase,
        position.why,
        position.exposure(),
        position.stop_price,
        position.max_loss,
        position.dropped,
        position.hands.parts,
        position.profit(),
        position.realised()
    );
    for role in [Role::Entry, Role::Target, Role::Stop, Role::Close].into_iter().chain((1..=4).map(Role::Rung)) {
        let executed = position.executed_by(|other| other == role).unwrap();
        let _ = writeln!(text, "  {role}: {} for {:?}, fees {}", executed.qty, executed.cost, executed.fee);
    }
    let gone = position.external.values().try_fold(Qty::ZERO, |sum, qty| sum.checked_add(*qty)).unwrap();
    let _ = writeln!(text, "  by other hands: {gone}");
    text
}

fn state(played: &Played) -> String {
    let engine = played.world.engine(script::account()).unwrap();
    let symbol: Symbol = presets::instrument().symbol;
    let wallet = played.world.venue.wallet(script::account());
    let open = played.world.venue.exposures(script::account()).count();
    let mut text =
        format!("{symbol}: wallet {wallet}, {open} positions at the venue, before the end {:?}\n", played.unaided);
    engine.state().positions.values().for_each(|position| text.push_str(&told(position)));
    text
}

#[test]
fn s10_push_alone_poll_alone_and_both_with_doubled_and_reordered_messages_end_in_the_same_state() {
    let (mut ends, mut apart, mut read) = (std::collections::BTreeMap::<String, usize>::new(), Vec::new(), [0, 0]);
    for seed in 1..=RUNS {
        let paths = [
            ("pushed", lived(seed, Stream::Push, Rates::NONE)),
            ("polled", lived(seed, Stream::Silent, Rates::NONE)),
            ("noisy", lived(seed, Stream::Push, NOISE)),
        ];
        for (name, played) in &paths {
            assert!(played.is_clean(), "{seed} {name}: {:?} {:?}", played.verdict.findings, played.unaided);
        }
        let [pushed, others @ ..] = &paths;
        // Fees of what was not pushed are read from the books.
        let booked = |played: &Played| {
            let engine = played.world.engine(script::account()).unwrap();
            engine.state().positions.values().any(|position| position.booked.is_some())
        };
        read[0] += usize::from(booked(&pushed.1));
        read[1] += usize::from(booked(&paths[1].1));
        for other in others {
            let (left, right) = (state(&pushed.1), state(&other.1));
            if left != right {
                apart.push(format!("seed {seed}, {}:\n{left}{}:\n{right}", pushed.0, other.0));
            }
        }
        let position = pushed.1.world.engine(script::account()).unwrap().state().positions.values().next();
        *ends.entry(format!("{:?}", position.map(|p| p.why))).or_default() += 1;
    }
    println!("paths: {RUNS} cases, {ends:?}, {read:?} had their books read");
    assert_eq!(read[1], RUNS as usize, "nothing is told where nothing is pushed");
    assert!(
        apart.is_empty(),
        "{} of {}:\n{}",
        apart.len(),
        2 * RUNS,
        apart.iter().take(4).cloned().collect::<String>()
    );
    assert!(ends.len() >= 4, "{ends:?}");
}
