//! A whole life of a position in the simulated world; the bytes say which, and what goes wrong when.
//!
//! It is the world that the crash explorer walks through: the production core behind the production `commit`,
//! and an auditor that looks after every event. The explorer tries everything of up to three faults; here a few
//! more may meet, guided by which code they reach.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::time::Millis;
use kraite_sim::presets;
use kraite_sim::script::{self, Play, Played, Script, Timing};
use kraite_sim::world::{Fate, Nemesis, Stream};

use crate::Bytes;

/// Bytes before the first fate.
pub(crate) const HEADER: usize = 4;
/// Fates that are read; choice points beyond them pass. A life without faults has 100 to 300.
pub(crate) const MAX_FATES: usize = 512;
/// Things go wrong for so long, about as long as a script takes: the auditor allows a worker that is told nothing
/// two minutes without a stop, and 25 are left in which all must be resolved.
const FAULTS_LAST: Millis = Millis::from_secs(30);

/// The flags of the second byte.
pub(crate) const PAIRED: u8 = 1;
pub(crate) const SILENT: u8 = 2;
pub(crate) const LIMIT: u8 = 4;
pub(crate) const DOUBLE_REQUESTS: u8 = 8;

/// The scripts that the first byte chooses from: those of the explorer, then whole lives.
pub(crate) fn scripts() -> Vec<Script> {
    Script::catalogue().into_iter().chain(Script::lives()).collect()
}

/// What the bytes say.
pub(crate) struct Case {
    script: Script,
    listed: bool,
    paired: bool,
    stream: Stream,
    seed: u64,
    restart: Option<Millis>,
    double_requests: bool,
    fates: Vec<u8>,
}

impl Case {
    pub(crate) fn read(data: &[u8]) -> Self {
        let mut bytes = Bytes::new(data);
        let listed = Script::catalogue().len();
        let scripts = scripts();
        let place = usize::from(bytes.u8()) % scripts.len();
        let flags = bytes.u8();
        let (paired, limit) = (flags & PAIRED != 0, flags & LIMIT != 0);
        let mut script = scripts[place].clone();
        // Protection in one call has no limit target.
        if place < listed && limit && !paired {
            script = script.styled(TargetStyle::Limit, Sequence::LadderFirst);
        }
        let seed = u64::from(bytes.u8()).max(1);
        // Up to 65 s, most of them short.
        let restart = i64::from(bytes.u8());
        Self {
            script,
            listed: place < listed,
            paired,
            stream: if flags & SILENT == 0 { Stream::Push } else { Stream::Silent },
            seed,
            restart: (restart > 0).then(|| Millis(restart * restart)),
            double_requests: flags & DOUBLE_REQUESTS != 0,
            fates: bytes.rest().iter().copied().take(MAX_FATES).collect(),
        }
    }

    fn timing(&self) -> Timing {
        let drawn = Timing::drawn(self.seed);
        Timing { restart: self.restart.unwrap_or(drawn.restart), ..drawn }
    }

    pub(crate) fn play(&self, mut nemesis: Nemesis, narrate: bool) -> Played {
        nemesis.write_down();
        let profile = if self.paired { presets::bitget() } else { presets::binance() };
        let mut world = script::world(profile, nemesis, self.timing());
        if narrate {
            world.narrate();
        }
        let healed = world.now().plus(FAULTS_LAST);
        let mut play = Play::new(Arc::new(self.script.clone()), world, self.stream);
        while play.advance() {
            if play.world.now() >= healed {
                play.world.nemesis.calm_down();
            }
        }
        play.conclude()
    }

    /// The nemesis of these bytes.
    pub(crate) fn nemesis(&self) -> Nemesis {
        Nemesis::from_bytes(self.fates.clone(), self.double_requests)
    }

    /// The command that tells the same story, where it has a flag for everything that was chosen.
    fn command(&self, schedule: &BTreeMap<u64, Fate>) -> Option<String> {
        let reachable = self.listed && self.stream == Stream::Push && self.restart.is_none();
        let faults: Vec<String> = schedule.iter().map(|(n, fate)| format!("{n}:{fate:?}").to_lowercase()).collect();
        let target = match self.script.target_style {
            TargetStyle::TriggerMarket => "trigger-market",
            TargetStyle::Limit => "limit",
        };
        reachable.then(|| {
            format!(
                "kraite crash-test --script {} --venue {} --target {target} --seed {} --replay {}",
                self.script.name,
                if self.paired { "bitget" } else { "binance" },
                self.seed,
                if faults.is_empty() { "none".into() } else { faults.join(",") }
            )
        })
    }

    /// Everything that is needed to understand a failure.
    fn tell(&self, played: &Played) -> String {
        let schedule = played.world.nemesis.written();
        let again = self.play(Nemesis::scheduled(1, schedule.clone()), true);
        let start = again.world.story().first().map_or(0, |(at, _)| at.0);
        let mut text = String::new();
        for (at, line) in again.world.story() {
            let _ = writeln!(text, "{:>9} ms  {line}", at.0 - start);
        }
        let _ = writeln!(
            text,
            "{} ({:?}, {:?}), {:?}",
            self.script.name, self.script.direction, self.script.sequence, self.stream
        );
        let _ = writeln!(text, "{:?}, paired: {}, faults {schedule:?}", self.timing(), self.paired);
        let _ = writeln!(text, "stood at {:?}, ended at {:?}", played.unaided, played.phase);
        let _ = writeln!(text, "{:#?}", played.verdict.findings);
        match self.command(&schedule) {
            Some(command) => text += &command,
            None => text += "no flags of kraite crash-test say all of this: give the file to this target again",
        }
        text
    }
}

/// Plays one life and its faults: nothing is violated, and nothing stays unresolved.
///
/// # Panics
///
/// When something is, with the story and the way to see it again.
pub fn crash_window(data: &[u8]) {
    if data.len() < HEADER {
        return;
    }
    let case = Case::read(data);
    let played = case.play(case.nemesis(), false);
    assert!(played.is_clean(), "{}", case.tell(&played));
}
