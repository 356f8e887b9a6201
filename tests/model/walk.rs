//! Ways through the model with the real core beside it: every edge once, and whole traces at random.

use std::collections::BTreeSet;

use kraite_core::Capabilities;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use stateright::Model as _;

use super::bridge::{Disagreement, Twin};
use super::protocol::{Action, Protocol};
use super::world::World;

/// How much was walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Walked {
    /// Worlds that were reached.
    pub(crate) worlds: usize,
    /// Steps that were taken, and agreed on.
    pub(crate) steps: usize,
}

/// Which of the steps that are possible in a world is taken first: another order comes to worlds on
/// other ways, with another past of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preference {
    /// The calm ones.
    Calm,
    /// The faults.
    Hostile,
}

struct Place {
    world: World,
    twin: Twin,
    came_by: Option<Action>,
    left: Vec<Action>,
}

impl Place {
    fn new(protocol: &Protocol, first: Preference, world: World, twin: Twin, came_by: Option<Action>) -> Self {
        let mut left = Vec::new();
        protocol.actions(&world, &mut left);
        if first == Preference::Calm {
            left.reverse();
        }
        Self { world, twin, came_by, left }
    }
}

/// Takes every edge of the graph once, with the engine that came to its beginning on the first way there.
pub(crate) fn every_edge(
    protocol: &Protocol,
    capabilities: &Capabilities,
    first: Preference,
) -> Result<Walked, Disagreement> {
    let (mut seen, mut walked) = (BTreeSet::new(), Walked::default());
    for world in protocol.init_states() {
        seen.insert(world.clone());
        let mut way = vec![Place::new(protocol, first, world, Twin::new(capabilities)?, None)];
        while let Some(place) = way.last_mut() {
            let Some(action) = place.left.pop() else {
                way.pop();
                continue;
            };
            let Some(next) = protocol.next_state(&place.world, action) else { continue };
            let mut twin = place.twin.clone();
            if let Err(why) = twin.follow(&place.world, action, &next) {
                let trace: Vec<_> = way.iter().filter_map(|place| place.came_by).chain([action]).collect();
                return Err(told(&trace, &next, &why));
            }
            walked.steps += 1;
            if seen.insert(next.clone()) {
                way.push(Place::new(protocol, first, next, twin, Some(action)));
            }
        }
    }
    walked.worlds = seen.len();
    Ok(walked)
}

/// Whole traces, drawn from a seed: each until nothing about the order is open any more. In one half of the
/// traces every second step is hostile, in the others every eighth or every thirty-second, where it can be.
pub(crate) fn traces(
    protocol: &Protocol,
    capabilities: &Capabilities,
    seed: u64,
    count: usize,
) -> Result<Walked, Disagreement> {
    let (mut seen, mut walked) = (BTreeSet::new(), Walked::default());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (starts, fresh) = (protocol.init_states(), Twin::new(capabilities)?);
    for number in 0..count {
        let (mut world, mut twin, mut trace) = (starts[number % starts.len()].clone(), fresh.clone(), Vec::new());
        let calm = [2, 2, 8, 32][number % 4];
        while !world.is_over() {
            let mut actions = Vec::new();
            protocol.actions(&world, &mut actions);
            let steps: Vec<_> =
                actions.into_iter().filter_map(|a| Some((a, protocol.next_state(&world, a)?))).collect();
            let (hostile, friendly): (Vec<_>, Vec<_>) = steps.into_iter().partition(|(a, _)| a.is_hostile());
            let strike = !hostile.is_empty() && (friendly.is_empty() || rng.random_range(0..calm) == 0);
            let steps = if strike { hostile } else { friendly };
            let (action, next) = steps[rng.random_range(0..steps.len())].clone();
            trace.push(action);
            twin.follow(&world, action, &next).map_err(|why| told(&trace, &next, &why))?;
            seen.insert(next.clone());
            walked.steps += 1;
            world = next;
        }
    }
    walked.worlds = seen.len();
    Ok(walked)
}

fn told(trace: &[Action], world: &World, why: &str) -> Disagreement {
    format!("{why}\nafter {trace:?}\nin {world:#?}")
}
