//! A database of its own for each test of the journal in PostgreSQL.
#![allow(clippy::disallowed_methods, reason = "servers have no other clock")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::atomic::{AtomicU32, Ordering};

use kraite_journal::PostgresJournal;
use tokio_postgres::{Client, NoTls};

/// An empty database of the server, which is gone when this is dropped.
pub(crate) struct Database {
    pub(crate) name: String,
}

static MADE: AtomicU32 = AtomicU32::new(0);

pub(crate) fn server() -> String {
    std::env::var("KRAITE_POSTGRES").expect("KRAITE_POSTGRES is the address of a PostgreSQL server")
}

/// An address with more words.
pub(crate) fn with(address: &str, words: &str) -> String {
    let separator = if address.contains('?') { '&' } else { '?' };
    format!("{address}{separator}{words}")
}

pub(crate) async fn client(address: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Database {
    pub(crate) async fn new() -> Self {
        let name = format!("kraite_test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        client(&server()).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { name }
    }

    pub(crate) fn address(&self) -> String {
        with(&server(), &format!("dbname={}", self.name))
    }

    pub(crate) async fn journal(&self) -> PostgresJournal {
        PostgresJournal::connect(&self.address()).await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        client(&self.address()).await
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    /// A table in words, row by row.
    pub(crate) async fn rows(&self, table: &str) -> Vec<String> {
        let sql = format!("SELECT t::text FROM {table} t ORDER BY 1");
        self.client().await.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let drop = move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { client(&server()).await.batch_execute(&sql).await.unwrap() });
        };
        let _ = std::thread::spawn(drop).join();
    }
}
