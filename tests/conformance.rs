//! The real backends before the conformance kit: both speak to an emulator that shares no code with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use async_trait::async_trait;
use kraite_binance::{Binance, LocalClock};
use kraite_bitget::Bitget;
use kraite_bitget::codec::Product;
use kraite_core::exchange::{Exchange, MarginMode, Outcome};
use kraite_core::id::Symbol;
use kraite_core::time::{LocalMillis, Millis, VenueMillis};
use kraite_engine::Clock;
use kraite_sim::conformance::wrong::{Wrong, wrong};
use kraite_sim::conformance::{EmulatorAccess, EmulatorStage, Guarantee, Verdict, judge, judge_some};
use kraite_sim::emulator::Protocol;

/// How many scenarios run at once: more would only wait for a processor.
const AT_ONCE: usize = 8;
/// How often a backend tries to connect on a busy machine, whose timeouts are scaled.
const TRIES: usize = 20;

#[derive(Debug)]
struct Scaled(Clock);

#[async_trait]
impl LocalClock for Scaled {
    fn now(&self) -> LocalMillis {
        self.0.now()
    }

    async fn sleep(&self, span: Millis) {
        self.0.sleep(span).await;
    }
}

async fn binance(access: EmulatorAccess) -> Result<Arc<dyn Exchange>, String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let signer = kraite_binance::codec::Signer::hmac(&access.secret.clone().into()).unwrap();
        let credentials = kraite_binance::codec::Credentials::new(access.key.clone().into(), signer);
        let config = kraite_binance::Config::new(kraite_binance::Hosts::emulator(&access.http, &access.ws).unwrap())
            .clock(Arc::new(Scaled(access.clock.clone())))
            .position_mode(access.mode);
        match Binance::connect(config, credentials).await {
            Ok(backend) => return Ok(Arc::new(backend)),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

async fn bitget(access: EmulatorAccess) -> Result<Arc<dyn Exchange>, String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let signer = kraite_bitget::codec::Signer::hmac(&access.secret.clone().into()).unwrap();
        let (key, passphrase) = (access.key.clone().into(), access.passphrase.clone().into());
        let credentials = kraite_bitget::codec::Credentials::new(key, passphrase, signer);
        let config = kraite_bitget::Config::new(kraite_bitget::Hosts::emulator(&access.http, &access.ws).unwrap())
            .clock(Arc::new(Scaled(access.clock.clone())))
            .position_mode(access.mode)
            .products([Product::Usdt]);
        let backend = match Bitget::connect(config, credentials).await {
            Ok(backend) => backend,
            Err(error) => {
                last = error.to_string();
                continue;
            }
        };
        // An order states its margin mode, which has to be known.
        let not_after = VenueMillis(access.clock.now().0).plus(Millis::from_secs(120));
        match backend.set_margin_mode(&Symbol::new("SOLUSDT"), MarginMode::Cross, not_after).await {
            Outcome::Accepted(_) => return Ok(Arc::new(backend)),
            other => last = format!("{other:?}"),
        }
    }
    Err(last)
}

async fn conforms(stage: EmulatorStage) -> Verdict {
    let verdict = judge(&stage, AT_ONCE).await;
    println!("{verdict}");
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.ran() >= 120, "{verdict}");
    verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_conforms() {
    conforms(EmulatorStage::new("Binance", Protocol::Binance, kraite_binance::capabilities(), binance)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bitget_conforms_on_a_classic_account() {
    conforms(EmulatorStage::new("Bitget classic", Protocol::BitgetClassic, kraite_bitget::capabilities(), bitget))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bitget_conforms_on_a_unified_account() {
    conforms(EmulatorStage::new("Bitget unified", Protocol::BitgetUnified, kraite_bitget::capabilities(), bitget))
        .await;
}

/// Wrong backends on the wire, each with what it breaks.
const WRONG: [(Wrong, Guarantee); 8] = [
    (Wrong::RetriesUnknown, Guarantee::NeverSentAgain),
    (Wrong::SwallowsServerError, Guarantee::UnknownIsTold),
    (Wrong::ReversesOutcomes, Guarantee::OneOutcomeEach),
    (Wrong::FlipsHedgeDirection, Guarantee::AskedIsHeld),
    (Wrong::IgnoresNotAfter, Guarantee::NotAfter),
    (Wrong::DropsTriggerOrders, Guarantee::OpenOrders),
    (Wrong::ExecutedIsStated, Guarantee::History),
    (Wrong::SwallowsReconnects, Guarantee::StreamConnects),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutant_a_wrong_backend_is_found_out_on_the_wire() {
    for (which, guarantee) in WRONG {
        let connect = move |access| async move { Ok(wrong(binance(access).await?, which)) };
        let stage =
            EmulatorStage::new(&format!("{which:?}"), Protocol::Binance, kraite_binance::capabilities(), connect);
        let verdict = judge_some(&stage, AT_ONCE, &[guarantee]).await;
        assert!(verdict.broken() > 0, "{verdict}");
        assert!(verdict.findings.iter().all(|f| f.guarantee == guarantee.name() || f.held == 0), "{verdict}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_connect_is_not_judged() {
    let connect = |_: EmulatorAccess| async { Err("no such backend".to_owned()) };
    let stage = EmulatorStage::new("nothing", Protocol::Binance, kraite_binance::capabilities(), connect);
    let verdict = judge_some(&stage, AT_ONCE, &[Guarantee::Declared]).await;
    assert!(!verdict.holds(), "{verdict}");
    assert_eq!((verdict.ran(), verdict.not_run()), (0, 1), "{verdict}");
}
