//! A run as one page that loads nothing from anywhere: on a phone, on paper and in the dark.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kraite_core::exchange::{Direction, MarginMode};
use kraite_core::number::Notional;
use kraite_sim::backtest::{Equity, Outcome, Part, Plan, Summary, Trip, approximate};
use kraite_sim::data::Stretches;

use super::books::why;
use super::candles::{Candle, Drawn};
use crate::utc;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#5b6570;--rule:#d5dae0;--calm:#f3f6f9;--up:#1f7a4d;--down:#b3261e;--line:#1d5fa8;--shade:#1d5fa81f;--fall:#b3261e2b;--rung:#8a6d1a;--wick:#6b7580}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ec;--paper:#14181c;--soft:#9aa5b0;--rule:#313940;--calm:#1b2127;--up:#5fc08d;--down:#ef7a72;--line:#7db3ee;--shade:#7db3ee26;--fall:#ef7a7233;--rung:#d9b648;--wick:#8a949e}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;max-width:1080px;padding:1rem}
h1{font-size:1.5rem;margin:.4rem 0 0}h2{font-size:1.15rem;margin:2rem 0 .4rem;border-top:1px solid var(--rule);padding-top:1rem}h3{font-size:1rem;margin:0}
p{margin:.3rem 0;max-width:52rem}.soft{color:var(--soft)}.up{color:var(--up)}.down{color:var(--down)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(148px,1fr));gap:.5rem;margin:1rem 0}
.tile{background:var(--calm);border-radius:6px;padding:.5rem .7rem}.tile b{display:block;font-size:1.15rem;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:.85rem}
.wrap{overflow-x:auto}table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}
th,td{border-bottom:1px solid var(--rule);padding:.2rem .55rem;text-align:right;white-space:nowrap}th:first-child,td:first-child{text-align:left}thead th{color:var(--soft);font-weight:500}
svg{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--soft)}@media(max-width:640px){svg{font-size:21px}}
.figures td{white-space:normal}.figures td:last-child{text-align:right}
.grid{stroke:var(--rule);stroke-width:1}.curve{fill:none;stroke:var(--line);stroke-width:1.6}.area{fill:var(--shade);stroke:none}.under{fill:var(--fall);stroke:var(--down);stroke-width:1}
.wick{stroke:var(--wick);stroke-width:1}.rise{fill:var(--up)}.sink{fill:var(--down)}.rung{stroke:var(--rung);stroke-width:1;stroke-dasharray:5 4}.stop{stroke:var(--down);stroke-width:1.4}.target{fill:none;stroke:var(--up);stroke-width:1.4}
.fill{fill:var(--rung);stroke:var(--paper);stroke-width:1}.entry{fill:var(--line);stroke:var(--paper);stroke-width:1}.exit{fill:var(--paper);stroke:var(--ink);stroke-width:2}
.won{fill:var(--up)}.lost{fill:var(--down)}
details{border-top:1px solid var(--rule);padding:.45rem 0}summary{cursor:pointer}summary b{font-variant-numeric:tabular-nums}
@media print{:root{--ink:#000;--paper:#fff;--soft:#444;--rule:#bbb;--calm:#f4f4f4;--up:#0b5a33;--down:#8c1d18;--line:#123f70;--shade:#0001;--fall:#0002;--rung:#5e4a10;--wick:#555}body{max-width:none;font-size:11px;padding:0}h2{break-after:avoid}details,tr,svg{break-inside:avoid}details::details-content{content-visibility:visible;display:block}.wrap{overflow:visible}}
";

/// What the page is about.
pub(crate) struct Run<'a> {
    pub(crate) venue: &'a str,
    /// Where the settings are from.
    pub(crate) source: &'a str,
    /// What the account began with.
    pub(crate) wallet: Notional,
    /// What everything together came to.
    pub(crate) outcome: &'a Outcome,
    pub(crate) equity: &'a [Equity],
    pub(crate) by_trades: bool,
    /// Every order went through engine, journal and exchange.
    pub(crate) by_messages: bool,
    /// Of an account with several contracts: how many positions were open at once at most, and how many may be.
    pub(crate) slots: Option<(usize, usize)>,
    pub(crate) traded: &'a [Traded<'a>],
}

