//! `kraite plan`: what would be sent for one position, and why not, if not.

use std::fmt::Write as _;
use std::path::PathBuf;

use kraite_core::Instrument;
use kraite_core::capabilities::Protection;
use kraite_core::exchange::Direction;
use kraite_core::instrument::PriceBand;
use kraite_core::number::{Factor, Notional, Percent, Price};
use kraite_core::plan::{Goal, MarginSetup, Plan, Shape, StepKind, TargetStyle, check, lower, plan};
use kraite_core::sizing::{
    AfterRung, Budget, Draft, LadderSpec, Rule, SizeRequest, SizingModel, after_each_rung, draft_for,
};
use serde::Serialize;

use crate::exit::{Exit, Failed};
use crate::flags::{
    BasisWord, DirectionWord, MAX_LEVERAGE, SequenceWord, SizingWord, TargetWord, VenueName, cut, headroom, multiplier,
    padded, places, positive,
};
use crate::rules;

const EXAMPLE: &str = "Example:
  kraite plan --exchange-info exchangeInfo.json --brackets leverageBracket.json
      --symbol SOLUSDT --direction long --margin 100 --mark 150.237";

/// Shows the plan for one position: ladder, stop, target, steps, worst loss. Sends nothing.
///
/// Prices and sizes follow from the margin, the leverage that cap and brackets allow, and the shape of the
/// ladder. A plan that breaks a rule of the contract is shown and refused (exit code 8) with the rule, the
/// rung and the smallest change of one flag that would fix it.
///
/// What the contract's price range (price_range) moves without breaking a rule, rungs and take-profit, is shown
/// and noted; a stop that it would move is refused. A rung that rounds to nothing is left out and noted; a ladder
/// of which none is left is refused.
///
/// Beside each rung stand the average entry once it has filled, and the take-profit as it is re-priced then.
///
/// Rules: min_notional, min_quantity, max_quantity, price_range, price_band, margin_overrun,
/// leverage_bracket, target_not_profitable, zero_quantity, rung_price_not_positive, order_limit.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// Whose rules and shape of protection.
    #[arg(long, value_enum, default_value = "binance")]
    venue: VenueName,
    /// The answer of exchangeInfo (Binance) or contracts (Bitget); may be gzipped.
    #[arg(long, value_name = "FILE")]
    exchange_info: PathBuf,
    /// The answer of leverageBracket (Binance) or query-position-lever (Bitget); may be gzipped. Without it
    /// the leverage cap stands, and a note says so.
    #[arg(long, value_name = "FILE")]
    brackets: Option<PathBuf>,
    /// The contract, in the venue's spelling.
    #[arg(long)]
    symbol: String,
    /// Long or short.
    #[arg(long, value_enum)]
    direction: DirectionWord,
    /// Margin allotted, in quote currency.
    #[arg(long, allow_hyphen_values = true, value_parser = positive::<Notional>)]
    margin: Notional,
    /// The account's own leverage cap, 1 to 125.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LEVERAGE)))]
    leverage_cap: u32,
    /// The mark price now.
    #[arg(long, allow_hyphen_values = true, value_parser = positive::<Price>)]
    mark: Price,
    /// How many LIMIT rungs, 0 to 31.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(0..=i64::from(kraite_core::MAX_RUNGS)))]
    rungs: u8,
    /// Distance between rungs, in percent of the reference price [default: 8.5 long, 9.5 short].
    #[arg(long, allow_hyphen_values = true, value_parser = positive::<Percent>)]
    gap: Option<Percent>,
    /// Size of each rung over the one before; the last repeats.
    #[arg(long, value_delimiter = ',', default_value = "2,2,2,2", allow_hyphen_values = true, value_parser = multiplier)]
    multipliers: Vec<Factor>,
    /// Take-profit distance from the average entry, in percent.
    #[arg(long, default_value = "0.36", allow_hyphen_values = true, value_parser = positive::<Percent>)]
    profit: Percent,
    /// Stop-loss distance from the last rung, in percent.
    #[arg(long, default_value = "2.5", allow_hyphen_values = true, value_parser = positive::<Percent>)]
    stop: Percent,
    /// How the margin becomes sizes [default: unbounded for long, bounded for short].
    #[arg(long, value_enum)]
    sizing: Option<SizingWord>,
    /// In which order the opening protects itself.
    #[arg(long, value_enum, default_value = "ladder-first")]
    sequence: SequenceWord,
    /// How the take-profit rests.
    #[arg(long, value_enum, default_value = "trigger-market")]
    target: TargetWord,
    /// What the take-profit is priced from.
    #[arg(long, value_enum, default_value = "average-entry")]
    basis: BasisWord,
    /// How far the entry may slip before a rung breaks a rule, in percent, 0 to 50; tightens the check, never
    /// the sizes.
    #[arg(long, default_value = "0.5", allow_hyphen_values = true, value_parser = headroom)]
    headroom: Percent,
    /// Prints the plan as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    fn spec(&self) -> LadderSpec {
        let direction = Direction::from(self.direction);
        let gap = self.gap.unwrap_or_else(|| LadderSpec::default_for(direction).gap);
        LadderSpec {
            direction,
            rungs: self.rungs,
            gap,
            multipliers: self.multipliers.clone(),
            profit: self.profit,
            stop: self.stop,
            model: self.sizing.map_or_else(|| SizingModel::default_for(direction), SizingModel::from),
            basis: self.basis.into(),
            headroom: self.headroom,
        }
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    venue: &'static str,
    symbol: String,
    direction: &'static str,
    sizing: &'static str,
    leverage: Option<u32>,
    entry: Option<ShownEntry>,
    rungs: Vec<ShownRung>,
    target: Option<ShownPrice>,
    stop: Option<ShownPrice>,
    max_loss: Option<String>,
    full_ladder_profit: Option<String>,
    loss_to_win: Option<String>,
    total_notional: Option<String>,
    dropped_rungs: Vec<u8>,
    clamped_rungs: Vec<u8>,
    notes: Vec<ShownNote>,
    steps: Vec<ShownStep>,
    refused: Option<ShownRefusal>,
}

