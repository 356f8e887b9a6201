//! Scenes: what a script of prices and faults does not reach. Other hands, a halted venue, a lost journal, a
//! second command. Each says what is wrong, or nothing.

use std::collections::BTreeMap;

use kraite_core::engine::{Command, CommandId, OpenRequest};
use kraite_core::exchange::{Direction, MarginMode, Purpose};
use kraite_core::id::{PositionNo, Role, Symbol, VenueOrderId};
use kraite_core::number::{Factor, Price, Qty};
use kraite_core::plan::TargetStyle;
use kraite_core::position::{Phase, Position, PositionStatus, Why};
use kraite_core::time::Millis;
use kraite_sim::presets;
use kraite_sim::script::{self, Script};
use kraite_sim::venue::{CloseOverlap, Liquidity, Venue, VenueProfile};
use kraite_sim::world::{Fate, Nemesis, Point, Stream, World};

/// A scene, played on a venue of one shape.
pub(crate) struct Scene {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// What is wrong in the end; `Ok` where nothing is.
    pub(crate) play: fn(&VenueProfile) -> Result<(), String>,
}

/// Every scene.
pub(crate) const ALL: &[Scene] = &[
    Scene { name: "rung-fills", play: rung_fills },
    Scene { name: "rung-fills-stop-by-quantity", play: rung_fills_stop_by_quantity },
    Scene { name: "stop-cancelled-unheard", play: stop_cancelled_unheard },
    Scene { name: "somebody-adds-then-close", play: somebody_adds_then_close },
    Scene { name: "foreign-order-rests", play: foreign_order_rests },
    Scene { name: "liquidated", play: liquidated },
    Scene { name: "partial-entry", play: partial_entry },
    Scene { name: "halted-close", play: halted_close },
    Scene { name: "stale-mark", play: stale_mark },
    Scene { name: "opened-twice", play: opened_twice },
    Scene { name: "not-clear", play: not_clear },
    Scene { name: "command-repeated", play: command_repeated },
    Scene { name: "journal-tail-lost", play: journal_tail_lost },
    Scene { name: "late-restart", play: late_restart },
    Scene { name: "doubled-requests", play: doubled_requests },
    Scene { name: "limit-target-in-the-way", play: limit_target_in_the_way },
    Scene { name: "infeasible-rung", play: infeasible_rung },
    Scene { name: "settings-first", play: settings_first },
    Scene { name: "rung-lost", play: rung_lost },
    Scene { name: "stop-refused-for-good", play: stop_refused_for_good },
    Scene { name: "remainder-taken-late", play: remainder_taken_late },
];

/// Where something was wrong, and what.
pub(crate) struct Found {
    /// The script or scene, the shape of its venue, and the schedule of its faults.
    pub(crate) place: String,
    /// What was wrong.
    pub(crate) finding: String,
}