/// One contract of it.
pub(crate) struct Traded<'a> {
    pub(crate) symbol: &'a str,
    pub(crate) plan: &'a Plan,
    pub(crate) outcome: &'a Outcome,
    pub(crate) trips: &'a [Trip],
    pub(crate) missing: &'a Stretches,
    pub(crate) frozen: &'a Stretches,
    pub(crate) drawn: &'a [Drawn],
}

impl Run<'_> {
    fn trips(&self) -> impl Iterator<Item = &Trip> {
        self.traded.iter().flat_map(|traded| traded.trips)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn day(ms: i64) -> String {
    utc::text(ms).chars().take(10).collect()
}

fn minute(ms: i64) -> String {
    utc::text(ms).chars().take(16).collect()
}

/// `1 234.50`, and a real minus.
fn money(value: f64) -> String {
    let decimals = if value.abs() < 10.0 { 4 } else { 2 };
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, "0"));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 { "\u{2212}" } else { "" };
    format!("{sign}{grouped}.{rest}")
}

fn percent(value: f64) -> String {
    format!("{}{:.2} %", if value < 0.0 { "\u{2212}" } else { "" }, value.abs())
}

fn ratio(value: f64) -> String {
    format!("{}{:.2}", if value < 0.0 { "\u{2212}" } else { "" }, value.abs())
}

fn or_dash(value: Option<f64>, shown: fn(f64) -> String) -> String {
    value.map_or_else(|| "\u{2013}".to_owned(), shown)
}

const fn tone(value: f64) -> &'static str {
    if value < 0.0 { "down" } else { "up" }
}

/// The whole page.
pub(crate) fn page(run: &Run<'_>) -> String {
    let mut trips: Vec<&Trip> = run.trips().collect();
    trips.sort_by_key(|trip| trip.opened_at);
    let summary = Summary::of(run.wallet, &trips, run.equity);
    let title = match run.traded {
        [alone] => format!("{} backtest", escape(alone.symbol)),
        several => format!("Backtest of {} contracts", several.len()),
    };
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    );
    head(&mut out, run);
    tiles(&mut out, run, &summary);
    equity(&mut out, run, &summary);
    months(&mut out, run);
    contracts(&mut out, run);
    outcomes(&mut out, run);
    figures(&mut out, run, &summary);
    positions(&mut out, run);
    said(&mut out, run);
    out += "</body></html>\n";
    out
}

fn head(out: &mut String, run: &Run<'_>) {
    let span = run.equity.first().zip(run.equity.last());
    let (from, to) = span.map_or((0, 0), |(first, last)| (first.at.0, last.at.0));
    let symbols: Vec<&str> = run.traded.iter().map(|traded| traded.symbol).collect();
    let _ = write!(
        out,
        "<p class=\"soft\">{} on {}, {} to {} UTC, {} {}</p><p>",
        escape(&symbols.join(", ")),
        run.venue,
        minute(from),
        minute(to),
        run.outcome.bars,
        if run.by_trades { "trades" } else { "bars" },
    );
    match run.traded {
        [alone] => *out += &settings(alone.plan),
        _ => {
            let _ = write!(out, "One wallet of {} behind all", money(approximate(run.wallet)));
        }
    }
    if let Some((most, slots)) = run.slots {
        let _ = write!(out, "; at most {most} of {slots} slots were taken at once");
    }
    let _ = write!(out, ". Settings: {}.</p>", escape(run.source));
}

