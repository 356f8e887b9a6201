//! Wishes in words: one JSON object per line, the same from a file, from stdin and over the control socket.

use std::sync::Arc;
use std::time::Duration;

use kraite_core::engine::{Adjustment, Command, CommandId};
use kraite_core::id::{AccountTag, PositionNo, Symbol};
use kraite_core::number::{Percent, Price, Qty};
use kraite_core::time::LocalMillis;
use kraite_engine::{Clock, Desk, SignalError, Wish};
use serde::Deserialize;
use serde_json::{Value, json};

use super::board::{Board, Decision, Standing};
use super::config::{Account, Config};
use super::fleet::Desks;
use crate::flags::DirectionWord;
use crate::words;

/// Ids from here on are those that kraite's own commands draw.
pub(super) const OWN_IDS: u64 = 1 << 63;
/// Ids from here on stand for commands that a lost journal has taken with it: this one, and the number of a position
/// for what opened that.
pub(crate) const RECOVERED_IDS: u64 = OWN_IDS | 1 << 62;
/// The longest line.
pub(super) const LONGEST: usize = 4_096;
/// How long a decision is waited for before its line is answered without it. A decision itself takes a write.
const PATIENCE: Duration = Duration::from_secs(20);

/// One line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) id: u64,
    pub(super) account: String,
    open: Option<String>,
    adopt: Option<String>,
    direction: Option<DirectionWord>,
    plan: Option<String>,
    close: Option<Which>,
    halt: Option<bool>,
    until: Option<i64>,
    adjust: Option<Which>,
    stop: Option<Price>,
    close_part: Option<Qty>,
    drop_rung: Option<u8>,
    target: Option<Percent>,
    hold_target: Option<bool>,
    add_rung: Option<NewRung>,
    hand_back: Option<bool>,
}

/// A rung that is added.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRung {
    price: Price,
    qty: Qty,
}

/// What stands in a [`Line`] for it to be changed, in this order.
const CHANGES: &str = "stop, close_part, drop_rung, add_rung, target, hold_target, hand_back";

impl Line {
    /// What is changed, where exactly one thing is.
    fn change(&self) -> Option<Change> {
        let Self { stop, close_part, drop_rung, add_rung, target, hold_target, hand_back, .. } = self;
        let others = [
            close_part.map(Adjustment::ClosePart),
            drop_rung.map(Adjustment::DropRung),
            target.map(Adjustment::Retarget),
            hold_target.map(|hold| if hold { Adjustment::HoldTarget } else { Adjustment::ReleaseTarget }),
            hand_back.filter(|wanted| *wanted).map(|_| Adjustment::HandBack),
        ];
        let others = others.into_iter().flatten().map(Change::Other);
        let mut all = others.chain(stop.map(Change::Stop)).chain(add_rung.map(Change::Rung));
        all.next().filter(|_| all.next().is_none())
    }

    /// Whether it says anything that belongs to a change.
    const fn says_change(&self) -> bool {
        let Self { stop, close_part, drop_rung, add_rung, target, hold_target, hand_back, .. } = self;
        let size = close_part.is_some() || drop_rung.is_some() || add_rung.is_some();
        size || stop.is_some() || target.is_some() || hold_target.is_some() || hand_back.is_some()
    }
}

/// A change of a position.
enum Change {
    Stop(Price),
    Rung(NewRung),
    Other(Adjustment),
}

impl Line {
    /// Reads one.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the line is longer than {LONGEST} bytes"));
        }
        serde_json::from_str(text).map_err(|error| format!("the line is not a signal: {error}"))
    }

    /// Whether it says until when it is meant.
    pub(super) const fn has_an_end(&self) -> bool {
        self.until.is_some()
    }

    /// What it asks for on an account that stands so; nothing is known of one that was not restored yet.
    pub(super) fn asked(
        self,
        config: &Config,
        account: &Account,
        standing: Option<&Standing>,
        now: LocalMillis,
    ) -> Result<Asked, String> {
        if self.until.is_some_and(|until| now > LocalMillis(until)) {
            return Err("it was meant until an instant that has passed".to_owned());
        }
        let is_plain = self.direction.is_none() && self.plan.is_none();
        if self.adjust.is_none() && self.says_change() {
            return Err(format!("what is changed belongs to adjust: {CHANGES}"));
        }
        if let Some(which) = &self.adjust {
            if !is_plain || self.open.is_some() || self.adopt.is_some() || self.close.is_some() || self.halt.is_some() {
                return Err("adjust stands with what it changes, and with nothing else".to_owned());
            }
            let (symbol, no) = which.find(standing)?;
            let change = self.change();
            let change = change.ok_or_else(|| format!("adjust takes one of: {CHANGES}"))?;
            return Ok(Asked::Wish(match change {
                Change::Stop(trigger) => Wish::MoveStop(no, symbol, trigger),
                Change::Rung(NewRung { price, qty }) => Wish::AddRung(no, symbol, price, qty),
                Change::Other(what) => Wish::Adjust(no, what),
            }));
        }
        if let Some(symbol) = self.adopt {
            if self.open.is_some() || self.close.is_some() || self.halt.is_some() {
                return Err("adopt stands with direction and plan, and with nothing else".to_owned());
            }
            let direction = self.direction.ok_or("direction is missing: long or short")?;
            let plan = self.plan.ok_or("plan is missing: the name of one in the configuration")?;
            let terms = config.terms(account, &plan, direction.into())?;
            return Ok(Asked::Wish(Wish::Adopt(Symbol::new(&symbol), Box::new(terms))));
        }
        match (self.open, self.close, self.halt) {
            (Some(symbol), None, None) => {
                let direction = self.direction.ok_or("direction is missing: long or short")?;
                let plan = self.plan.ok_or("plan is missing: the name of one in the configuration")?;
                let terms = config.terms(account, &plan, direction.into())?;
                Ok(Asked::Wish(Wish::Open(Symbol::new(&symbol), Box::new(terms))))
            }
            (None, None, Some(halt)) if is_plain => {
                Ok(Asked::Command(if halt { Command::Halt } else { Command::Resume }))
            }
            (None, Some(which), None) if is_plain => Ok(Asked::Wish(Wish::Close(which.find(standing)?.1))),
            (None, _, _) if !is_plain => {
                Err("direction and plan belong to open and adopt, and to nothing else".to_owned())
            }
            _ => Err("say one of: open or adopt (a contract), close or adjust (a contract, or a position's number), \
                      halt (true or false)"
                .to_owned()),
        }
    }
}