#[derive(Debug, Serialize)]
struct ShownEntry {
    qty: String,
    reference_price: String,
    notional: String,
}

#[derive(Debug, Serialize)]
struct ShownRung {
    rung: u8,
    price: String,
    qty: String,
    notional: String,
    average_entry: Option<String>,
    target: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownPrice {
    price: String,
}

/// Something that is not as it was asked for, or not looked at, and breaks no rule.
#[derive(Debug, Serialize)]
struct ShownNote {
    order: String,
    /// The rule behind it; `None` where the venue's shape is.
    rule: Option<&'static str>,
    message: String,
}

#[derive(Debug, Serialize)]
struct ShownStep {
    id: u16,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rung: Option<u8>,
    after: Vec<u16>,
}

#[derive(Debug, Serialize)]
struct ShownRefusal {
    rule: &'static str,
    rung: Option<u8>,
    message: String,
    smallest_fix: Option<ShownFix>,
}

#[derive(Debug, Serialize)]
struct ShownFix {
    flag: String,
    value: String,
}

const fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Long => "long",
        Direction::Short => "short",
    }
}

const fn step_word(kind: StepKind) -> &'static str {
    match kind {
        StepKind::MarginMode => "margin_mode",
        StepKind::Leverage => "leverage",
        StepKind::Entry => "entry",
        StepKind::Rung(_) => "rung",
        StepKind::Stop => "stop",
        StepKind::Target => "target",
        StepKind::PositionTpsl => "position_tpsl",
        StepKind::Activate => "activate",
        StepKind::NewTarget => "new_target",
        StepKind::AmendTarget => "amend_target",
        StepKind::CancelOldTarget => "cancel_old_target",
        StepKind::CancelRung(_) => "cancel_rung",
        StepKind::CloseExposure => "close_exposure",
        StepKind::VerifyFlat => "verify_flat",
        StepKind::CancelTarget => "cancel_target",
        StepKind::CancelStop => "cancel_stop",
        StepKind::Finish => "finish",
        StepKind::NewStop => "new_stop",
        StepKind::CancelOldStop => "cancel_old_stop",
    }
}