/// What is traded, in a sentence.
fn settings(plan: &Plan) -> String {
    let Plan { spec, budget, margin_mode, slippage, .. } = plan;
    let direction = if spec.direction == Direction::Long { "long" } else { "short" };
    let mode = if *margin_mode == MarginMode::Cross { "cross" } else { "isolated" };
    let multipliers: Vec<String> = spec.multipliers.iter().map(ToString::to_string).collect();
    format!(
        "{direction}, {} rungs {} % apart (\u{d7} {}), profit {} %, stop {} % behind the last rung, margin {} at {}\u{d7} at most, {mode}, slippage {slippage} of the price",
        spec.rungs,
        spec.gap,
        escape(&multipliers.join(", ")),
        spec.profit,
        spec.stop,
        budget.margin,
        budget.leverage_cap,
    )
}

/// What each contract came to, where there are several.
fn contracts(out: &mut String, run: &Run<'_>) {
    if run.slots.is_none() {
        return;
    }
    *out += "<h2>Contracts</h2><div class=\"wrap\"><table><thead><tr><th>contract</th><th>bars</th><th>opened</th><th>targets</th><th>stops</th><th>liquidated</th><th>rungs filled</th><th>fees</th><th>funding</th><th>result</th></tr></thead><tbody>";
    for Traded { symbol, outcome, .. } in run.traded {
        let pnl = approximate(outcome.pnl);
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{}\">{}</td></tr>",
            escape(symbol),
            outcome.bars,
            outcome.positions_opened,
            outcome.targets,
            outcome.stops,
            outcome.liquidations,
            outcome.rungs_filled,
            money(approximate(outcome.fees)),
            money(approximate(outcome.funding)),
            tone(pnl),
            money(pnl),
        );
    }
    *out += "</tbody></table></div>";
    for Traded { symbol, plan, .. } in run.traded {
        let _ = write!(out, "<p class=\"soft\">{}: {}.</p>", escape(symbol), settings(plan));
    }
}

fn tiles(out: &mut String, run: &Run<'_>, summary: &Summary) {
    let pnl = approximate(run.outcome.pnl);
    let tiles = [
        ("result", money(pnl), tone(pnl)),
        ("return on the wallet", percent(summary.total_return), tone(summary.total_return)),
        ("a year (CAGR)", or_dash(summary.cagr, percent), tone(summary.cagr.unwrap_or(0.0))),
        ("deepest fall", percent(summary.max_drawdown), ""),
        ("positions ended", summary.trades.to_string(), ""),
        ("won", or_dash(summary.win_rate, percent), ""),
        ("profit factor", or_dash(summary.profit_factor, ratio), ""),
        ("expectancy", or_dash(summary.expectancy, money), tone(summary.expectancy.unwrap_or(0.0))),
        ("Sharpe", or_dash(summary.sharpe, ratio), ""),
        ("Sortino", or_dash(summary.sortino, ratio), ""),
        ("Calmar", or_dash(summary.calmar, ratio), ""),
        ("the market did", or_dash(summary.market_change, percent), ""),
    ];
    *out += "<div class=\"tiles\">";
    for (name, value, tone) in tiles {
        let _ = write!(out, "<div class=\"tile\"><b class=\"{tone}\">{value}</b><span>{name}</span></div>");
    }
    *out += "</div>";
}

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 88.0;
const RIGHT: f64 = 12.0;

/// From values to places of a picture.
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// With a little room on both sides, and for one value alone.
    fn of(low: f64, high: f64, start: f64, end: f64) -> Self {
        let room = ((high - low) * 0.05).max(high.abs() * 1e-6).max(1e-9);
        Self { from: low - room, to: high + room, start, end }
    }

    fn at(&self, value: f64) -> f64 {
        self.start + (value - self.from) / (self.to - self.from) * (self.end - self.start)
    }

    /// Round values inside, a handful.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.to - self.from) / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let first = (self.from / step).ceil();
        (0..12).map(|n| (first + f64::from(n)) * step).take_while(|value| *value <= self.to).collect()
    }
}

