#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use kraite::core::id::{AccountTag, PositionNo};
use kraite::core::position::Phase;
use kraite::sim::backtest::*;
use kraite::sim::data::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (klines, symbol, seed, hostility) = (&a[1], &a[2], a[3].parse::<u64>().unwrap(), &a[4]);
    let info = std::io::read_to_string(
        open_text(std::path::Path::new("/work/shared/data/binance-um/exchange-info-2025-09-18.json.gz")).unwrap(),
    )
    .unwrap();
    let br = std::io::read_to_string(
        open_text(std::path::Path::new("/work/shared/data/binance-um/leverage-brackets-2024-10-24.json.gz")).unwrap(),
    )
    .unwrap();
    let instrument = kraite::binance::ExchangeInfo::read(&info)
        .unwrap()
        .instrument(symbol, Some(&kraite::binance::read_brackets(&br).unwrap()))
        .unwrap();
    let (bars, _) = read_klines(&[klines.into()], Gaps::Refuse, None, None).unwrap();
    let spec = kraite::core::sizing::LadderSpec {
        direction: kraite::core::exchange::Direction::Long,
        rungs: 4,
        gap: "8.5".parse().unwrap(),
        multipliers: vec!["2".parse().unwrap()],
        profit: "0.36".parse().unwrap(),
        stop: "2.5".parse().unwrap(),
        model: kraite::core::sizing::SizingModel::Unbounded,
        basis: kraite::core::sizing::TargetBasis::AverageEntry,
        headroom: "0.5".parse().unwrap(),
    };
    let paired = a.get(5).is_some_and(|x| x == "bitget");
    let style = kraite::core::plan::TargetStyle::TriggerMarket;
    let margin = default_margin(&instrument, &spec, 20, bars[0].open, style).unwrap();
    let plan = Plan {
        instrument,
        spec,
        budget: kraite::core::sizing::Budget { margin, leverage_cap: 20 },
        sequence: kraite::core::plan::Sequence::LadderFirst,
        target_style: style,
        wallet: margin.scaled_by("20".parse().unwrap()).unwrap(),
        profile: if paired { kraite::sim::presets::bitget() } else { kraite::sim::presets::binance() },
        latency: kraite::sim::world::Latency::FAR,
    };
    let h = match hostility.as_str() {
        "none" => Hostility::None,
        "light" => Hostility::Light,
        _ => Hostility::Heavy,
    };
    let mut bt = Backtest::new(plan, h, seed, bars[0].open_time, vec![]);
    let account = AccountTag::new(1).unwrap();
    bt.world_mut().narrate();
    let mut told = 0;
    let want: Option<u32> = a.get(6).and_then(|x| x.parse().ok());
    for bar in &bars {
        bt.bar(bar);
        let failed: Option<PositionNo> = bt.world().engine(account).and_then(|e| {
            e.state()
                .positions
                .values()
                .find(|p| p.phase == Phase::Failed || want == Some(p.no.get()) && p.phase.is_terminal())
                .map(|p| p.no)
        });
        if let Some(no) = failed {
            let e = bt.world().engine(account).unwrap();
            let p = &e.state().positions[&no];
            println!(
                "{no:?} {:?} {:?} exposure {} cover {:?} external {:?}",
                p.phase,
                p.why,
                p.exposure(),
                p.cover,
                p.external
            );
            for o in p.orders.values() {
                println!(
                    "  {} {} {:?} cancel {} sup {} shape {:?} exec {} objects {:?}",
                    o.id,
                    o.role(),
                    o.life,
                    o.cancel_wanted,
                    o.superseded,
                    o.shape,
                    o.executed().qty,
                    o.ledger.objects().iter().map(|x| (x.venue_id.to_string(), x.status)).collect::<Vec<_>>()
                );
            }
            for (at, n) in bt.world().notices().iter().filter(|(_, n)| n.position == Some(no)) {
                println!("  notice {} {:?} {}", at.0, n.alert, n.message);
            }
            let created = p.created_at.0;
            let _ = told;
            told = 1;
            let end: i64 = a.get(7).and_then(|x| x.parse().ok()).unwrap_or(400_000);
            for (at, line) in bt.world().story().iter().filter(|(at, _)| at.0 > created - 2000 && at.0 < created + end)
            {
                println!("{} {line}", at.0 - created);
            }
            return;
        }
    }
    let o = bt.finish();
    println!("{:?}", o.verdict);
}
