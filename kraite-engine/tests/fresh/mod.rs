//! Journals that nobody has used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kraite_core::journal::Journal;
use kraite_journal::{MemoryJournal, PostgresJournal};

static MADE: AtomicU32 = AtomicU32::new(0);

/// How many times as fast as the wall a test's clock runs: a database takes its time for each commit, more on a busy machine.
pub(crate) fn speed() -> u32 {
    if std::env::var_os("KRAITE_POSTGRES").is_some() { 5 } else { 100 }
}

/// In memory, or where KRAITE_POSTGRES names a server in a database of its own there.
pub(crate) async fn journal() -> Arc<dyn Journal> {
    let Ok(server) = std::env::var("KRAITE_POSTGRES") else { return Arc::new(MemoryJournal::default()) };
    let name = format!("kraite_engine_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let joint = if server.contains('?') { '&' } else { '?' };
    println!("on PostgreSQL");
    Arc::new(PostgresJournal::connect(&format!("{server}{joint}dbname={name}")).await.unwrap())
}