fn short(value: f64) -> String {
    let decimals = match value.abs() {
        1_000.0.. => 0,
        10.0.. => 2,
        1.0.. => 3,
        _ => 5,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    text.replace('-', "\u{2212}")
}

/// At most so many points of a curve: of each piece its lowest and its highest.
fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most {
        return points.to_vec();
    }
    let piece = points.len().div_ceil(most / 2);
    let ends = points.chunks(piece).flat_map(|piece| {
        let low = piece.iter().copied().reduce(|a, b| if b.1 < a.1 { b } else { a });
        let high = piece.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
        let mut ends: Vec<(f64, f64)> = low.into_iter().chain(high).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends
    });
    points.first().copied().into_iter().chain(ends).chain(points.last().copied()).collect()
}

fn path(points: &[(f64, f64)], x: &Scale, y: &Scale) -> String {
    let mut path = String::new();
    for (place, (at, value)) in points.iter().enumerate() {
        let _ = write!(path, "{}{:.1} {:.1}", if place == 0 { 'M' } else { 'L' }, x.at(*at), y.at(*value));
    }
    path
}

/// Lines and words for the values of an axis on the left.
fn rules(out: &mut String, y: &Scale, shown: fn(f64) -> String) {
    for tick in y.ticks() {
        let at = y.at(tick);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            shown(tick)
        );
    }
}

/// Words for instants at the foot.
fn times(out: &mut String, from: i64, to: i64, x: &Scale, foot: f64) {
    let shown: fn(i64) -> String = if to - from > 3 * 86_400_000 { day } else { minute };
    for (part, anchor) in [(0, "start"), (1, "middle"), (2, "end")] {
        let at = from + (to - from) / 2 * part;
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{foot:.0}\" text-anchor=\"{anchor}\">{}</text>",
            x.at(at as f64),
            shown(at)
        );
    }
}

fn equity(out: &mut String, run: &Run<'_>, summary: &Summary) {
    let kept = run.equity;
    let (Some(first), Some(last)) = (kept.first(), kept.last()) else { return };
    let points: Vec<(f64, f64)> = kept.iter().map(|e| (e.at.0 as f64, approximate(e.equity))).collect();
    let wallet = approximate(run.wallet);
    let mut peak = f64::MIN;
    let under: Vec<(f64, f64)> = points
        .iter()
        .map(|(at, value)| {
            peak = peak.max(*value);
            (*at, (value - peak) / peak * 100.0)
        })
        .collect();
    let (points, under) = (thinned(&points, 900), thinned(&under, 900));
    let x = Scale { from: first.at.0 as f64, to: last.at.0 as f64 + 1.0, start: LEFT, end: WIDTH - RIGHT };
    let low = points.iter().map(|p| p.1).fold(wallet, f64::min);
    let high = points.iter().map(|p| p.1).fold(wallet, f64::max);
    let y = Scale::of(low, high, 270.0, 8.0);
    *out += "<h2>Equity</h2><p class=\"soft\">Wallet and open position, each hour. Below: how far under the peak before.</p>";
    let _ = write!(out, "<svg viewBox=\"0 0 {WIDTH} 420\" role=\"img\" aria-label=\"Equity and fall from the peak\">");
    rules(out, &y, short);
    let line = path(&points, &x, &y);
    let _ = write!(
        out,
        "<path class=\"area\" d=\"{line}L{:.1} 270L{:.1} 270Z\"/><path class=\"curve\" d=\"{line}\"/>",
        points.last().map_or(LEFT, |p| x.at(p.0)),
        x.at(x.from),
    );
    let deepest = under.iter().map(|p| p.1).fold(0.0, f64::min);
    let y = Scale { from: deepest.min(-0.01) * 1.1, to: 0.0, start: 390.0, end: 300.0 };
    rules(out, &y, percent);
    let _ = write!(
        out,
        "<path class=\"under\" d=\"{}L{:.1} 300L{:.1} 300Z\"/>",
        path(&under, &x, &y),
        under.last().map_or(LEFT, |p| x.at(p.0)),
        x.at(x.from),
    );
    times(out, first.at.0, last.at.0, &x, 414.0);
    *out += "</svg>";
    if let Some((from, to)) = summary.max_drawdown_at {
        let _ = write!(
            out,
            "<p>The deepest fall of {} began {} and was deepest {}; the longest time under a peak was {}. Seen at every price and not each hour, the deepest fall was {}.</p>",
            percent(summary.max_drawdown),
            minute(from),
            minute(to),
            utc::span(summary.longest_underwater_ms),
            money(approximate(run.outcome.max_drawdown)),
        );
    }
}

