//! Judges a backend of one's own: here one that wraps the simulated exchange and sends cancellations twice.
//!
//! ```text
//! cargo run -p kraite-sim --example conformance
//! ```

use kraite_sim::conformance::wrong::{Wrong, wrong};
use kraite_sim::conformance::{SimStage, judge};
use kraite_sim::presets;

#[tokio::main]
async fn main() {
    // Put your own wrapper in the place of `wrong`.
    let stage = SimStage::new("a toy", presets::binance()).wrapped(|inner| wrong(inner, Wrong::RetriesCancel));
    let verdict = judge(&stage, 1).await;
    print!("{verdict}");
    if !verdict.holds() {
        std::process::exit(1);
    }
}
