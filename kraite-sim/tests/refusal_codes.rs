//! A refusal carries the number its venue gives it, and the number means what the venue's pages say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use kraite_core::engine::Request;
use kraite_core::exchange::{OrderRef, Outcome, PositionMode, RejectKind, Service};
use kraite_core::id::{AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role};
use kraite_core::time::VenueMillis;
use kraite_sim::presets;
use kraite_sim::venue::{Refusal, Venue, VenueProfile};

/// What neither venue can refuse: the simulation's own limits.
const OURS: [Refusal; 2] = [Refusal::OutOfRange, Refusal::NoAccount];

/// "Binance USD-M, error codes": the class of each number, as the page has it, and what the class means.
const BINANCE: &[(&str, RejectKind, &[i64])] = &[
    ("clock_skew", RejectKind::ClockSkew, &[-1021, -5028]),
    ("rate_limited", RejectKind::RateLimited, &[-1003, -1015]),
    ("would_trigger", RejectKind::WouldTrigger, &[-2021, -4135, -4142]),
    ("no_position", RejectKind::NoPosition, &[-4509]),
    ("reduce_only_rejected", RejectKind::ReduceOnly, &[-2022, -2024, -4118]),
    ("close_position_exists", RejectKind::AlreadyExists, &[-4130]),
    ("order_not_found", RejectKind::UnknownOrder, &[-2011, -2013]),
    (
        "filter_precision, min_notional",
        RejectKind::Filter,
        &[-1111, -4001, -4002, -4003, -4004, -4005, -4006, -4007, -4013, -4014, -4023, -4029, -4030, -4164, -5029],
    ),
    ("filter_percent_price", RejectKind::PriceBand, &[-4016, -4024, -4131, -4183, -4184, -4210, -4211]),
    ("insufficient_margin", RejectKind::Margin, &[-2018, -2019, -2027, -2028, -4050, -4051]),
    ("limit_reached", RejectKind::OrderLimit, &[-2025, -4045]),
    (
        "mode_mismatch, symbol_state, config_blocked, account_state",
        RejectKind::Account,
        &[-1106, -1122, -4047, -4048, -4060, -4061, -4062, -4067, -4068, -4140, -4141, -4161, -4192, -4531],
    ),
    ("duplicate_id", RejectKind::Other, &[-4116]),
    (
        "definitely_rejected, modify_rejected, transient_safe",
        RejectKind::Other,
        &[-1020, -1112, -1121, -1130, -4028, -4120, -5025, -5026],
    ),
];

/// "Bitget, error codes": the groups of the page, and what they mean.
const BITGET: &[(&str, RejectKind, &[i64])] = &[
    ("clock", RejectKind::ClockSkew, &[40_004, 40_005, 40_008, 40_078, 40_079, 40_911]),
    ("rate limited", RejectKind::RateLimited, &[429, 70_228, 59_044, 25_004, 45_129, 22_035]),
    (
        "trigger on the wrong side",
        RejectKind::WouldTrigger,
        &[40_829, 40_830, 40_831, 40_832, 40_833, 40_834, 40_835, 40_836, 40_915, 40_917, 43_013, 43_015, 45_122],
    ),
    (
        "position does not exist",
        RejectKind::NoPosition,
        &[22_002, 40_709, 40_837, 40_838, 40_891, 43_023, 43_043, 45_068, 31_008, 25_227, 25_601],
    ),
    ("close quantity", RejectKind::ReduceOnly, &[40_757, 40_755, 40_758, 40_764, 40_765, 40_939, 43_029, 25_225]),
    ("stop or target exists", RejectKind::AlreadyExists, &[43_024, 43_030, 43_031, 25_594]),
    (
        "order does not exist",
        RejectKind::UnknownOrder,
        &[40_109, 40_768, 43_001, 43_004, 45_057, 22_001, 40_819, 31_007, 25_204],
    ),
    (
        "smallest and largest size, precision",
        RejectKind::Filter,
        &[22_034, 43_006, 43_010, 45_110, 45_111, 45_114, 43_007, 45_112, 45_113, 40_808, 41_103, 43_011, 45_115],
    ),
    (
        "price band",
        RejectKind::PriceBand,
        &[22_006, 22_007, 22_008, 22_009, 22_046, 22_047, 40_815, 40_816, 43_008, 43_009, 43_039, 43_040],
    ),
    ("balance, tier", RejectKind::Margin, &[40_754, 40_711, 40_712, 40_798, 43_012, 45_002, 40_762, 40_921, 45_010]),
    ("too many orders, limit of plans", RejectKind::OrderLimit, &[40_723, 43_005, 45_116, 45_118, 40_889, 40_890]),
    (
        "symbol state, mode mismatch, locked",
        RejectKind::Account,
        &[22_004, 40_774, 43_075, 45_021, 45_109, 40_730, 40_872, 40_920, 45_097, 45_117, 22_054, 22_055],
    ),
    ("duplicate id", RejectKind::Other, &[40_786, 25_212]),
    (
        "parameters, change not possible now, liquidity, leverage",
        RejectKind::Other,
        &[40_034, 40_404, 22_003, 40_922, 40_925, 40_895, 22_045, 40_720, 40_797],
    ),
];