fn months(out: &mut String, run: &Run<'_>) {
    // The last equity of each month.
    let mut closes: BTreeMap<(i64, usize), f64> = BTreeMap::new();
    for kept in run.equity {
        let text = day(kept.at.0);
        let mut parts = text.split('-');
        let year = parts.next().and_then(|part| part.parse().ok());
        let month = parts.next().and_then(|part| part.parse().ok());
        if let (Some(year), Some(month)) = (year, month) {
            closes.insert((year, month), approximate(kept.equity));
        }
    }
    let mut before = approximate(run.wallet);
    let mut years: BTreeMap<i64, ([Option<f64>; 12], f64, f64)> = BTreeMap::new();
    for ((year, month), close) in closes {
        let (row, _, end) = years.entry(year).or_insert(([None; 12], before, before));
        if let Some(cell) = row.get_mut(month - 1) {
            *cell = Some((close / before - 1.0) * 100.0);
        }
        *end = close;
        before = close;
    }
    *out += "<h2>Months</h2><div class=\"wrap\"><table><thead><tr><th>year</th>";
    for month in ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "year"] {
        let _ = write!(out, "<th>{month}</th>");
    }
    *out += "</tr></thead><tbody>";
    for (year, (row, start, end)) in years {
        let _ = write!(out, "<tr><td>{year}</td>");
        for value in row.into_iter().chain([Some((end / start - 1.0) * 100.0)]) {
            match value {
                Some(value) => {
                    let _ = write!(out, "<td class=\"{}\">{}</td>", tone(value), percent(value));
                }
                None => *out += "<td></td>",
            }
        }
        *out += "</tr>";
    }
    *out += "</tbody></table></div>";
}

/// How many bars the distribution has.
const BINS: usize = 30;

fn outcomes(out: &mut String, run: &Run<'_>) {
    let ended: Vec<(&Trip, f64)> = run.trips().filter_map(|trip| Some((trip, approximate(trip.net?)))).collect();
    *out += "<h2>What positions came to</h2>";
    if ended.is_empty() {
        *out += "<p>No position has ended.</p>";
        return;
    }
    let low = ended.iter().map(|(_, net)| *net).fold(0.0, f64::min);
    let high = ended.iter().map(|(_, net)| *net).fold(0.0, f64::max);
    let width = ((high - low) / BINS as f64).max(1e-9);
    // A border lies at zero, so that no bar holds winners and losers.
    let first = (low / width).floor();
    let mut bins: BTreeMap<i64, usize> = BTreeMap::new();
    for (_, net) in &ended {
        *bins.entry((net / width).floor().max(first) as i64).or_insert(0) += 1;
    }
    let x = Scale { from: first * width, to: (high / width).floor() * width + width, start: LEFT, end: WIDTH - RIGHT };
    let most = bins.values().copied().max().unwrap_or(1) as f64;
    let y = Scale { from: 0.0, to: most * 1.05, start: 170.0, end: 8.0 };
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} 196\" role=\"img\" aria-label=\"How many positions brought how much\">"
    );
    rules(out, &y, short);
    for (bin, count) in &bins {
        let (left, right) = (*bin as f64 * width, (*bin + 1) as f64 * width);
        // One of a thousand is still seen.
        let top = y.at(*count as f64).min(167.0);
        let _ = write!(
            out,
            "<rect class=\"{}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} to {}: {count}</title></rect>",
            if *bin < 0 { "lost" } else { "won" },
            x.at(left) + 0.5,
            (x.at(right) - x.at(left) - 1.0).max(1.0),
            170.0 - top,
            money(left),
            money(right),
        );
    }
    for tick in x.ticks() {
        let _ = write!(out, "<text x=\"{:.1}\" y=\"188\" text-anchor=\"middle\">{}</text>", x.at(tick), short(tick));
    }
    *out += "</svg><div class=\"wrap\"><table><thead><tr><th>ended by</th><th>rungs filled</th><th>positions</th><th>together</th><th>on average</th></tr></thead><tbody>";
    let mut kinds: BTreeMap<(&str, usize), (usize, f64)> = BTreeMap::new();
    for (trip, net) in &ended {
        let end = trip.end().map_or("", |end| why(end.of));
        let kind = kinds.entry((end, trip.rungs_filled())).or_insert((0, 0.0));
        *kind = (kind.0 + 1, kind.1 + net);
    }
    for ((end, rungs), (count, sum)) in kinds {
        let _ = write!(
            out,
            "<tr><td>{end}</td><td>{rungs}</td><td>{count}</td><td class=\"{}\">{}</td><td>{}</td></tr>",
            tone(sum),
            money(sum),
            money(sum / count as f64)
        );
    }
    *out += "</tbody></table></div>";
}