/// The venue shapes.
pub(crate) fn shapes() -> [(&'static str, VenueProfile); 2] {
    [("separate", presets::binance()), ("paired", presets::bitget())]
}

/// Plays every scene on both shapes; the first that goes wrong. A scene that cannot set its stage is passed over
/// while a bug is awake: another one has to find it.
pub(crate) fn first_wrong() -> Option<Found> {
    for scene in ALL {
        for (shape, profile) in shapes() {
            let played = std::panic::catch_unwind(|| (scene.play)(&profile));
            if cfg!(not(kraite_zoo)) && played.is_err() {
                return Some(Found { place: format!("{} {shape}", scene.name), finding: "panicked".into() });
            }
            if let Ok(Err(finding)) = played {
                return Some(Found { place: format!("{} {shape}", scene.name), finding });
            }
        }
    }
    None
}

/// Less than a lot is left, and each request in turn is taken at the last instant that its rule allows: the user has
/// closed everything by then.
fn remainder_taken_late(profile: &VenueProfile) -> Result<(), String> {
    let script = Script::catalogue().into_iter().find(|script| script.name == "less-than-a-lot").unwrap();
    let calm = script::play(&script, profile.clone(), BTreeMap::new(), Stream::Push);
    let requests = (0u64..).zip(&calm.trail).filter(|(_, point)| **point == Point::Request);
    for (number, _) in requests {
        let played = script::play(&script, profile.clone(), BTreeMap::from([(number, Fate::Tardy)]), Stream::Push);
        if let Some((_, finding)) = played.verdict.findings.first() {
            return Err(format!("request {number} taken late: {finding:?}"));
        }
    }
    Ok(())
}

fn symbol() -> Symbol {
    presets::instrument().symbol
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn world(profile: &VenueProfile, schedule: BTreeMap<u64, Fate>) -> World {
    let mut world = script::world(profile.clone(), Nemesis::scheduled(1, schedule), script::Timing::default());
    world.run_for(Millis(500));
    world
}

fn request(world: &World) -> OpenRequest {
    script::request(&Script::open_to_close(), world).unwrap()
}

fn open(world: &mut World, id: u64, request: OpenRequest) {
    world.command(script::account(), CommandId(id), Command::Open(Box::new(request)));
}

fn close(world: &mut World) {
    world.command(script::account(), CommandId(90), Command::Close(PositionNo::new(1).unwrap()));
}

/// A world with an active position.
fn active(profile: &VenueProfile) -> Result<World, String> {
    let mut world = world(profile, BTreeMap::new());
    let request = request(&world);
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(5));
    let status = position(&world)?.status();
    require(status == PositionStatus::Active, || format!("opened: {status:?}"))?;
    Ok(world)
}

fn positions(world: &World) -> Result<Vec<&Position>, String> {
    let engine = world.engine(script::account()).ok_or("the worker is dead")?;
    Ok(engine.state().positions.values().collect())
}

fn position(world: &World) -> Result<&Position, String> {
    positions(world)?.into_iter().next().ok_or_else(|| "no position".into())
}

fn believed(world: &World) -> Result<Qty, String> {
    Ok(position(world)?.exposure())
}

fn shown(world: &World) -> Qty {
    world.venue.position(script::account(), &symbol(), Direction::Long)
}

/// What the venue has open of a role of ours.
fn resting(world: &World, role: Role) -> Vec<VenueOrderId> {
    let ours = world.venue.open_orders().filter(|o| o.parent.is_none());
    let of_role = ours.filter(|o| o.client_id().is_some_and(|id| id.key().logical.role == role));
    of_role.map(|o| o.report(None).venue_id).collect()
}

fn nothing_found(world: &mut World) -> Result<(), String> {
    let verdict = world.conclude();
    require(verdict.violations == 0, || format!("{:?}", verdict.findings.first().map(|(_, finding)| finding)))
}

fn ends(world: &mut World, phase: Phase, why: Why) -> Result<(), String> {
    world.run_for(Millis::from_secs(900));
    let position = position(world)?;
    let end = (position.phase, position.why);
    require(end == (phase, why), || format!("ended {end:?} instead of {:?}", (phase, why)))?;
    nothing_found(world)
}

/// A rung fills: a target rests all the while, and then one stop and one target fit what is open.
fn rung_fills(profile: &VenueProfile) -> Result<(), String> {
    let mut world = active(profile)?;
    world.price(&symbol(), price("137"));
    for _ in 0..500 {
        world.run_for(Millis(20));
        require(!resting(&world, Role::Target).is_empty(), || "no target while it is re-priced".into())?;
    }
    require(believed(&world)? == qty("1.23"), || "the rung's fill is not known".into())?;
    for role in [Role::Stop, Role::Target] {
        let ids = resting(&world, role);
        require(ids.len() == 1, || format!("{} open as {role}", ids.len()))?;
        let object = world.venue.object_named(&ids[0]).unwrap();
        let fits = object.shape.qty().is_none_or(|stated| stated == qty("1.23"));
        require(fits, || format!("the {role} covers {:?}", object.shape.qty()))?;
        // 141.7167 x 1.0036, and the last rung at 99.15 less 2.5 %, both hung on the fill at 150.24.
        let wanted = if role == Role::Target { price("142.23") } else { position(&world)?.ladder.stop };
        require(object.shape.price() == Some(wanted), || format!("the {role} is at {:?}", object.shape.price()))?;
    }
    nothing_found(&mut world)
}

fn rung_fills_stop_by_quantity(profile: &VenueProfile) -> Result<(), String> {
    let mut profile = profile.clone();
    if profile.capabilities.protection == kraite_core::capabilities::Protection::Separate {
        profile.capabilities.stop_sizing = kraite_core::capabilities::StopSizing::Quantity;
    }
    rung_fills(&profile)
}

/// The stream is silent and somebody cancels the stop: the next reading misses it.
fn stop_cancelled_unheard(profile: &VenueProfile) -> Result<(), String> {
    let mut world = active(profile)?;
    world.set_stream(Stream::Silent);
    let stop = resting(&world, Role::Stop)[0].clone();
    world.by_hand(|venue, now| venue.user_cancel(&stop, now)).unwrap();
    world.run_for(Millis::from_secs(400));
    require(resting(&world, Role::Stop).len() == 1, || "the stop is gone and nobody noticed".into())
}

fn somebody_adds_then_close(profile: &VenueProfile) -> Result<(), String> {
    let mut world = active(profile)?;
    by_market(&mut world, Purpose::Open, "1");
    world.run_for(Millis::from_secs(60));
    close(&mut world);
    world.run_for(Millis::from_secs(900));
    require(shown(&world) == qty("1"), || format!("{} is left of somebody's 1", shown(&world)))
}

fn by_market(world: &mut World, purpose: Purpose, size: &str) {
    let (who, what) = (script::account(), symbol());
    let act = |venue: &mut Venue, now| venue.user_market(who, &what, Direction::Long, purpose, qty(size), now);
    world.by_hand(act).unwrap();
}

/// An order of somebody else rests on the contract all through a closing.
fn foreign_order_rests(profile: &VenueProfile) -> Result<(), String> {
    let mut world = active(profile)?;
    let (who, what) = (script::account(), symbol());
    let (far, one) = (price("50"), qty("1"));
    let theirs = world
        .by_hand(|venue, now| venue.user_limit(who, &what, Direction::Long, Purpose::Open, far, one, now))
        .unwrap();
    close(&mut world);
    ends(&mut world, Phase::Closed, Why::Command)?;
    let open = world.venue.object_named(&theirs).is_some_and(|o| o.is_open());
    require(open, || "an order of somebody else was cancelled".into())
}

fn liquidated(profile: &VenueProfile) -> Result<(), String> {
    let mut world = world(profile, BTreeMap::new());
    let mut request = request(&world);
    request.margin_mode = MarginMode::Isolated;
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(5));
    world.price(&symbol(), price("141"));
    world.run_for(Millis::from_secs(5));
    require(believed(&world)?.is_zero(), || {
        format!("{} is believed open after a liquidation", believed(&world).unwrap())
    })?;
    ends(&mut world, Phase::Closed, Why::External)
}

