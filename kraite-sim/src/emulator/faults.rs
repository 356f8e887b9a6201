//! Faults on demand: which request meets what.

use std::collections::{BTreeMap, VecDeque};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::server::Call;
use super::{Protocol, StartError};

/// The most rules at once.
const MOST_RULES: usize = 1_000;
/// How many met faults are remembered for the admin route.
const REMEMBERED: usize = 1_000;

/// Before or after the venue acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Nothing has happened yet, and nothing will.
    Before,
    /// It has happened.
    After,
}

/// What a request meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The connection breaks without an answer.
    Cut {
        /// Before or after the venue acted.
        when: When,
    },
    /// The venue acts; the answer breaks off after so many bytes of its body.
    Truncate {
        /// How many bytes of the body still come.
        bytes: usize,
    },
    /// 200 without a body.
    Empty {
        /// Whether it happened.
        acts: bool,
    },
    /// An answer that says nothing about what happened.
    Unknown {
        /// Whether it happened.
        acts: bool,
    },
    /// An answer that means that nothing happened, and nothing did.
    Unavailable,
    /// The venue waited for itself too long.
    Timeout {
        /// Whether it happened.
        acts: bool,
    },
    /// Any refusal.
    Error {
        /// Its code.
        code: i64,
        /// Its words; the usual ones of the code where none are given.
        #[serde(default)]
        msg: Option<String>,
        /// Its HTTP status; the usual one of the code where none is given.
        #[serde(default)]
        status: Option<u16>,
        /// Whether the venue acts all the same.
        #[serde(default)]
        acts: bool,
    },
    /// Some orders of a batch are refused, the others are taken. Where stop and target are one call, one of them is not
    /// taken, and the answer does not say so.
    Legs {
        /// Which, counted from 0; of a pair 0 is the stop and 1 the target.
        refused: Vec<usize>,
        /// The code of their refusal.
        code: i64,
    },
    /// The venue acts, and lists what it did in the opposite order.
    Reversed,
    /// A page in HTML of what stands in front of the venue; nothing happened.
    Page {
        /// The HTTP status.
        status: u16,
    },
    /// The request, or its answer, takes this long on the venue's clock.
    Delay {
        /// Milliseconds of the venue's clock.
        ms: u32,
        /// On the way there, where a window can close, or on the way back.
        when: When,
    },
    /// The wire delivers the request twice; the first answer comes back.
    Double,
    /// A question is answered from how things stood when the rule was made.
    Stale,
    /// 429.
    RateLimit,
    /// All requests are refused for a while.
    Ban {
        /// Milliseconds of the venue's clock.
        ms: u32,
    },
}

/// Which requests meet it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The HTTP method; any without. Requests of the WebSocket API count as the REST request they stand for.
    #[serde(default)]
    pub method: Option<String>,
    /// What the path begins with; any without.
    #[serde(default)]
    pub path: Option<String>,
    /// What query or body must contain, as sent; anything without.
    #[serde(default)]
    pub contains: Option<String>,
    /// So many matching requests pass first.
    #[serde(default)]
    pub skip: u32,
    /// Every n-th matching request from then on; each without.
    #[serde(default = "one")]
    pub every: u32,
    /// At most so many times; for ever without.
    #[serde(default)]
    pub times: Option<u32>,
    /// With this chance in a thousand; always without.
    #[serde(default = "always")]
    pub per_mille: u32,
    /// What happens.
    pub fault: Fault,
}

const fn one() -> u32 {
    1
}

const fn always() -> u32 {
    1_000
}

/// Rules that hold from the start on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultRules(pub Vec<Rule>);

/// The names that [`FaultRules::named`] knows, each with what it does.
pub const PRESETS: [(&str, &str); 4] = [
    ("lost-replies", "every third order, change and cancellation is done and its answer lost"),
    ("unknown", "every third order is done and answered with an error that does not say so"),
    ("rate-limits", "every tenth request is refused with 429"),
    ("chaos", "one request in ten meets one of eight faults, by the seed"),
];

