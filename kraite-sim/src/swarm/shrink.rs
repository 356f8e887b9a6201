//! From a failing life to the shortest schedule that still fails, and its picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kraite_core::time::{Millis, VenueMillis};

use super::act::Act;
use super::life::Life;
use super::live::{Lived, Manner, live_in};
use crate::world::Fate;

/// A failing life, made as short as it gets.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// What happens.
    pub acts: Vec<(Millis, Act)>,
    /// The fates that are dealt; everything else passes.
    pub schedule: BTreeMap<u64, Fate>,
    /// How many lives were lived to find it.
    pub tried: u64,
    /// How it ends, with its story.
    pub lived: Lived,
}

/// How many lives are lived at most.
const PATIENCE: u64 = 20_000;

struct Shrinker {
    life: Life,
    schedule: BTreeMap<u64, Fate>,
    tried: u64,
}

impl Shrinker {
    fn fails(&mut self, acts: &[(Millis, Act)], schedule: &BTreeMap<u64, Fate>) -> bool {
        self.tried += 1;
        let life = Life { acts: acts.to_vec(), ..self.life.clone() };
        let manner = Manner { schedule: Some(schedule.clone()), ..Manner::default() };
        self.tried < PATIENCE && !live_in(&life, manner).is_clean()
    }

    /// Leaves out faults, halves first, then single ones.
    fn fewer_faults(&mut self) -> bool {
        let mut shorter = false;
        let mut size = self.schedule.len().div_ceil(2);
        while size > 0 {
            let keys: Vec<u64> = self.schedule.keys().copied().collect();
            for chunk in keys.chunks(size) {
                let mut candidate = self.schedule.clone();
                candidate.retain(|key, _| !chunk.contains(key));
                if candidate.len() < self.schedule.len() && self.fails(&self.life.acts.clone(), &candidate) {
                    self.schedule = candidate;
                    shorter = true;
                }
            }
            size /= 2;
        }
        shorter
    }

    /// Leaves out acts; the time they took stays.
    fn fewer_acts(&mut self) -> bool {
        let mut shorter = false;
        let mut place = self.life.acts.len();
        while place > 0 {
            place -= 1;
            let mut candidate = self.life.acts.clone();
            let (gap, _) = candidate.remove(place);
            if let Some((next, _)) = candidate.get_mut(place) {
                *next = next.plus(gap);
            }
            // What was dealt after a missing act has other numbers: the faults go with it where they must.
            if self.fails(&candidate, &self.schedule.clone()) {
                self.life.acts = candidate;
                shorter = true;
            }
        }
        shorter
    }
}

/// The shortest schedule found that fails as the life does; `None` if the life does not fail.
#[must_use]
pub fn shrink(life: &Life) -> Option<Shrunk> {
    let first = live_in(life, Manner { write_down: true, ..Manner::default() });
    if first.is_clean() {
        return None;
    }
    let mut shrinker = Shrinker { life: life.clone(), schedule: first.schedule.clone(), tried: 1 };
    if shrinker.fails(&life.acts, &first.schedule) {
        while shrinker.fewer_faults() | shrinker.fewer_acts() {}
    }
    let Shrinker { life, schedule, tried } = shrinker;
    let lived = live_in(&life, Manner { schedule: Some(schedule.clone()), narrate: true, write_down: false });
    Some(Shrunk { acts: life.acts, schedule, tried, lived })
}

/// The story of a life as a sequence diagram in Mermaid's language.
#[must_use]
pub fn diagram(story: &[(VenueMillis, String)]) -> String {
    let mut out = String::from("sequenceDiagram\n    participant W as worker\n    participant X as exchange\n");
    let start = story.first().map_or(0, |(at, _)| at.0);
    for (at, line) in story {
        let words: String = line.chars().map(|c| if matches!(c, ';' | '#' | '\n') { ' ' } else { c }).collect();
        let ms = at.0 - start;
        let (mark, rest) = words.split_at_checked(2).unwrap_or(("", &words));
        let _ = match mark {
            "->" => writeln!(out, "    W->>X: {ms} ms {}", rest.trim()),
            "<-" => writeln!(out, "    X-->>W: {ms} ms {}", rest.trim()),
            "<~" => writeln!(out, "    X-)W: {ms} ms {}", rest.trim()),
            _ => writeln!(out, "    Note over W: {ms} ms {}", words.trim()),
        };
    }
    out
}
