//! What a running account says: one line per fact, for people or as JSON.

use std::sync::Arc;

use clap::ValueEnum;
use kraite_binance::{Socket, Told};
use kraite_core::engine::{Alert, CommandId, Effect, Engine, Event, InputKind, Notice};
use kraite_core::id::AccountTag;
use kraite_core::journal::Record;
use kraite_core::time::Millis;
use kraite_engine::Observer;
use tracing::{debug, error, info, warn};

use super::board::{Board, Flow};
use crate::words;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

/// From now on lines go to stderr.
pub(super) fn begin(format: LogFormat, verbose: bool) {
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::INFO };
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_target(false);
    // Where nobody reads them any more, the complaint about that would be a panic in whoever writes a line.
    let lines = lines.log_internal_errors(false);
    // A second one in a process is refused, and the first goes on.
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(lines.with_ansi(false).finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(lines.json().finish()),
    };
}

/// Hears the reactor of one account: keeps the board and writes lines.
pub(super) struct Reporter {
    account: String,
    tag: AccountTag,
    board: Arc<Board>,
}

impl Reporter {
    pub(super) fn new(account: String, tag: AccountTag, board: Arc<Board>) -> Self {
        Self { account, tag, board }
    }

    fn restored(&self, engine: &Engine) {
        let Some(standing) = self.board.standing(engine.state().account) else { return };
        let (account, in_doubt) = (&self.account, standing.in_doubt);
        let positions = words::many(standing.open.len(), "position");
        let orders = words::many(standing.orders, "order");
        info!(account, in_doubt, "restored: {positions}, {orders}, {in_doubt} in doubt");
    }
}

impl Observer for Reporter {
    fn unchanged(&mut self, command: CommandId) {
        self.board.unchanged(self.tag, command);
    }

    fn committed(&mut self, engine: &Engine, record: Option<&Record>, effects: &[Effect]) {
        let account = &self.account;
        for effect in effects {
            if let Effect::Send { request, .. } = effect {
                info!(account, symbol = %request.symbol(), "{}", words::request(request));
            }
        }
        let Some(record) = record else { return };
        self.board.committed(engine, record);
        if record.input == InputKind::Started {
            self.restored(engine);
        }
        for event in &record.events {
            match event {
                Event::Moved { position, on, why } => {
                    let symbol = engine.state().positions.get(position).map(|p| p.symbol().to_string());
                    info!(account, %position, symbol, "{} ({})", words::phase_event(*on), words::why(*why));
                }
                Event::CommandRefused(refusal) => {
                    warn!(account, "a command is refused: {}", words::command_refusal(refusal))
                }
                other => debug!(account, seq = record.seq, "{}", words::event(other)),
            }
        }
    }

    fn notice(&mut self, notice: &Notice) {
        let account = &self.account;
        self.board.noticed(self.tag, account, notice);
        let position = notice.position.map(|no| no.to_string());
        let (alert, words) = (notice.alert, notice.message.as_str());
        match alert {
            Alert::RungDropped
            | Alert::RungHeld
            | Alert::RungWithheld
            | Alert::OpeningRefused
            | Alert::ExternalClose
            | Alert::HandedBack => {
                warn!(account, position, ?alert, "{words}");
            }
            _ => error!(account, position, ?alert, "{words}"),
        }
    }

    fn interrupted(&mut self, why: &str, again_after: Millis) {
        // Its stream went with its connection, which says nothing of it.
        self.board.flows(self.tag, Flow::Down);
        let account = &self.account;
        warn!(account, "not connected: {why}; trying again in {again_after}");
    }
}

/// What a backend tells besides events.
pub(super) fn told(account: &str, tag: AccountTag, board: &Board, told: &Told) {
    match told {
        Told::Up(Socket::Account) => board.flows(tag, Flow::Up),
        Told::Down(Socket::Account, ..) => board.flows(tag, Flow::Down),
        _ => {}
    }
    match told {
        Told::Up(Socket::Account) => info!(account, "the account's stream is up"),
        Told::Up(socket) => debug!(account, "{socket:?} is up"),
        Told::Down(socket, ended, again) => warn!(account, "{socket:?} is down ({ended:?}); opened again in {again}"),
        Told::MarginCall => error!(account, "the exchange calls for margin"),
        Told::Quiet(wait) => warn!(account, "the exchange asks for quiet for {wait}"),
        Told::Frame(_) | Told::Skipped(_) | Told::Rules(_) => warn!(account, "{told:?}"),
        Told::ClockSkew | Told::Moved | Told::TooManyMarks(_) => info!(account, "{told:?}"),
    }
}