impl FaultRules {
    /// One of [`PRESETS`] for the paths of a venue; `None` for any other name.
    #[must_use]
    pub fn named(name: &str, protocol: Protocol) -> Option<Self> {
        let (all, orders): (&str, &[(&str, &str)]) = match protocol {
            Protocol::Binance => (
                "/fapi/",
                &[
                    ("POST", "/fapi/v1/order"),
                    ("POST", "/fapi/v1/algoOrder"),
                    ("PUT", "/fapi/v1/order"),
                    ("DELETE", "/fapi/v1/order"),
                    ("DELETE", "/fapi/v1/algoOrder"),
                ],
            ),
            Protocol::BitgetClassic => ("/api/v2/mix/", &[("POST", "/api/v2/mix/order/")]),
            Protocol::BitgetUnified => ("/api/v3/", &[("POST", "/api/v3/trade/")]),
        };
        let rule = |method: Option<&str>, path: &str, every: u32, per_mille: u32, fault: Fault| Rule {
            method: method.map(str::to_owned),
            path: Some(path.to_owned()),
            contains: None,
            skip: 0,
            every,
            times: None,
            per_mille,
            fault,
        };
        let rules = match name {
            "lost-replies" => orders
                .iter()
                .map(|(method, path)| rule(Some(method), path, 3, 1_000, Fault::Cut { when: When::After }))
                .collect(),
            "unknown" => orders
                .iter()
                .take(1)
                .map(|(method, path)| rule(Some(method), path, 3, 1_000, Fault::Unknown { acts: true }))
                .collect(),
            "rate-limits" => vec![rule(None, all, 10, 1_000, Fault::RateLimit)],
            "chaos" => [
                Fault::Cut { when: When::Before },
                Fault::Cut { when: When::After },
                Fault::Truncate { bytes: 20 },
                Fault::Unknown { acts: true },
                Fault::Unknown { acts: false },
                Fault::Timeout { acts: true },
                Fault::Delay { ms: 700, when: When::After },
                Fault::Double,
            ]
            .into_iter()
            .map(|fault| rule(None, all, 1, 13, fault))
            .collect(),
            _ => return None,
        };
        Some(Self(rules))
    }

    /// The rules of a JSON text: an array of rules.
    ///
    /// # Errors
    ///
    /// It is not JSON, or not of this form: says what and where.
    pub fn read(text: &str) -> Result<Self, StartError> {
        serde_json::from_str(text).map_err(|error| StartError::BadData(format!("no list of fault rules: {error}")))
    }
}

/// A rule at work.
#[derive(Debug)]
struct Live {
    id: u64,
    rule: Rule,
    seen: u32,
    met: u32,
    /// How things stood when the rule was made, for stale answers.
    past: Option<Box<crate::venue::Venue>>,
}

/// What a request is to meet.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) fault: Fault,
    pub(super) past: Option<Box<crate::venue::Venue>>,
}

/// All rules.
#[derive(Debug)]
pub(super) struct Faults {
    rules: Vec<Live>,
    made: u64,
    rng: ChaCha8Rng,
    log: VecDeque<serde_json::Value>,
    times_met: usize,
    /// How many requests came, by method and path.
    requests: BTreeMap<(String, String), usize>,
}