/// The steps of an opening with this ladder.
fn steps_of(draft: &Draft, args: &Args) -> Result<Plan, Failed> {
    let shape = Shape {
        rungs: args.rungs,
        sequence: args.sequence.into(),
        target_style: args.target.into(),
        margin_setup: MarginSetup::Confirm,
    };
    let dropped: Vec<u8> = draft.dropped.iter().map(|d| d.rung).collect();
    let capabilities = args.venue.capabilities();
    let plan = lower(&plan(Goal::Open, &shape).without_rungs(&dropped), &capabilities);
    check(&plan, &capabilities).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| format!("{fault:?}")).collect();
        Failed::new(
            Exit::Invariant,
            format!("the plan is not safe and nothing may be built on it: {}", faults.join("; ")),
        )
    })?;
    Ok(plan)
}

/// What the contract's price range moved, what may be held, what the venue has not, and what could not be checked.
fn notes_of(
    draft: &Draft,
    args: &Args,
    instrument: &Instrument,
    price: impl Fn(Price) -> String + Copy,
) -> Vec<ShownNote> {
    let note = |order: String, message: String| ShownNote { order, rule: Some(Rule::PriceRange.word()), message };
    let rungs = draft.clamped.iter().map(|rung| {
        let order = format!("rung {rung}");
        let message = format!("{order} is moved to the edge of the contract's price range");
        note(order, message)
    });
    let target = draft.target.filter(|_| draft.target_clamped).map(|target| {
        let (profit, target) = (args.profit, price(target));
        let message =
            format!("take-profit is moved to the edge of the contract's price range, {target}: less than {profit} %");
        note("target".to_owned(), message)
    });
    let deep = deep_rungs(draft, args.venue, instrument, args.mark).into_iter().map(|(rung, at)| ShownNote {
        order: format!("rung {rung}"),
        rule: Some(Rule::PriceBand.word()),
        message: format!(
            "rung {rung} at {} is further from the mark than the contract's price band: if {} refuses it, it is held and \
             placed once the mark is near",
            price(at),
            args.venue.word()
        ),
    });
    rungs.chain(target).chain(deep).chain(unlike_asked(args.venue, args.target, args.brackets.is_some())).collect()
}

/// The rungs that the venue may refuse for being far from the mark, which are then held.
fn deep_rungs(draft: &Draft, venue: VenueName, instrument: &Instrument, mark: Price) -> Vec<(u8, Price)> {
    let band = &instrument.band;
    if !venue.capabilities().may_refuse_deep_rungs || *band == PriceBand::default() {
        return Vec::new();
    }
    draft.rungs.iter().filter(|rung| !band.is_near(rung.price, mark)).map(|rung| (rung.rung, rung.price)).collect()
}

/// What of a request this venue, or a run without its brackets, takes no notice of.
fn unlike_asked(venue: VenueName, target: TargetWord, brackets: bool) -> impl Iterator<Item = ShownNote> {
    let pair = venue.capabilities().protection == Protection::Paired && target == TargetWord::Limit;
    let pair = pair.then(|| ShownNote {
        order: "target".to_owned(),
        rule: None,
        message: format!("take-profit: stop and target are one call on {}, which has no limit target", venue.word()),
    });
    let unchecked = (!brackets).then(|| ShownNote {
        order: "leverage".to_owned(),
        rule: Some(Rule::LeverageBracket.word()),
        message: "leverage is not checked against brackets: --brackets names none".to_owned(),
    });
    pair.into_iter().chain(unchecked)
}