fn partial_entry(profile: &VenueProfile) -> Result<(), String> {
    let mut world = world(profile, BTreeMap::new());
    world.venue.set_liquidity(&symbol(), Liquidity { taker_cap: Some(qty("0.2")), ..Liquidity::default() });
    let request = request(&world);
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(20));
    let first = position(&world)?.rungs.first().map(|r| r.qty);
    require(first == Some(qty("0.4")), || format!("rung 1 is {first:?} on an entry of 0.2"))?;
    world.venue.set_liquidity(&symbol(), Liquidity::default());
    world.price(&symbol(), price("152"));
    ends(&mut world, Phase::Closed, Why::TargetFilled)
}

/// A close that cannot fill for hours: the stop stays, the close is never given up, nothing floods.
fn halted_close(profile: &VenueProfile) -> Result<(), String> {
    let mut world = active(profile)?;
    world.by_hand(|venue, _| venue.halt(&symbol()));
    close(&mut world);
    world.run_for(Millis::from_secs(120));
    require(world.auditor.verdict().violations == 0, || format!("{:?}", world.auditor.verdict().findings))?;
    world.run_for(Millis::from_secs(2 * 3_600));
    require(resting(&world, Role::Stop).len() == 1, || "the stop went before the exposure".into())?;
    world.by_hand(|venue, _| venue.resume(&symbol()));
    world.price(&symbol(), price("150"));
    ends(&mut world, Phase::Closed, Why::Command)
}

