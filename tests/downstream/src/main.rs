//! Opens one position on the venue's demo network and waits until it is protected.
//!
//! `KEY=… SECRET=… downstream-bot`. What is remembered goes with the process, which is enough for a demo network and for
//! nothing else: a bot with money in it takes the journal of kraite-journal.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use kraite_binance::codec::{Credentials, Signer};
use kraite_binance::{Binance, Config, Hosts};
use kraite_core::engine::{CommandId, Config as Bounds, Notice};
use kraite_core::exchange::Direction;
use kraite_core::id::{AccountTag, Epoch, Symbol};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Run, Snapshot};
use kraite_engine::{Clock, Ready, Slice, Terms, Watch, Wish, Worker};
use secrecy::SecretString;

#[derive(Default)]
struct Forgetful(Mutex<BTreeMap<AccountTag, (Epoch, Loaded)>>);

impl Forgetful {
    fn with<T>(&self, account: AccountTag, act: impl FnOnce(&mut (Epoch, Loaded)) -> T) -> T {
        act(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(account).or_default())
    }
}

#[async_trait]
impl Journal for Forgetful {
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        // Ids carry the epoch: a process that forgets may not begin at the same one again.
        let minutes = u32::try_from(Clock::real().now().0 / 60_000).ok().and_then(Epoch::new);
        self.with(account, |(owner, _)| {
            *owner = owner.next().max(minutes).ok_or_else(|| JournalError::Unavailable("no epoch is left".into()))?;
            Ok(*owner)
        })
    }

    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        let run = Run::of(account, records)?;
        self.with(account, |(owner, loaded)| {
            if run.epoch != *owner {
                return Err(JournalError::NotOwner { account, owner: *owner, ours: run.epoch });
            }
            let last = loaded.records.last().map(|record| record.seq);
            let last = last.or(loaded.snapshot.as_ref().map(|snapshot| snapshot.seq)).unwrap_or(0);
            if run.first != last + 1 {
                return Err(JournalError::OutOfSequence { account, expected: last + 1, got: run.first });
            }
            loaded.records.extend_from_slice(records);
            Ok(run.durable(account))
        })
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        Ok(self.with(account, |(_, loaded)| loaded.clone()))
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.with(account, |(_, loaded)| {
            loaded.records.retain(|record| record.seq > snapshot.seq);
            loaded.snapshot = Some(snapshot.clone());
        });
        Ok(())
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let account = AccountTag::new(7).ok_or("not a tag")?;
    let signer = Signer::hmac(&SecretString::from(std::env::var("SECRET")?))?;
    let credentials = Credentials::new(SecretString::from(std::env::var("KEY")?), signer);
    let exchange = Binance::connect(Config::new(Hosts::demo()?), credentials).await?;

    let (mut watch, observer) = Watch::new(|notice: &Notice| eprintln!("{}", notice.message));
    let (connect, journal) = (Arc::new(Ready(Arc::new(exchange))), Arc::new(Forgetful::default()));
    let (worker, mut desk) = Worker::new(account, Bounds::default(), connect, journal, Clock::real(), observer);
    let running = tokio::spawn(worker.run());
    desk.connected().await.ok_or("the worker ended")?;

    let terms = Terms::default_for(Direction::Long, Slice::Fixed("100".parse()?), 10);
    desk.take(CommandId(1), Wish::Open(Symbol::new("SOLUSDT"), Box::new(terms))).await?;
    let seen = watch.active(CommandId(1)).await?;
    println!("position {} on {}: {} open, stop and target accepted", seen.position, seen.symbol, seen.exposure);

    drop(desk);
    running.await??;
    Ok(())
}