fn meaning(of: &[(&str, RejectKind, &[i64])]) -> BTreeMap<i64, RejectKind> {
    let pairs = of.iter().flat_map(|(_, kind, codes)| codes.iter().map(move |code| (*code, *kind)));
    let mut meaning = BTreeMap::new();
    for (code, kind) in pairs {
        assert_eq!(meaning.insert(code, kind), None, "{code} stands in two groups");
    }
    meaning
}

/// What is wrong with a venue's numbers.
fn faults(profile: &VenueProfile, meaning: &BTreeMap<i64, RejectKind>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for refusal in Refusal::ALL {
        let listed: Vec<i64> = profile.quirks.codes.iter().filter(|(r, _)| *r == refusal).map(|(_, c)| *c).collect();
        match listed.as_slice() {
            [] if OURS.contains(&refusal) => {}
            [code] => {
                if OURS.contains(&refusal) || !seen.insert(*code) {
                    faults.push(format!("{refusal:?}: {code} is given twice, or to what is ours"));
                }
                if meaning.get(code) != Some(&refusal.kind()) {
                    faults.push(format!("{refusal:?}: {code} is {:?}, not {:?}", meaning.get(code), refusal.kind()));
                }
            }
            other => faults.push(format!("{refusal:?} has {other:?}")),
        }
    }
    faults
}

fn venues() -> [(VenueProfile, BTreeMap<i64, RejectKind>); 2] {
    [(presets::binance(), meaning(BINANCE)), (presets::bitget(), meaning(BITGET))]
}

#[test]
fn r07_every_refusal_has_its_venues_own_code_and_the_code_means_what_the_venue_says() {
    for (profile, meaning) in venues() {
        assert_eq!(faults(&profile, &meaning), Vec::<String>::new());
        for refusal in OURS {
            assert_eq!(profile.quirks.code(refusal), -1);
        }
    }
    for (place, refusal) in Refusal::ALL.iter().enumerate() {
        assert_eq!(*refusal as usize, place, "the list is complete and in order");
    }
    assert_eq!(Refusal::ALL.last(), Some(&Refusal::NoAccount), "the last that is declared is the last in the list");
}

#[test]
fn r13_a_cancellation_of_nothing_is_answered_with_the_venues_own_code() {
    let account = AccountTag::new(1).unwrap();
    let id = ClientOrderId::encode(&OrderKey {
        account,
        position: PositionNo::new(1).unwrap(),
        logical: LogicalOrder { role: Role::Rung(1), revision: Revision::new(0).unwrap() },
        attempt: Attempt::new(0).unwrap(),
        epoch: Epoch::new(1).unwrap(),
    });
    for (profile, code) in [(presets::binance(), -2011), (presets::bitget(), 40_768)] {
        let instrument = presets::instrument();
        let symbol = instrument.symbol.clone();
        let now = VenueMillis(1_000_000);
        let mut venue = Venue::new(profile, VenueMillis(0));
        venue.list(instrument);
        venue.open_account(account, PositionMode::OneWay, "1000".parse().unwrap());
        let nothing = OrderRef { symbol, service: Service::Regular, id, venue_id: None };
        let answers = venue.request(account, &Request::Cancel(nothing), now, now);
        let [(_, Outcome::Rejected(reject))] = answers.as_slice() else { panic!("{answers:?}") };
        assert_eq!((reject.kind, reject.code), (RejectKind::UnknownOrder, code));
    }
}

#[test]
fn mutant_a_code_that_is_missing_doubled_or_means_something_else_is_told() {
    const MISSING: &[(Refusal, i64)] = &[(Refusal::Window, -1021)];
    for (mut profile, meaning) in venues() {
        let swapped: Vec<(Refusal, i64)> = profile
            .quirks
            .codes
            .iter()
            .map(|(refusal, code)| match refusal {
                Refusal::WouldTrigger => (*refusal, profile.quirks.code(Refusal::NoPosition)),
                Refusal::NoPosition => (*refusal, profile.quirks.code(Refusal::WouldTrigger)),
                _ => (*refusal, *code),
            })
            .collect();
        profile.quirks.codes = Box::leak(swapped.into_boxed_slice());
        assert_eq!(faults(&profile, &meaning).len(), 2);
        profile.quirks.codes = MISSING;
        assert!(faults(&profile, &meaning).len() >= Refusal::ALL.len() - OURS.len() - 1);
    }
}
