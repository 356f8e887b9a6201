//! What one frame came to.

use kraite_core::exchange::StreamEvent;

use crate::Unmapped;

/// What one frame came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Events {
    /// What the core is told, in order.
    pub events: Vec<StreamEvent>,
    /// What it cannot be told, each with the reason: to be logged, and answered with a reading.
    pub skipped: Vec<Unmapped>,
}

impl Events {
    /// Adds what a part of the frame tells, or why it cannot be told.
    pub fn take(&mut self, told: Result<impl IntoIterator<Item = StreamEvent>, Unmapped>) {
        match told {
            Ok(events) => self.events.extend(events),
            Err(why) => self.skipped.push(why),
        }
    }
}