/// The same for whoever talks to people only.
pub(crate) fn remarks(venue: VenueName, target: TargetWord, brackets: bool) -> Vec<String> {
    unlike_asked(venue, target, brackets).map(|note| note.message).collect()
}

fn shown_rungs(draft: &Draft, after: &[AfterRung], instrument: &Instrument) -> Vec<ShownRung> {
    let (tick, lot) = (places(instrument.tick), places(instrument.lot));
    let price = |price: Price| padded(&price.to_string(), tick);
    let rungs = draft.rungs.iter().map(|rung| {
        let after = after.iter().find(|after| after.rung == rung.rung);
        let notional = rung.price.checked_mul(rung.qty).map(|notional| padded(&notional.to_string(), tick + lot));
        ShownRung {
            rung: rung.rung,
            price: price(rung.price),
            qty: padded(&rung.qty.to_string(), lot),
            notional: notional.unwrap_or_default(),
            average_entry: after.map(|after| padded(&after.average_entry.to_string(), 8)),
            target: after.and_then(|after| after.target).map(price),
        }
    });
    rungs.collect()
}

fn show(draft: &Draft, after: &[AfterRung], plan: Option<&Plan>, instrument: &Instrument, args: &Args) -> Shown {
    let (tick, lot) = (places(instrument.tick), places(instrument.lot));
    let price = |price: Price| padded(&price.to_string(), tick);
    let money = |notional: Notional| padded(&notional.to_string(), tick + lot);
    Shown {
        schema: "kraite.plan/1",
        venue: args.venue.word(),
        symbol: instrument.symbol.to_string(),
        direction: direction_word(draft.direction),
        sizing: match draft.model {
            SizingModel::Unbounded => "unbounded",
            SizingModel::Bounded => "bounded",
        },
        leverage: draft.leverage,
        entry: draft.entry.map(|entry| ShownEntry {
            qty: padded(&entry.qty.to_string(), places(instrument.market_lot)),
            reference_price: price(entry.reference_price),
            notional: money(entry.notional),
        }),
        rungs: shown_rungs(draft, after, instrument),
        target: draft.target.map(|target| ShownPrice { price: price(target) }),
        stop: draft.stop.map(|stop| ShownPrice { price: price(stop) }),
        max_loss: draft.max_loss.map(money),
        full_ladder_profit: draft.full_ladder_profit.map(money),
        loss_to_win: draft.loss_to_win().map(|ratio| cut(&ratio.to_string(), 8)),
        total_notional: draft.total_notional.map(money),
        dropped_rungs: draft.dropped.iter().map(|d| d.rung).collect(),
        clamped_rungs: draft.clamped.clone(),
        notes: notes_of(draft, args, instrument, price),
        steps: plan.map_or_else(Vec::new, |plan| {
            plan.steps
                .iter()
                .map(|step| ShownStep {
                    id: step.id,
                    kind: step_word(step.kind),
                    rung: match step.kind {
                        StepKind::Rung(rung) => Some(rung),
                        _ => None,
                    },
                    after: step.after.iter().map(|after| after.step).collect(),
                })
                .collect()
        }),
        refused: draft.refused.as_ref().map(|refusal| ShownRefusal {
            rule: refusal.rule.word(),
            rung: refusal.rung,
            message: refusal.message.clone(),
            smallest_fix: refusal
                .smallest_fix
                .as_ref()
                .map(|fix| ShownFix { flag: fix.flag.clone(), value: fix.value.clone() }),
        }),
    }
}

