//! The right backend, in both shapes of protection.

use kraite_sim::conformance::{SimStage, Verdict, judge};
use kraite_sim::presets;
use kraite_sim::venue::VenueProfile;

async fn verdict(name: &str, profile: VenueProfile) -> Verdict {
    judge(&SimStage::new(name, profile), 1).await
}

#[tokio::test]
async fn the_simulated_exchange_conforms_in_both_shapes() {
    for (name, profile) in [("separate", presets::binance()), ("paired", presets::bitget())] {
        let verdict = verdict(name, profile).await;
        println!("{verdict}");
        assert!(verdict.holds(), "{verdict}");
        assert!(verdict.ran() >= 120, "{verdict}");
    }
}