impl Which {
    /// The position among those that are open or need a human, with its contract.
    fn find(&self, standing: Option<&Standing>) -> Result<(Symbol, PositionNo), String> {
        let Standing { open, failed, .. } =
            standing.ok_or("the account was not connected yet; it may be given again")?;
        let mut all = open.iter().chain(failed.iter().map(|(no, symbol)| (symbol, no)));
        let found = all.find(|(symbol, no)| match self {
            Self::Number(wanted) => *no == wanted,
            Self::Contract(wanted) => symbol.as_str() == wanted,
        });
        found.map(|(symbol, no)| (symbol.clone(), *no)).ok_or_else(|| "nothing like that is open".to_owned())
    }
}

/// What a line asks for.
pub(super) enum Asked {
    Wish(Wish),
    Command(Command),
}

/// A position by its number, or the one on a contract.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Which {
    Number(PositionNo),
    Contract(String),
}

/// Takes lines for all accounts.
pub(super) struct Intake {
    config: Config,
    desks: Arc<Desks>,
    board: Arc<Board>,
    clock: Clock,
}

impl Intake {
    pub(super) fn new(config: Config, desks: Arc<Desks>, board: Arc<Board>, clock: Clock) -> Self {
        Self { config, desks, board, clock }
    }

    /// Whether an account has its connection.
    pub(super) fn is_connected(&self, account: AccountTag) -> bool {
        self.desks.is_connected(account)
    }

    /// Whether another host works on an account.
    pub(super) fn is_elsewhere(&self, account: AccountTag) -> bool {
        self.desks.elsewhere(account).is_some()
    }

    /// Whether a line says until when it is meant.
    pub(super) fn has_an_end(text: &str) -> bool {
        Line::read(text).is_ok_and(|line| line.has_an_end())
    }

    /// Does what a line says, and answers with what became of it.
    pub(super) async fn take(&self, text: &str) -> Value {
        let line = match Line::read(text) {
            Ok(line) => line,
            Err(why) => return json!({ "error": why }),
        };
        let id = line.id;
        match self.follow(line).await {
            Ok((account, what)) => {
                let mut answer = json!({ "id": id, "account": account });
                if let (Some(answer), Some(what)) = (answer.as_object_mut(), what.as_object()) {
                    answer.extend(what.clone());
                }
                answer
            }
            Err(why) => json!({ "id": id, "error": why }),
        }
    }

    async fn follow(&self, line: Line) -> Result<(String, Value), String> {
        let account = self.config.account(&line.account)?;
        let id = CommandId(line.id);
        let desk = self.desks.get(account.tag)?;
        let standing = self.board.standing(account.tag);
        let asked = line.asked(&self.config, account, standing.as_ref(), self.clock.now())?;
        Ok((account.name.clone(), self.hand_over(account.tag, &desk, id, asked).await?))
    }

    async fn hand_over(&self, tag: AccountTag, desk: &Desk, id: CommandId, asked: Asked) -> Result<Value, String> {
        if let (Asked::Wish(Wish::Open(..) | Wish::Adopt(..)), Some(position)) = (&asked, self.board.opened_by(tag, id))
        {
            return Ok(json!({ "position": position.map(|no| no.get()), "repeated": true }));
        }
        let decided = self.board.wait_for(tag, id);
        // Whoever asked may break off at any point, and is not waited for then.
        let _waits = Waits { board: &self.board, tag, id };
        let handed = match asked {
            Asked::Wish(wish) => desk.take(id, wish).await,
            Asked::Command(command) => desk.command(id, command).await.then_some(()).ok_or(SignalError::Ended),
        };
        if let Err(error) = handed {
            let again = if matches!(error, SignalError::Ended) { "" } else { "; it may be given again" };
            return Err(format!("{error}{again}"));
        }
        #[allow(clippy::disallowed_methods, reason = "whoever waits for an answer waits on the wall's clock")]
        let decision = tokio::time::timeout(PATIENCE, decided).await;
        match decision {
            Ok(Ok(Decision::Opened(no))) => Ok(json!({ "position": no.get() })),
            Ok(Ok(Decision::Taken)) => Ok(json!({ "taken": true })),
            Ok(Ok(Decision::Refused(refusal))) => Err(format!("refused: {}", words::command_refusal(&refusal))),
            Ok(Err(_)) | Err(_) => Err("it was handed over, and is not decided yet: ask with the same id".to_owned()),
        }
    }
}

/// A decision is waited for as long as this lives.
struct Waits<'a> {
    board: &'a Board,
    tag: AccountTag,
    id: CommandId,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.board.forget(self.tag, self.id);
    }
}