/// Entry, rungs, stop and target in columns; what comes after each fill stands beside it.
fn ladder_rows(shown: &Shown, quote: &str) -> String {
    let row = |cells: [&str; 6]| cells.map(str::to_owned);
    let notional = format!("notional {quote}");
    let mut rows = vec![row(["", "price", "quantity", &notional, "average entry", "take-profit"])];
    let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
    let target = shown.target.as_ref().map_or("", |target| &target.price);
    if let Some(entry) = &shown.entry {
        let reference = format!("~{}", entry.reference_price);
        rows.push(row(["entry", &reference, &entry.qty, &entry.notional, &reference, target]));
    }
    for rung in &shown.rungs {
        let (name, average, target) = (format!("rung {}", rung.rung), text(&rung.average_entry), text(&rung.target));
        rows.push(row([&name, &rung.price, &rung.qty, &rung.notional, &average, &target]));
    }
    if let Some(total) = &shown.total_notional {
        rows.push(row(["whole ladder", "", "", total, "", ""]));
    }
    if let Some(stop) = &shown.stop {
        rows.push(row(["stop-loss", &stop.price, "all open", "", "", ""]));
    }
    if !target.is_empty() {
        rows.push(row(["take-profit", target, "all open", "", "", ""]));
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::from(" ");
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let _ = if column == 0 { write!(line, " {cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn table(shown: &Shown, args: &Args, quote: &str) -> String {
    let mut text = String::new();
    let leverage = shown.leverage.map_or_else(|| "?".to_owned(), |leverage| leverage.to_string());
    let _ = writeln!(
        text,
        "{} {} on {}: margin {} {quote} at {leverage}x, {} sizing",
        shown.symbol,
        shown.direction.to_uppercase(),
        shown.venue,
        args.margin,
        shown.sizing,
    );
    text.push_str(&ladder_rows(shown, quote));
    for rung in &shown.dropped_rungs {
        let _ = writeln!(text, "  rung {rung} rounds to nothing and is left out");
    }
    for note in &shown.notes {
        let _ = writeln!(text, "  {}", note.message);
    }
    if let (Some(loss), Some(profit)) = (&shown.max_loss, &shown.full_ladder_profit) {
        let ratio = shown.loss_to_win.as_deref().map_or_else(|| "?".to_owned(), |ratio| cut(ratio, 1));
        let _ = writeln!(
            text,
            "worst loss {loss} {quote} before fees; a full ladder wins {profit}: one stop costs about {ratio} wins"
        );
    }
    if !shown.steps.is_empty() {
        let _ = writeln!(text, "steps");
        for step in &shown.steps {
            let name = step.rung.map_or_else(|| step.kind.to_owned(), |rung| format!("{} {rung}", step.kind));
            let after: Vec<String> = step.after.iter().map(u16::to_string).collect();
            let after = if after.is_empty() { String::new() } else { format!("after {}", after.join(", ")) };
            let _ = writeln!(text, "{}", format!("  {:>2}  {name:<13}  {after}", step.id).trim_end());
        }
    }
    text
}

/// Sizes, plans, prints.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let instrument = rules::instrument(args.venue, &args.exchange_info, args.brackets.as_deref(), &args.symbol)?;
    let spec = args.spec();
    let budget = Budget { margin: args.margin, leverage_cap: args.leverage_cap };
    let style = TargetStyle::from(args.target);
    let request = SizeRequest { instrument: &instrument, spec: &spec, budget: &budget, mark: args.mark };
    let draft = draft_for(&request, style);
    let plan = if draft.refused.is_none() { Some(steps_of(&draft, args)?) } else { None };
    let after = after_each_rung(&request, &draft);
    let shown = show(&draft, &after, plan.as_ref(), &instrument, args);
    if args.json {
        let text = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{text}\n"))?;
    } else {
        crate::print(&table(&shown, args, &instrument.quote))?;
    }
    let Some(refusal) = &shown.refused else { return Ok(Exit::Ok) };
    let place = refusal.rung.map_or_else(String::new, |rung| format!(" (rung {rung})"));
    let fix = refusal
        .smallest_fix
        .as_ref()
        .map_or_else(String::new, |fix| format!("; the smallest fix: --{} {}", fix.flag, fix.value));
    crate::talk(&format!("kraite: refused, {}{place}: {}{fix}", refusal.rule, refusal.message));
    Ok(Exit::PlanRefused)
}