fn figures(out: &mut String, run: &Run<'_>, summary: &Summary) {
    let outcome = run.outcome;
    let rows = [
        ("opened, given up before any exposure, refused by the planner", {
            format!("{}, {}, {}", outcome.positions_opened, outcome.positions_cancelled, outcome.refused)
        }),
        ("ended by target, by stop, liquidated", {
            format!("{}, {}, {}", outcome.targets, outcome.stops, outcome.liquidations)
        }),
        ("average winner, average loser", {
            format!("{}, {}", or_dash(summary.average_win, money), or_dash(summary.average_loss, money))
        }),
        ("best and worst position", format!("{}, {}", or_dash(summary.best, money), or_dash(summary.worst, money))),
        ("worst loss by what its plan said it may lose", or_dash(summary.worst_by_plan, ratio)),
        ("winners and losers in a row, at most", format!("{}, {}", summary.longest_winning, summary.longest_losing)),
        ("time with a position open", or_dash(summary.exposure, percent)),
        ("average time from opening to end", {
            summary.average_duration_ms.map_or_else(|| "\u{2013}".into(), |ms| utc::span(ms as i64))
        }),
        ("fees", money(approximate(outcome.fees))),
        ("funding", money(approximate(outcome.funding))),
        (
            "time without a stop",
            "not looked at: prices alone cannot tell; `kraite backtest` without --fast does".to_owned(),
        ),
    ];
    *out += "<h2>Figures</h2><table class=\"figures\"><tbody>";
    for (name, value) in rows {
        let _ = write!(out, "<tr><td>{name}</td><td>{value}</td></tr>");
    }
    *out += "</tbody></table>";
}