fn stale_mark(profile: &VenueProfile) -> Result<(), String> {
    let mut world = world(profile, BTreeMap::new());
    let request = request(&world);
    world.run_for(Millis::from_secs(31));
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(60));
    require(shown(&world).is_zero(), || "opened on a mark of 31 s ago".into())
}

fn opened_twice(profile: &VenueProfile) -> Result<(), String> {
    let mut world = world(profile, BTreeMap::new());
    let request = request(&world);
    open(&mut world, 1, request.clone());
    open(&mut world, 2, request);
    world.run_for(Millis::from_secs(60));
    require(shown(&world) == qty("0.41"), || format!("two openings made {}", shown(&world)))
}

fn not_clear(profile: &VenueProfile) -> Result<(), String> {
    let mut world = world(profile, BTreeMap::new());
    by_market(&mut world, Purpose::Open, "1");
    world.run_for(Millis::from_secs(5));
    let request = request(&world);
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(60));
    require(shown(&world) == qty("1"), || format!("opened beside somebody's 1: {}", shown(&world)))
}

fn command_repeated(profile: &VenueProfile) -> Result<(), String> {
    let mut world = active(profile)?;
    close(&mut world);
    world.run_for(Millis::from_secs(120));
    let request = request(&world);
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(10));
    require(shown(&world).is_zero(), || "a repeated command opened again".into())
}

/// The disk lied about its last records, the orders they intended are at the venue: they are taken over.
fn journal_tail_lost(profile: &VenueProfile) -> Result<(), String> {
    let mut last = Ok(());
    for records in 1..30 {
        let mut world = world(profile, BTreeMap::new());
        let request = request(&world);
        open(&mut world, 1, request);
        world.run_for(Millis(1_500));
        world.kill(script::account());
        world.journal.lose_suffix(script::account(), records);
        world.run_for(Millis::from_secs(120));
        if positions(&world)?.is_empty() {
            break;
        }
        close(&mut world);
        world.run_for(Millis::from_secs(900));
        let left = world.venue.open_orders().count();
        last = last.and(require(left == 0, || format!("{left} orders that {records} lost records intended are left")));
    }
    last
}

/// Away for longer than a position may be without a stop: it is looked for before the position is given up.
fn late_restart(profile: &VenueProfile) -> Result<(), String> {
    let calm = active(profile)?.nemesis.trail.clone();
    for (number, _) in (0u64..).zip(&calm).filter(|(_, point)| **point == Point::AfterReply) {
        let mut world = world(profile, BTreeMap::from([(number, Fate::Crash)]));
        world.set_stream(Stream::Silent);
        world.set_restart(Millis::from_secs(45));
        let request = request(&world);
        open(&mut world, 1, request);
        world.run_for(Millis::from_secs(200));
        let Ok(position) = position(&world) else { continue };
        require(position.why != Why::Unprotected, || "given up without a look for its stop".into())?;
        nothing_found(&mut world)?;
    }
    Ok(())
}