impl Faults {
    /// None yet; chances come from the seed.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rules: Vec::new(),
            made: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            log: VecDeque::new(),
            times_met: 0,
            requests: BTreeMap::new(),
        }
    }

    /// Adds rules that need no past.
    pub(super) fn add_all(&mut self, rules: FaultRules) {
        for rule in rules.0 {
            self.add(rule, None);
        }
    }

    /// Adds a rule; `past` is how things stand. Returns its number, or nothing where there are too many.
    pub(super) fn add(&mut self, rule: Rule, past: Option<Box<crate::venue::Venue>>) -> Option<u64> {
        if self.rules.len() >= MOST_RULES {
            return None;
        }
        self.made = self.made.saturating_add(1);
        self.rules.push(Live { id: self.made, rule, seen: 0, met: 0, past });
        Some(self.made)
    }

    /// Removes one rule, or all of them; says how many went.
    pub(super) fn remove(&mut self, id: Option<u64>) -> usize {
        let before = self.rules.len();
        self.rules.retain(|live| id.is_some_and(|id| id != live.id));
        before.saturating_sub(self.rules.len())
    }

    /// The first rule whose turn it is with this request.
    pub(super) fn meet(&mut self, call: &Call, now: i64) -> Option<Met> {
        if self.requests.len() < REMEMBERED {
            let came = self.requests.entry((call.method.clone(), call.path.clone())).or_default();
            *came = came.saturating_add(1);
        }
        let mut chosen = None;
        for (place, live) in self.rules.iter_mut().enumerate() {
            let rule = &live.rule;
            let fits = rule.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&call.method))
                && rule.path.as_ref().is_none_or(|path| call.path.starts_with(path.as_str()))
                && rule.contains.as_ref().is_none_or(|part| call.query.contains(part) || call.body.contains(part));
            if !fits || chosen.is_some() {
                continue;
            }
            live.seen = live.seen.saturating_add(1);
            let turn = live.seen.checked_sub(rule.skip.saturating_add(1)).is_some_and(|n| {
                let every = rule.every.max(1);
                n % every == every.saturating_sub(1) || every == 1
            });
            let lucky = rule.per_mille >= 1_000 || self.rng.next_u32() % 1_000 < rule.per_mille;
            if turn && lucky && rule.times.is_none_or(|times| live.met < times) {
                live.met = live.met.saturating_add(1);
                chosen = Some(place);
            }
        }
        let live = self.rules.get(chosen?)?;
        self.times_met = self.times_met.saturating_add(1);
        if self.log.len() >= REMEMBERED {
            self.log.pop_front();
        }
        self.log.push_back(serde_json::json!({
            "at": now, "rule": live.id, "method": call.method, "path": call.path, "fault": live.rule.fault,
        }));
        Some(Met { fault: live.rule.fault.clone(), past: live.past.clone() })
    }

    /// How many requests met a fault.
    pub(super) const fn times_met(&self) -> usize {
        self.times_met
    }

    /// How many requests came, by method and path.
    pub(super) const fn requests(&self) -> &BTreeMap<(String, String), usize> {
        &self.requests
    }

    /// Rules with how often each was met, and the latest that were.
    pub(super) fn table(&self) -> serde_json::Value {
        let rules: Vec<serde_json::Value> = self
            .rules
            .iter()
            .map(|live| serde_json::json!({ "id": live.id, "seen": live.seen, "met": live.met, "rule": live.rule }))
            .collect();
        serde_json::json!({ "schema": "kraite.emulator-faults/1", "rules": rules, "met": self.log })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_rules_and_no_other_name_does() {
        for (name, _) in PRESETS {
            for protocol in [Protocol::Binance, Protocol::BitgetClassic, Protocol::BitgetUnified] {
                assert!(!FaultRules::named(name, protocol).unwrap().0.is_empty(), "{name}");
            }
        }
        assert_eq!(FaultRules::named("none", Protocol::Binance), None);
    }

    #[test]
    fn a_rule_skips_takes_every_nth_and_ends() {
        let text = r#"[{"path":"/fapi/v1/order","skip":1,"every":2,"times":2,"fault":{"kind":"rate-limit"}}]"#;
        let mut faults = Faults::new(0);
        faults.add_all(FaultRules::read(text).unwrap());
        let call = Call::of("GET", "/fapi/v1/order", "");
        let met: Vec<bool> = (0..8).map(|_| faults.meet(&call, 0).is_some()).collect();
        assert_eq!(met, [false, false, true, false, true, false, false, false]);
        assert!(faults.meet(&Call::of("GET", "/fapi/v1/time", ""), 0).is_none());
        assert!(FaultRules::read(r#"[{"fault":{"kind":"nonsense"}}]"#).is_err());
    }
}
