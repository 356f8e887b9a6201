//! Whether a signal knows what is to come.

use super::{Deal, Fast, FastError, Part, Plan, Signal};
use crate::data::{Columns, Funding};

/// The first of these places at which a run that knows no more than the open of its bar traded otherwise, until then,
/// than a run that knows all bars: whoever decided knew what was to come. `None` where there is no such place.
///
/// # Errors
///
/// As [`Fast::play`].
pub fn looks_ahead<S: Signal>(
    plan: &Plan,
    funding: &[Funding],
    bars: &Columns,
    signal: impl Fn() -> S,
    places: &[usize],
) -> Result<Option<usize>, FastError> {
    let deals = |bars: &Columns| {
        let mut run = Fast::new(plan, funding, Vec::new()).entering(signal());
        run.play(bars)?;
        Ok::<_, FastError>(run.finish().1)
    };
    let all: Vec<Deal> = deals(bars)?;
    for place in places {
        let Some(opens) = bars.open_time(*place) else { continue };
        // Of that bar only the entry is decided at its open.
        let known = |deal: &&Deal| deal.at < opens || (deal.at == opens && deal.of == Part::Entry);
        if !deals(&bars.known_at(*place))?.iter().filter(known).eq(all.iter().filter(known)) {
            return Ok(Some(*place));
        }
    }
    Ok(None)
}