/// The wire doubles a request: what it made is gone within a reading, and our size is what was asked for.
fn doubled_requests(profile: &VenueProfile) -> Result<(), String> {
    let calm = active(profile)?.nemesis.trail.clone();
    for (number, _) in (0u64..).zip(&calm).filter(|(_, point)| **point == Point::Request) {
        let mut world = world(profile, BTreeMap::from([(number, Fate::Double)]));
        let request = request(&world);
        open(&mut world, 1, request);
        world.run_for(Millis::from_secs(700));
        require(shown(&world) == qty("0.41"), || format!("{} is open and 0.41 was asked for", shown(&world)))?;
        let copies = (1..=4).map(Role::Rung).find(|role| resting(&world, *role).len() > 1);
        require(copies.is_none(), || format!("a copy of {copies:?} rests"))?;
    }
    Ok(())
}

/// A resting LIMIT target holds the quantity that the close wants, and the venue refuses the overlap.
fn limit_target_in_the_way(profile: &VenueProfile) -> Result<(), String> {
    let mut profile = profile.clone();
    profile.quirks.close_overlap = CloseOverlap::Refuse;
    let mut world = world(&profile, BTreeMap::new());
    let mut request = request(&world);
    request.target_style = TargetStyle::Limit;
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(5));
    close(&mut world);
    ends(&mut world, Phase::Closed, Why::Command)
}

fn infeasible_rung(profile: &VenueProfile) -> Result<(), String> {
    let mut world = world(profile, BTreeMap::new());
    let mut request = request(&world);
    let mut multipliers = vec![Factor::from_integer(2); 4];
    multipliers[0] = "0.05".parse().unwrap();
    request.spec.multipliers = multipliers;
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(30));
    require(shown(&world).is_zero(), || "opened with a rung that the venue cannot take".into())
}

/// The entry is sent only after margin mode and leverage were confirmed.
fn settings_first(profile: &VenueProfile) -> Result<(), String> {
    let mut world = world(profile, BTreeMap::new());
    world.narrate();
    let request = request(&world);
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(5));
    let line = |what: &str| world.story().iter().position(|(_, line)| line.starts_with(what));
    let (confirmed, sent) = (line("<- Setup(PositionNo(1), Leverage) accepted"), line("-> place"));
    require(confirmed.is_some() && confirmed < sent, || format!("confirmed at {confirmed:?}, sent at {sent:?}"))
}

/// The venue takes no more orders on the contract, and so no stop: that is no matter of waiting. Plans that hang on
/// the position are no orders of the contract.
fn stop_refused_for_good(profile: &VenueProfile) -> Result<(), String> {
    if profile.capabilities.protection == kraite_core::capabilities::Protection::Paired {
        return Ok(());
    }
    let mut world = world(profile, BTreeMap::new());
    let mut rules = presets::instrument();
    rules.max_orders = Some(4);
    world.venue.change_filters(rules);
    let request = request(&world);
    open(&mut world, 1, request);
    world.run_for(Millis::from_secs(20));
    require(shown(&world).is_zero(), || "exposure stays open although the stop is refused for good".into())?;
    ends(&mut world, Phase::Closed, Why::StopRefused)
}

/// A rung's request is lost, and the stop waits for none of that.
fn rung_lost(profile: &VenueProfile) -> Result<(), String> {
    let calm = active(profile)?.nemesis.trail.clone();
    let requests: Vec<u64> = (0u64..).zip(&calm).filter(|(_, p)| **p == Point::Request).map(|(n, _)| n).collect();
    // Two settings, the entry, then the rungs.
    for number in &requests[3..7] {
        let mut world = world(profile, BTreeMap::from([(*number, Fate::Lose)]));
        let request = request(&world);
        open(&mut world, 1, request);
        world.run_for(Millis::from_secs(3));
        require(!resting(&world, Role::Stop).is_empty(), || "no stop while a rung is in doubt".into())?;
    }
    Ok(())
}