fn positions(out: &mut String, run: &Run<'_>) {
    let all = run.trips().count();
    let mut drawn: Vec<(&Traded<'_>, &Drawn)> =
        run.traded.iter().flat_map(|traded| traded.drawn.iter().map(move |drawn| (traded, drawn))).collect();
    drawn.sort_by_key(|(_, drawn)| drawn.from);
    let _ = write!(
        out,
        "<h2>Positions</h2><p class=\"soft\">Dashed: rungs as planned; dots: those that filled; green: the target and where it moved; red: the stop; blue: the entry; ring: the end. {} of {all} are drawn{}.</p>",
        drawn.len(),
        if drawn.len() < all { ": the worst, the best, and some of those between (--drawn N draws more)" } else { "" },
    );
    for (place, (traded, drawn)) in drawn.into_iter().enumerate() {
        let Some(trip) = traded.trips.get(drawn.place) else { continue };
        let name = match run.slots {
            Some(_) => format!("{} #{}", escape(traded.symbol), drawn.place + 1),
            None => format!("#{}", drawn.place + 1),
        };
        position(out, &name, place < 3, drawn, trip);
    }
}

fn position(out: &mut String, name: &str, first: bool, drawn: &Drawn, trip: &Trip) {
    let net = trip.net.map(approximate);
    let (qty, average) = trip.entered();
    let end = trip.end();
    let _ = write!(
        out,
        "<details{}><summary><b>{name}</b> {} <b class=\"{}\">{}</b> {}, {} of {} rungs</summary><p class=\"soft\">{} at {} on average, {}\u{d7}; {}; planned to lose {} at most; fees {}, funding {}; open for {}{}.</p>",
        if first || net.is_some_and(|net| net < 0.0) { " open" } else { "" },
        minute(trip.opened_at.0),
        tone(net.unwrap_or(0.0)),
        or_dash(net, money),
        end.map_or("still open", |end| why(end.of)),
        trip.rungs_filled(),
        trip.rungs.len(),
        qty,
        average.map_or_else(String::new, |price| short(approximate(price))),
        trip.leverage,
        end.map_or_else(String::new, |end| format!("out at {} on {}", end.price, minute(end.at.0))),
        money(approximate(trip.planned_loss)),
        money(approximate(trip.fees())),
        money(approximate(trip.funding())),
        utc::span(end.map_or(drawn.to, |end| end.at.0) - trip.opened_at.0),
        trip.unprotected
            .map_or_else(String::new, |longest| format!(", without a stop for {} at worst", utc::span(longest.0))),
    );
    candles(out, drawn, trip);
    *out += "</details>";
}

fn candles(out: &mut String, drawn: &Drawn, trip: &Trip) {
    const HEIGHT: f64 = 300.0;
    let candles: &[Candle] = &drawn.candles;
    let rungs = trip.rungs.iter().map(|(price, _)| approximate(price));
    let targets = trip.targets.iter().map(|(_, price)| approximate(price));
    let seen = candles.iter().flat_map(|candle| [candle.low, candle.high]);
    let deals = trip.deals.iter().map(|deal| approximate(deal.price));
    // Rungs and a stop that the price never came near do not press the candles flat.
    let (low, high) =
        seen.clone().chain(targets).chain(deals).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    let near = (high - low) * 0.6;
    let orders: Vec<f64> = rungs.clone().chain([approximate(trip.stop)]).collect();
    let in_sight = |price: &f64| *price > low - near && *price < high + near;
    let (low, high) = orders.iter().copied().filter(in_sight).fold((low, high), |(l, h), v| (l.min(v), h.max(v)));
    let (x, y) = (
        Scale { from: drawn.from as f64, to: drawn.to as f64 + 1.0, start: LEFT, end: WIDTH - RIGHT },
        Scale::of(low, high, HEIGHT - 26.0, 8.0),
    );
    let shown = |price: f64| price >= y.from && price <= y.to;
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Candles with the orders of the position\">"
    );
    rules(out, &y, short);
    let width = ((WIDTH - RIGHT - LEFT) * drawn.step as f64 / (drawn.to - drawn.from).max(1) as f64).clamp(1.5, 12.0);
    for candle in candles.iter().filter(|candle| candle.at + drawn.step / 2 <= drawn.to) {
        let middle = x.at(candle.at as f64 + drawn.step as f64 / 2.0);
        let (top, foot) = (y.at(candle.open.max(candle.close)), y.at(candle.open.min(candle.close)));
        let _ = write!(
            out,
            "<line class=\"wick\" x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/><rect class=\"{}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            y.at(candle.high),
            y.at(candle.low),
            if candle.close < candle.open { "sink" } else { "rise" },
            middle - width * 0.35,
            width * 0.7,
            (foot - top).max(0.8),
        );
    }
    let last = trip.end().map_or(drawn.to, |end| end.at.0);
    let (start, end) = (x.at(trip.opened_at.0 as f64), x.at((last + drawn.step) as f64).min(WIDTH - RIGHT));
    let level = |out: &mut String, class: &str, price: f64| {
        if shown(price) {
            let at = y.at(price);
            let _ = write!(
                out,
                "<line class=\"{class}\" x1=\"{start:.1}\" x2=\"{end:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            );
        }
    };
    for price in rungs {
        level(out, "rung", price);
    }
    level(out, "stop", approximate(trip.stop));
    let mut steps = String::new();
    for (place, (at, price)) in trip.targets.iter().enumerate() {
        let until = trip.targets.get(place + 1).map_or(end, |(next, _)| x.at(next.0 as f64));
        let (from, at) = (x.at(at.0 as f64), y.at(approximate(price)));
        let _ = write!(steps, "{}{from:.1} {at:.1}H{until:.1}", if place == 0 { 'M' } else { 'L' });
    }
    let _ = write!(out, "<path class=\"target\" d=\"{steps}\"/>");
    for deal in &trip.deals {
        let class = match deal.of {
            Part::Entry => "entry",
            Part::Rung(_) => "fill",
            Part::Target | Part::Stop | Part::Liquidation | Part::Close => "exit",
        };
        let at = x.at(deal.at.0 as f64 + drawn.step as f64 / 2.0).min(WIDTH - RIGHT);
        let _ = write!(
            out,
            "<circle class=\"{class}\" cx=\"{at:.1}\" cy=\"{:.1}\" r=\"5\"><title>{:?}: {} at {}, {}</title></circle>",
            y.at(approximate(deal.price)),
            deal.of,
            deal.qty,
            deal.price,
            minute(deal.at.0)
        );
    }
    times(out, drawn.from, drawn.to, &x, HEIGHT - 4.0);
    *out += "</svg>";
    let hidden = orders.iter().filter(|price| !shown(**price)).count();
    if hidden > 0 {
        let _ = write!(
            out,
            "<p class=\"soft\">{hidden} orders lie outside of the picture; the stop was at {}.</p>",
            trip.stop
        );
    }
}

/// What the data has not, and how a bar is read.
fn said(out: &mut String, run: &Run<'_>) {
    *out += "<h2>How to read this</h2>";
    *out += if run.by_trades {
        "<p>Every trade is a price that everything resting sees; an order counts from when its message has arrived, and executes whole where a trade is at its price.</p>"
    } else {
        "<p>What a bar does not say is read against the position. Where one reaches both the target and the stop, or a liquidation, the stop comes first; any other goes from the open to the best price, then to the worst, then to the close, so that a target which a rung has lowered is not reached by what may have been before it. A stop executes at the worst price of its bar, a target where it triggers.</p>"
    };
    if run.by_messages {
        let verdict = &run.outcome.verdict;
        let _ = write!(
            out,
            "<p>Every order went through engine, journal and exchange: {} orders placed, {} faults, {} crashes; {} duplicates, {} orphans, {} violations.</p>",
            run.outcome.orders_placed,
            run.outcome.faults_injected,
            run.outcome.crashes,
            verdict.duplicates,
            verdict.orphans,
            verdict.violations,
        );
    }
    *out += "<p>Sharpe, Sortino and CAGR are of 365 days, from daily changes, without a riskless rate. What happened is no promise of what will.</p>";
    for traded in run.traded {
        let of = if run.slots.is_some() { format!("{}: ", escape(traded.symbol)) } else { String::new() };
        for (what, stretches) in
            [("not in the data", traded.missing), ("nobody traded for five bars or more", traded.frozen)]
        {
            still(out, &format!("{of}{what}"), stretches);
        }
    }
}

/// Where the data has nothing.
fn still(out: &mut String, what: &str, stretches: &Stretches) {
    let mut letters = what.chars();
    let what = letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect());
    if stretches.count == 0 {
        let _ = write!(out, "<p>{what}: never.</p>");
        return;
    }
    let _ = write!(
        out,
        "<p>{what}, {} times; nothing was filled in:</p><div class=\"wrap\"><table><thead><tr><th>from</th><th>to</th><th>how many</th></tr></thead><tbody>",
        stretches.count
    );
    for stretch in stretches.first.iter().take(50) {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            minute(stretch.from.0),
            minute(stretch.to.0),
            stretch.bars
        );
    }
    *out += "</tbody></table></div>";
}
